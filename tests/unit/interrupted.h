#pragma once

#include <functional>
#include <memory>
#include <utility>

#include "backends/caller.h"

namespace claimfs::tests {

// A caller whose interruption comes from the test.
struct Interrupted final : backends::Interruption {
  void on_interrupt(std::function<void()> give_up) override { now = std::move(give_up); }
  std::function<void()> now;
};

inline backends::Caller caller_who_can(std::shared_ptr<Interrupted>& interruption) {
  backends::Caller caller;
  caller.interruptions = {[](void* held) -> std::shared_ptr<backends::Interruption> {
                            return *static_cast<std::shared_ptr<Interrupted>*>(held);
                          },
                          &interruption};
  return caller;
}

}  // namespace claimfs::tests
