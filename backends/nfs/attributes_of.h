#pragma once

#include <cstring>
#include <optional>
#include <utility>

#include "backends/backend.h"
#include "backends/nfs/directory_news.h"
#include "backends/nfs/file_handle.h"

namespace claimfs::backends::nfs {

// What a server says of a file, as a look-up knows it. `server` tells servers apart: the numbers of
// filesystems are each server's own.
Attributes attributes_of(const fattr3& from, std::uint64_t server);
// None when the server did not send any, as it may.
std::optional<Attributes> attributes_of(const post_op_attr& from, std::uint64_t server);
// What a directory was before a change.
std::optional<DirectoryNews::Before> before_of(const wcc_data& from);

// Each entry of a listing. libnfs decodes lists into memory that is aligned to four bytes only, so
// each is a copy.
template <class Use>
void for_each_entry(const dirlistplus3& list, Use use) {
  entryplus3 entry;
  for (const void* at = list.entries; at; at = entry.nextentry) {
    std::memcpy(&entry, at, sizeof entry);
    use(std::as_const(entry));
  }
}

// The same bytes give the same number in every process.
std::uint64_t number_of_server(const std::string& name);

// S_IFMT's bits.
mode_t type_of(ftype3 type);

// Less the bits that a write by somebody unprivileged takes away. Set-gid without group execution
// is another thing (mandatory locking).
mode_t without_set_id(mode_t mode);

// SETATTR's and CREATE's arguments. `mode` with its permission bits only.
sattr3 to_sattr(const AttributeChanges& changes);
sattr3 to_sattr(mode_t mode);

}  // namespace claimfs::backends::nfs
