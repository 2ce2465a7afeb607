#include "store/doorbell.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

namespace claimfs::store {

void ring_doorbell(const StateFiles& files) {
  if (::utimensat(AT_FDCWD, files.doorbell.c_str(), nullptr, 0) != 0 && errno == ENOENT) {
    ::mknod(files.doorbell.c_str(), S_IFREG | 0600, 0);
  }
}

Result<std::unique_ptr<DoorbellListener>> DoorbellListener::open(const StateFiles& files) {
  Fd waker(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!waker) return failure_from_errno("eventfd");
  std::unique_ptr<DoorbellListener> listener(new DoorbellListener(files, std::move(waker)));
  listener->listen();
  return listener;
}

// Without inotify (its instances are limited: 128 a user unless set otherwise) every wait ends with
// Nothing, and the listener is as quick as its slow looks.
bool DoorbellListener::listen() {
  inotify_ = Fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify_) return false;
  ::mknod(files_.doorbell.c_str(), S_IFREG | 0600, 0);
  const bool is_listening =
      ::inotify_add_watch(inotify_.get(), files_.doorbell.c_str(), IN_ATTRIB) >= 0 &&
      ::inotify_add_watch(inotify_.get(), files_.sessions.c_str(), IN_CLOSE_WRITE | IN_ONLYDIR) >=
          0;
  if (!is_listening) inotify_.reset();
  return is_listening;
}

DoorbellListener::Heard DoorbellListener::wait(std::chrono::milliseconds timeout) {
  if (!inotify_ && listen()) return Heard::Ring;  // who knows what came while it did not listen
  pollfd watched[] = {{waker_.get(), POLLIN, 0},
                      {inotify_.get(), POLLIN, 0}};  // poll passes over -1
  const auto timeout_ms =
      std::min<std::chrono::milliseconds::rep>(timeout.count(), std::numeric_limits<int>::max());
  if (::poll(watched, 2, static_cast<int>(timeout_ms)) <= 0) return Heard::Nothing;
  if (watched[1].revents != 0) drain();
  if (watched[0].revents != 0) {
    std::uint64_t count;
    (void)!::read(waker_.get(), &count, sizeof count);
    return Heard::Wake;
  }
  return Heard::Ring;
}

void DoorbellListener::drain() {
  alignas(inotify_event) char events[4096];
  for (;;) {
    const ssize_t size = ::read(inotify_.get(), events, sizeof events);
    if (size <= 0) return;
    for (ssize_t at = 0; at < size;) {
      inotify_event event;
      std::memcpy(&event, events + at, sizeof event);
      if (event.mask & IN_IGNORED)
        return inotify_.reset();  // a file was removed: the next wait begins anew
      at += static_cast<ssize_t>(sizeof event + event.len);
    }
  }
}

void DoorbellListener::wake() {
  const std::uint64_t one = 1;
  (void)!::write(waker_.get(), &one, sizeof one);
}

}  // namespace claimfs::store
