#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "backends/nfs/accounting.h"
#include "backends/nfs/file_handle.h"
#include "backends/nfs/identity.h"
#include "backends/nfs/session.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

// Names that files without a name have: `.nfs…`, in the directory where the last one was. A server
// forgets a file with its last name, whoever has it open (NFS.md 2). Not shown to anybody here;
// other clients see them, as they see those of any client.
class HiddenNames {
 public:
  bool contains(const FileHandle& directory, std::string_view name) const;
  void add(const FileHandle& directory, const std::string& name);
  // It is gone from the server. A listing that was asked for before may have it still, so the last
  // ones stay unseen.
  void remove(const FileHandle& directory, const std::string& name);
  // One that nobody has: random.
  static std::string make_name();

 private:
  static constexpr std::size_t kMostGone = 256;
  using Name = std::pair<std::string, std::string>;  // with its directory's handle before it
  struct Names {
    std::set<Name> all;
    std::deque<Name> gone;  // of these, the oldest first
  };
  Guarded<Names> names_;
};

// One file that has only a hidden name. With the last who holds this it goes from the server, in
// the background, and its room comes back where that is accounted.
class HiddenFile {
 public:
  HiddenFile(std::weak_ptr<Session> session, std::shared_ptr<HiddenNames> names,
             const FileHandle& directory, std::string name, const Identity& who,
             std::shared_ptr<Accounting> accounting);
  HiddenFile(const HiddenFile&) = delete;
  ~HiddenFile();

 private:
  const std::weak_ptr<Session> session_;
  const std::shared_ptr<HiddenNames> names_;
  const FileHandle directory_;
  const std::string name_;
  const Identity who_;
  const std::shared_ptr<Accounting> accounting_;  // null: nothing is accounted
};

// Which files are open, by handle, and what holds those that have lost their names.
class OpenFiles {
 public:
  void opened(const FileHandle& handle);
  void closed(const FileHandle& handle);
  bool is_open(const FileHandle& handle) const;
  bool are_any() const;
  // Keeps the hidden file until the last close; false when there has been one.
  bool keep(const FileHandle& handle, std::shared_ptr<HiddenFile> hidden);

 private:
  struct Opens {
    int count = 0;
    std::shared_ptr<HiddenFile> hidden;
  };
  Guarded<ByHandle<Opens>> files_;
};

}  // namespace claimfs::backends::nfs
