#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "tests/backend_contract/memory_backend.h"

// What the memory backend's own files share.
namespace claimfs::tests {

inline constexpr off_t kPage = 4096;
inline constexpr std::size_t kNameMax = 255;

inline timespec now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

// A file's bytes: pages that were written, zeros elsewhere.
class Pages {
 public:
  off_t size = 0;

  std::string read(off_t offset, std::size_t length) const {
    if (offset >= size) return {};
    length = std::min(length, static_cast<std::size_t>(size - offset));
    std::string bytes(length, '\0');
    for (std::size_t at = 0; at < length;) {
      const off_t position = offset + static_cast<off_t>(at);
      const std::size_t part =
          std::min(length - at, static_cast<std::size_t>(kPage - position % kPage));
      if (const auto page = pages_.find(position / kPage); page != pages_.end())
        page->second.copy(bytes.data() + at, part, static_cast<std::size_t>(position % kPage));
      at += part;
    }
    return bytes;
  }

  void write(std::string_view bytes, off_t offset) {
    for (std::size_t at = 0; at < bytes.size();) {
      const off_t position = offset + static_cast<off_t>(at);
      const std::size_t part =
          std::min(bytes.size() - at, static_cast<std::size_t>(kPage - position % kPage));
      std::string& page = pages_[position / kPage];
      page.resize(kPage, '\0');
      page.replace(static_cast<std::size_t>(position % kPage), part, bytes.substr(at, part));
      at += part;
    }
    size = std::max(size, offset + static_cast<off_t>(bytes.size()));
  }

  void truncate(off_t new_size) {
    if (new_size < size) zero(new_size, size - new_size);
    size = new_size;
  }

  // Whole pages go, parts of pages become zeros.
  void zero(off_t offset, off_t length) {
    const off_t end = offset + length;
    for (auto page = pages_.lower_bound(offset / kPage);
         page != pages_.end() && page->first * kPage < end;) {
      const off_t begin = page->first * kPage;
      if (offset <= begin && end >= begin + kPage) {
        page = pages_.erase(page);
        continue;
      }
      const off_t from = std::max(offset, begin) - begin;
      const off_t to = std::min(end, begin + kPage) - begin;
      std::fill(page->second.begin() + from, page->second.begin() + to, '\0');
      ++page;
    }
  }

  void allocate(off_t offset, off_t length) {
    for (off_t page = offset / kPage; page * kPage < offset + length; ++page)
      pages_[page].resize(kPage, '\0');
  }

  Result<off_t> seek(off_t offset, int whence) const {
    if (offset < 0 || offset >= size) return failure(ENXIO);
    off_t position = offset;
    while (position < size && pages_.contains(position / kPage) != (whence == SEEK_DATA))
      position = (position / kPage + 1) * kPage;
    if (position >= size && whence == SEEK_DATA) return failure(ENXIO);
    return std::min(position, size);
  }

  std::uint64_t blocks() const { return pages_.size() * (kPage / 512); }

 private:
  std::map<off_t, std::string> pages_;
};

struct MemoryBackend::Node {
  Node() { ++living_nodes_; }
  ~Node() { --living_nodes_; }
  Node(const Node&) = delete;

  bool is_directory() const { return S_ISDIR(attributes.mode); }
  Attributes now_attributes() const {
    Attributes told = attributes;
    if (S_ISREG(told.mode)) {
      told.size = pages.size;
      told.blocks = pages.blocks();
    }
    if (S_ISLNK(told.mode)) told.size = static_cast<off_t>(target.size());
    return told;
  }
  void changed() { attributes.mtime = attributes.ctime = now(); }

  Attributes attributes;
  Pages pages;
  std::string target;
  std::map<std::string, std::string, std::less<>> xattrs;
  std::vector<RangeLock> locks;
  std::map<const void*, int> flocks;  // by open file: LOCK_SH or LOCK_EX

  // A directory's names, and the order in which they are listed: a cursor is the number of a name's
  // creation.
  struct Child {
    std::uint64_t number;
    NodePointer node;
  };
  std::map<std::string, Child, std::less<>> children;
  std::map<std::uint64_t, std::string> order;
  std::uint64_t next_number = 3;  // behind "." and ".."
  std::weak_ptr<Node> parent;

  void add(std::string_view name, NodePointer child) {
    const std::uint64_t number = next_number++;
    order.emplace(number, name);
    children.emplace(name, Child{number, std::move(child)});
    changed();
  }
  void remove(std::string_view name) {
    const auto child = children.find(name);
    order.erase(child->second.number);
    children.erase(child);
    changed();
  }
};

using Node = MemoryBackend::Node;
using NodePointer = MemoryBackend::NodePointer;

struct MemoryInode final : Inode {
  explicit MemoryInode(NodePointer of) : node(std::move(of)), bytes(sizeof(std::uint64_t), '\0') {
    std::memcpy(bytes.data(), &node->attributes.ino, sizeof(std::uint64_t));
  }
  std::string_view key() const override { return bytes; }
  const NodePointer node;
  std::string bytes;
};

inline NodePointer& node_of(Inode& inode) {
  return const_cast<NodePointer&>(static_cast<MemoryInode&>(inode).node);
}
inline Entry entry_of(const NodePointer& node) {
  return {std::make_unique<MemoryInode>(node), node->now_attributes()};
}

struct MemoryFile final : File {
  MemoryFile(MemoryBackend& of, NodePointer opened, int with_flags)
      : backend(of), node(std::move(opened)), flags(with_flags) {
    ++MemoryBackend::living_files_;
  }
  ~MemoryFile() override {
    --MemoryBackend::living_files_;
    std::scoped_lock lock(backend.mutex_);
    node->flocks.erase(this);
    backend.locks_changed_.notify_all();
  }
  bool is_readable() const { return (flags & O_ACCMODE) != O_WRONLY; }
  bool is_writable() const { return (flags & O_ACCMODE) != O_RDONLY; }

  MemoryBackend& backend;
  const NodePointer node;
  const int flags;
};

inline MemoryFile& memory(File& file) { return static_cast<MemoryFile&>(file); }

// The directory and the name's child in it.
inline Result<Node*> directory_for(Inode& inode, std::string_view name) {
  Node& node = *node_of(inode);
  if (!node.is_directory()) return failure(ENOTDIR);
  if (name.size() > kNameMax) return failure(ENAMETOOLONG);
  return &node;
}

inline Result<NodePointer> child_of(Inode& parent, std::string_view name) {
  Node* directory = TRY(directory_for(parent, name));
  const auto child = directory->children.find(name);
  if (child == directory->children.end()) return failure(ENOENT);
  return child->second.node;
}

inline bool is_below(NodePointer node, const Node& above) {
  for (; node; node = node->parent.lock())
    if (node.get() == &above) return true;
  return false;
}

template <class T>
void MemoryBackend::deliver(Answer<T> answer, Result<T> result) {
  if (!answering_.joinable()) {
    answer.complete(std::move(result));
    return;
  }
  auto parcel =
      std::make_shared<std::pair<Answer<T>, Result<T>>>(std::move(answer), std::move(result));
  {
    std::scoped_lock lock(later_mutex_);
    later_.emplace_back([parcel] { parcel->first.complete(std::move(parcel->second)); });
  }
  later_changed_.notify_all();
}

template <class T, class Work>
void MemoryBackend::serve(const char* operation, Answer<T> answer, Work&& work) {
  Result<T> result = [&]() -> Result<T> {
    std::scoped_lock lock(mutex_);
    TRY_VOID(step(operation));
    return work();
  }();
  deliver(std::move(answer), std::move(result));
}

}  // namespace claimfs::tests
