// Phases of scripts/bench by system calls in a directory, as cheap as they can be made.
//
//   file_load DIRECTORY PHASE [--files N] [--size MiB] [--threads N]
//
// Prints as JSON how long a phase took and how much it did. Before those that are marked * the
// kernel should have forgotten names; each works on what those above it have left.
//
//   write        a large file by 1 MiB, then fsync
//   read-cold    it, after its pages were dropped
//   read         it again
//   direct       4 KiB anywhere in it with O_DIRECT, by threads
//
//   create       empty files, by threads as all that follow
//   stat *       lstat
//   absent       lstat of names that are not there
//   rename       there and back
//   write-small  more files, each with 4 KiB
//   read-small   those
//   unlink       the empty ones
//
//   tree         directories of 100 empty files; not timed
//   walk *       readdir and lstat of all in it

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "tests/bench/load.h"
#include "tests/bench/timings.h"

namespace claimfs::bench {

namespace {

struct Phase {
  std::string name;
  Load load{};
  std::size_t threads = 1;
};

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

void read_all(int file, std::size_t mib, char* into) {
  for (std::size_t at = 0; at < mib; ++at)
    for (std::size_t got = 0; got < kMiB;) {
      const ssize_t read =
          ::pread(file, into + got, kMiB - got, static_cast<off_t>(at * kMiB + got));
      must(read > 0, "read");
      got += static_cast<std::size_t>(read);
    }
}

constexpr const char* kLarge = "large";

Fd open_large(int directory, int flags) {
  Fd file(::openat(directory, kLarge, flags | O_CLOEXEC, 0644));
  must(bool(file), "open");
  return file;
}

void write_large(int directory, const Phase& phase, Timings& timings) {
  const Buffer block = buffer(kMiB);
  std::memset(block.get(), 'x', kMiB);
  const Fd file = open_large(directory, O_CREAT | O_EXCL | O_WRONLY);
  timings.time(phase.name, phase.load.size_mib, [&] {
    for (std::size_t at = 0; at < phase.load.size_mib; ++at)
      must(::write(file.get(), block.get(), kMiB) == ssize_t{kMiB}, "write");
    must(::fsync(file.get()) == 0, "fsync");
  });
}

void read_large(int directory, const Phase& phase, Timings& timings) {
  const Buffer block = buffer(kMiB);
  const Fd file = open_large(directory, O_RDONLY);
  if (phase.name == "read-cold")
    must(::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED) == 0, "fadvise");
  timings.time(phase.name, phase.load.size_mib,
               [&] { read_all(file.get(), phase.load.size_mib, block.get()); });
}

void read_direct(int directory, const Phase& phase, Timings& timings) {
  const std::vector<std::uint64_t> offsets = phase.load.random_offsets();
  const Fd file = open_large(directory, O_RDONLY | O_DIRECT);
  timings.time(phase.name, offsets.size(), [&] {
    by_threads(offsets.size(), phase.threads, [&](std::size_t number) {
      thread_local const Buffer page = buffer(kPage);
      must(::pread(file.get(), page.get(), kPage, static_cast<off_t>(offsets[number])) ==
               ssize_t{kPage},
           "pread");
    });
  });
}

using ForName = void (*)(int directory, std::size_t number);
const std::map<std::string, ForName> kForNames = {
    {"create",
     [](int directory, std::size_t number) {
       must(bool(Fd(::openat(directory, Load::name(number).c_str(),
                             O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644))),
            "create");
     }},
    {"stat",
     [](int directory, std::size_t number) {
       struct stat64 found;
       must(::fstatat64(directory, Load::name(number).c_str(), &found, AT_SYMLINK_NOFOLLOW) == 0,
            "lstat");
     }},
    {"absent",
     [](int directory, std::size_t number) {
       struct stat64 found;
       const std::string name = "absent-" + std::to_string(number);
       must(::fstatat64(directory, name.c_str(), &found, AT_SYMLINK_NOFOLLOW) == -1 &&
                errno == ENOENT,
            "a name that should be absent");
     }},
    {"rename",
     [](int directory, std::size_t number) {
       const std::string name = Load::name(number);
       const std::string other = "moved-" + std::to_string(number);
       must(::renameat(directory, name.c_str(), directory, other.c_str()) == 0 &&
                ::renameat(directory, other.c_str(), directory, name.c_str()) == 0,
            "rename");
     }},
    {"write-small",
     [](int directory, std::size_t number) {
       static const std::string page(kPage, 'x');
       const Fd file(::openat(directory, ("small-" + std::to_string(number)).c_str(),
                              O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
       must(file && ::write(file.get(), page.data(), kPage) == ssize_t{kPage}, "write");
     }},
    {"read-small",
     [](int directory, std::size_t number) {
       thread_local std::string page(kPage, '\0');
       const Fd file(
           ::openat(directory, ("small-" + std::to_string(number)).c_str(), O_RDONLY | O_CLOEXEC));
       must(file && ::read(file.get(), page.data(), kPage) == ssize_t{kPage}, "read");
     }},
    {"unlink",
     [](int directory, std::size_t number) {
       must(::unlinkat(directory, Load::name(number).c_str(), 0) == 0, "unlink");
     }},
};

void for_names(int directory, const Phase& phase, Timings& timings) {
  const ForName work = kForNames.at(phase.name);
  const std::size_t count = phase.load.files * (phase.name == "rename" ? 2 : 1);  // there and back
  timings.time(phase.name, count, [&] {
    by_threads(phase.load.files, phase.threads,
               [&](std::size_t number) { work(directory, number); });
  });
}

void make_tree(int top, const Phase& phase, Timings&) {
  const Load& load = phase.load;
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

void walk_tree(int top, const Phase& phase, Timings& timings) {
  timings.time(phase.name, phase.load.files, [&] {
    const std::size_t found = walk(Fd(::openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    must(found == phase.load.files, "a file is missing");
  });
}

void run(const std::vector<std::string>& words) {
  must(words.size() >= 2, "DIRECTORY PHASE");
  Phase phase{.name = words[1]};
  for (std::size_t at = 2; at + 1 < words.size(); at += 2) {
    const std::size_t value = std::stoul(words[at + 1]);
    if (words[at] == "--files") phase.load.files = value;
    if (words[at] == "--size") phase.load.size_mib = value;
    if (words[at] == "--threads") phase.threads = value;
  }
  using Run = void (*)(int directory, const Phase& phase, Timings& timings);
  const std::map<std::string, Run> others = {{"write", write_large}, {"read-cold", read_large},
                                             {"read", read_large},   {"direct", read_direct},
                                             {"tree", make_tree},    {"walk", walk_tree}};
  const Fd directory(::open(words[0].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  must(bool(directory), words[0]);
  Timings timings;
  if (const auto other = others.find(phase.name); other != others.end())
    other->second(directory.get(), phase, timings);
  else if (kForNames.contains(phase.name))
    for_names(directory.get(), phase, timings);
  else
    must(false, "no such phase " + phase.name);
  timings.print();
}

}  // namespace

}  // namespace claimfs::bench

int main(int count, char** words) {
  claimfs::bench::run(std::vector<std::string>(words + 1, words + count));
}
