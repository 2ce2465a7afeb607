#pragma once

#include <cstddef>
#include <cstdlib>
#include <deque>
#include <future>
#include <memory>
#include <optional>

#include "base/guarded.h"

namespace claimfs::fs {

// Frees memory, unless that is somebody else's.
struct FreeOurs {
  bool is_ours = true;
  void operator()(char* memory) const {
    if (is_ours) std::free(memory);
  }
};

// A request as the kernel sent it, not yet looked into.
struct RawRequest {
  std::unique_ptr<char, FreeOurs> memory;
  std::size_t size = 0;
};

// Bounds how many workers one volume occupies: a frozen disk or server stalls its own claim, and
// the others' requests still find a worker. Who comes when it is full leaves the request here and
// goes on, or waits for a turn; who leaves takes the next request along, or lets the next one in.
class Gate {
 public:
  // Workers are threads; 16 keep any local disk busy.
  static constexpr std::size_t kWidth = 16;
  // One request a waiting caller; past this, callers get ENOMEM.
  static constexpr std::size_t kQueue = 16'384;

  enum class Entered { Inside, Queued, Refused };

  // Inside: the caller serves it, then calls leave(). Queued: `request` was taken.
  Entered enter(RawRequest& request) {
    return state_.with([&](State& state) {
      if (state.inside < kWidth) {
        ++state.inside;
        return Entered::Inside;
      }
      if (state.waiting.size() >= kQueue) return Entered::Refused;
      state.waiting.push_back({.request = std::move(request), .turn = nullptr});
      return Entered::Queued;
    });
  }

  // By a thread that has nothing else to do: inside when it returns.
  void wait_inside() {
    std::shared_ptr<std::promise<void>> turn;
    state_.with([&](State& state) {
      if (state.inside < kWidth) {
        ++state.inside;
        return;
      }
      turn = std::make_shared<std::promise<void>>();
      state.waiting.push_back({.request = {}, .turn = turn});
    });
    if (turn) turn->get_future().wait();
  }

  // No request is inside or waits.
  bool is_empty() const {
    return state_.with([](const State& state) { return state.inside == 0; });
  }

  // The next request to serve in place of the one that is done, or none, and the caller is outside.
  std::optional<RawRequest> leave() {
    std::shared_ptr<std::promise<void>> turn;
    auto next = state_.with([&](State& state) -> std::optional<RawRequest> {
      if (state.waiting.empty()) {
        --state.inside;
        return std::nullopt;
      }
      Waiting first = std::move(state.waiting.front());
      state.waiting.pop_front();
      turn = std::move(first.turn);
      if (turn) return std::nullopt;
      return std::move(first.request);
    });
    if (turn) turn->set_value();
    return next;
  }

 private:
  struct Waiting {
    RawRequest request;
    std::shared_ptr<std::promise<void>> turn;  // or who waits for that
  };
  struct State {
    std::size_t inside = 0;
    std::deque<Waiting> waiting;
  };
  Guarded<State> state_;
};

}  // namespace claimfs::fs
