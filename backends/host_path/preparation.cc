#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <string_view>

#include "backends/host_path.h"
#include "base/fd.h"

namespace claimfs::backends {

namespace {

struct TypeRule {
  std::string_view type;
  mode_t kind;            // S_IFMT of what must be there
  std::string_view noun;  // as Kubernetes' message has it
};

constexpr std::array<TypeRule, 7> kRules = {{
    {"DirectoryOrCreate", S_IFDIR, "a directory"},
    {"Directory", S_IFDIR, "a directory"},
    {"FileOrCreate", S_IFREG, "a file"},
    {"File", S_IFREG, "a file"},
    {"Socket", S_IFSOCK, "a socket file"},
    {"CharDevice", S_IFCHR, "a character device"},
    {"BlockDevice", S_IFBLK, "a block device"},
}};

bool has_dot_dot(std::string_view path) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    const std::size_t end = std::min(path.find('/', begin), path.size());
    if (path.substr(begin, end - begin) == "..") return true;
    begin = end + 1;
  }
  return false;
}

// mkdir -p with 0755, whatever the process's umask is.
Result<void> make_directories(const std::filesystem::path& path) {
  if (path.has_parent_path() && path != path.parent_path() &&
      !std::filesystem::exists(path.parent_path()))
    TRY_VOID(make_directories(path.parent_path()));
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST)
    return failure_from_errno("mkdir " + path.string());
  ::chmod(path.c_str(), 0755);
  return {};
}

}  // namespace

Result<void> prepare_host_path(const std::string& path, const std::string& type) {
  if (has_dot_dot(path))
    return failure(0, "invalid HostPath `" + path + "`: must not contain '..'");
  if (!path.starts_with('/'))
    return failure(0, "hostPath \"" + path +
                          "\" is not absolute: write the whole path in the PersistentVolume");
  struct stat found {};
  bool is_there =
      ::stat(path.c_str(), &found) == 0;  // symlinks are followed here, as Kubernetes does
  if (!is_there && errno != ENOENT && errno != ENOTDIR)
    return failure_from_errno("hostPath " + path);
  if (!is_there && type == "DirectoryOrCreate") {
    TRY_VOID(make_directories(path));
  } else if (!is_there && type == "FileOrCreate") {
    Fd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
    if (!file) return failure_from_errno("hostPath " + path + " cannot be created");
    ::fchmod(file.get(), 0644);
  } else if (!is_there && type.empty()) {
    return failure(ENOENT, "hostPath " + path +
                               ": create the directory, or set hostPath.type to DirectoryOrCreate");
  }
  if (type.empty()) return {};
  const auto rule = std::ranges::find(kRules, type, &TypeRule::type);
  if (rule == kRules.end()) return failure(0, "unknown hostPath type \"" + type + "\"");
  is_there = ::stat(path.c_str(), &found) == 0;
  if (!is_there || (found.st_mode & S_IFMT) != rule->kind)
    return failure(0, "hostPath type check failed: " + path + " is not " + std::string(rule->noun));
  return {};
}

}  // namespace claimfs::backends
