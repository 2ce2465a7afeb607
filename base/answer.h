#pragma once

#include <cassert>
#include <cerrno>
#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace claimfs {

// The right, and the duty, to complete one operation exactly once, from any thread, inline or
// later.
//
// Made from a callable `bool(Result<T>)` that says whether the receiver took the result: the kernel
// drops the answer to an interrupted request, and what that answer counted must then be undone by
// whoever gave it. Callables up to kInlineBytes are stored in place, so that the hot path allocates
// nothing. Dropping an Answer without completing it is a mistake of ours: it completes with EIO,
// and debug builds stop.
template <class T>
class Answer {
 public:
  static constexpr std::size_t kInlineBytes = 96;

  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Answer> &&
                                              std::is_invocable_r_v<bool, F&, Result<T>>>>
  Answer(F&& deliver) {  // NOLINT(google-explicit-constructor): a lambda where an answer is wanted
    using Target = std::decay_t<F>;
    if constexpr (sizeof(Target) <= kInlineBytes && alignof(Target) <= alignof(std::max_align_t) &&
                  std::is_nothrow_move_constructible_v<Target>) {
      new (storage_) Target(std::forward<F>(deliver));
      behaviour_ = &kInPlace<Target>;
    } else {
      new (storage_) Target*(new Target(std::forward<F>(deliver)));
      behaviour_ = &kOnHeap<Target>;
    }
  }
  Answer(Answer&& other) noexcept : behaviour_(std::exchange(other.behaviour_, nullptr)) {
    if (behaviour_) behaviour_->relocate(other.storage_, storage_);
  }
  Answer& operator=(Answer&&) = delete;
  ~Answer() {
    if (!behaviour_) return;
    complete(failure(EIO));
#ifdef CLAIMFS_DEBUG
    assert(!"an answer was dropped");
#endif
  }

  // Returns whether the receiver took the result. Call once.
  bool complete(Result<T> result) {
    assert(behaviour_ && "an answer is completed exactly once");
    const Behaviour* behaviour = std::exchange(behaviour_, nullptr);
    return behaviour->deliver_and_destroy(storage_, std::move(result));
  }
  bool fail(int errno_code) { return complete(failure(errno_code)); }
  // The same where nothing is left to be done: `if (!node) return answer.refuse(node.error());`
  void refuse(Error error) { complete(failure(std::move(error))); }

 private:
  struct Behaviour {
    void (*relocate)(void* from, void* to);
    bool (*deliver_and_destroy)(void* storage, Result<T>&& result);
  };
  template <class Target>
  static constexpr Behaviour kInPlace = {[](void* from, void* to) {
                                           auto* target = static_cast<Target*>(from);
                                           new (to) Target(std::move(*target));
                                           target->~Target();
                                         },
                                         [](void* storage, Result<T>&& result) {
                                           auto* target = static_cast<Target*>(storage);
                                           struct Destroy {
                                             Target* target;
                                             ~Destroy() { target->~Target(); }
                                           } destroy{target};
                                           return (*target)(std::move(result));
                                         }};
  template <class Target>
  static constexpr Behaviour kOnHeap = {
      [](void* from, void* to) { new (to) Target*(*static_cast<Target**>(from)); },
      [](void* storage, Result<T>&& result) {
        auto* target = *static_cast<Target**>(storage);
        struct Destroy {
          Target* target;
          ~Destroy() { delete target; }
        } destroy{target};
        return (*target)(std::move(result));
      }};

  const Behaviour* behaviour_ = nullptr;
  alignas(std::max_align_t) std::byte storage_[kInlineBytes];
};

}  // namespace claimfs
