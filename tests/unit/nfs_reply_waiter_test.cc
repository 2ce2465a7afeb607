#include <sys/eventfd.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "backends/reply_waiter.h"
#include "base/fd.h"
#include "tests/unit/interrupted.h"
#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

// As a thread that serves a ring: asks, and then waits for the answer, where it can by receiving
// it. To be used by the thread that made it.
class Asker {
 public:
  static constexpr auto kPatience = milliseconds(150);

  explicit Asker(Volume& volume) : volume_(volume) {}

  struct Answered {
    int code = 0;
    bool has_led = false;    // it was this thread that was to receive
    bool by_itself = false;  // and that has received the answer
  };
  Answered look_up(const char* name, const Caller& caller = Caller()) {
    Answered answered;
    is_answered_ = false;
    const std::thread::id self = std::this_thread::get_id();
    std::promise<void> done;
    volume_.backend().lookup(caller, volume_.root(), name, [&](Result<Entry> found) {
      answered.code = code_of(found);
      answered.by_itself = std::this_thread::get_id() == self;
      is_answered_ = true;
      if (!answered.by_itself) ::eventfd_write(stirred_.get(), 1);
      done.set_value();
      return true;
    });
    answered.has_led = is_leading = waiter_.has_source();
    if (answered.has_led)
      waiter_.receive_until([this] { return is_answered_.load(); }, stirred_.get(),
                            Clock::now() + kPatience);
    has_waited = true;
    done.get_future().wait();
    eventfd_t times = 0;
    (void)::eventfd_read(stirred_.get(), &times);
    return answered;
  }
  // Until it would lead.
  bool comes_to_lead() {
    for (int time = 0; time < 1000; ++time)
      if (look_up("absent").has_led) return true;
    return false;
  }

  std::atomic<bool> is_leading{false};  // or has led
  std::atomic<bool> has_waited{false};  // for as long as it would receive

 private:
  Volume& volume_;
  backends::ReplyWaiter waiter_;
  Fd stirred_{::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::atomic<bool> is_answered_{false};
};

// Somebody who leads waits for a server that is silent.
struct SilentServer {
  NfsServer server;
  std::unique_ptr<Volume> volume =
      std::make_unique<Volume>(backend_on(server.options()), Features{});
  Asker::Answered answered;

  // Runs it meanwhile.
  template <class Body>
  void during(Body body) {
    constexpr int kTimes = 20;  // its turn may be taken by the thread that looks at the times
    for (int time = 0; time < kTimes; ++time)
      if (is_led_during(body)) return;
    FAIL("nobody leads");
  }

 private:
  template <class Body>
  bool is_led_during(Body body) {
    auto interruption = std::make_shared<Interrupted>();
    std::promise<Asker*> ready;
    std::promise<void> frozen;
    std::promise<void> is_seen;
    std::thread asking([&] {
      Asker asker(*volume);
      asker.comes_to_lead();
      asker.is_leading = asker.has_waited = false;
      ready.set_value(&asker);
      frozen.get_future().wait();
      answered = asker.look_up("absent", caller_who_can(interruption));
      is_seen.get_future().wait();
    });
    Asker& asker = *ready.get_future().get();
    server.freeze();
    frozen.set_value();
    comes_true([&] { return asker.is_leading || asker.has_waited; });
    const bool is_led = asker.is_leading;
    if (is_led)
      body(asker, *interruption);
    else
      server.thaw();
    is_seen.set_value();
    asking.join();
    return is_led;
  }
};

}  // namespace

TEST_CASE("who asks alone and waits receives the replies by itself", "[nfs][waiter]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  Asker asker(volume);
  CHECK_FALSE(asker.look_up("absent").has_led);
  REQUIRE(asker.comes_to_lead());
  int by_itself = 0;
  constexpr int kTimes = 200;
  for (int time = 0; time < kTimes; ++time) {
    const Asker::Answered answered = asker.look_up("absent");
    CHECK(answered.code == ENOENT);
    if (answered.by_itself) ++by_itself;
  }
  CHECK(by_itself > kTimes / 2);
}

TEST_CASE("who would receive and does not come is not waited for", "[nfs][waiter]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  Asker asker(volume);
  REQUIRE(asker.comes_to_lead());
  for (int time = 0; time < 20; ++time)
    CHECK(code_of(volume.lookup(volume.root(), "absent")) == ENOENT);  // waits for nothing else
}

TEST_CASE("who receives for all is let go when it is interrupted", "[nfs][waiter]") {
  if (!can_run()) return;
  SilentServer silent;
  silent.during([](Asker&, Interrupted& interruption) { interruption.now(); });
  CHECK(silent.answered.code == EINTR);
  silent.server.thaw();
  CHECK(code_of(silent.volume->lookup(silent.volume->root(), "absent")) == ENOENT);
}

TEST_CASE("others' replies come by who receives, and without it", "[nfs][waiter]") {
  if (!can_run()) return;
  SilentServer silent;
  int others = -1;
  const auto ask_and_thaw = [&](Asker& asker, bool after_its_patience) {
    std::thread other(
        [&] { others = code_of(silent.volume->lookup(silent.volume->root(), "other")); });
    if (after_its_patience) CHECK(comes_true([&] { return asker.has_waited.load(); }));
    silent.server.thaw();
    other.join();
  };
  SECTION("it is there") {
    silent.during([&](Asker& asker, Interrupted&) { ask_and_thaw(asker, false); });
  }
  SECTION("it has waited for long, and another receives") {
    silent.during([&](Asker& asker, Interrupted&) { ask_and_thaw(asker, true); });
    CHECK_FALSE(silent.answered.by_itself);
  }
  CHECK(others == ENOENT);
  CHECK(silent.answered.code == ENOENT);
}

TEST_CASE("a connection that breaks under who receives is made again", "[nfs][waiter]") {
  if (!can_run()) return;
  SilentServer silent;
  silent.during([&](Asker&, Interrupted&) {
    silent.server.kill();
    silent.server.start();
  });
  CHECK(silent.answered.code == ENOENT);
}

TEST_CASE("a volume is left though somebody receives from its silent server", "[nfs][waiter]") {
  if (!can_run()) return;
  SilentServer silent;
  const auto before = Clock::now();
  silent.during([&](Asker&, Interrupted&) { silent.volume.reset(); });
  CHECK(silent.answered.code == EIO);
  CHECK(Clock::now() - before < seconds(30));
  silent.server.thaw();
}

TEST_CASE("many who wait, receive in turns and come and go", "[nfs][waiter]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int number = 0; number < 4; ++number)
    threads.emplace_back([&, number] {
      Asker asker(volume);
      for (int time = 0; time < 500; ++time) {
        if (asker.look_up("absent").code != ENOENT) ++wrong;
        // Now and then the others, one of them alone, go on.
        if (time % 100 == 99) std::this_thread::sleep_for(milliseconds(5 * number));
      }
    });
  for (int time = 0; time < 300; ++time)
    if (code_of(volume.lookup(volume.root(), "absent")) != ENOENT) ++wrong;
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

}  // namespace claimfs::tests
