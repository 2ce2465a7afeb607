#include <linux/limits.h>
#include <sys/xattr.h>

#include <cerrno>

#include "backends/caller_identity.h"
#include "backends/host_path/backend.h"

namespace claimfs::backends::host_path {

namespace {

constexpr std::size_t kSmall = 256;
// Attributes of a file that do not fit beside its inode share a block.
constexpr std::uint64_t kAttributeBlock = 4096;

// A call that fills a buffer and says ERANGE when it is too small.
template <class Call>
Result<std::string> grown(std::size_t most, Call&& call) {
  std::string value(kSmall, '\0');
  ssize_t length = call(value.data(), value.size());
  if (length < 0 && errno == ERANGE) {
    value.resize(most);
    length = call(value.data(), value.size());
  }
  if (length < 0) return failure_from_errno();
  value.resize(static_cast<std::size_t>(length));
  return value;
}

}  // namespace

template <class Call>
Result<void> HostPathBackend::changed(Inode& inode, int descriptor, Reservation& room,
                                      Call&& call) {
  const Change change(accounting_, host(inode), descriptor, room);
  return within_quota([&]() -> Result<void> {
    if (call(ProcPath(descriptor).text) != 0) return failure_from_errno();
    return {};
  });
}

void HostPathBackend::get_xattr(const Caller&, Inode& inode, std::string_view name,
                                Answer<std::string> answer) {
  Result<Lease> descriptor = descriptor_of(inode);
  if (!descriptor) return answer.refuse(descriptor.error());
  const ProcPath path(descriptor->get());
  const std::string c_name(name);
  answer.complete(grown(XATTR_SIZE_MAX, [&](char* to, std::size_t size) {
    return ::getxattr(path.text, c_name.c_str(), to, size);
  }));
}

void HostPathBackend::set_xattr(const Caller&, Inode& inode, std::string_view name,
                                std::string_view value, int flags, bool may_keep_set_gid,
                                Answer<void> answer) {
  Result<Lease> descriptor = descriptor_of(inode);
  if (!descriptor) return answer.refuse(descriptor.error());
  Result<Reservation> room = room_for(kAttributeBlock + value.size());
  if (!room) return answer.refuse(room.error());
  const WithoutFsetid unprivileged(!may_keep_set_gid);
  const std::string c_name(name);
  answer.complete(changed(inode, descriptor->get(), *room, [&](const char* path) {
    return ::setxattr(path, c_name.c_str(), value.data(), value.size(), flags);
  }));
}

void HostPathBackend::list_xattrs(const Caller&, Inode& inode, Answer<std::string> answer) {
  Result<Lease> descriptor = descriptor_of(inode);
  if (!descriptor) return answer.refuse(descriptor.error());
  const ProcPath path(descriptor->get());
  answer.complete(grown(XATTR_LIST_MAX, [&](char* to, std::size_t size) {
    return ::listxattr(path.text, to, size);
  }));
}

void HostPathBackend::remove_xattr(const Caller&, Inode& inode, std::string_view name,
                                   Answer<void> answer) {
  Result<Lease> descriptor = descriptor_of(inode);
  if (!descriptor) return answer.refuse(descriptor.error());
  Reservation none;
  const std::string c_name(name);
  answer.complete(changed(inode, descriptor->get(), none,
                          [&](const char* path) { return ::removexattr(path, c_name.c_str()); }));
}

}  // namespace claimfs::backends::host_path
