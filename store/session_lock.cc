#include "store/session_lock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <map>
#include <utility>

#include "base/guarded.h"

namespace claimfs::store {
namespace {

using FileId = std::pair<dev_t, ino_t>;  // not the path, which may have several spellings

FileId id_of(const struct stat& status) { return {status.st_dev, status.st_ino}; }

// The session files that this process holds, and which process that was when it took them: a forked
// child inherits the table without the locks. One for the process because the locks are the
// process's, and do not show to itself.
Guarded<std::map<FileId, pid_t>>& own_sessions() {
  static Guarded<std::map<FileId, pid_t>> sessions;
  return sessions;
}

struct flock whole_file() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  return lock;
}

}  // namespace

Result<SessionLock> SessionLock::take(const std::string& path) {
  SessionLock lock(
      path, Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)));
  if (!lock.file_) return failure_from_errno("session file '" + path + "'");
  struct stat status;
  struct flock record = whole_file();
  if (::fstat(lock.file_.get(), &status) != 0 || ::fcntl(lock.file_.get(), F_SETLK, &record) != 0) {
    auto error = failure_from_errno("session file '" + path + "'");
    ::unlink(path.c_str());
    return error;
  }
  lock.process_ = ::getpid();
  own_sessions().with([&](auto& sessions) { sessions[id_of(status)] = lock.process_; });
  return lock;
}

SessionLock::~SessionLock() {
  if (!file_ || process_ != ::getpid()) return;
  struct stat status;
  const bool is_known = ::fstat(file_.get(), &status) == 0;
  ::unlink(path_.c_str());
  // Before the close: after it the number may already be that of another thread's new session.
  if (is_known) own_sessions().with([&](auto& sessions) { sessions.erase(id_of(status)); });
  file_.reset();
}

bool SessionLock::is_held() const {
  struct stat status;
  return file_ && process_ == ::getpid() && ::fstat(file_.get(), &status) == 0 &&
         status.st_nlink > 0;
}

bool is_session_held(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) return errno != ENOENT && errno != ENOTDIR;
  const bool is_own = own_sessions().with([&](const auto& sessions) {
    const auto found = sessions.find(id_of(status));
    return found != sessions.end() && found->second == ::getpid();
  });
  if (is_own) return true;

  Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  if (!file) return errno != ENOENT;
  struct flock record = whole_file();
  if (::fcntl(file.get(), F_GETLK, &record) != 0) return true;
  return record.l_type != F_UNLCK;
}

}  // namespace claimfs::store
