#include "control/directory_watch.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cstdint>

namespace claimfs::control {
namespace {

constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE |
                                  IN_CREATE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
// Editors and `cp -r` make several changes at once; some programs never stop.
constexpr int kQuietMs = 30;
constexpr auto kLongestBurst = std::chrono::seconds(1);

bool is_readable(int descriptor, int timeout_ms) {
  pollfd entry{.fd = descriptor, .events = POLLIN, .revents = 0};
  return poll(&entry, 1, timeout_ms) > 0;
}

void drain(int descriptor) {
  std::array<char, 4096> buffer;
  while (read(descriptor, buffer.data(), buffer.size()) > 0) {
  }
}

}  // namespace

DirectoryWatch::DirectoryWatch(const std::vector<std::string>& directories)
    : directories_(directories),
      inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  watch_new();
}

bool DirectoryWatch::watch_new() {
  bool is_new = false;
  for (const std::string& directory : directories_) {
    // To add a watch again is cheap, and gives its old number.
    const int watch = inotify_add_watch(inotify_.get(), directory.c_str(), kEvents);
    if (watch >= 0) is_new |= watches_.insert(watch).second;
  }
  return is_new;
}

bool DirectoryWatch::wait(std::chrono::milliseconds timeout) {
  if (watch_new()) return true;
  std::array<pollfd, 2> entries = {pollfd{.fd = inotify_.get(), .events = POLLIN, .revents = 0},
                                   pollfd{.fd = wake_.get(), .events = POLLIN, .revents = 0}};
  if (poll(entries.data(), entries.size(), static_cast<int>(timeout.count())) <= 0) return false;
  if (entries[1].revents != 0) drain(wake_.get());
  if (entries[0].revents == 0) return false;
  const auto end = std::chrono::steady_clock::now() + kLongestBurst;
  do {
    drain(inotify_.get());
  } while (std::chrono::steady_clock::now() < end && is_readable(inotify_.get(), kQuietMs));
  return true;
}

void DirectoryWatch::wake() {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the waiter is awake anyway.
  [[maybe_unused]] const auto written = write(wake_.get(), &one, sizeof one);
}

}  // namespace claimfs::control
