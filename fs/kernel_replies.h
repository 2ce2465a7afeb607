#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <vector>

#include "fs/filesystem.h"
#include "fs/libfuse.h"

namespace claimfs::fs {

// Answers that complete into replies to the kernel. Each says whether the kernel took the reply.

struct stat to_stat(const NodeAttributes& node);
fuse_entry_param to_entry_param(const EntryReply& entry);

// Whether the kernel took a reply: libfuse's answer to what sent it. Every reply that somebody
// waits for is counted here, for the thread that sent it.
bool took(int result);
std::uint64_t replies_of_thread();

// A refusal. ENOSYS would be remembered by the kernel for every volume of the mount: a backend's
// ENOSYS becomes EOPNOTSUPP.
bool refuse(fuse_req_t request, const Error& error);

Answer<void> status_to(fuse_req_t request);
Answer<EntryReply> entry_to(fuse_req_t request);
Answer<NodeAttributes> attributes_to(fuse_req_t request);
Answer<OpenReply> open_to(fuse_req_t request, const fuse_file_info& info);
Answer<CreateReply> create_to(fuse_req_t request, const fuse_file_info& info);
Answer<std::size_t> count_to(fuse_req_t request);
Answer<std::span<const std::byte>> bytes_to(fuse_req_t request);
// With size 0 the kernel asks for the length only; a value that does not fit is ERANGE.
Answer<std::string> xattr_to(fuse_req_t request, std::size_t size);

// A directory's entries in the kernel's own form.
class KernelEntries final : public EntryWriter {
 public:
  // Plus: the form that has room for what a look-up answers; where it is not wanted, the room stays
  // empty.
  enum class Form { Names, Plus };
  KernelEntries(fuse_req_t request, std::size_t size, Form form, bool wants_entries)
      : request_(request), buffer_(size), form_(form), wants_entries_(wants_entries) {}

  bool wants_entries() const override { return wants_entries_; }
  bool add(const std::string& name, std::uint64_t ino, unsigned char type, std::uint64_t next,
           const EntryReply* entry) override;

  // Sends what was added, or the error.
  bool send(const Result<void>& read);

 private:
  fuse_req_t request_;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
  Form form_;
  bool wants_entries_;
};

}  // namespace claimfs::fs
