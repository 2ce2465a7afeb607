#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "backends/caller_identity.h"
#include "backends/host_path.h"
#include "tests/backend_contract/ask.h"
#include "tests/unit/catch.h"
#include "tests/unit/memory_bound.h"
#include "tests/unit/scratch.h"

namespace claimfs::backends {

namespace {

using tests::ask;
using tests::BoundInMemory;
using tests::code_of;
using tests::MemoryBound;

constexpr std::uint64_t kMi = std::uint64_t{1} << 20;
constexpr std::uint64_t kCapacity = 8 * kMi;

struct NobodyRemembers final : RememberedInodes {
  void with(std::string_view, const std::function<void(Inode&)>&) override {}
};

// A volume of 8Mi on a directory of its own.
struct Limited {
  explicit Limited(BoundInMemory& shared, std::string at = "") : bound(shared), path(at) {
    prepare_process_for_callers();
    if (path.empty()) {
      path = tests::scratch("capacity");
      REQUIRE(::mkdtemp(path.data()));
    }
    CapacityOptions capacity{.bytes = kCapacity, .bound = std::make_unique<MemoryBound>(bound)};
    capacity.report_full = [this] { ++told; };
    backend = make_host_path_backend(
        {.path = path, .type = "", .is_local = false, .capacity = std::move(capacity)});
    backend->set_remembered(&nobody);
    start();
  }
  ~Limited() {
    root.reset();
    backend.reset();
    if (bound.mounts == 0) std::filesystem::remove_all(path);
  }
  void start() {
    REQUIRE(backend->start());
    root = std::move(ask<Entry>([&](auto answer) { backend->root(std::move(answer)); })->inode);
  }
  Result<Created> create(const char* name, int flags = O_WRONLY) {
    return ask<Created>(
        [&](auto answer) { backend->create(caller, *root, name, 0644, flags, std::move(answer)); });
  }
  Result<std::size_t> write(File& file, std::size_t size, off_t offset) {
    const std::vector<std::byte> data(size);
    return ask<std::size_t>(
        [&](auto answer) { backend->write(caller, file, data, offset, {}, std::move(answer)); });
  }
  // Appends until there is no more room.
  std::uint64_t fill(File& file, std::size_t part) {
    std::uint64_t end = 0;
    while (true) {
      const auto written = write(file, part, static_cast<off_t>(end));
      if (!written) {
        // No CHECK: writers on other threads come here, too.
        if (code_of(written) != ENOSPC) throw std::runtime_error(written.error().message());
        return end;
      }
      end += *written;
    }
  }
  int allocate(File& file, int mode, off_t offset, off_t length) {
    return code_of(ask<void>([&](auto answer) {
      backend->allocate(caller, file, mode, offset, length, std::move(answer));
    }));
  }
  int truncate(Created& file, off_t size) {
    AttributeChanges changes;
    changes.size = size;
    return code_of(ask<Attributes>([&](auto answer) {
      backend->set_attributes(caller, *file.entry.inode, file.file.get(), changes,
                              std::move(answer));
    }));
  }
  int unlink(const char* name) {
    return code_of(
        ask<void>([&](auto answer) { backend->unlink(caller, *root, name, std::move(answer)); }));
  }
  int make_directory(const std::string& name) {
    return code_of(ask<Entry>([&](auto answer) {
      backend->make_directory(caller, *root, name, 0755, std::move(answer));
    }));
  }
  // What du counts.
  std::uint64_t occupied() const {
    struct stat found {};
    ::stat(path.c_str(), &found);
    auto blocks = static_cast<std::uint64_t>(found.st_blocks);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
      if (::lstat(entry.path().c_str(), &found) == 0)
        blocks += static_cast<std::uint64_t>(found.st_blocks);
    }
    return blocks * 512;
  }
  std::uint64_t used() {
    return ask<FileSystemState>(
               [&](auto answer) { backend->file_system_state(caller, std::move(answer)); })
        ->used_bytes.value();
  }

