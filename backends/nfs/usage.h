#pragma once

#include <functional>
#include <memory>

#include "backends/nfs/session.h"
#include "backends/usage_count.h"

namespace claimfs::backends::nfs {

// How many bytes a server's directory tree occupies, by the server's word: every file once, one
// filesystem. As root, and where a server does not let root in, as the directory's owner. A failure
// is of the server, which is waited for: without `patience` as long as the session lasts.
Counted count_tree(const std::shared_ptr<Session>& session, const FileHandle& root,
                   std::optional<Clock::duration> patience, const std::function<bool()>& is_ending);

}  // namespace claimfs::backends::nfs
