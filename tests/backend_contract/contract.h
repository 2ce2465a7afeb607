#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backends/backend.h"
#include "tests/backend_contract/ask.h"

namespace claimfs::tests {

using namespace claimfs::backends;  // NOLINT: what is under test

// What a backend's kind of storage has. Conformances for what it has not say nothing.
struct Features {
  bool has_xattrs = true;
  bool has_exchange = true;  // RENAME_NOREPLACE and RENAME_EXCHANGE
  bool has_unnamed_files = true;
  bool has_holes = true;
  bool copies_ranges = true;  // by itself; else the kernel reads and writes
  // Files that lose their last name while nobody has them open stay reachable by their inodes.
  bool keeps_closed_files = true;
  bool sets_times_of_symlinks = true;
  bool gives_ownership = true;  // files can be made on behalf of anybody
  bool reads_into_room = true;  // what is large, and has no piece that is newer here
};

// A file as the kernel would know it: its first inode, kept until the volume ends.
struct Known {
  Inode* inode = nullptr;
  Attributes attributes;
};

// A backend's operations, waited for. Stands for the kernel: remembers every inode that it was told
// of.
class Volume final : public RememberedInodes {
 public:
  Volume(std::unique_ptr<Backend> started, Features features);
  ~Volume() override;

  Backend& backend() { return *backend_; }
  const Features& features() const { return features_; }
  Inode& root() { return *root_; }

  Result<Known> lookup(Inode& parent, std::string_view name);
  Result<Attributes> attributes(Inode& inode);
  Result<Attributes> change(Inode& inode, const AttributeChanges& changes, File* file = nullptr);
  Result<Known> make_directory(Inode& parent, std::string_view name, mode_t mode = 0755);
  Result<Known> make_symlink(Inode& parent, std::string_view name, std::string_view target);
  Result<Known> make_node(Inode& parent, std::string_view name, mode_t mode);
  Result<Known> link(Inode& inode, Inode& parent, std::string_view name);
  Result<void> unlink(Inode& parent, std::string_view name);
  Result<void> remove_directory(Inode& parent, std::string_view name);
  Result<void> rename(Inode& parent, std::string_view name, Inode& new_parent,
                      std::string_view new_name, unsigned flags = 0);
  Result<std::string> read_link(Inode& inode);

  struct Opened {
    Known known;
    std::unique_ptr<File> file;
  };
  Result<Opened> create(Inode& parent, std::string_view name, int flags, mode_t mode = 0644);
  Result<std::unique_ptr<File>> open(Inode& inode, int flags);
  Result<std::string> read(File& file, std::size_t size, off_t offset);
  Result<std::size_t> write(File& file, std::string_view text, off_t offset,
                            Backend::WriteOptions options = {});
  // A new file with this text, closed again.
  Known put(Inode& parent, std::string_view name, std::string_view text);
  // All of a file's text, opened anew.
  std::string text_of(Inode& inode);

  struct Listed {
    std::string name;
    std::uint64_t ino;
    unsigned char type;
    std::uint64_t next;
    std::string key;  // of the entry, when attributes were wanted
  };
  // At most `most` names behind the cursor.
  Result<std::vector<Listed>> list(File& directory, std::uint64_t cursor, std::size_t most,
                                   bool with_attributes);

  // As the kernel does with what it has in no use; the root stays.
  void forget_all() { kept_.clear(); }

  void with(std::string_view key, const std::function<void(Inode&)>& use) override;

  Caller caller{};  // who makes things

 private:
  Known keep(Entry entry);
  Result<Known> keep(Result<Entry> entry);

  std::unique_ptr<Backend> backend_;
  Features features_;
  std::unique_ptr<Inode> root_;
  std::map<std::string, std::unique_ptr<Inode>, std::less<>> kept_;
};

// One thing that every backend does. Runs on an empty volume, and says by Catch2's assertions
// whether it holds.
struct Conformance {
  const char* name;
  void (*holds)(Volume& volume);
};

std::span<const Conformance> conformances_of_names();
std::span<const Conformance> conformances_of_files();
std::span<const Conformance> conformances_of_attributes();
std::span<const Conformance> conformances_of_locks();

}  // namespace claimfs::tests
