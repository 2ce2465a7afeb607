#include "backends/block.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/fd.h"
#include "tests/backend_contract/ask.h"
#include "tests/unit/catch.h"
#include "tests/unit/scratch.h"

namespace claimfs::backends {

namespace {

using tests::ask;
using tests::code_of;

constexpr off_t kCapacity = 64 * 1024;

// A source file and a Block volume on it.
struct Disk {
  explicit Disk(std::size_t source_bytes, off_t capacity = kCapacity) {
    REQUIRE(::mkdtemp(directory.data()));
    path = directory + "/disk";
    std::ofstream(path) << std::string(source_bytes, 's');
    ::chmod(path.c_str(), 0640);
    backend = make_block_backend({.path = path,
                                  .type = "File",
                                  .is_local = false,
                                  .capacity_bytes = static_cast<std::uint64_t>(capacity)});
    REQUIRE(backend->start());
    Result<Entry> entry = ask<Entry>([&](auto answer) { backend->root(std::move(answer)); });
    REQUIRE(entry);
    root = std::move(entry->inode);
    attributes = entry->attributes;
  }
  ~Disk() { std::filesystem::remove_all(directory); }

  std::unique_ptr<File> open(int flags) {
    auto opened = ask<std::unique_ptr<File>>(
        [&](auto answer) { backend->open(Caller{}, *root, flags, std::move(answer)); });
    REQUIRE(code_of(opened) == 0);
    return std::move(*opened);
  }
  // Into the caller's room and elsewhere, which is the same.
  Result<std::string> read(File& file, std::size_t size, off_t offset) {
    std::string room(size, '?');
    Caller with_room;
    with_room.room = std::as_writable_bytes(std::span(room));
    auto by_room = read_for(with_room, file, size, offset);
    const auto otherwise = read_for(Caller{}, file, size, offset);
    CHECK(code_of(by_room) == code_of(otherwise));
    if (by_room && otherwise) CHECK((*by_room == *otherwise));
    return by_room;
  }
  Result<std::string> read_for(const Caller& caller, File& file, std::size_t size, off_t offset) {
    return ask<std::string>([&](Answer<std::string> answer) {
      backend->read(caller, file, size, offset,
                    [answer = std::move(answer)](Result<std::span<const std::byte>> read) mutable {
                      if (!read) return answer.complete(failure(read.error()));
                      return answer.complete(
                          std::string(reinterpret_cast<const char*>(read->data()), read->size()));
                    });
    });
  }
  Result<std::size_t> write(File& file, std::string_view text, off_t offset, bool append = false) {
    return ask<std::size_t>([&](auto answer) {
      backend->write(Caller{}, file, std::as_bytes(std::span(text)), offset, {.append = append},
                     std::move(answer));
    });
  }
  Result<Attributes> change(const AttributeChanges& changes) {
    return ask<Attributes>([&](auto answer) {
      backend->set_attributes({}, *root, nullptr, changes, std::move(answer));
    });
  }
  Result<off_t> seek(File& file, off_t offset, int whence) {
    return ask<off_t>(
        [&](auto answer) { backend->seek(Caller{}, file, offset, whence, std::move(answer)); });
  }
  int allocate(File& file, int mode, off_t offset, off_t length) {
    return code_of(ask<void>([&](auto answer) {
      backend->allocate(Caller{}, file, mode, offset, length, std::move(answer));
    }));
  }
  Result<std::size_t> copy(File& file, off_t from, off_t to, std::size_t length) {
    return ask<std::size_t>([&](auto answer) {
      backend->copy_range(Caller{}, file, from, file, to, length, std::move(answer));
    });
  }
  off_t source_size() const { return static_cast<off_t>(std::filesystem::file_size(path)); }

