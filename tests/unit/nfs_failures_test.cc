#include <fcntl.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/unit/interrupted.h"
#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("a volume goes on when its server has crashed and come back", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  const Known file = volume.put(volume.root(), "file", "before");
  server.kill();
  // Asked while there is nobody to answer. Only one thread may check: the other notes.
  int opening = -1;
  std::size_t written = 0;
  std::thread asking([&] {
    const auto writer = volume.open(*file.inode, O_RDWR);
    opening = code_of(writer);
    if (writer) written = volume.write(**writer, "after!", 0).value_or(0);
  });
  std::this_thread::sleep_for(milliseconds(300));
  server.start();
  asking.join();
  CHECK(opening == 0);
  CHECK(written == 6);
  CHECK(volume.text_of(*file.inode) == "after!");
}

TEST_CASE("changes are done once though the server dies under them", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  constexpr int kFiles = 300;
  constexpr int kCrashes = 3;
  std::atomic<bool> is_over{false};
  int unnoted = 0;
  std::string failures;
  std::thread changing([&] {
    for (int number = 0; number < kFiles || !is_over; ++number) {
      const std::string name = std::to_string(number);
      const auto note = [&](const char* what, int error) {
        if (error != 0) failures += what + (" " + name) + ": " + std::strerror(error) + "; ";
      };
      note("mkdir", code_of(volume.make_directory(volume.root(), "d" + name)));
      // A server that dies between making the file and noting by whose verifier says so when it is
      // asked again, to any client.
      const int created = code_of(volume.create(volume.root(), name, O_RDWR | O_EXCL));
      if (created != EEXIST || ++unnoted > kCrashes) note("create", created);
      note("rename", code_of(volume.rename(volume.root(), name, volume.root(), "r" + name)));
      note("unlink", code_of(volume.unlink(volume.root(), "r" + name)));
      note("rmdir", code_of(volume.remove_directory(volume.root(), "d" + name)));
    }
  });
  for (int crash = 0; crash < kCrashes; ++crash) {
    std::this_thread::sleep_for(milliseconds(30));
    server.kill();
    server.start();
  }
  is_over = true;
  changing.join();
  CHECK(failures == "");
  CHECK(names_in(server.directory()) == 0);
}

TEST_CASE("a soft volume gives up in time, a hard one waits", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  volumes::NfsOptions options = server.options();
  options.hard = false;
  options.soft_deadline = milliseconds(400);
  Volume soft(backend_on(options), {});
  server.freeze();
  const auto before = Clock::now();
  CHECK(code_of(soft.lookup(soft.root(), "x")) == ETIMEDOUT);
  CHECK(Clock::now() - before >= milliseconds(400));
  CHECK(Clock::now() - before < seconds(3));
  server.thaw();
  CHECK(code_of(soft.lookup(soft.root(), "x")) == ENOENT);
}

TEST_CASE("who is interrupted need not wait for the server", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  auto interruption = std::make_shared<Interrupted>();
  server.freeze();
  std::promise<int> answered;
  volume.backend().lookup(caller_who_can(interruption), volume.root(), "x",
                          [&](Result<Entry> found) {
                            answered.set_value(code_of(found));
                            return true;
                          });
  auto answer = answered.get_future();
  CHECK(answer.wait_for(milliseconds(100)) == std::future_status::timeout);
  REQUIRE(interruption->now);
  interruption->now();
  REQUIRE(answer.wait_for(seconds(1)) == std::future_status::ready);
  CHECK(answer.get() == EINTR);
  server.thaw();
  CHECK(code_of(volume.lookup(volume.root(), "x")) == ENOENT);  // the late reply harms nobody
}

TEST_CASE("a volume is left though its server does not answer", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  auto volume = std::make_unique<Volume>(backend_on(server.options()), Features{});
  server.freeze();
  std::promise<int> answered;
  volume->backend().lookup({}, volume->root(), "x", [&](Result<Entry> found) {
    answered.set_value(code_of(found));
    return true;
  });
  const auto before = Clock::now();
  volume.reset();
  CHECK(Clock::now() - before < seconds(5));
  CHECK(answered.get_future().get() == EIO);
  server.thaw();
}

TEST_CASE("written data survives the server's crash, and each error is told once", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Volume volume(backend_on(server.options()), {});
  const auto sync = [&](File& file) {
    return code_of(
        ask<void>([&](auto answer) { volume.backend().sync({}, file, false, std::move(answer)); }));
  };
  const auto close = [&](File& file) {
    return code_of(
        ask<void>([&](auto answer) { volume.backend().flush({}, file, std::move(answer)); }));
  };
  auto created = volume.create(volume.root(), "file", O_RDWR | O_EXCL);
  REQUIRE(created);
  File& file = *created->file;
  SECTION("what was written before and during it") {
    const std::string part(1 << 20, 'p');
    std::string all;
    for (int number = 0; number < 24; ++number) {
      std::string text = part;
      text[0] = static_cast<char>('a' + number);
      REQUIRE(volume.write(file, text, static_cast<off_t>(all.size())) == text.size());
      all += text;
      if (number == 10) server.kill();
      if (number == 20) server.start();
    }
    CHECK(sync(file) == 0);
    server.kill();  // it takes with it what was not on disk
    std::ifstream on_disk(server.directory() + "/file", std::ios::binary);
    const std::string found{std::istreambuf_iterator<char>(on_disk), {}};
    CHECK((found == all));
    server.start();
  }
  SECTION("many small writes are seen at once and are few on the way") {
    std::string all;
    for (int number = 0; number < 1000; ++number) {
      const std::string text = std::to_string(number) + ' ';
      REQUIRE(volume.write(file, text, static_cast<off_t>(all.size())) == text.size());
      all += text;
    }
    CHECK(volume.attributes(*created->known.inode)->size == static_cast<off_t>(all.size()));
    CHECK(volume.lookup(volume.root(), "file")->attributes.size == static_cast<off_t>(all.size()));
    CHECK(volume.text_of(*created->known.inode) == all);
    CHECK(std::filesystem::file_size(server.directory() + "/file") == 0);
    CHECK(close(file) == 0);
    CHECK(std::filesystem::file_size(server.directory() + "/file") == all.size());
  }
  SECTION("data that rests goes by itself") {
    REQUIRE(volume.write(file, "text", 0) == 4U);
    CHECK(
        comes_true([&] { return std::filesystem::file_size(server.directory() + "/file") == 4; }));
  }
  SECTION("an error") {
    auto other = volume.open(*created->known.inode, O_RDWR);
    REQUIRE(other);
    REQUIRE(volume.write(file, "lost", 0) == 4U);
    std::filesystem::remove(server.directory() + "/file");
    server.kill();  // it would keep a descriptor
    server.start();
    CHECK(sync(file) == ESTALE);
    CHECK(sync(file) == 0);
    CHECK(close(**other) == ESTALE);  // to every open, once
    CHECK(close(**other) == 0);
    CHECK(close(file) == 0);
  }
}

}  // namespace claimfs::tests
