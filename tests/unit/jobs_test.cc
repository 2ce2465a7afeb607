#include "control/jobs.h"

#include <cerrno>
#include <future>
#include <set>
#include <thread>

#include "tests/unit/catch.h"

namespace claimfs::control {
namespace {

using namespace std::chrono_literals;

// Jobs that can be waited for.
class Bench {
  // Before the jobs, which call it to their end.
  std::mutex mutex_;
  std::condition_variable woken_;
  int wakes_ = 0, taken_ = 0;

 public:
  Jobs jobs{[this] {
    const std::scoped_lock lock(mutex_);
    ++wakes_;
    woken_.notify_all();
  }};

  std::vector<Jobs::Finished> next() {
    std::unique_lock lock(mutex_);
    REQUIRE(woken_.wait_for(lock, 30s, [this] { return wakes_ > taken_; }));
    taken_ = wakes_;
    lock.unlock();
    return jobs.take_finished();
  }
};

Result<void> succeed(backends::RemovalProgress&, const std::stop_token&) { return {}; }
Result<void> fail(backends::RemovalProgress&, const std::stop_token&) { return failure(EIO); }

// Until somebody stops it.
Result<void> last(backends::RemovalProgress& progress, const std::stop_token& stop) {
  progress.files = 3;
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  never.wait(lock, stop, [] { return false; });
  return failure(ECANCELED);
}

}  // namespace

TEST_CASE("a key has one job at a time, and is free again when its end is known", "[jobs]") {
  Bench bench;
  std::promise<void> go;
  const auto wait = [future = go.get_future().share()](backends::RemovalProgress&,
                                                       const std::stop_token&) -> Result<void> {
    future.wait();
    return {};
  };
  CHECK(bench.jobs.start("a", 0s, wait));
  CHECK_FALSE(bench.jobs.start("a", 0s, succeed));
  CHECK(bench.jobs.start("b", 0s, succeed));
  CHECK(bench.jobs.is_busy());
  go.set_value();
  std::set<std::string> ended;
  while (ended.size() < 2) {
    for (const auto& finished : bench.next()) {
      CHECK(finished.result);
      ended.insert(finished.key);
    }
  }
  CHECK_FALSE(bench.jobs.is_busy());
  CHECK(bench.jobs.start("a", 0s, succeed));
}

TEST_CASE("a failure is not tried again at once, and longer pauses follow shorter ones", "[jobs]") {
  Bench bench;
  REQUIRE(bench.jobs.start("a", 0s, fail));
  CHECK(bench.next().front().result.error().code == EIO);
  CHECK_FALSE(bench.jobs.start("a", 0s, succeed));
  REQUIRE(bench.jobs.next_due());
  const auto first = *bench.jobs.next_due();
  CHECK(first > Jobs::Clock::now() - 1s);
  CHECK(first <= Jobs::Clock::now() + 500ms);
  while (bench.jobs.take_due().empty()) std::this_thread::sleep_until(*bench.jobs.next_due());
  REQUIRE(bench.jobs.start("a", 0s, fail));
  bench.next();
  REQUIRE(bench.jobs.next_due());
  CHECK(*bench.jobs.next_due() > Jobs::Clock::now() + 500ms);
  CHECK(bench.jobs.take_due().empty());
}

TEST_CASE("what takes too long is stopped and timed out; what is left is stopped at the end",
          "[jobs]") {
  Bench bench;
  REQUIRE(bench.jobs.start("a", 1s, last));
  while (bench.jobs.running().empty() || bench.jobs.running().front().files == 0)
    std::this_thread::yield();
  CHECK(bench.jobs.running().front().key == "a");
  while (bench.jobs.running().size() == 1) {
    bench.jobs.enforce_limits();
    std::this_thread::yield();
  }
  CHECK(bench.next().front().result.error().code == ETIMEDOUT);
  REQUIRE(bench.jobs.start("b", 0s, last));  // its end is the destructor's matter
}

}  // namespace claimfs::control
