// Who is given up while a server does not answer, and when.

#include "fs/impatient_callers.h"

#include <atomic>
#include <csignal>
#include <future>
#include <map>

#include "base/guarded.h"
#include "tests/unit/catch.h"

namespace claimfs::fs {
namespace {

using namespace std::chrono_literals;

CallerSignals told(int signal, bool is_caught = false) {
  const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(signal - 1);
  CallerSignals signals;
  signals.is_there = true;
  signals.pending = bit;
  if (is_caught) signals.caught = bit;
  return signals;
}

// Callers whose signals a test sets, and which tell how often they were looked at.
class Callers {
 public:
  void set(pid_t caller, CallerSignals signals) {
    signals_.with([&](auto& all) { all[caller] = signals; });
  }
  CallerSignals look(pid_t caller) {
    ++looks_;
    return signals_.with([&](auto& all) { return all[caller]; });
  }
  int looks() const { return looks_.load(); }
  // True once they have been looked at so often again.
  bool are_looked_at(int times) {
    const int wanted = looks() + times;
    const auto deadline = std::chrono::steady_clock::now() + 10s;
    while (looks() < wanted) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::yield();
    }
    return true;
  }
  ImpatientCallers::Look as_look() {
    return [this](pid_t caller) { return look(caller); };
  }

 private:
  Guarded<std::map<pid_t, CallerSignals>> signals_;
  std::atomic<int> looks_{0};
};

constexpr ImpatientCallers::Timing kQuick = {.asks_to_end_after = 1h, .interval = 1ms};

// A request, and the moment in which it is given up.
struct Request {
  std::promise<void> given_up;
  std::atomic<int> times{0};
  std::function<void()> give_up() {
    return [this] {
      if (++times == 1) given_up.set_value();
    };
  }
  bool is_given_up() { return given_up.get_future().wait_for(10s) == std::future_status::ready; }
};

TEST_CASE("a caller that is killed is given up, at its first signal and later", "[impatient]") {
  Callers callers;
  Request at_once, later, never;  // outlive the watcher
  ImpatientCallers impatient(callers.as_look(), kQuick);

  callers.set(1, told(SIGKILL));
  const auto first = impatient.wait(1, ImpatientCallers::Watched::AfterSignal, at_once.give_up());
  impatient.signalled(first);
  CHECK(at_once.is_given_up());

  // The kernel tells of the first signal only.
  callers.set(2, told(SIGUSR1, true));
  callers.set(3, told(SIGUSR1, true));
  const auto second = impatient.wait(2, ImpatientCallers::Watched::AfterSignal, later.give_up());
  const auto third = impatient.wait(3, ImpatientCallers::Watched::AfterSignal, never.give_up());
  impatient.signalled(second);
  impatient.signalled(third);
  REQUIRE(callers.are_looked_at(10));
  CHECK(later.times == 0);
  callers.set(2, told(SIGKILL));
  CHECK(later.is_given_up());
  REQUIRE(callers.are_looked_at(10));
  CHECK(later.times == 1);
  CHECK(never.times == 0);
  impatient.forget(third);
}

TEST_CASE("nobody is looked at before a signal, nor after the answer", "[impatient]") {
  Callers callers;
  Request quiet, answered, close;
  ImpatientCallers impatient(callers.as_look(), kQuick);
  callers.set(1, told(SIGKILL));
  callers.set(2, told(SIGUSR1, true));
  impatient.wait(1, ImpatientCallers::Watched::AfterSignal, quiet.give_up());
  CHECK(callers.looks() == 0);
  const auto number = impatient.wait(2, ImpatientCallers::Watched::AfterSignal, answered.give_up());
  impatient.signalled(number);
  REQUIRE(callers.are_looked_at(3));
  impatient.forget(number);
  impatient.forget(number);
  impatient.signalled(number);
  callers.set(2, told(SIGKILL));

  callers.set(3, told(SIGKILL));
  impatient.wait(3, ImpatientCallers::Watched::FromTheStart, close.give_up());
  CHECK(close.is_given_up());
  CHECK(quiet.times == 0);
  CHECK(answered.times == 0);
}

TEST_CASE("closes that are answered soon are not looked at", "[impatient]") {
  Callers callers;
  Request soon, late;
  ImpatientCallers impatient(callers.as_look(), {.asks_to_end_after = 1h, .interval = 50ms});
  callers.set(1, told(SIGKILL));
  callers.set(2, told(SIGKILL));
  const auto close = [&](pid_t caller, Request& request) {
    return impatient.wait(caller, ImpatientCallers::Watched::FromTheStart, request.give_up());
  };
  const auto begun = std::chrono::steady_clock::now();
  for (int number = 0; number < 1'000; ++number) impatient.forget(close(1, soon));
  // A machine that stood still may have found one of them.
  if (std::chrono::steady_clock::now() - begun < 50ms) CHECK(callers.looks() == 0);
  close(2, late);
  CHECK(late.is_given_up());
  CHECK(std::chrono::steady_clock::now() - begun >= 50ms);
}

TEST_CASE("who asks to end is given up when the server has not answered for long", "[impatient]") {
  Callers callers;
  Request patient, long_enough;
  callers.set(1, told(SIGINT, true));
  {
    ImpatientCallers impatient(callers.as_look(), kQuick);
    const auto number =
        impatient.wait(1, ImpatientCallers::Watched::AfterSignal, patient.give_up());
    impatient.signalled(number);
    REQUIRE(callers.are_looked_at(10));
    CHECK(patient.times == 0);
  }
  ImpatientCallers impatient(callers.as_look(), {.asks_to_end_after = 20ms, .interval = 1ms});
  const auto begun = std::chrono::steady_clock::now();
  const auto number =
      impatient.wait(1, ImpatientCallers::Watched::AfterSignal, long_enough.give_up());
  impatient.signalled(number);
  CHECK(long_enough.is_given_up());
  CHECK(std::chrono::steady_clock::now() - begun >= 20ms);
}

}  // namespace
}  // namespace claimfs::fs
