#include "tests/unit/nfs_capacity.h"

#include <fcntl.h>

#include <chrono>
#include <fstream>
#include <thread>

namespace claimfs::tests {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("a volume on a server takes what its capacity allows, and no more", "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  BoundInMemory bound;
  LimitedVolume volume(server.options(), bound);
  CHECK(volume->backend().enforcement() == Enforcement::Accounting);
  for (const std::size_t part : {std::size_t{4096}, std::size_t{100'000}, std::size_t{kMi}}) {
    INFO("writes of " << part);
    auto file = volume->create(volume->root(), "file", O_RDWR);
    REQUIRE(file);
    const std::uint64_t end = volume.fill(*file->file, part);
    CHECK(volume.flush(*file->file) == 0);  // the server takes all of it
    // Nothing comes back that the writer could have had.
    CHECK(volume->write(*file->file, std::string(64 * 1024, 'x'), static_cast<off_t>(end + kMi))
              .value_or(0) < 16 * 1024);
    CHECK(is_nearly_full(occupied(server.directory())));
    CHECK(is_nearly_full(volume.used()));
    CHECK(bound.now() <= kCapacity);
    // What has its blocks is overwritten in place.
    CHECK(volume->write(*file->file, std::string(kMi, 'y'), 0) == kMi);
    CHECK(volume.flush(*file->file) == 0);
    CHECK(code_of(volume->create(volume->root(), "another", O_WRONLY)) == 0);
    CHECK(code_of(volume->unlink(volume->root(), "another")) == 0);
    CHECK(volume.resize(*file->known.inode, 0, file->file.get()) == 0);
    CHECK(volume.used() < kMi);
    CHECK(volume->write(*file->file, "more", 0) == 4U);
    file->file.reset();
    CHECK(code_of(volume->unlink(volume->root(), "file")) == 0);
    volume->forget_all();
  }
  CHECK(comes_true([&] { return volume.told() >= 1; }));
}

TEST_CASE("holes of a server's files are free, and filling them is not", "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  BoundInMemory bound;
  LimitedVolume volume(server.options(), bound);
  auto file = volume->create(volume->root(), "file", O_RDWR);
  REQUIRE(file);
  CHECK(volume.resize(*file->known.inode, static_cast<off_t>(100 * kMi)) == 0);
  CHECK(volume->write(*file->file, "x", static_cast<off_t>(200 * kMi)) == 1U);
  CHECK(volume.flush(*file->file) == 0);
  CHECK(volume.used() < kMi);
  // The same bytes again and again cost nothing more.
  const std::string text(kMi, 'x');
  for (int i = 0; i < 30; ++i) CHECK(volume->write(*file->file, text, 0) == kMi);
  CHECK(volume.flush(*file->file) == 0);
  CHECK(volume.used() < 2 * kMi);
  volume.fill(*file->file, 65'536, 20 * kMi);
  CHECK(volume.flush(*file->file) == 0);
  CHECK(is_nearly_full(occupied(server.directory())));
}

TEST_CASE("names are counted, to the last", "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  BoundInMemory bound;
  LimitedVolume volume(server.options(), bound);
  int made = 0;
  int why = 0;
  while (why == 0 && made < 10'000)
    why = code_of(volume->make_directory(volume->root(), "directory" + std::to_string(made++)));
  CHECK(why == ENOSPC);
  CHECK(is_nearly_full(occupied(server.directory())));
  CHECK(volume.used() >= occupied(server.directory()));
  CHECK(code_of(volume->make_symlink(volume->root(), "link", std::string(3000, 'x'))) == ENOSPC);
  for (int i = 0; i < 300; ++i)
    CHECK(code_of(volume->remove_directory(volume->root(), "directory" + std::to_string(i))) == 0);
  CHECK(code_of(volume->make_symlink(volume->root(), "link", std::string(3000, 'x'))) == 0);
  CHECK(code_of(volume->create(volume->root(), "file", O_RDWR | O_EXCL)) == 0);
  CHECK(volume.used() >= occupied(server.directory()));
}

TEST_CASE("what goes gives its room back, whichever way it goes", "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  BoundInMemory bound;
  volumes::NfsOptions options = server.options();
  options.exclusive = GENERATE(false, true);
  INFO((options.exclusive ? "exclusive" : "shared"));
  LimitedVolume volume(options, bound);
  const std::string text(6 * kMi, 'x');
  const auto put = [&](const char* name) { volume->put(volume->root(), name, text); };
  // As the kernel does it.
  const auto close = [&](const char* name) {
    const auto file = volume->lookup(volume->root(), name);
    if (!file) return;
    const auto open = volume->open(*file->inode, O_WRONLY);
    REQUIRE(open);
    CHECK(volume.flush(**open) == 0);
  };
  put("file");
  SECTION("removed while it is still on its way") {
    CHECK(code_of(volume->unlink(volume->root(), "file")) == 0);
    CHECK(comes_true([&] { return volume.used() < kMi; }));
  }
  close("file");
  // And has mostly done before a name goes: what it said is believed, or must not be.
  const bool was_looked_up = GENERATE(false, true);
  const auto look_up = [&](const char* name) {
    if (was_looked_up) REQUIRE(volume->lookup(volume->root(), name));
  };
  look_up("file");
  SECTION("removed") { CHECK(code_of(volume->unlink(volume->root(), "file")) == 0); }
  SECTION("replaced") {
    volume->put(volume->root(), "other", "small");
    close("other");
    look_up("other");
    CHECK(code_of(volume->rename(volume->root(), "other", volume->root(), "file")) == 0);
  }
  SECTION("truncated by its name") {
    const auto file = volume->lookup(volume->root(), "file");
    REQUIRE(file);
    CHECK(volume.resize(*file->inode, 100) == 0);
  }
  SECTION("with its last name") {
    const auto file = volume->lookup(volume->root(), "file");
    REQUIRE(file);
    CHECK(code_of(volume->link(*file->inode, volume->root(), "second")) == 0);
    look_up("second");
    CHECK(code_of(volume->unlink(volume->root(), "file")) == 0);
    CHECK(volume.used() > 6 * kMi);
    CHECK(code_of(volume->unlink(volume->root(), "second")) == 0);
  }
  SECTION("with its last user") {
    const auto file = volume->lookup(volume->root(), "file");
    REQUIRE(file);
    {
      const auto open = volume->open(*file->inode, O_RDONLY);
      REQUIRE(open);
      CHECK(code_of(volume->unlink(volume->root(), "file")) == 0);
      CHECK(volume.used() > 6 * kMi);
    }
    volume->forget_all();
    CHECK(comes_true([&] { return volume.used() < kMi; }));
  }
  CHECK(volume.used() < kMi);
  CHECK(volume.used() >= occupied(server.directory()));
  put("next");
}

TEST_CASE("two mounts of a server's volume share one bound", "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  BoundInMemory bound;
  LimitedVolume first(server.options(), bound);
  LimitedVolume second(server.options(), bound);
  auto one = first->create(first->root(), "one", O_RDWR);
  auto two = second->create(second->root(), "two", O_RDWR);
  REQUIRE(one);
  REQUIRE(two);
  std::thread writer([&] { first.fill(*one->file, 65'536); });
  second.fill(*two->file, 65'536);
  writer.join();
  CHECK(first.flush(*one->file) == 0);
  CHECK(second.flush(*two->file) == 0);
  CHECK(is_nearly_full(occupied(server.directory())));
  CHECK(bound.now() <= kCapacity);
}

TEST_CASE("files that were on a server are counted before anybody writes", "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  const std::string below = server.directory() + "/a/b";
  std::filesystem::create_directories(below);
  std::ofstream(below + "/foreign") << std::string(5 * kMi, 'x');
  std::filesystem::create_hard_link(below + "/foreign", server.directory() + "/second");
  // Nobody but its owner may look into it, root least of all.
  std::filesystem::permissions(below, std::filesystem::perms::owner_all);
  BoundInMemory bound;
  LimitedVolume volume(server.options(), bound);
  auto file = volume->create(volume->root(), "file", O_RDWR);
  REQUIRE(file);
  CHECK(volume.fill(*file->file, 65'536) < 3 * kMi);
  CHECK(volume.flush(*file->file) == 0);
  CHECK(is_nearly_full(occupied(server.directory()) - 5 * kMi));
  CHECK(is_nearly_full(volume.used()));
  // What other clients remove beside us is room, once it is counted.
  {
    Volume other(backend_on(server.options()), {});
    const auto a = other.lookup(other.root(), "a");
    REQUIRE(a);
    const auto b = other.lookup(*a->inode, "b");
    REQUIRE(b);
    CHECK(code_of(other.unlink(*b->inode, "foreign")) == 0);
    CHECK(code_of(other.unlink(other.root(), "second")) == 0);
  }
  CHECK(comes_true([&] {
    return volume->write(*file->file, std::string(kMi, 'x'), static_cast<off_t>(4 * kMi)) == kMi;
  }));
}

TEST_CASE("what is removed by a name that was just looked up gives its room back once",
          "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  std::ofstream(server.directory() + "/file") << std::string(5 * kMi, 'x');
  BoundInMemory bound;
  volumes::NfsOptions options = server.options();
  options.exclusive = true;
  LimitedVolume volume(options, bound);
  REQUIRE(comes_true([&] { return volume.used() > 5 * kMi; }));
  const auto file = volume->lookup(volume->root(), "file");
  REQUIRE(file);
  SECTION("by its only one") {}
  SECTION("when it has got a second one since") {
    REQUIRE(volume->link(*file->inode, volume->root(), "second"));
    CHECK(code_of(volume->unlink(volume->root(), "file")) == 0);
    CHECK(volume.used() > 5 * kMi);
    REQUIRE(volume->rename(volume->root(), "second", volume->root(), "file"));
  }
  SECTION("when it has lost a second one since") {
    REQUIRE(volume->link(*file->inode, volume->root(), "second"));
    REQUIRE(volume->lookup(volume->root(), "file"));
    CHECK(code_of(volume->unlink(volume->root(), "second")) == 0);
    CHECK(volume.used() > 5 * kMi);
  }
  SECTION("when it has been cut since") {
    CHECK(volume.resize(*file->inode, static_cast<off_t>(kMi)) == 0);
    CHECK(comes_true([&] { return volume.used() < 2 * kMi; }));
    CHECK(volume.used() >= kMi);
  }
  CHECK(code_of(volume->unlink(volume->root(), "file")) == 0);
  CHECK(volume.used() < kMi);
  CHECK(volume.used() >= occupied(server.directory()));
}

TEST_CASE("a mount that crashed leaves a bound that a count of the server puts right",
          "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  BoundInMemory bound;
  bound.bound = 7 * kMi;  // what the dead had been granted
  LimitedVolume volume(server.options(), bound);
  auto file = volume->create(volume->root(), "file", O_RDWR);
  REQUIRE(file);
  CHECK(comes_true([&] { return volume.used() < kMi; }));
  volume.fill(*file->file, kMi);
  CHECK(volume.flush(*file->file) == 0);
  CHECK(is_nearly_full(occupied(server.directory())));
}

TEST_CASE("a claim on a server that grows lets its writers go on at once", "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  BoundInMemory bound;
  LimitedVolume volume(server.options(), bound);
  auto file = volume->create(volume->root(), "file", O_RDWR);
  REQUIRE(file);
  const std::uint64_t end = volume.fill(*file->file, kMi);
  volume->backend().set_capacity(2 * kCapacity);
  CHECK(volume->write(*file->file, std::string(kMi, 'x'), static_cast<off_t>(end)) == kMi);
}

TEST_CASE("what was reserved and not used goes back, at the end at the latest", "[nfs][capacity]") {
  if (!can_run()) return;
  const NfsServer server;
  BoundInMemory bound;
  {
    LimitedVolume volume(server.options(), bound);
    volume->put(volume->root(), "file", std::string(kMi, 'x'));
  }
  CHECK(bound.mounts == 0);
  CHECK(bound.now() >= occupied(server.directory()));
  CHECK(bound.now() < occupied(server.directory()) + 64 * 1024);
}

}  // namespace claimfs::tests
