// A volume whose backend takes its time to start, as that of a silent server does.

#include <atomic>
#include <future>
#include <thread>
#include <vector>

#include "tests/unit/catch.h"
#include "tests/unit/mounted_tree.h"

namespace claimfs::fs {
namespace {

using tests::code_of;

// Starts only when it is let.
struct SlowVolume {
  SlowVolume() {
    auto memory = std::make_unique<tests::MemoryBackend>();
    backend = memory.get();
    backend->on_start = [this] {
      if (++starts == 1) is_starting.set_value();
      is_let.wait();
    };
    volume = std::make_shared<ServedVolume>(
        MountedTree::claim("data"), std::move(memory),
        [this](const ServedClaim&, const std::string&) { ++reports; });
  }
  ~SlowVolume() { go_on(); }

  std::future<int> use(const backends::Caller& caller = {}) {
    return std::async(std::launch::async,
                      [this, caller] { return code_of(volume->use(Access::Read, caller)); });
  }
  void go_on() {
    if (!std::exchange(has_gone_on, true)) let.set_value();
  }

  std::atomic<int> starts{0}, reports{0};
  std::promise<void> is_starting;
  tests::MemoryBackend* backend = nullptr;
  std::shared_ptr<ServedVolume> volume;

 private:
  bool has_gone_on = false;
  std::promise<void> let;
  std::shared_future<void> is_let{let.get_future()};
};

// Interrupted whenever that is, before it waits as well.
struct Impatient final : backends::Interruption {
  void on_interrupt(std::function<void()> give_up) override { is_told.set_value(give_up); }
  std::promise<std::function<void()>> is_told;
};
backends::Caller caller_with(std::shared_ptr<Impatient>& interruption) {
  return {.interruptions = {[](void* held) -> std::shared_ptr<backends::Interruption> {
                              return *static_cast<std::shared_ptr<Impatient>*>(held);
                            },
                            &interruption}};
}

TEST_CASE("first use: who is interrupted while the backend starts need not wait for it",
          "[served_volume]") {
  SlowVolume slow;
  auto impatience = std::make_shared<Impatient>();
  auto killed = slow.use(caller_with(impatience));
  slow.is_starting.get_future().wait();
  auto patient = slow.use();
  impatience->is_told.get_future().get()();
  CHECK(killed.get() == EINTR);
  CHECK_FALSE(slow.volume->is_in_use());
  CHECK(patient.wait_for(std::chrono::seconds(0)) == std::future_status::timeout);
  slow.go_on();
  CHECK(patient.get() == 0);
  CHECK(slow.starts == 1);
  CHECK(slow.volume->is_in_use());
}

TEST_CASE("first use: a start that nobody waits for any more is there for the next",
          "[served_volume]") {
  SlowVolume slow;
  auto impatience = std::make_shared<Impatient>();
  auto killed = slow.use(caller_with(impatience));
  impatience->is_told.get_future().get()();
  CHECK(killed.get() == EINTR);
  slow.go_on();
  CHECK(slow.use().get() == 0);
  CHECK(slow.starts == 1);
}

TEST_CASE("first use: all who wait for a start that fails are told so", "[served_volume]") {
  SlowVolume slow;
  slow.backend->fail_call(1, ETIMEDOUT);
  std::vector<std::future<int>> users;
  users.push_back(slow.use());
  slow.is_starting.get_future().wait();
  // Each waits when it has its own interruption's way to be told.
  std::vector<std::shared_ptr<Impatient>> others;
  for (int number = 0; number < 6; ++number) others.push_back(std::make_shared<Impatient>());
  for (auto& other : others) users.push_back(slow.use(caller_with(other)));
  for (auto& other : others) other->is_told.get_future().wait();
  slow.go_on();
  for (auto& user : users) CHECK(user.get() == EIO);
  CHECK(slow.starts == 1);
  CHECK(slow.reports == 1);
  CHECK(slow.use().get() == 0);
  CHECK(slow.starts == 2);
}

TEST_CASE("first use: a volume that is being started is not idle, and is left when it has",
          "[served_volume]") {
  SlowVolume slow;
  auto user = slow.use();
  slow.is_starting.get_future().wait();
  CHECK_FALSE(slow.volume->end_use(false));
  auto left = std::async(std::launch::async, [&] { slow.volume->abandon(); });
  CHECK(left.wait_for(std::chrono::milliseconds(20)) == std::future_status::timeout);
  slow.go_on();
  left.get();
  CHECK((user.get() == 0 || !slow.volume->is_in_use()));
  CHECK(slow.use().get() == EBUSY);
}

}  // namespace
}  // namespace claimfs::fs
