#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

namespace claimfs::backends {

// Lets a waiting operation be given up: what it is told to do runs at most once, from another
// thread, before the answer, and at once when the interrupt has been there already. Not to be told
// anything after the answer. Destroyed, it forgets what it was told, and waits for no one.
class Interruption {
 public:
  virtual ~Interruption() = default;
  virtual void on_interrupt(std::function<void()> give_up) = 0;
};

// Where the Interruption of an operation comes from. A backend that waits for somebody takes one;
// others pay nothing for it. A value, valid until the operation's answer: one of several steps
// takes another for each, and the last one taken is the one that is told.
struct InterruptionSource {
  std::shared_ptr<Interruption> (*interruption_of)(void* request) = nullptr;
  void* request = nullptr;

  // Null when the operation cannot be interrupted.
  std::shared_ptr<Interruption> take() const {
    return interruption_of ? interruption_of(request) : nullptr;
  }
};

// On whose behalf an operation is done. Permission was checked by the kernel (default_permissions)
// before the request came; this decides who owns what is created, and whom a server is told of.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t umask = 0;
  pid_t pid = 0;  // 0: unknown, or none of this pid namespace
  InterruptionSource interruptions{};
  // Where the bytes that a read is answered with may be put, until then: from there they go to the
  // kernel without being copied once more. Empty: there is no such place.
  std::span<std::byte> room{};
  // It is to be read what is there now, nothing that was remembered (O_DIRECT).
  bool wants_latest = false;
};

}  // namespace claimfs::backends
