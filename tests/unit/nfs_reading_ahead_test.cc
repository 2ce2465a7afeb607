// Files that are read in order from a server that is far away: each answer takes some milliseconds.

#include <fcntl.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "tests/unit/interrupted.h"
#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

namespace {

using std::chrono::milliseconds;

constexpr std::size_t kSize = 256U << 10U;
constexpr std::size_t kParts = 48;
constexpr std::size_t kUntilAsked = 8;  // requests that are asked for one by one

std::string part(std::size_t number, char version = 'a') {
  std::string text = version + std::to_string(number) + ' ';
  while (text.size() < kSize) text += text;
  text.resize(kSize);
  return text;
}

void write_parts(const std::string& path, char version) {
  std::ofstream to(path);
  for (std::size_t number = 0; number < kParts; ++number) to << part(number, version);
  to.close();
  REQUIRE(to);
}

struct Distant {
  explicit Distant(
      int flags = O_RDONLY,
      const std::function<void(volumes::NfsOptions&)>& set = [](volumes::NfsOptions&) {}) {
    write_parts(server.directory() + "/file", 'a');
    volumes::NfsOptions options = server.options();
    set(options);
    volume = std::make_unique<Volume>(backend_on(options), Features{});
    inode = volume->lookup(volume->root(), "file")->inode;
    slowly([&] { file = volume->open(*inode, flags).value(); });
  }

  std::string read(std::size_t number) {
    const Result<std::string> text = volume->read(*file, kSize, static_cast<off_t>(number * kSize));
    return text ? *text : std::strerror(text.error().code);
  }
  std::future<std::string> begin_to_read(std::size_t number) {
    return std::async(std::launch::async, [this, number] { return read(number); });
  }
  // So that the server takes its time.
  void slowly(const std::function<void()>& act) {
    server.freeze();
    auto acting = std::async(std::launch::async, act);
    std::this_thread::sleep_for(milliseconds(4));
    server.thaw();
    acting.get();
  }
  void read_slowly(std::size_t number) {
    std::string text;
    slowly([&] { text = read(number); });
    CHECK(text == part(number));
  }
  // Up to the one with which the next is asked for, which is there soon: nothing tells when.
  void read_until_ahead() {
    for (std::size_t number = 0; number <= kUntilAsked; ++number) read_slowly(number);
    std::this_thread::sleep_for(milliseconds(50));
  }
  static constexpr std::size_t kNext = kUntilAsked + 1;
  // Whether it is answered though the server is not.
  bool is_there(std::size_t number) {
    server.freeze();
    auto reading = begin_to_read(number);
    const bool is_answered = reading.wait_for(milliseconds(200)) == std::future_status::ready;
    server.thaw();
    CHECK(reading.get() == part(number));
    return is_answered;
  }

  NfsServer server;
  std::unique_ptr<Volume> volume;
  Inode* inode = nullptr;
  std::unique_ptr<File> file;
};

// Another client of the same export.
struct Other {
  explicit Other(const Distant& on)
      : volume(std::make_unique<Volume>(backend_on(on.server.options()), Features{})),
        inode(volume->lookup(volume->root(), "file")->inode) {}
  // As rsync --inplace does it, and closes.
  void write(std::size_t number, char version) const {
    const auto file = volume->open(*inode, O_WRONLY).value();
    const std::string text = part(number, version);
    REQUIRE(volume->write(*file, text, static_cast<off_t>(number * kSize)).value() == kSize);
    REQUIRE(code_of(ask<void>([&](auto answer) {
              volume->backend().flush(volume->caller, *file, std::move(answer));
            })) == 0);
  }
  std::unique_ptr<Volume> volume;
  Inode* inode;
};

}  // namespace

TEST_CASE("who reads in order from far away is given what was asked for before",
          "[nfs][read_ahead]") {
  if (!can_run()) return;
  const bool is_there_at_once = comes_true([] {
    Distant at;
    at.read_until_ahead();
    const bool is_there = at.is_there(Distant::kNext);
    for (std::size_t number = Distant::kNext + 1; number < kParts; ++number)
      CHECK(at.read(number) == part(number));
    CHECK(at.read(kParts).empty());
    return is_there;
  });
  CHECK(is_there_at_once);
}

TEST_CASE("what is opened at once is not read ahead", "[nfs][read_ahead]") {
  if (!can_run()) return;
  // On a busy machine the open may take as long as from far away.
  const bool is_left_alone = comes_true([] {
    Distant at;
    at.file = at.volume->open(*at.inode, O_RDONLY).value();
    at.read_until_ahead();
    return !at.is_there(Distant::kNext);
  });
  CHECK(is_left_alone);
}

TEST_CASE("what was asked for before an open is asked for again", "[nfs][read_ahead]") {
  if (!can_run()) return;
  Distant at;
  at.read_until_ahead();
  REQUIRE(at.volume->open(*at.inode, O_RDONLY));
  CHECK_FALSE(at.is_there(Distant::kNext));
}

TEST_CASE("what is read ahead is as new as an open that came later", "[nfs][read_ahead]") {
  if (!can_run()) return;
  Distant at;
  const Other other(at);
  at.read_until_ahead();
  other.write(Distant::kNext, 'b');
  // The kernel drops its pages at this open, and may fill them again by the older one.
  const auto newer = at.volume->open(*at.inode, O_RDONLY).value();
  CHECK(at.read(Distant::kNext) == part(Distant::kNext, 'b'));
}

