#include <fcntl.h>

#include <chrono>
#include <future>
#include <thread>

#include "tests/unit/interrupted.h"
#include "tests/unit/nfs_capacity.h"

namespace claimfs::tests {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

// A volume's bound, whose store can be made to fail. `joined` is called when a volume is mounted
// and nobody has begun to count it.
class TestedBound final : public SharedBound {
 public:
  TestedBound(BoundInMemory& shared, std::function<void()> joined,
              const std::atomic<bool>* fails = nullptr)
      : bound_(shared), joined_(std::move(joined)), fails_(fails) {}
  Result<std::optional<std::uint64_t>> join() override {
    joined_();
    return bound_.join();
  }
  Result<std::uint64_t> establish(std::uint64_t counted) override {
    return bound_.establish(counted);
  }
  Result<std::uint64_t> change(const Change& change) override {
    if (fails_ && *fails_) return failure(EREMOTEIO);
    return bound_.change(change);
  }
  Result<void> begin_recount() override { return bound_.begin_recount(); }
  Result<void> end_recount(std::uint64_t bound) override { return bound_.end_recount(bound); }
  void leave(std::uint64_t unused) override { bound_.leave(unused); }

 private:
  MemoryBound bound_;
  const std::function<void()> joined_;
  const std::atomic<bool>* const fails_;
};

// Its server falls silent before the first count.
std::unique_ptr<SharedBound> uncounted(BoundInMemory& bound, NfsServer& server) {
  return std::make_unique<TestedBound>(bound, [&server] { server.freeze(); });
}

}  // namespace

TEST_CASE("nobody waits for the first count but who writes, and that can be interrupted",
          "[nfs][capacity]") {
  if (!can_run()) return;
  NfsServer server;
  BoundInMemory bound;
  LimitedVolume volume(server.options(), uncounted(bound, server));
  // Asked on this thread, which gets it back at once though nobody answers.
  auto interruption = std::make_shared<Interrupted>();
  const Caller caller = caller_who_can(interruption);
  std::promise<int> given_up;
  volume->backend().make_directory(caller, volume->root(), "first", 0755,
                                   [&](const Result<Entry>& made) {
                                     given_up.set_value(code_of(made));
                                     return true;
                                   });
  std::promise<int> made;
  volume->backend().make_directory(volume->caller, volume->root(), "second", 0755,
                                   [&](const Result<Entry>& entry) {
                                     made.set_value(code_of(entry));
                                     return true;
                                   });
  REQUIRE(interruption->now);
  interruption->now();
  auto interrupted = given_up.get_future();
  REQUIRE(interrupted.wait_for(seconds(10)) == std::future_status::ready);
  CHECK(interrupted.get() == EINTR);
  auto later = made.get_future();
  server.thaw();
  REQUIRE(later.wait_for(seconds(10)) == std::future_status::ready);
  CHECK(later.get() == 0);
  CHECK(code_of(volume->lookup(volume->root(), "first")) == ENOENT);
}

TEST_CASE("a soft volume whose server is gone says so to who waits for the first count",
          "[nfs][capacity]") {
  if (!can_run()) return;
  NfsServer server;
  volumes::NfsOptions options = server.options();
  options.hard = false;
  options.soft_deadline = milliseconds(500);
  BoundInMemory bound;
  LimitedVolume volume(options, uncounted(bound, server));
  CHECK(code_of(volume->make_directory(volume->root(), "directory")) == ETIMEDOUT);
  server.thaw();
  // It is counted anew for who comes then.
  CHECK(comes_true([&] { return volume->make_directory(volume->root(), "another").has_value(); }));
}

TEST_CASE("a volume that is left while writers wait for room lets them go", "[nfs][capacity]") {
  if (!can_run()) return;
  NfsServer server;
  BoundInMemory bound;
  std::promise<int> refused;
  {
    LimitedVolume volume(server.options(), uncounted(bound, server));
    volume->backend().make_directory(volume->caller, volume->root(), "directory", 0755,
                                     [&](const Result<Entry>& made) {
                                       refused.set_value(code_of(made));
                                       return true;
                                     });
  }
  auto answered = refused.get_future();
  REQUIRE(answered.wait_for(seconds(10)) == std::future_status::ready);
  CHECK(answered.get() == EIO);
  server.thaw();
}

TEST_CASE("a store that does not answer is an error of who needs more room", "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  BoundInMemory bound;
  std::atomic<bool> fails{false};
  LimitedVolume volume(server.options(), std::make_unique<TestedBound>(
                                             bound, [] {}, &fails));
  auto file = volume->create(volume->root(), "file", O_RDWR);
  REQUIRE(file);
  CHECK(volume->write(*file->file, "text", 0) == 4U);
  fails = true;
  CHECK(code_of(volume->write(*file->file, std::string(6 * kMi, 'x'), 4096)) == EREMOTEIO);
  CHECK(volume->write(*file->file, "more", 0) == 4U);  // has its block
  fails = false;
  CHECK(volume->write(*file->file, std::string(6 * kMi, 'x'), 4096) == 6 * kMi);
}

TEST_CASE("what a server has lost in a crash is sent again, and not paid for again",
          "[nfs][capacity]") {
  if (!can_run()) return;
  NfsServer server;
  BoundInMemory bound;
  LimitedVolume volume(server.options(), bound);
  auto file = volume->create(volume->root(), "file", O_RDWR);
  REQUIRE(file);
  const std::uint64_t end = volume.fill(*file->file, 100'000);
  server.kill();
  server.start();
  CHECK(volume.flush(*file->file) == 0);
  CHECK(is_nearly_full(occupied(server.directory())));
  CHECK(is_nearly_full(volume.used()));
  CHECK(volume->write(*file->file, std::string(kMi, 'y'), 0) == kMi);
  CHECK(volume.flush(*file->file) == 0);
  CHECK(std::filesystem::file_size(server.directory() + "/file") == end);
}

}  // namespace claimfs::tests
