#include <fcntl.h>

#include "fs/filesystem.h"

namespace claimfs::fs {

namespace {

// Between a backend and the kernel's buffer: numbers the files for the whole mount, counts those
// that the kernel is told of, and takes the counts back when it did not listen.
class CountingSink final : public backends::DirectorySink {
 public:
  using Describe =
      std::function<EntryReply(Node&, const Attributes&, NodeId directory, std::string_view name)>;

  CountingSink(EntryWriter& writer, const Node& directory, NodeTable& nodes, InodeNumbers& numbers,
               Describe describe)
      : writer_(writer),
        volume_(directory.volume),
        directory_(directory.id),
        nodes_(nodes),
        numbers_(numbers),
        describe_(std::move(describe)) {}

  bool wants_attributes() const override { return writer_.wants_entries(); }

  bool add(std::string_view name, std::uint64_t device, std::uint64_t ino, unsigned char type,
           std::uint64_t next, std::optional<backends::Entry> entry) override {
    const std::string text(name);
    if (!entry) return writer_.add(text, numbers_.number(device, ino), type, next, nullptr);
    Node& node = nodes_.remember(volume_, std::move(entry->inode));
    const NodeId id = node.id;
    volume_->absent_names.remove(directory_, name);
    const EntryReply reply = describe_(node, entry->attributes, directory_, name);
    counted_.push_back(id);
    if (writer_.add(text, reply.attributes.ino, type, next, &reply)) return true;
    rejected_ = true;
    return false;
  }

  // The nodes whose counts the kernel does not have: the one that did not fit, or all when it took
  // nothing.
  std::vector<NodeId> uncounted(bool taken) {
    if (!taken) return std::move(counted_);
    return rejected_ ? std::vector<NodeId>{counted_.back()} : std::vector<NodeId>{};
  }

 private:
  EntryWriter& writer_;
  std::shared_ptr<ServedVolume> volume_;
  const NodeId directory_;
  NodeTable& nodes_;
  InodeNumbers& numbers_;
  Describe describe_;
  std::vector<NodeId> counted_;
  bool rejected_ = false;
};

// The tree's own names, with the numbers that their claims' directories have.
class TreeSink final : public backends::DirectorySink {
 public:
  TreeSink(EntryWriter& writer, const Tree& tree, const backends::Inode& directory,
           InodeNumbers& numbers)
      : writer_(writer), tree_(tree), directory_(directory), numbers_(numbers) {}

  bool wants_attributes() const override { return false; }

  bool add(std::string_view name, std::uint64_t device, std::uint64_t ino, unsigned char type,
           std::uint64_t next, std::optional<backends::Entry>) override {
    if (const auto claim = tree_.claim_at(directory_, name)) {
      const Attributes root = claim->root_attributes();
      // One that nobody has looked at yet has no number of its own; readdir(3) skips names with
      // number 0.
      const std::uint64_t number = root.ino != 0 ? numbers_.number(root.device, root.ino) : ino;
      return writer_.add(std::string(name), number,
                         static_cast<unsigned char>((root.mode & S_IFMT) >> 12), next, nullptr);
    }
    return writer_.add(std::string(name), numbers_.number(device, ino), type, next, nullptr);
  }

 private:
  EntryWriter& writer_;
  const Tree& tree_;
  const backends::Inode& directory_;
  InodeNumbers& numbers_;
};

}  // namespace

namespace {

// The kernel keeps names for as long as the directory's time of change is the same. What changes
// within the clock's tick of a listing may not be seen by that: names of a directory that was
// changed just now are not kept.
bool has_settled(const Attributes& directory) {
  constexpr time_t kTicks = 2;  // seconds, far more than any filesystem's
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return directory.mtime.tv_sec + kTicks < now.tv_sec;
}

}  // namespace

void Filesystem::open_directory(const Caller& caller, NodeId id, bool wants_attributes,
                                Answer<OpenReply> answer) {
  Result<Node*> found = node_for(Access::Read, id, caller);
  if (!found) return answer.refuse(found.error());
  Node& node = **found;
  node.volume->backend().open_directory(
      caller, node.inode(),
      [this, &node, caller, wants_attributes,
       answer = std::move(answer)](Result<std::unique_ptr<backends::File>> opened) mutable {
        if (!opened) return answer.complete(failure(std::move(opened).error()));
        Handle* handle =
            make_handle(node, std::move(*opened), caller, O_RDONLY | O_DIRECTORY).release();
        handle->wants_attributes = wants_attributes;
        // Where others may change what is listed, every listing asks. Others than mounts are
        // noticed by the time of change, as late as with attributes.
        ServedVolume& volume = *node.volume;
        if (node.volume == tree_volume_ || volume.is_shared() ||
            volume.backend().lists_attributes_anyway())
          return answer_open_directory(*handle, nullptr, answer);
        volume.backend().get_attributes(
            caller, node.inode(), handle->file.get(),
            [this, handle, answer = std::move(answer)](Result<Attributes> directory) mutable {
              if (!directory) {
                release(handle);
                return answer.complete(failure(std::move(directory).error()));
              }
              return answer_open_directory(*handle, &*directory, answer);
            });
        return true;  // what was opened is the handle's
      });
}

// `directory`: null where the kernel must not keep names. That looks at the time of change alone,
// which whoever changes the directory beside us may set back.
bool Filesystem::answer_open_directory(Handle& handle, const Attributes* directory,
                                       Answer<OpenReply>& answer) {
  OpenReply reply{.handle = &handle};
  if (directory && has_settled(*directory)) {
    constexpr std::int64_t kNsPerSecond = 1'000'000'000;
    const std::int64_t as_of = directory->ctime.tv_sec * kNsPerSecond + directory->ctime.tv_nsec;
    std::atomic<std::int64_t>& kept = handle.node->names_as_of;
    reply.keep_cache = kept.load() == as_of;
    reply.cache_names = !handle.wants_attributes;
    if (reply.cache_names) kept.store(as_of);
  }
  const bool taken = answer.complete(reply);
  if (!taken) release(&handle);
  return taken;
}

void Filesystem::read_directory(const Caller& caller, Handle& handle, std::uint64_t cursor,
                                EntryWriter& writer, Answer<void> answer) {
  Node& node = *handle.node;
  if (node.volume == tree_volume_) {
    TreeSink sink(writer, tree_, node.inode(), numbers_);
    tree_.read_directory(caller, *handle.file, cursor, sink, std::move(answer));
    return;
  }
  auto sink = std::make_unique<CountingSink>(
      writer, node, nodes_, numbers_,
      [this](Node& found, const Attributes& attributes, NodeId directory, std::string_view name) {
        return listed_reply(found, attributes, directory, name);
      });
  backends::DirectorySink& entries = *sink;
  node.volume->backend().read_directory(
      caller, *handle.file, cursor, entries,
      [this, sink = std::move(sink), answer = std::move(answer)](Result<void> read) mutable {
        const bool is_read = read.has_value();
        const bool taken = answer.complete(std::move(read)) && is_read;
        for (const NodeId id : sink->uncounted(taken)) forget(id, 1);
        return taken;
      });
}

bool Filesystem::lists_attributes_anyway(NodeId directory) {
  ServedVolume* volume = volume_of(directory);
  return volume && volume->backend().lists_attributes_anyway();
}

void Filesystem::sync_directory(const Caller& caller, Handle& handle, bool data_only,
                                Answer<void> answer) {
  handle.node->volume->backend().sync_directory(caller, *handle.file, data_only, std::move(answer));
}

}  // namespace claimfs::fs