TEST_CASE("what is read ahead is as new as the attributes that were told later",
          "[nfs][read_ahead]") {
  if (!can_run()) return;
  Distant at;
  const Other other(at);
  at.read_until_ahead();
  other.write(Distant::kNext, 'b');
  REQUIRE(at.volume->attributes(*at.inode));
  CHECK(at.read(Distant::kNext) == part(Distant::kNext, 'b'));
}

TEST_CASE("a reader who writes sees what he has written", "[nfs][read_ahead]") {
  if (!can_run()) return;
  for (const bool is_flushed : {false, true}) {
    INFO((is_flushed ? "flushed" : "not flushed"));
    Distant at(O_RDWR);
    at.read_until_ahead();
    REQUIRE(at.volume->write(*at.file, "ours", Distant::kNext * kSize + 10));
    if (is_flushed)
      REQUIRE(code_of(ask<void>([&](auto answer) {
                at.volume->backend().sync(at.volume->caller, *at.file, false, std::move(answer));
              })) == 0);
    CHECK(at.read(Distant::kNext) == part(Distant::kNext).replace(10, 4, "ours"));
    CHECK(at.read(Distant::kNext + 1) == part(Distant::kNext + 1));
  }
}

TEST_CASE("what was cut off is not read from memory", "[nfs][read_ahead]") {
  if (!can_run()) return;
  Distant at;
  at.read_until_ahead();
  REQUIRE(at.volume->change(*at.inode, {.size = Distant::kNext * kSize + 5}));
  CHECK(at.read(Distant::kNext) == part(Distant::kNext).substr(0, 5));
}

TEST_CASE("who wants the latest is not given what was read before", "[nfs][read_ahead]") {
  if (!can_run()) return;
  Distant at;
  at.read_until_ahead();
  write_parts(at.server.directory() + "/file", 'b');
  at.volume->caller.wants_latest = true;
  CHECK(at.read(Distant::kNext) == part(Distant::kNext, 'b'));
}

TEST_CASE("who waits for what was asked for ahead can be interrupted", "[nfs][read_ahead]") {
  if (!can_run()) return;
  Distant at;
  at.read_until_ahead();
  at.read(Distant::kNext);
  at.server.freeze();
  auto interruption = std::make_shared<Interrupted>();
  const Caller caller = caller_who_can(interruption);
  const auto read = [&](std::size_t number) {
    auto answered = std::make_shared<std::promise<int>>();
    at.volume->backend().read(caller, *at.file, kSize, static_cast<off_t>(number * kSize),
                              [answered](const Result<std::span<const std::byte>>& got) {
                                answered->set_value(code_of(got));
                                return true;
                              });
    return answered->get_future();
  };
  // What has come by then is told; the next ones are waited for, one that was asked for ahead
  // first.
  for (std::size_t number = Distant::kNext + 1;; ++number) {
    interruption->now = nullptr;
    auto answer = read(number);
    if (answer.wait_for(milliseconds(200)) == std::future_status::ready) {
      CHECK(answer.get() == 0);
      continue;
    }
    REQUIRE(interruption->now);
    interruption->now();
    REQUIRE(answer.wait_for(std::chrono::seconds(10)) == std::future_status::ready);
    CHECK(answer.get() == EINTR);
    break;
  }
  at.server.thaw();
  CHECK(at.read(20) == part(20));
}

TEST_CASE("a soft deadline ends the wait for what was asked for ahead", "[nfs][read_ahead]") {
  if (!can_run()) return;
  Distant at(O_RDONLY, [](volumes::NfsOptions& options) {
    options.hard = false;
    options.soft_deadline = milliseconds(1500);
  });
  at.read_until_ahead();
  at.server.freeze();
  std::string text;
  for (std::size_t number = Distant::kNext; number < Distant::kNext + 4; ++number)
    text = at.read(number);
  CHECK(text == std::strerror(ETIMEDOUT));
  at.server.thaw();
  CHECK(at.read(20) == part(20));
}

TEST_CASE("a reader goes on when the server crashes under what it was asked for",
          "[nfs][read_ahead]") {
  if (!can_run()) return;
  Distant at;
  at.read_until_ahead();
  std::string wrong;
  std::thread reading([&] {
    for (std::size_t number = Distant::kNext; number < kParts; ++number)
      if (at.read(number) != part(number)) wrong += " " + std::to_string(number);
  });
  at.server.kill();
  at.server.start();
  reading.join();
  CHECK(wrong.empty());
}

TEST_CASE("a volume is left with data on its way that nobody reads", "[nfs][read_ahead]") {
  if (!can_run()) return;
  Distant at;
  at.read_until_ahead();
  at.server.freeze();
  at.file.reset();
  at.volume.reset();
  at.server.thaw();
}

TEST_CASE("several read one file in order, and others write it", "[nfs][read_ahead]") {
  if (!can_run()) return;
  Distant at(O_RDWR);
  at.read_until_ahead();
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (int reader = 0; reader < 3; ++reader)
    readers.emplace_back([&, reader] {
      std::unique_ptr<File> own;
      if (reader > 0) own = at.volume->open(*at.inode, O_RDONLY).value();
      File& file = own ? *own : *at.file;
      for (std::size_t number = Distant::kNext; number < kParts; ++number) {
        const auto text = at.volume->read(file, kSize, static_cast<off_t>(number * kSize));
        const bool is_right = text && (*text == part(number) || *text == part(number, 'w'));
        wrong += is_right ? 0 : 1;
      }
    });
  for (std::size_t number = kParts; number-- > Distant::kNext;) {
    REQUIRE(at.volume->write(*at.file, part(number, 'w'), static_cast<off_t>(number * kSize)));
    CHECK(at.read(number) == part(number, 'w'));
  }
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
}

}  // namespace claimfs::tests
