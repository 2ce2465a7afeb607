// Who reads the kernel's requests, and who is called when that one is held up.

#include "fs/reading_turn.h"

#include <future>
#include <thread>
#include <vector>

#include "base/guarded.h"
#include "base/adaptive_spin.h"
#include "tests/unit/catch.h"

namespace claimfs::fs {
namespace {

using namespace std::chrono_literals;

constexpr auto kPatience = 10s;

// Counts those that were asked for, and tells when there are so many.
class Asked {
 public:
  void one_more() {
    {
      std::scoped_lock lock(mutex_);
      ++count_;
    }
    changed_.notify_all();
  }
  bool are(int count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kPatience, [&] { return count_ >= count; });
  }
  int count() {
    std::scoped_lock lock(mutex_);
    return count_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

}  // namespace

TEST_CASE("one thread at a time has the turn", "[reading_turn]") {
  ReadingTurn turn([] {});
  std::atomic<int> reading{0};
  std::atomic<int> left{2000};
  std::atomic<bool> was_alone{true};
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number)
    threads.emplace_back([&] {
      while (turn.take()) {
        if (++reading != 1) was_alone = false;
        --reading;
        turn.give_back();
        turn.call_another();
        if (--left <= 0) turn.end();
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(was_alone);
  CHECK(left <= 0);
}

TEST_CASE("a thread that is held up is replaced", "[reading_turn]") {
  Asked asked;
  ReadingTurn turn([&] { asked.one_more(); });
  REQUIRE(turn.take());
  SECTION("after its first request") {}
  SECTION("after a time without requests") {
    std::this_thread::sleep_for(100 * ReadingTurn::kTick);  // what watches has gone to sleep
  }
  SECTION("and whoever replaces it") {
    turn.give_back();
    REQUIRE(asked.are(1));
    REQUIRE(turn.take());
  }
  const int before = asked.count();
  turn.give_back();  // and it serves, and serves
  CHECK(asked.are(before + 1));
}

TEST_CASE("nobody is asked for while one reads", "[reading_turn]") {
  Asked asked;
  ReadingTurn turn([&] { asked.one_more(); });
  for (int time = 0; time < 3; ++time) {
    REQUIRE(turn.take());
    std::this_thread::sleep_for(20 * ReadingTurn::kTick);
    turn.give_back();
  }
  // A slow machine may take longer than a tick from a turn's end to the next one's beginning, three
  // times; a keeper that does not see who reads asks sixty times.
  CHECK(asked.count() < 40);
}

TEST_CASE("an idle thread is called before another is made", "[reading_turn]") {
  Asked asked;
  ReadingTurn turn([&] { asked.one_more(); });
  REQUIRE(turn.take());
  std::promise<bool> second;
  std::thread idle([&] { second.set_value(turn.take()); });
  auto has_turn = second.get_future();
  // While one reads the keeper asks for nobody: who is asked for here, we ask for.
  const auto is_idle_one_called = [&] {
    const int before = asked.count();
    turn.call_another();
    return asked.count() == before;
  };
  const auto until = std::chrono::steady_clock::now() + kPatience;
  bool is_called = false;
  while (!is_called && std::chrono::steady_clock::now() < until) is_called = is_idle_one_called();
  CHECK(is_called);
  CHECK(has_turn.wait_for(20ms) == std::future_status::timeout);  // not before the turn is free
  turn.give_back();
  turn.call_another();
  REQUIRE(has_turn.wait_for(kPatience) == std::future_status::ready);
  CHECK(has_turn.get());
  idle.join();
}

TEST_CASE("the end brings back those that wait for a turn", "[reading_turn]") {
  ReadingTurn turn([] {});
  REQUIRE(turn.take());
  std::vector<std::future<bool>> waiting;
  for (int number = 0; number < 6; ++number)
    waiting.push_back(std::async(std::launch::async, [&] { return turn.take(); }));
  turn.end();
  for (auto& one : waiting) {
    REQUIRE(one.wait_for(kPatience) == std::future_status::ready);
    CHECK_FALSE(one.get());
  }
  CHECK_FALSE(turn.take());
}

TEST_CASE("who waits awake gives that up where nothing comes", "[reading_turn]") {
  AdaptiveSpin spin(50us);
  int attempts = 0;
  const auto comes = [&](bool comes_at_once) {
    attempts = 0;
    for (int time = 0; time < 320; ++time) {
      bool is_tried = false;
      spin.until([&] {
        is_tried = true;
        return comes_at_once;
      });
      attempts += is_tried ? 1 : 0;
    }
    return attempts;
  };
  CHECK(comes(true) == 320);
  CHECK(comes(false) < 20);
  CHECK(comes(false) > 0);   // it may have changed
  CHECK(comes(true) > 250);  // and then it is soon as before
}

}  // namespace claimfs::fs
