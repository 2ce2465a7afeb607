#include "fs/gate.h"

#include <atomic>
#include <chrono>
#include <cstring>
#include <future>
#include <vector>

#include "tests/unit/catch.h"

namespace claimfs::fs {

namespace {

RawRequest request(int number) {
  RawRequest raw;
  raw.memory.reset(static_cast<char*>(std::malloc(sizeof number)));
  std::memcpy(raw.memory.get(), &number, sizeof number);
  raw.size = sizeof number;
  return raw;
}

int number_of(const RawRequest& raw) {
  int number = 0;
  std::memcpy(&number, raw.memory.get(), sizeof number);
  return number;
}

}  // namespace

TEST_CASE("a gate lets its width in and queues the rest in order", "[gate]") {
  Gate gate;
  for (std::size_t inside = 0; inside < Gate::kWidth; ++inside) {
    RawRequest raw = request(-1);
    CHECK(gate.enter(raw) == Gate::Entered::Inside);
    CHECK(raw.memory);  // the caller's to serve
  }
  for (int number = 0; number < 5; ++number) {
    RawRequest raw = request(number);
    CHECK(gate.enter(raw) == Gate::Entered::Queued);
    CHECK_FALSE(raw.memory);
  }
  for (int number = 0; number < 5; ++number) {
    const auto next = gate.leave();
    REQUIRE(next);
    CHECK(number_of(*next) == number);
  }
  // Who took one along is still inside.
  RawRequest raw = request(9);
  CHECK(gate.enter(raw) == Gate::Entered::Queued);
  CHECK(gate.leave());
  for (std::size_t inside = 0; inside < Gate::kWidth; ++inside) CHECK_FALSE(gate.leave());
  RawRequest again = request(10);
  CHECK(gate.enter(again) == Gate::Entered::Inside);
}

TEST_CASE("a gate's queue is bounded, and what waits in it is freed", "[gate]") {
  Gate gate;
  for (std::size_t entered = 0; entered < Gate::kWidth + Gate::kQueue; ++entered) {
    RawRequest raw = request(0);
    REQUIRE(gate.enter(raw) != Gate::Entered::Refused);
  }
  RawRequest raw = request(1);
  CHECK(gate.enter(raw) == Gate::Entered::Refused);
  CHECK(raw.memory);
  CHECK(gate.leave());
  CHECK(gate.enter(raw) == Gate::Entered::Queued);
}

TEST_CASE("who waits for a turn is let in when somebody leaves", "[gate]") {
  Gate gate;
  for (std::size_t inside = 0; inside < Gate::kWidth; ++inside) gate.wait_inside();
  RawRequest raw = request(7);
  REQUIRE(gate.enter(raw) == Gate::Entered::Queued);
  std::atomic<int> let_in{0};
  std::promise<void> may_leave;
  const std::shared_future<void> leaving = may_leave.get_future().share();
  const auto comes = [&] {
    return std::async(std::launch::async, [&] {
      gate.wait_inside();
      ++let_in;
      leaving.wait();
      return gate.leave().has_value();
    });
  };
  auto first = comes();
  auto second = comes();
  CHECK(first.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  CHECK(let_in == 0);
  const auto next = gate.leave();  // what was queued before them
  REQUIRE(next);
  CHECK(number_of(*next) == 7);
  CHECK_FALSE(gate.leave());
  CHECK_FALSE(gate.leave());
  may_leave.set_value();
  CHECK_FALSE(first.get());
  CHECK_FALSE(second.get());
  CHECK(let_in == 2);
  for (std::size_t inside = 2; inside < Gate::kWidth; ++inside) {
    CHECK_FALSE(gate.is_empty());
    CHECK_FALSE(gate.leave());
  }
  CHECK(gate.is_empty());
}

}  // namespace claimfs::fs