  std::string directory = tests::scratch("block");
  std::string path;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<Inode> root;
  Attributes attributes;
};

}  // namespace

TEST_CASE("a Block claim is one regular file of its capacity", "[block]") {
  // The longest first: what it leaves in a buffer must not be seen by the others.
  for (const std::size_t source_bytes :
       std::initializer_list<std::size_t>{100'000, kCapacity, 100, 0}) {
    INFO("source of " << source_bytes);
    Disk disk(source_bytes);
    CHECK(disk.attributes.mode == (S_IFREG | 0640));
    CHECK(disk.attributes.size == kCapacity);
    CHECK(disk.attributes.nlink == 1);
    CHECK(disk.backend->probe()->size == kCapacity);
    CHECK(code_of(ask<Entry>([&](auto answer) {
            disk.backend->lookup(Caller{}, *disk.root, "x", std::move(answer));
          })) == ENOTDIR);
    CHECK(code_of(ask<std::unique_ptr<File>>([&](auto answer) {
            disk.backend->open_directory(Caller{}, *disk.root, std::move(answer));
          })) == ENOTDIR);
    const auto file = disk.open(O_RDONLY);
    const Result<std::string> all = disk.read(*file, 200'000, 0);
    REQUIRE(all);
    REQUIRE(all->size() == kCapacity);
    const std::size_t real = std::min<std::size_t>(source_bytes, kCapacity);
    CHECK(*all == std::string(real, 's') + std::string(kCapacity - real, '\0'));
    CHECK(disk.read(*file, 100, kCapacity - 10)->size() == 10);
    CHECK(disk.read(*file, 100, kCapacity)->empty());
    CHECK(disk.read(*file, 100, kCapacity + 5)->empty());
    // Through the kernel alone a writer would make a regular source longer than the capacity.
    CHECK(!file->passthrough_descriptor());
  }
}

TEST_CASE("a Block claim is written within its capacity", "[block]") {
  for (const std::size_t source_bytes : {std::size_t{100}, std::size_t{100'000}}) {
    INFO("source of " << source_bytes);
    Disk disk(source_bytes);
    const auto file = disk.open(O_RDWR | O_DIRECT | O_TRUNC | O_APPEND);
    CHECK(disk.write(*file, "head", 0) == 4U);
    CHECK(disk.write(*file, "tail", kCapacity - 4) == 4U);
    CHECK(disk.write(*file, "across", kCapacity - 3) == 3U);
    CHECK(code_of(disk.write(*file, "x", kCapacity)) == ENOSPC);
    CHECK(code_of(disk.write(*file, "x", kCapacity + 100)) == ENOSPC);
    CHECK(code_of(disk.write(*file, "x", 0, true)) == ENOSPC);  // appended
    CHECK(disk.write(*file, "", kCapacity) == 0U);
    CHECK(disk.read(*file, 4, 0).value_or("?") == "head");
    CHECK(disk.read(*file, 10, kCapacity - 4).value_or("?") == "tacr");
    CHECK(disk.source_size() == std::max<off_t>(kCapacity, static_cast<off_t>(source_bytes)));
    // What lies beyond is as it was.
    if (source_bytes > kCapacity) {
      std::ifstream source(disk.path);
      source.seekg(kCapacity);
      CHECK(source.get() == 's');
    }
    CHECK(ask<void>(
        [&](auto answer) { disk.backend->sync(Caller{}, *file, true, std::move(answer)); }));
    CHECK(ask<void>(
        [&](auto answer) { disk.backend->sync(Caller{}, *file, false, std::move(answer)); }));
  }
}

TEST_CASE("a Block claim keeps its size", "[block]") {
  Disk disk(100'000);
  for (const off_t size : {off_t{1}, kCapacity - 1, kCapacity + 1, off_t{100'000}})
    CHECK(code_of(disk.change({.size = size})) == EPERM);
  for (const off_t size : {off_t{0}, kCapacity}) {  // dd of= truncates first
    const auto told = disk.change({.size = size});
    REQUIRE(told);
    CHECK(told->size == kCapacity);
  }
  CHECK(disk.source_size() == 100'000);
  const auto file = disk.open(O_RDONLY);
  CHECK(disk.read(*file, 3, 0).value_or("?") == "sss");
  // The rest is the source's.
  AttributeChanges changes{.mode = 0600};
  changes.mtime = AttributeChanges::Time{.now = false, .value = {1'000, 999}};
  const auto told = disk.change(changes);
  REQUIRE(told);
  CHECK(told->mode == (S_IFREG | 0600));
  CHECK(told->mtime.tv_nsec == 999);
  struct stat source {};
  REQUIRE(::stat(disk.path.c_str(), &source) == 0);
  CHECK((source.st_mode & 07777) == 0600);
  CHECK(source.st_mtim.tv_sec == 1'000);
}

TEST_CASE("a Block claim has holes where its source has, and behind its end", "[block]") {
  Disk disk(0, 4 << 20);
  const auto file = disk.open(O_RDWR);
  constexpr off_t kData = 1 << 20;
  REQUIRE(disk.write(*file, std::string(4096, 'd'), kData) == 4096U);
  CHECK(disk.seek(*file, 0, SEEK_DATA).value_or(-1) == kData);
  CHECK(disk.seek(*file, kData, SEEK_HOLE).value_or(-1) == kData + 4096);
  CHECK(disk.seek(*file, 2 << 20, SEEK_HOLE).value_or(-1) == 2 << 20);
  CHECK(code_of(disk.seek(*file, 2 << 20, SEEK_DATA)) == ENXIO);
  CHECK(code_of(disk.seek(*file, 4 << 20, SEEK_HOLE)) == ENXIO);
  CHECK(code_of(disk.seek(*file, -1, SEEK_HOLE)) == ENXIO);
  Disk longer(100'000, 8192);
  const auto full = longer.open(O_RDONLY);
  CHECK(longer.seek(*full, 0, SEEK_HOLE).value_or(-1) == 8192);
  CHECK(longer.seek(*full, 100, SEEK_DATA).value_or(-1) == 100);
  CHECK(code_of(longer.seek(*full, 8192, SEEK_DATA)) == ENXIO);
}

TEST_CASE("a Block claim allocates and punches within its capacity", "[block]") {
  Disk disk(100'000);
  const auto file = disk.open(O_RDWR);
  constexpr int kPunch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  CHECK(disk.allocate(*file, 0, 0, kCapacity) == 0);
  CHECK(disk.allocate(*file, 0, 0, kCapacity + 1) == ENOSPC);
  CHECK(disk.allocate(*file, FALLOC_FL_KEEP_SIZE, kCapacity, 1) == ENOSPC);
  CHECK(disk.allocate(*file, FALLOC_FL_COLLAPSE_RANGE, 0, 4096) == EOPNOTSUPP);
  CHECK(disk.allocate(*file, FALLOC_FL_INSERT_RANGE, 0, 4096) == EOPNOTSUPP);
  CHECK(disk.allocate(*file, 0, 0, 0) == EINVAL);
  CHECK(disk.allocate(*file, 0, -1, 10) == EINVAL);
  CHECK(disk.allocate(*file, kPunch, kCapacity - 4096, 1 << 30) == 0);
  CHECK(disk.allocate(*file, kPunch, kCapacity, 4096) == 0);
  CHECK(disk.read(*file, 4096, kCapacity - 4096).value_or("?") == std::string(4096, '\0'));
  CHECK(disk.source_size() == 100'000);
  std::ifstream source(disk.path);
  source.seekg(kCapacity);
  CHECK(source.get() == 's');
}

TEST_CASE("a Block claim copies within its capacity", "[block]") {
  Disk disk(100'000);
  const auto file = disk.open(O_RDWR);
  REQUIRE(disk.write(*file, "0123456789", 0));
  CHECK(disk.copy(*file, 0, 1000, 10) == 10U);
  CHECK(disk.read(*file, 10, 1000).value_or("?") == "0123456789");
  CHECK(disk.copy(*file, 0, kCapacity - 4, 10) == 4U);
  CHECK(code_of(disk.copy(*file, 0, kCapacity, 10)) == ENOSPC);
  CHECK(disk.copy(*file, kCapacity, 0, 10) == 0U);
  CHECK(disk.copy(*file, kCapacity - 4, 0, 10) == 4U);
  CHECK(disk.source_size() == 100'000);
  // Zeros that only reading knows of: the kernel reads and writes then.
  Disk shorter(100);
  const auto short_file = shorter.open(O_RDWR);
  CHECK(code_of(shorter.copy(*short_file, 200, 0, 10)) == EOPNOTSUPP);
}

TEST_CASE("a Block claim's locks are its source's", "[block]") {
  Disk disk(100);
  const auto one = disk.open(O_RDWR);
  const auto two = disk.open(O_RDONLY);
  const auto flock = [&](File& file, int operation) {
    return code_of(ask<void>(
        [&](auto answer) { disk.backend->flock(file, operation, false, std::move(answer)); }));
  };
  CHECK(flock(*one, LOCK_EX) == 0);
  CHECK(flock(*two, LOCK_SH) == EAGAIN);
  Fd outside(::open(disk.path.c_str(), O_RDWR | O_CLOEXEC));
  CHECK(::flock(outside.get(), LOCK_SH | LOCK_NB) != 0);
  RangeLock range;
  range.type = F_WRLCK;
  range.end = 9;
  range.owner = 1;
  const auto set = [&](const RangeLock& lock) {
    return code_of(ask<void>(
        [&](auto answer) { disk.backend->set_lock(*disk.root, lock, false, std::move(answer)); }));
  };
  CHECK(set(range) == 0);
  range.owner = 2;
  CHECK(set(range) == EAGAIN);
  const auto holder = ask<RangeLock>(
      [&](auto answer) { disk.backend->test_lock(*disk.root, range, std::move(answer)); });
  CHECK(holder->type == F_WRLCK);
  CHECK(
      ask<void>([&](auto answer) { disk.backend->drop_locks(*disk.root, 1, std::move(answer)); }));
  CHECK(set(range) == 0);
}

TEST_CASE("a Block claim's source must be a file or a device", "[block]") {
  Disk disk(100);
  ::mkdir((disk.directory + "/directory").c_str(), 0755);
  ::mkfifo((disk.directory + "/fifo").c_str(), 0600);
  struct Row {
    const char* name;
    std::string path;
    std::string type;
    bool is_local;
    std::string why;  // empty: it starts
  };
  const std::string& in = disk.directory;
  const Row rows[] = {
      {"a file", in + "/disk", "", false, ""},
      {"a local file", in + "/disk", "", true, ""},
      {"made on demand", in + "/made", "FileOrCreate", false, ""},
      {"a directory", in + "/directory", "", false,
       "volumeMode Block needs a file or a block device: " + in + "/directory is a directory"},
      {"a local directory", in + "/directory", "", true,
       "volumeMode Block needs a file or a block device: " + in + "/directory is a directory"},
      {"a directory by type", in + "/new", "DirectoryOrCreate", false,
       "volumeMode Block needs a file or a block device: hostPath.type is DirectoryOrCreate"},
      {"a fifo", in + "/fifo", "", false,
       "volumeMode Block needs a file or a block device: " + in + "/fifo is something else"},
      {"missing", in + "/absent", "", false,
       "hostPath " + in +
           "/absent: create the file, or set hostPath.type to FileOrCreate: No such file or "
           "directory"},
      {"missing by type", in + "/absent", "File", false,
       "hostPath type check failed: " + in + "/absent is not a file"},
      {"another type", in + "/disk", "BlockDevice", false,
       "hostPath type check failed: " + in + "/disk is not a block device"},
      {"relative", "disk", "", false,
       "hostPath \"disk\" is not absolute: write the whole path in the PersistentVolume"},
      {"upwards", in + "/../disk", "", false,
       "invalid HostPath `" + in + "/../disk`: must not contain '..'"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const auto backend = make_block_backend(
        {.path = row.path, .type = row.type, .is_local = row.is_local, .capacity_bytes = 4096});
    const Result<void> started = backend->start();
    CHECK((started ? "" : started.error().message()) == row.why);
  }
  CHECK(std::filesystem::exists(in + "/made"));
  CHECK_FALSE(std::filesystem::exists(in + "/new"));
}

}  // namespace claimfs::backends
