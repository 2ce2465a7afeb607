#pragma once

#include <sys/types.h>

#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace claimfs::store {

// The lock that proves a session's process alive: a POSIX record lock on a file of its own. The
// kernel drops it when the process ends, however it ends, and a forked child does not carry it on
// (an flock it would).
//
// Such a lock is also dropped when its process closes *any* descriptor of the file. So the file is
// opened once, by take(), and is_session_held() does not open the files that this process holds
// itself.
class SessionLock {
 public:
  // Creates the file, which must not be there, and locks it.
  static Result<SessionLock> take(const std::string& path);
  SessionLock(SessionLock&& other) noexcept = default;
  SessionLock& operator=(SessionLock&&) = delete;
  ~SessionLock();  // removes the file; in a forked child: nothing

  // False in a forked child, and when somebody removed the file.
  bool is_held() const;

 private:
  SessionLock(std::string path, Fd file) : path_(std::move(path)), file_(std::move(file)) {}

  std::string path_;
  Fd file_;
  pid_t process_ = 0;  // set once locked
};

// Whether a process that lives holds this session's file. When that cannot be told it is held.
bool is_session_held(const std::string& path);

}  // namespace claimfs::store
