// The loads of `scripts/bench nfs` by system calls in a directory, as cheap as they can be made.
//
//   file_load DIRECTORY LOAD [--files N] [--size MiB]
//
//   stream   write, read        a large file by 1 MiB, the page cache dropped between; "read again"
//   is out of the cache
//            random-1, -4       O_DIRECT reads of 4 KiB, by so many threads
//   names    create-N, stat-N, stat-again-N, unlink-N   by N threads; before "stat" the kernel
//   forgets names tree     directories of 100 empty files, for find; not timed find     readdir and
//   lstat of the tree that "tree" made
//
// Prints JSON.

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "tests/bench/load.h"
#include "tests/bench/timings.h"

namespace claimfs::bench {

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "file_load: %s: %s\n", what.c_str(), std::strerror(errno));
  std::_Exit(1);
}

void must(bool holds, const std::string& what) {
  if (!holds) fail(what);
}

struct Freed {
  void operator()(void* memory) const { std::free(memory); }
};
// O_DIRECT wants it aligned.
using Buffer = std::unique_ptr<char, Freed>;
Buffer buffer(std::size_t size) {
  return Buffer(static_cast<char*>(std::aligned_alloc(kPage, size)));
}

// Numbers 0 to count - 1, dealt to threads in turn.
template <class Work>
void by_threads(std::size_t count, std::size_t threads, Work work) {
  std::vector<std::thread> started;
  for (std::size_t first = 0; first < threads; ++first)
    started.emplace_back([=] {
      for (std::size_t number = first; number < count; number += threads) work(number);
    });
  for (std::thread& thread : started) thread.join();
}

void forget_names() {
  const Fd drop(::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC));
  must(drop && ::write(drop.get(), "2", 1) == 1, "drop_caches");
}

void read_all(int file, std::size_t mib, char* into) {
  for (std::size_t at = 0; at < mib; ++at)
    for (std::size_t got = 0; got < kMiB;) {
      const ssize_t read =
          ::pread(file, into + got, kMiB - got, static_cast<off_t>(at * kMiB + got));
      must(read > 0, "read");
      got += static_cast<std::size_t>(read);
    }
}

void stream(int directory, const Load& load, Timings& timings) {
  const Buffer block = buffer(kMiB);
  std::memset(block.get(), 'x', kMiB);
  Fd file(::openat(directory, "large", O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0644));
  must(bool(file), "create");
  timings.time("write", load.size_mib, [&] {
    for (std::size_t at = 0; at < load.size_mib; ++at)
      must(::write(file.get(), block.get(), kMiB) == ssize_t{kMiB}, "write");
    must(::fsync(file.get()) == 0, "fsync");
  });
  file = Fd(::openat(directory, "large", O_RDONLY | O_CLOEXEC));
  must(bool(file), "open");
  must(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
  timings.time("read", load.size_mib, [&] { read_all(file.get(), load.size_mib, block.get()); });
  file = Fd(::openat(directory, "large", O_RDONLY | O_CLOEXEC));
  timings.time("read-again", load.size_mib,
               [&] { read_all(file.get(), load.size_mib, block.get()); });
  const std::vector<std::uint64_t> offsets = load.random_offsets();
  file = Fd(::openat(directory, "large", O_RDONLY | O_CLOEXEC | O_DIRECT));
  must(bool(file), "open with O_DIRECT");
  for (const std::size_t at_once : {1U, 4U})
    timings.time("random-" + std::to_string(at_once), offsets.size(), [&] {
      by_threads(offsets.size(), at_once, [&](std::size_t number) {
        thread_local const Buffer page = buffer(kPage);
        must(::pread(file.get(), page.get(), kPage, static_cast<off_t>(offsets[number])) ==
                 ssize_t{kPage},
             "pread");
      });
    });
  must(::unlinkat(directory, "large", 0) == 0, "unlink");
}

void names(int directory, const Load& load, Timings& timings) {
  const auto stat_all = [&](std::size_t at_once) {
    by_threads(load.files, at_once, [&](std::size_t number) {
      struct stat64 found;
      must(::fstatat64(directory, Load::name(number).c_str(), &found, 0) == 0, "stat");
    });
  };
  for (const std::size_t at_once : {1U, 4U}) {
    const std::string suffix = "-" + std::to_string(at_once);
    timings.time("create" + suffix, load.files, [&] {
      by_threads(load.files, at_once, [&](std::size_t number) {
        const Fd file(::openat(directory, Load::name(number).c_str(),
                               O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
        must(bool(file), "create");
      });
    });
    forget_names();
    timings.time("stat" + suffix, load.files, [&] { stat_all(at_once); });
    timings.time("stat-again" + suffix, load.files, [&] { stat_all(at_once); });
    timings.time("unlink" + suffix, load.files, [&] {
      by_threads(load.files, at_once, [&](std::size_t number) {
        must(::unlinkat(directory, Load::name(number).c_str(), 0) == 0, "unlink");
      });
    });
  }
}

void make_tree(int top, const Load& load) {
  for (std::size_t begin = 0; begin < load.files; begin += kFilesInDirectory) {
    const std::string name = std::to_string(begin / kFilesInDirectory);
    must(::mkdirat(top, name.c_str(), 0755) == 0, "mkdir");
    const Fd directory(::openat(top, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::size_t count = std::min(kFilesInDirectory, load.files - begin);
    for (std::size_t number = 0; number < count; ++number)
      must(bool(Fd(::openat(directory.get(), Load::name(number).c_str(),
                            O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644))),
           "create");
  }
}

std::size_t walk(Fd directory) {
  struct Close {
    void operator()(DIR* stream) const { ::closedir(stream); }
  };
  const std::unique_ptr<DIR, Close> stream(::fdopendir(directory.release()));
  must(stream != nullptr, "opendir");
  std::size_t found = 0;
  while (const dirent64* entry = ::readdir64(stream.get())) {
    const char* name = entry->d_name;
    if (std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0) continue;
    const int at = ::dirfd(stream.get());
    struct stat64 status;
    must(::fstatat64(at, name, &status, AT_SYMLINK_NOFOLLOW) == 0, "lstat");
    found += S_ISDIR(status.st_mode)
                 ? walk(Fd(::openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)))
                 : 1;
  }
  return found;
}

void find(const std::string& directory, const Load& load, Timings& timings) {
  forget_names();
  timings.time("find", load.files, [&] {
    const std::size_t found = walk(Fd(::open(directory.c_str(), O_RDONLY | O_CLOEXEC)));
    must(found == load.files, "a file is missing");
  });
}

void run(const std::vector<std::string>& words) {
  must(words.size() >= 2, "DIRECTORY LOAD");
  Load load;
  for (std::size_t at = 2; at + 1 < words.size(); at += 2) {
    if (words[at] == "--files") load.files = std::stoul(words[at + 1]);
    if (words[at] == "--size") load.size_mib = std::stoul(words[at + 1]);
  }
  Timings timings;
  const Fd directory(::open(words[0].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  must(bool(directory), words[0]);
  if (words[1] == "stream")
    stream(directory.get(), load, timings);
  else if (words[1] == "names")
    names(directory.get(), load, timings);
  else if (words[1] == "tree")
    make_tree(directory.get(), load);
  else if (words[1] == "find")
    find(words[0], load, timings);
  else
    must(false, "no such load " + words[1]);
  timings.print();
}

}  // namespace

}  // namespace claimfs::bench

int main(int count, char** words) {
  claimfs::bench::run(std::vector<std::string>(words + 1, words + count));
}
