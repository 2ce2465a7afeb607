#include "backends/host_path/mounts.h"

#include <fcntl.h>
#include <sys/vfs.h>

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>

#include "base/guarded.h"

namespace claimfs::backends::host_path {

namespace {

// A key: mount number, handle type, handle bytes.
struct KeyHead {
  std::uint16_t mount;
  std::int32_t type;
} __attribute__((packed));

struct HandleBuffer {
  alignas(file_handle) char bytes[sizeof(file_handle) + MAX_HANDLE_SZ];
  file_handle& handle() { return *reinterpret_cast<file_handle*>(bytes); }
};

}  // namespace

void Mounts::clear() {
  std::unique_lock lock(mutex_);
  mounts_.clear();
}

Result<void> Mounts::add_root(int root_descriptor) {
  HandleBuffer buffer;
  buffer.handle().handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (::name_to_handle_at(root_descriptor, "", &buffer.handle(), &mount_id, AT_EMPTY_PATH) != 0)
    return failure_from_errno();
  TRY(number_of(mount_id, root_descriptor, ""));
  return {};
}

Result<std::uint16_t> Mounts::number_of(int mount_id, int directory_or_file, const char* name) {
  {
    std::shared_lock lock(mutex_);
    for (std::size_t number = 0; number < mounts_.size(); ++number)
      if (mounts_[number].id == mount_id) return static_cast<std::uint16_t>(number);
  }
  // Another mount. A directory on it serves as the place to open handles from; a single file that
  // is mounted over another has none, and is kept by its descriptor.
  Fd directory(::openat(directory_or_file, *name ? name : ".",
                        O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!directory) return failure(errno == ENOTDIR ? EOPNOTSUPP : errno);
  HandleBuffer buffer;
  buffer.handle().handle_bytes = MAX_HANDLE_SZ;
  int opened_id = 0;
  if (::name_to_handle_at(directory.get(), "", &buffer.handle(), &opened_id, AT_EMPTY_PATH) != 0 ||
      opened_id != mount_id)
    return failure(EOPNOTSUPP);
  // Some filesystems give handles but cannot open them.
  Fd again(::open_by_handle_at(directory.get(), &buffer.handle(), O_PATH | O_CLOEXEC));
  if (!again) return failure(EOPNOTSUPP);
  std::unique_lock lock(mutex_);
  for (std::size_t number = 0; number < mounts_.size(); ++number)
    if (mounts_[number].id == mount_id) return static_cast<std::uint16_t>(number);
  if (mounts_.size() >= UINT16_MAX) return failure(EOPNOTSUPP);
  mounts_.push_back({mount_id, std::move(directory)});
  return static_cast<std::uint16_t>(mounts_.size() - 1);
}

Result<std::string> Mounts::key_of(int directory_or_file, const char* name) {
  HandleBuffer buffer;
  file_handle& handle = buffer.handle();
  handle.handle_bytes = MAX_HANDLE_SZ;
  int mount_id = 0;
  if (::name_to_handle_at(directory_or_file, name, &handle, &mount_id, *name ? 0 : AT_EMPTY_PATH) !=
      0)
    return failure_from_errno();
  const KeyHead head{TRY(number_of(mount_id, directory_or_file, name)), handle.handle_type};
  std::string key(sizeof head + handle.handle_bytes, '\0');
  std::memcpy(key.data(), &head, sizeof head);
  std::memcpy(key.data() + sizeof head, handle.f_handle, handle.handle_bytes);
  return key;
}

Result<Fd> Mounts::open(std::string_view key, int flags) const {
  KeyHead head;
  std::memcpy(&head, key.data(), sizeof head);
  HandleBuffer buffer;
  file_handle& handle = buffer.handle();
  handle.handle_bytes = static_cast<unsigned>(key.size() - sizeof head);
  handle.handle_type = head.type;
  std::memcpy(handle.f_handle, key.data() + sizeof head, handle.handle_bytes);
  int mount = -1;
  {
    std::shared_lock lock(mutex_);
    mount = mounts_[head.mount].descriptor.get();
  }
  Fd opened(::open_by_handle_at(mount, &handle, flags | O_CLOEXEC));
  if (!opened) return failure_from_errno();
  return opened;
}

std::uint64_t device_identity(dev_t device, int path_descriptor) {
  thread_local dev_t last_device = 0;
  thread_local std::uint64_t last_identity = 0;
  if (last_identity != 0 && last_device == device) return last_identity;
  static Guarded<std::map<dev_t, std::uint64_t>> known;
  std::uint64_t identity = known.with([&](auto& all) {
    const auto found = all.find(device);
    return found == all.end() ? 0 : found->second;
  });
  if (identity == 0) {
    struct statfs state {};
    if (::fstatfs(path_descriptor, &state) == 0)
      std::memcpy(&identity, &state.f_fsid, sizeof identity);
    if (identity == 0) identity = device;
    known.with([&](auto& all) { all[device] = identity; });
  }
  last_device = device;
  last_identity = identity;
  return identity;
}

}  // namespace claimfs::backends::host_path