  BoundInMemory& bound;
  std::string path;
  Caller caller;
  NobodyRemembers nobody;
  std::atomic<int> told{0};
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Inode> root;
};

bool is_nearly_full(std::uint64_t bytes) {
  return bytes <= kCapacity && bytes > kCapacity - kCapacity / 50;
}

}  // namespace

TEST_CASE("a volume takes what its capacity allows, and no more", "[capacity]") {
  BoundInMemory bound;
  Limited volume(bound);
  for (const std::size_t part : {std::size_t{4096}, std::size_t{100'000}, std::size_t{kMi}}) {
    INFO("writes of " << part);
    auto file = volume.create("file").value();
    volume.fill(*file.file, part);
    CHECK(is_nearly_full(volume.occupied()));
    CHECK(is_nearly_full(volume.used()));
    CHECK(bound.now() <= kCapacity);
    // What has its blocks is overwritten in place.
    CHECK(volume.write(*file.file, kMi, 0).value_or(0) == kMi);
    CHECK(code_of(volume.create("another")) == 0);
    CHECK(volume.unlink("another") == 0);
    CHECK(volume.truncate(file, 0) == 0);
    CHECK(volume.occupied() < kMi);
    CHECK(volume.unlink("file") == 0);
  }
  CHECK(volume.told >= 1);
}

TEST_CASE("what takes no blocks is free", "[capacity]") {
  BoundInMemory bound;
  Limited volume(bound);
  auto file = volume.create("file").value();
  CHECK(volume.truncate(file, static_cast<off_t>(100 * kMi)) == 0);
  CHECK(volume.write(*file.file, 1, static_cast<off_t>(200 * kMi)).value_or(0) == 1);
  CHECK(volume.occupied() < kMi);
  CHECK(volume.allocate(*file.file, 0, 0, static_cast<off_t>(4 * kMi)) == 0);
  CHECK(volume.allocate(*file.file, 0, 0, static_cast<off_t>(16 * kMi)) == ENOSPC);
  CHECK(volume.occupied() < 5 * kMi);  // nothing of it
  CHECK(volume.allocate(*file.file, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(300 * kMi),
                        static_cast<off_t>(3 * kMi)) == 0);
  CHECK(volume.allocate(*file.file, 0, 0, static_cast<off_t>(4 * kMi)) == 0);  // it has them
  CHECK(volume.write(*file.file, 2 * kMi, 0).value_or(0) == 2 * kMi);
  CHECK(volume.allocate(*file.file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
                        static_cast<off_t>(4 * kMi)) == 0);
  CHECK(volume.write(*file.file, kMi, 0).value_or(0) == kMi);
}

TEST_CASE("what a file has grown by behind a writer's back is not the writer's to pay",
          "[capacity]") {
  BoundInMemory bound;
  Limited volume(bound);
  auto file = volume.create("file").value();
  const Fd native(::open((volume.path + "/file").c_str(), O_WRONLY | O_CLOEXEC));
  const std::vector<std::byte> data(100'000);
  REQUIRE(::pwrite(native.get(), data.data(), data.size(), 1'000'000) == 100'000);
  CHECK(volume.write(*file.file, 50'000, 0).value_or(0) == 50'000);
}

TEST_CASE("directories are counted, to the last", "[capacity]") {
  BoundInMemory bound;
  Limited volume(bound);
  int made = 0;
  int why = 0;
  while (why == 0 && made < 10'000)
    why = volume.make_directory("directory" + std::to_string(made++));
  CHECK(why == ENOSPC);
  CHECK(is_nearly_full(volume.occupied()));
}

TEST_CASE("a file that is open without a name holds its space until it is forgotten",
          "[capacity]") {
  BoundInMemory bound;
  Limited volume(bound);
  {
    auto nameless = ask<Created>([&](auto answer) {
      volume.backend->create_unnamed(volume.caller, *volume.root, 0600, O_WRONLY,
                                     std::move(answer));
    });
    REQUIRE(nameless);
    volume.fill(*nameless->file, kMi);
    CHECK(is_nearly_full(volume.used()));  // which has counted what no directory shows
    auto file = volume.create("file").value();
    CHECK(code_of(volume.write(*file.file, 100'000, 0)) == ENOSPC);
  }
  auto file = volume.create("other").value();
  CHECK(volume.write(*file.file, kMi, 0).value_or(0) == kMi);
}

TEST_CASE("two mounts share one bound, and none starves the other", "[capacity]") {
  BoundInMemory bound;
  Limited first(bound);
  {
    Limited second(bound, first.path);
    auto one = first.create("one").value();
    auto two = second.create("two").value();
    std::jthread writer([&] { first.fill(*one.file, 65'536); });
    second.fill(*two.file, 65'536);
    writer.join();
    CHECK(is_nearly_full(first.occupied()));
  }
}

TEST_CASE("after a crash the bound is too high until somebody counts", "[capacity]") {
  BoundInMemory bound;
  bound.bound = 7 * kMi;  // what the dead had been granted
  Limited volume(bound);
  auto file = volume.create("file").value();
  volume.fill(*file.file, kMi);
  CHECK(is_nearly_full(volume.occupied()));
}

TEST_CASE("files that were there are counted before anybody writes", "[capacity]") {
  BoundInMemory bound;
  std::string path = tests::scratch("foreign");
  REQUIRE(::mkdtemp(path.data()));
  const std::string content(5 * kMi, 'x');
  FILE* foreign = std::fopen((path + "/foreign").c_str(), "w");
  REQUIRE(foreign);
  CHECK(std::fwrite(content.data(), 1, content.size(), foreign) == content.size());
  std::fclose(foreign);
  Limited volume(bound, path);
  auto file = volume.create("file").value();
  CHECK(volume.fill(*file.file, 65'536) < 3 * kMi);
  CHECK(is_nearly_full(volume.occupied()));
  // What they remove beside us is room.
  std::filesystem::remove(path + "/foreign");
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  CHECK(volume.write(*file.file, kMi, static_cast<off_t>(4 * kMi)).value_or(0) == kMi);
}

TEST_CASE("a claim that grows lets its writers go on at once", "[capacity]") {
  BoundInMemory bound;
  Limited volume(bound);
  auto file = volume.create("file").value();
  const auto end = static_cast<off_t>(volume.fill(*file.file, kMi));
  volume.backend->set_capacity(2 * kCapacity);
  CHECK(volume.write(*file.file, kMi, end).value_or(0) == kMi);
}

TEST_CASE("a volume that is not used gives back what it had over", "[capacity]") {
  BoundInMemory bound;
  Limited volume(bound);
  auto file = volume.create("file").value();
  CHECK(volume.write(*file.file, kMi, 0).value_or(0) == kMi);
  file = {};
  volume.root.reset();
  volume.backend->stop();
  CHECK(bound.mounts == 0);
  CHECK(bound.now() < kMi + kMi / 8);
  CHECK(bound.now() >= volume.occupied());
  volume.start();  // and can be used again
  auto again = volume.create("again").value();
  CHECK(volume.write(*again.file, kMi, 0).value_or(0) == kMi);
}

TEST_CASE("what is stored through a shared map is found out, and then the volume is full",
          "[capacity]") {
  BoundInMemory bound;
  Limited volume(bound);
  auto file = volume.create("mapped", O_RDWR).value();
  CHECK(volume.truncate(file, static_cast<off_t>(2 * kCapacity)) == 0);
  const std::string path = volume.path + "/mapped";
  const Fd native(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  void* map = ::mmap(nullptr, 2 * kCapacity, PROT_READ | PROT_WRITE, MAP_SHARED, native.get(), 0);
  REQUIRE(map != MAP_FAILED);
  for (std::uint64_t at = 0; at < kCapacity + kMi; at += 4096) static_cast<char*>(map)[at] = 1;
  std::this_thread::sleep_for(std::chrono::milliseconds(2200));
  auto other = volume.create("other");
  CHECK(code_of(other) == ENOSPC);
  CHECK(bound.now() > kCapacity);
  ::munmap(map, 2 * kCapacity);
  CHECK(volume.truncate(file, 0) == 0);
  CHECK(code_of(volume.create("other")) == 0);
}

}  // namespace claimfs::backends
