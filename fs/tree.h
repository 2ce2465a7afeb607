#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/refusing_backend.h"
#include "base/guarded.h"
#include "fs/served_volume.h"

namespace claimfs::fs {

// What `.claimfs` shows. Called by the thread of the request that reads it.
struct StateTexts {
  std::function<std::string()> version;
  std::function<std::string()> status;
  std::function<std::string()> events;
  std::function<std::string()> metrics;
  // Every claim there is, bound or not: namespace and name.
  std::function<std::vector<std::pair<std::string, std::string>>()> claims;
  // `claimfs describe pvc`; ENOENT when there is no such claim.
  std::function<Result<std::string>(const std::string& name_space, const std::string& claim)> claim;
};

// The directories above the claims, and `.claimfs`: a backend like any other, whose files are what
// is known now, and which refuses every change with EPERM (never EXDEV: mv would copy and delete).
// Claims are not in it: a namespace's names lead into other volumes, which claim_at() tells.
class Tree final : public backends::RefusingBackend {
 public:
  using Claims = std::vector<std::shared_ptr<ServedVolume>>;

  explicit Tree(StateTexts texts);

  // Makes these claims visible, and no others. Returns the names that went, as (namespace, claim);
  // an empty claim means that the whole namespace went.
  std::vector<std::pair<std::string, std::string>> show(Claims claims);

  Claims claims() const;
  std::shared_ptr<ServedVolume> find(std::string_view name_space, std::string_view claim) const;

  // The volume that a name in this directory leads into; null when the name is the tree's own, or
  // nobody's.
  std::shared_ptr<ServedVolume> claim_at(const backends::Inode& directory,
                                         std::string_view name) const;

  // The inode of a namespace's directory, whose key finds its node.
  static std::unique_ptr<backends::Inode> namespace_inode(std::string_view name_space);

  Result<backends::Attributes> probe() override;
  void root(Answer<backends::Entry> answer) override;
  void lookup(const backends::Caller& caller, backends::Inode& parent, std::string_view name,
              Answer<backends::Entry> answer) override;
  void get_attributes(const backends::Caller& caller, backends::Inode& inode, backends::File* file,
                      Answer<backends::Attributes> answer) override;
  void read_link(const backends::Caller& caller, backends::Inode& inode,
                 Answer<std::string> answer) override;
  void open(const backends::Caller& caller, backends::Inode& inode, int flags,
            Answer<std::unique_ptr<backends::File>> answer) override;
  void read(const backends::Caller& caller, backends::File& file, std::size_t size, off_t offset,
            Answer<std::span<const std::byte>> answer) override;
  void open_directory(const backends::Caller& caller, backends::Inode& inode,
                      Answer<std::unique_ptr<backends::File>> answer) override;
  void read_directory(const backends::Caller& caller, backends::File& directory,
                      std::uint64_t cursor, backends::DirectorySink& sink,
                      Answer<void> answer) override;
  void file_system_state(const backends::Caller& caller,
                         Answer<backends::FileSystemState> answer) override;

 private:
  struct Name {
    std::string name;
    unsigned char type;
    std::uint64_t ino;
  };
  using Namespace = std::map<std::string, std::shared_ptr<ServedVolume>, std::less<>>;
  struct Shown {
    std::map<std::string, Namespace, std::less<>> namespaces;
    std::map<std::string, std::shared_ptr<ServedVolume>, std::less<>> by_volume;
  };

  bool exists(const backends::Inode& inode) const;
  std::vector<Name> names_in(const backends::Inode& directory) const;
  Result<std::string> text_of(const backends::Inode& file) const;

  StateTexts texts_;
  Guarded<std::shared_ptr<const Shown>> shown_;
  timespec born_{};
};

}  // namespace claimfs::fs
