#include <sys/file.h>

#include <cerrno>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

// NFSv3 has no extended attributes.

// The kernel asks for ACLs at every look of somebody who is not root: there are none, which is no
// error.
void NfsBackend::get_xattr(const Caller&, Inode&, std::string_view name,
                           Answer<std::string> answer) {
  const bool is_acl = name == "system.posix_acl_access" || name == "system.posix_acl_default";
  answer.fail(is_acl ? ENODATA : ENOTSUP);
}

void NfsBackend::set_xattr(const Caller&, Inode&, std::string_view, std::string_view, int, bool,
                           Answer<void> answer) {
  answer.fail(ENOTSUP);
}

void NfsBackend::list_xattrs(const Caller&, Inode&, Answer<std::string> answer) {
  answer.fail(ENOTSUP);
}

void NfsBackend::remove_xattr(const Caller&, Inode&, std::string_view, Answer<void> answer) {
  answer.fail(ENOTSUP);
}

// Locks that others should respect would have to go to the server, by another protocol (NLM). None
// is better than one that only seems to hold.

void NfsBackend::flock(File& file, int operation, bool wait, Answer<void> answer) {
  if (!options_.local_locks) return answer.refuse(ENOLCK);
  answer.complete(locks_.flock(nfs(file), operation, wait));
}

void NfsBackend::test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) {
  if (!options_.local_locks) return answer.refuse(ENOLCK);
  answer.complete(locks_.test(inode.key(), lock));
}

void NfsBackend::set_lock(Inode& inode, const RangeLock& lock, bool wait, Answer<void> answer) {
  if (!options_.local_locks) return answer.refuse(ENOLCK);
  answer.complete(locks_.set(inode.key(), lock, wait));
}

void NfsBackend::drop_locks(Inode& inode, std::uint64_t owner, Answer<void> answer) {
  locks_.drop(inode.key(), owner);
  answer.complete({});
}

}  // namespace claimfs::backends::nfs
