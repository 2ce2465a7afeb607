#include "store/state_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

namespace claimfs::store {
namespace {

Result<void> make_directory(const std::filesystem::path& path) {
  if (::mkdir(path.c_str(), 0700) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT || !path.has_relative_path())
    return failure_from_errno("directory '" + path.string() + "'");
  TRY_VOID(make_directory(path.parent_path()));
  if (::mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) {
    return failure_from_errno("directory '" + path.string() + "'");
  }
  return {};
}

// By mknod, which opens nothing: closing a descriptor of the database would drop every lock that
// SQLite holds on it for other connections of this process.
Result<void> make_file(const std::string& path) {
  if (::mknod(path.c_str(), S_IFREG | 0600, 0) == 0 || errno == EEXIST) return {};
  return failure_from_errno("file '" + path + "'");
}

}  // namespace

Result<StateFiles> create_state_files(const std::string& database_path) {
  std::error_code error;
  const std::filesystem::path asked =
      std::filesystem::absolute(database_path, error).lexically_normal();
  if (error || database_path.empty() || !asked.has_filename()) {
    return failure(EINVAL, "'" + database_path + "' does not name a file for the store");
  }
  TRY_VOID(make_directory(asked.parent_path()));
  const std::filesystem::path directory = std::filesystem::canonical(asked.parent_path(), error);
  if (error) return failure(error.value(), "directory '" + asked.parent_path().string() + "'");

  StateFiles files;
  files.database = (directory / asked.filename()).string();
  files.doorbell = files.database + "-doorbell";
  files.sessions = files.database + "-sessions";
  TRY_VOID(make_file(files.database));
  struct stat status;
  if (::stat(files.database.c_str(), &status) != 0)
    return failure_from_errno("store '" + files.database + "'");
  if (!S_ISREG(status.st_mode))
    return failure(EINVAL, "store '" + files.database + "' is not a regular file");
  if ((status.st_mode & 077) != 0 && ::chmod(files.database.c_str(), status.st_mode & 0700) != 0) {
    return failure_from_errno("store '" + files.database + "' is open to others");
  }
  TRY_VOID(make_file(files.doorbell));
  TRY_VOID(make_directory(files.sessions));
  return files;
}

Result<Fd> lock_for_opening(const StateFiles& files) {
  Fd directory(::open(files.sessions.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return failure_from_errno("directory '" + files.sessions + "'");
  while (::flock(directory.get(), LOCK_EX) != 0) {
    if (errno != EINTR) return failure_from_errno("directory '" + files.sessions + "'");
  }
  return directory;
}

}  // namespace claimfs::store
