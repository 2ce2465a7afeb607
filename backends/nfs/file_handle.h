#pragma once

#include <nfsc/libnfs.h>

#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw.h>

#include <array>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>

namespace claimfs::backends::nfs {

// How a server names a file: up to 64 bytes (NFS3_FHSIZE) that mean nothing to others. The same
// after a rename and a restart of the server.
class FileHandle {
 public:
  static constexpr std::size_t kMost = 64;

  FileHandle() = default;
  // What a server sent; one of no or too many bytes stays empty.
  explicit FileHandle(const nfs_fh3& raw) : FileHandle(raw.data.data_val, raw.data.data_len) {}
  explicit FileHandle(const fhandle3& raw) : FileHandle(raw.fhandle3_val, raw.fhandle3_len) {}

  explicit operator bool() const { return size_ != 0; }
  std::string_view bytes() const { return {bytes_.data(), size_}; }
  // For a call's arguments; libnfs does not change what it points to.
  nfs_fh3 raw() const {
    nfs_fh3 to{};
    to.data.data_len = size_;
    to.data.data_val = const_cast<char*>(bytes_.data());
    return to;
  }

  friend bool operator==(const FileHandle& left, const FileHandle& right) {
    return left.bytes() == right.bytes();
  }

 private:
  FileHandle(const char* bytes, unsigned size) {
    if (size > kMost) return;
    size_ = static_cast<unsigned char>(size);
    if (size > 0) std::memcpy(bytes_.data(), bytes, size);
  }

  unsigned char size_ = 0;
  std::array<char, kMost> bytes_{};
};

struct HashOfHandle {
  std::size_t operator()(const FileHandle& handle) const {
    return std::hash<std::string_view>{}(handle.bytes());
  }
};
template <class T>
using ByHandle = std::unordered_map<FileHandle, T, HashOfHandle>;

inline FileHandle handle_of(const post_op_fh3& from) {
  return from.handle_follows != 0 ? FileHandle(from.post_op_fh3_u.handle) : FileHandle();
}

// A name in a directory, for a call's arguments, which libnfs does not change.
inline diropargs3 place(const FileHandle& directory, const std::string& name_there) {
  diropargs3 to{};
  to.dir = directory.raw();
  to.name = const_cast<char*>(name_there.c_str());
  return to;
}

}  // namespace claimfs::backends::nfs
