#include "backends/nfs/root_probe.h"

#include <atomic>
#include <chrono>
#include <future>

#include "backends/refusing_backend.h"
#include "cli/root_looks.h"
#include "tests/unit/catch.h"
#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

using backends::nfs::RootProbe;

namespace {

// A server that answers when the test says so.
struct SlowServer {
  Result<Attributes> ask() {
    ++asked;
    std::unique_lock lock(mutex);
    // A test that fails ends, too.
    const bool is_told =
        answers.wait_for(lock, std::chrono::seconds(10), [this] { return answer.has_value(); });
    return is_told ? *answer : failure(EINTR);
  }
  void answers_with(Result<Attributes> with) {
    {
      std::scoped_lock lock(mutex);
      answer = std::move(with);
    }
    answers.notify_all();
  }
  void is_silent() {
    std::scoped_lock lock(mutex);
    answer.reset();
  }

  std::atomic<int> asked{0};
  std::mutex mutex;
  std::condition_variable answers;
  std::optional<Result<Attributes>> answer;
};

Attributes numbered(std::uint64_t ino) {
  Attributes attributes;
  attributes.ino = ino;
  return attributes;
}

constexpr std::chrono::hours kLong{1};

}  // namespace

TEST_CASE("a root is asked for once, however many want to know", "[nfs]") {
  SlowServer server;
  RootProbe probe([&] { return server.ask(); }, kLong);
  auto first = std::async(std::launch::async, [&] { return probe.get(); });
  auto second = std::async(std::launch::async, [&] { return probe.get(); });
  CHECK(first.wait_for(std::chrono::milliseconds(50)) == std::future_status::timeout);
  SECTION("it answers") {
    server.answers_with(numbered(7));
    CHECK(first.get()->ino == 7);
    CHECK(second.get()->ino == 7);
    CHECK(probe.get()->ino == 7);
    probe.saw(numbered(8));
    CHECK(probe.get()->ino == 8);
  }
  SECTION("it does not") {
    server.answers_with(failure(ETIMEDOUT));
    CHECK(code_of(first.get()) == ETIMEDOUT);
    CHECK(code_of(second.get()) == ETIMEDOUT);
    CHECK(code_of(probe.get()) == ETIMEDOUT);
  }
  CHECK(server.asked == 1);
}

TEST_CASE("nobody waits for a server that is known to be dead", "[nfs]") {
  SlowServer server;
  RootProbe probe([&] { return server.ask(); }, std::chrono::seconds(0));
  server.answers_with(failure(ETIMEDOUT));
  CHECK(code_of(probe.get()) == ETIMEDOUT);
  server.is_silent();
  // Were it not beside, this would wait.
  CHECK(code_of(probe.get()) == ETIMEDOUT);
  CHECK(comes_true([&] { return server.asked == 2; }));
  CHECK(code_of(probe.get()) == ETIMEDOUT);  // and it is asked by one at a time
  CHECK(server.asked == 2);
  server.answers_with(numbered(7));
  CHECK(comes_true([&] { return probe.get().has_value(); }));
}

namespace {

// Whose roots are seen when all of them are being looked at.
struct Gathering {
  explicit Gathering(int count) : missing(count) {}
  bool arrive() {
    std::unique_lock lock(mutex);
    if (--missing == 0) all_there.notify_all();
    return all_there.wait_for(lock, std::chrono::seconds(10), [this] { return missing <= 0; });
  }
  std::mutex mutex;
  std::condition_variable all_there;
  int missing;
};

class GatheringBackend final : public RefusingBackend {
 public:
  explicit GatheringBackend(Gathering& gathering) : RefusingBackend(EIO), gathering_(gathering) {}
  Result<Attributes> probe() override {
    if (!gathering_.arrive()) return failure(ETIMEDOUT);
    return numbered(7);
  }
  void root(Answer<Entry> answer) override { answer.fail(EIO); }
  void get_attributes(const Caller&, Inode&, File*, Answer<Attributes> answer) override {
    answer.fail(EIO);
  }
  void open(const Caller&, Inode&, int, Answer<std::unique_ptr<File>> answer) override {
    answer.fail(EIO);
  }
  void read(const Caller&, File&, std::size_t, off_t,
            Answer<std::span<const std::byte>> answer) override {
    answer.fail(EIO);
  }
  void file_system_state(const Caller&, Answer<FileSystemState> answer) override {
    answer.fail(EIO);
  }

 private:
  Gathering& gathering_;
};

}  // namespace

TEST_CASE("the roots of ten volumes are looked at at the same time", "[nfs]") {
  constexpr int kVolumes = 10;
  Gathering gathering(kVolumes);
  std::vector<std::shared_ptr<fs::ServedVolume>> volumes;
  for (int number = 0; number < kVolumes; ++number) {
    fs::ServedClaim claim;
    claim.name = "claim" + std::to_string(number);
    volumes.push_back(std::make_shared<fs::ServedVolume>(
        std::move(claim), std::make_unique<GatheringBackend>(gathering), nullptr));
  }
  cli::look_at_roots(volumes);
  for (const auto& volume : volumes) CHECK(volume->root_attributes().ino == 7);
}

}  // namespace claimfs::tests
