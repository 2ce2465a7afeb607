#include "backends/nfs/remount.h"

#include <algorithm>
#include <utility>

namespace claimfs::backends::nfs {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Whoever met the stale root waits as long.
constexpr Clock::duration kPatience = seconds(5);
// As between attempts to connect.
constexpr Clock::duration kFirstPause = milliseconds(100);
constexpr Clock::duration kLongestPause = seconds(5);

}  // namespace

Remount::Remount(volumes::NfsOptions options, const FileHandle& root, Session& session,
                 std::function<void(const Export&)> found)
    : options_(std::move(options)), root_(root), session_(session), found_(std::move(found)) {
  session_.handles().set_root(root_, [this] { return begin(); });
}

// From the threads of connections.
bool Remount::begin() {
  ServerHandles& handles = session_.handles();
  handles.begin_change(root_);  // before anybody else can find that it has begun
  bool is_first = false;
  bool is_asking = false;
  {
    const std::scoped_lock lock(mutex_);
    is_first = !state_.is_asking && Clock::now() >= state_.not_before;
    state_.is_asking |= is_first;
    is_asking = state_.is_asking;
  }
  if (!is_first) {
    handles.end_change(root_, {});
    return is_asking;
  }
  // Most volumes never need it.
  if (!thread_.joinable())
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  has_begun_.notify_one();
  return true;
}

void Remount::run(const std::stop_token& stop) {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      if (!has_begun_.wait(lock, stop, [this] { return state_.is_asking; })) return;
    }
    const bool is_another = ask();
    session_.wake();
    const std::scoped_lock lock(mutex_);
    state_.is_asking = false;
    state_.pause =
        is_another ? kFirstPause : std::clamp(state_.pause * 2, kFirstPause, kLongestPause);
    state_.not_before = Clock::now() + state_.pause;
  }
}

// Whether that gave the root another handle.
bool Remount::ask() {
  ServerHandles& handles = session_.handles();
  const Result<MountedExport> mounted = mount_export(options_, Clock::now() + kPatience);
  const bool is_another = mounted && mounted->found.root_attributes.type == NF3DIR &&
                          mounted->found.root != handles.theirs(root_);
  handles.end_change(root_, is_another ? mounted->found.root : FileHandle());
  if (is_another) found_(mounted->found);
  return is_another;
}

}  // namespace claimfs::backends::nfs
