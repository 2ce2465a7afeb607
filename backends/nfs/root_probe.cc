#include "backends/nfs/root_probe.h"

#include <atomic>

namespace claimfs::backends::nfs {

namespace {

// Threads of all volumes that ask beside: a listing of a thousand dead ones starts no thousand. Who
// finds no place comes with the next listing.
constexpr int kMostBeside = 64;
std::atomic<int> asking_beside{0};

}  // namespace

Result<Attributes> RootProbe::get() {
  {
    std::unique_lock lock(mutex_);
    if (!last_) {
      has_answer_.wait(lock, [this] { return last_ || !is_asking_; });
    }
    if (last_) {
      const Result<Attributes> known = *last_;
      if (known || is_asking_ || Clock::now() - failed_at_ < trust_) return known;
      is_asking_ = true;
      lock.unlock();
      if (!begin_beside()) {
        lock.lock();
        is_asking_ = false;
      }
      return known;
    }
    is_asking_ = true;
  }
  return ask_now();
}

Result<Attributes> RootProbe::ask_now() {
  const Result<Attributes> answer = ask_();
  const std::scoped_lock lock(mutex_);
  is_asking_ = false;
  // What somebody has seen meanwhile stays.
  if (answer || !last_ || !*last_) last_ = answer;
  if (!answer) failed_at_ = Clock::now();
  has_answer_.notify_all();
  return *last_;
}

bool RootProbe::begin_beside() {
  if (asking_beside.fetch_add(1) >= kMostBeside) {
    --asking_beside;
    return false;
  }
  beside_ = std::jthread([this] {
    [[maybe_unused]] const Result<Attributes> answer = ask_now();
    --asking_beside;
  });
  return true;
}

void RootProbe::saw(const Attributes& root) {
  const std::scoped_lock lock(mutex_);
  last_ = root;
  has_answer_.notify_all();
}

}  // namespace claimfs::backends::nfs
