// What provisioning and reclaim do to directories. Each case works in a root directory of its own
// (chroot, a private mount namespace): whatever a mistake removes, it is not the host's.

#include "backends/host_path/ground.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/fs.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "backends/host_path/tree_removal.h"
#include "base/fd.h"
#include "tests/unit/catch.h"
#include "tests/unit/forked.h"
#include "tests/unit/store_fixture.h"

namespace claimfs::backends {
namespace {

namespace files = std::filesystem;

// What a case found wrong, one a line.
class Findings {
 public:
  void expect(bool holds, const std::string& what) {
    if (!holds) text_ += what + "\n";
  }
  void expect(const Result<void>& result, int code, const std::string& what) {
    const int got = result ? 0 : result.error().code;
    expect(got == code, what + ": " + (result ? "success" : result.error().message()));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void write(const std::string& path, std::size_t size = 1) {
  std::ofstream(path) << std::string(size, 'x');
}

// The machine outside of the volume, and a volume in it.
void furnish() {
  files::create_directories("/srv/volume/a/b");
  files::create_directories("/srv/outside/kept");
  write("/srv/outside/kept/file");
  write("/srv/volume/file", 10'000);
  write("/srv/volume/.hidden");
  write("/srv/volume/a/b/deep");
}

// Runs the case in a child whose root is an empty directory with /proc. Empty: all is well.
std::string confined(const std::function<void(Findings&)>& body) {
  if (::geteuid() != 0) {
    WARN("not root: a case cannot be confined, and is left out");
    return "";
  }
  const store::Directory scratch;
  const std::string root = scratch.path("root");
  files::create_directories(root + "/proc");
  const Forked forked = run_forked([&] {
    Findings findings;
    const bool is_confined = ::unshare(CLONE_NEWNS) == 0 &&
                             ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                             ::mount("proc", (root + "/proc").c_str(), "proc", 0, nullptr) == 0 &&
                             ::chroot(root.c_str()) == 0 && ::chdir("/") == 0 &&
                             !files::exists("/usr");
    findings.expect(is_confined, "the case is not confined");
    if (is_confined) {
      furnish();
      body(findings);
      findings.expect(files::exists("/srv/outside/kept/file"), "what is outside was removed");
    }
    return findings.text();
  });
  if (forked.status == 0) return forked.text;
  return forked.text + "the case ended with status " + std::to_string(forked.status);
}

Result<void> remove_tree(const std::string& path) {
  RemovalProgress progress;
  return host_path_ground()->remove_tree(path, progress, {});
}

Result<void> scrub(const std::string& path) {
  RemovalProgress progress;
  return host_path_ground()->scrub(path, progress, {});
}

mode_t mode_of(const std::string& path) {
  struct stat state {};
  return ::lstat(path.c_str(), &state) == 0 ? state.st_mode & 07777 : 0;
}

}  // namespace

TEST_CASE("a tree is removed, and what is gone already is well", "[ground]") {
  CHECK(confined([](Findings& found) {
          RemovalProgress progress;
          found.expect(host_path_ground()->remove_tree("/srv/volume", progress, {}), 0, "remove");
          found.expect(!files::exists("/srv/volume"), "it is still there");
          found.expect(progress.files == 6, std::to_string(progress.files) + " files counted");
          found.expect(progress.bytes >= 10'000, "bytes are not counted");
          found.expect(remove_tree("/srv/volume"), 0, "a missing one");
          found.expect(remove_tree("/srv/no/such/parent"), 0, "one without a parent");
        }) == "");
}

TEST_CASE("a directory is emptied and stays, dotfiles gone", "[ground]") {
  CHECK(confined([](Findings& found) {
          ::chmod("/srv/volume", 0751);
          found.expect(scrub("/srv/volume/"), 0, "scrub");
          found.expect(files::is_empty("/srv/volume"), "it is not empty");
          found.expect(mode_of("/srv/volume") == 0751, "its mode changed");
          found.expect(scrub("/srv/missing"), ENOENT, "a missing one");
          write("/srv/plain");
          found.expect(scrub("/srv/plain"), ENOTDIR, "a file");
        }) == "");
}

TEST_CASE("paths that no volume has are refused", "[ground]") {
  for (const char* path :
       {"", "/", "//", "/.", "relative", "/srv/../srv/volume", "/srv/volume/.."}) {
    CAPTURE(path);
    CHECK(confined([&](Findings& found) {
            found.expect(remove_tree(path), EINVAL, "remove");
            found.expect(scrub(path), EINVAL, "scrub");
            found.expect(files::exists("/srv/volume/file"), "something was removed");
          }) == "");
  }
}

TEST_CASE("symlinks are removed and never followed", "[ground]") {
  CHECK(confined([](Findings& found) {
          files::create_directory_symlink("/srv/outside", "/srv/volume/link");
          files::create_directory_symlink("../../outside", "/srv/volume/a/relative");
          files::create_directory_symlink("/srv", "/way");
          files::create_directory_symlink("/srv/outside", "/srv/itself");
          found.expect(remove_tree("/way/volume"), ELOOP, "a symlink in the way");
          found.expect(scrub("/srv/itself"), ELOOP, "a symlink to be emptied");
          found.expect(remove_tree("/srv/itself"), 0, "a symlink as the volume");
          found.expect(!files::is_symlink("/srv/itself"), "the symlink itself stays");
          found.expect(remove_tree("/srv/volume"), 0, "symlinks inside");
          found.expect(!files::exists("/srv/volume"), "it is still there");
        }) == "");
}

TEST_CASE("a mount inside stops it before anything is gone", "[ground]") {
  CHECK(confined([](Findings& found) {
          const auto bind = [](const char* from, const char* to) {
            return ::mount(from, to, nullptr, MS_BIND, nullptr) == 0;
          };
          found.expect(bind("/srv/outside", "/srv/volume/a/b"), "no bind mount");
          found.expect(remove_tree("/srv/volume"), EBUSY, "remove");
          found.expect(scrub("/srv/volume"), EBUSY, "scrub");
          found.expect(files::exists("/srv/volume/file"), "something was removed before");
          ::umount("/srv/volume/a/b");
          // The volume's directory may be a disk: it is emptied, and not removed.
          found.expect(bind("/srv/volume", "/srv/volume"), "no bind mount of itself");
          found.expect(remove_tree("/srv/volume"), EBUSY, "a mount as the volume");
          found.expect(scrub("/srv/volume"), 0, "a mount is emptied");
          found.expect(files::is_empty("/srv/volume"), "it is not empty");
        }) == "");
}

TEST_CASE("a mount that appears while it runs is not entered", "[ground]") {
  CHECK(confined([](Findings& found) {
          // What the look before did not see: /proc/self/mounts is of before.
          ::umount2("/proc", MNT_DETACH);
          files::create_directories("/proc/self");
          write("/proc/self/mounts", 0);
          files::create_directories("/srv/volume/m");
          ::mount("/srv/outside", "/srv/volume/m", nullptr, MS_BIND, nullptr);
          found.expect(remove_tree("/srv/volume"), EBUSY, "remove");
          found.expect(files::exists("/srv/volume/m/kept/file"), "the mount was entered");
        }) == "");
}

TEST_CASE("a name in an open directory leads to a directory in it, or nowhere", "[ground]") {
  CHECK(confined([](Findings& found) {
          const auto code_of = [](const char* name) {
            const Fd volume(::open("/srv/volume", O_RDONLY | O_DIRECTORY));
            const auto opened = host_path::open_inside(volume.get(), name);
            return opened ? 0 : opened.error().code;
          };
          found.expect(code_of("a") == 0, "a directory");
          // What the look at the mounts and rmdir's EBUSY cannot see: mounted between the two.
          ::mount("/srv/outside", "/srv/volume/a", nullptr, MS_BIND, nullptr);
          found.expect(code_of("a") == EXDEV, "a mount");
          files::create_directory_symlink("/srv/outside", "/srv/volume/link");
          found.expect(code_of("link") == ELOOP, "a symlink");
          found.expect(code_of("..") == EXDEV, "the way up");
          found.expect(code_of("file") == ENOTDIR, "a file");
        }) == "");
}

TEST_CASE("a directory that is swapped for a symlink while it runs leads nowhere", "[ground]") {
  CHECK(confined([](Findings& found) {
          const std::string swapped = "/srv/volume/swapped";
          const auto refill = [&swapped] {
            std::error_code ignored;
            files::create_directories(swapped + "/in/it", ignored);
          };
          files::create_directory_symlink("/srv/outside", "/srv/link");
          {
            std::jthread swapper([&swapped](const std::stop_token& stop) {
              while (!stop.stop_requested())
                ::renameat2(AT_FDCWD, swapped.c_str(), AT_FDCWD, "/srv/link", RENAME_EXCHANGE);
            });
            for (int i = 0; i < 200; ++i) {
              refill();
              (void)scrub("/srv/volume");
            }
          }
          found.expect(scrub("/srv/volume"), 0, "when nobody swaps any more");
          found.expect(files::is_empty("/srv/volume"), "it is not empty");
        }) == "");
}

TEST_CASE("a tree deeper than any path, and one that is stopped and taken up again", "[ground]") {
  CHECK(confined([](Findings& found) {
          Fd at(::open("/srv/volume", O_RDONLY | O_DIRECTORY));
          for (int depth = 0; depth < 1000; ++depth) {
            ::mkdirat(at.get(), "a-long-name", 0700);
            at = Fd(::openat(at.get(), "a-long-name", O_RDONLY | O_DIRECTORY));
          }
          at.reset();
          for (int i = 0; i < 3'000; ++i) write("/srv/volume/a/" + std::to_string(i));
          std::stop_source stop;
          RemovalProgress progress;
          std::jthread stopper([&] {
            while (progress.files < 100) std::this_thread::yield();
            stop.request_stop();
          });
          const auto ground = host_path_ground();
          found.expect(ground->remove_tree("/srv/volume", progress, stop.get_token()), ECANCELED,
                       "stopped");
          found.expect(files::exists("/srv/volume"), "it did not stop");
          found.expect(remove_tree("/srv/volume"), 0, "taken up again");
          found.expect(!files::exists("/srv/volume"), "it is still there");
        }) == "");
}

TEST_CASE("what cannot be removed is named, and the rest can be tried again", "[ground]") {
  CHECK(confined([](Findings& found) {
          Fd file(::open("/srv/volume/a/b/deep", O_RDONLY));
          int flags = FS_IMMUTABLE_FL;
          if (::ioctl(file.get(), FS_IOC_SETFLAGS, &flags) != 0) return;  // not on this filesystem
          const auto refused = remove_tree("/srv/volume");
          found.expect(refused, EPERM, "immutable");
          found.expect(!refused && refused.error().message().find("/srv/volume/a/b/deep") !=
                                       std::string::npos,
                       "the file is not named");
          flags = 0;
          ::ioctl(file.get(), FS_IOC_SETFLAGS, &flags);
          found.expect(remove_tree("/srv/volume"), 0, "mutable again");
        }) == "");
}

TEST_CASE("a directory is made with its mode, whatever the umask, and never outside", "[ground]") {
  CHECK(confined([](Findings& found) {
          const auto ground = host_path_ground();
          ::umask(077);
          found.expect(ground->make_directory("/srv/base", "ns/claim/pv", 0777), 0, "make");
          found.expect(mode_of("/srv/base/ns/claim/pv") == 0777, "its mode");
          write("/srv/base/ns/claim/pv/data");
          found.expect(ground->make_directory("/srv/base", "ns/claim/pv", 0700), 0, "again");
          found.expect(mode_of("/srv/base/ns/claim/pv") == 0777, "one that is there was changed");
          files::create_directory_symlink("/srv/outside", "/srv/base/out");
          found.expect(ground->make_directory("/srv/base", "out/x", 0777), ELOOP, "by a symlink");
          found.expect(ground->make_directory("/srv/base", "out", 0777), ELOOP, "at a symlink");
          write("/srv/base/file");
          found.expect(ground->make_directory("/srv/base", "file", 0777), ENOTDIR, "at a file");
          found.expect(files::directory_iterator("/srv/outside")->path() == "/srv/outside/kept",
                       "something was made outside");
          for (const auto& entry : files::recursive_directory_iterator("/srv/base"))
            found.expect(entry.path().filename().string().find(".claimfs-new") != 0, "a leftover");
        }) == "");
}

TEST_CASE("an archive keeps what is there, and older archives", "[ground]") {
  CHECK(confined([](Findings& found) {
          const auto ground = host_path_ground();
          const auto first = ground->archive("/srv/volume", "archived-volume");
          found.expect(first && *first == "/srv/archived-volume", "first");
          found.expect(files::exists("/srv/archived-volume/a/b/deep"), "its files");
          files::create_directories("/srv/volume");
          const auto second = ground->archive("/srv/volume", "archived-volume");
          found.expect(second && *second == "/srv/archived-volume-1", "second");
          const auto none = ground->archive("/srv/volume", "archived-volume");
          found.expect(none && none->empty(), "a missing one");
        }) == "");
}

}  // namespace claimfs::backends
