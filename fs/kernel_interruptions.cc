#include "fs/kernel_interruptions.h"

#include <atomic>
#include <unordered_map>
#include <utility>

#include "base/guarded.h"
#include "fs/kernel_requests.h"

namespace claimfs::fs {

namespace {

// libfuse calls back with a plain pointer, perhaps while the answer is on its way: what it leads to
// is looked up by number, so that a late interrupt finds nothing instead of something freed.
class AnySignal final : public Interruption {
 public:
  explicit AnySignal(fuse_req_t request)
      : request_(request), number_(next_number_.fetch_add(1, std::memory_order_relaxed)) {}
  ~AnySignal() override {
    pending().with([&](auto& all) { all.erase(number_); });
  }

  void on_interrupt(std::function<void()> give_up) override {
    pending().with([&](auto& all) { all[number_] = std::move(give_up); });
    fuse_req_interrupt_func(
        request_,
        [](fuse_req_t, void* number) {
          std::function<void()> now;
          pending().with([&](auto& all) {
            const auto found = all.find(reinterpret_cast<std::uintptr_t>(number));
            if (found != all.end()) now = std::move(found->second);
          });
          if (now) now();
        },
        reinterpret_cast<void*>(number_));
  }

 private:
  using Pending = std::unordered_map<std::uintptr_t, std::function<void()>>;
  static Guarded<Pending>& pending() {
    static Guarded<Pending> all;
    return all;
  }
  static inline std::atomic<std::uintptr_t> next_number_{1};

  fuse_req_t request_;
  std::uintptr_t number_;
};

// libfuse calls back under the request's own lock: whoever gives up there, and answers, frees it.
// So it is only noted there, and done by the watcher's thread.
class EndOfCaller final : public Interruption {
 public:
  EndOfCaller(fuse_req_t request, std::shared_ptr<ImpatientCallers> impatient,
              ImpatientCallers::Watched watched)
      : request_(request), impatient_(std::move(impatient)), watched_(watched) {}
  ~EndOfCaller() override {
    if (number_ != 0) impatient_->forget(number_);
  }

  void on_interrupt(std::function<void()> give_up) override {
    if (number_ != 0) impatient_->forget(number_);
    number_ = impatient_->wait(fuse_req_ctx(request_)->pid, watched_, std::move(give_up));
    fuse_req_interrupt_func(request_, note, reinterpret_cast<void*>(number_));
  }

 private:
  static void note(fuse_req_t request, void* number) {
    static_cast<KernelSide*>(fuse_req_userdata(request))
        ->impatient->signalled(reinterpret_cast<std::uintptr_t>(number));
  }

  fuse_req_t request_;
  std::shared_ptr<ImpatientCallers> impatient_;
  ImpatientCallers::Watched watched_;
  ImpatientCallers::Number number_ = 0;
};

}  // namespace

std::shared_ptr<Interruption> any_signal_of(fuse_req_t request) {
  return std::make_shared<AnySignal>(request);
}

std::shared_ptr<Interruption> end_of_caller(fuse_req_t request,
                                            const std::shared_ptr<ImpatientCallers>& impatient,
                                            ImpatientCallers::Watched watched) {
  return std::make_shared<EndOfCaller>(request, impatient, watched);
}

}  // namespace claimfs::fs
