#include "tests/backend_contract/memory_backend.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>
#include <sys/xattr.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

namespace claimfs::tests {

namespace {

constexpr off_t kPage = 4096;
constexpr std::size_t kNameMax = 255;

timespec now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  return time;
}

bool overlap(const RangeLock& left, const RangeLock& right) {
  return left.start <= right.end && right.start <= left.end;
}

}  // namespace

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
      const std::size_t part = std::min(length - at, static_cast<std::size_t>(kPage - position % kPage));
      if (const auto page = pages_.find(position / kPage); page != pages_.end())
        page->second.copy(bytes.data() + at, part, static_cast<std::size_t>(position % kPage));
      at += part;
    }
    return bytes;
  }

  void write(std::string_view bytes, off_t offset) {
    for (std::size_t at = 0; at < bytes.size();) {
      const off_t position = offset + static_cast<off_t>(at);
      const std::size_t part = std::min(bytes.size() - at, static_cast<std::size_t>(kPage - position % kPage));
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
    for (auto page = pages_.lower_bound(offset / kPage); page != pages_.end() && page->first * kPage < end;) {
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
    for (off_t page = offset / kPage; page * kPage < offset + length; ++page) pages_[page].resize(kPage, '\0');
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

  // A directory's names, and the order in which they are listed: a cursor is the number of a name's creation.
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

namespace {

struct MemoryInode final : Inode {
  explicit MemoryInode(NodePointer of) : node(std::move(of)), bytes(sizeof(std::uint64_t), '\0') {
    std::memcpy(bytes.data(), &node->attributes.ino, sizeof(std::uint64_t));
  }
  std::string_view key() const override { return bytes; }
  const NodePointer node;
  std::string bytes;
};

NodePointer& node_of(Inode& inode) { return const_cast<NodePointer&>(static_cast<MemoryInode&>(inode).node); }
Entry entry_of(const NodePointer& node) { return {std::make_unique<MemoryInode>(node), node->now_attributes()}; }

}  // namespace

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

namespace {

MemoryFile& memory(File& file) { return static_cast<MemoryFile&>(file); }

// The directory and the name's child in it.
Result<Node*> directory_for(Inode& inode, std::string_view name) {
  Node& node = *node_of(inode);
  if (!node.is_directory()) return failure(ENOTDIR);
  if (name.size() > kNameMax) return failure(ENAMETOOLONG);
  return &node;
}

Result<NodePointer> child_of(Inode& parent, std::string_view name) {
  Node* directory = TRY(directory_for(parent, name));
  const auto child = directory->children.find(name);
  if (child == directory->children.end()) return failure(ENOENT);
  return child->second.node;
}

bool is_below(NodePointer node, const Node& above) {
  for (; node; node = node->parent.lock())
    if (node.get() == &above) return true;
  return false;
}

}  // namespace

MemoryBackend::MemoryBackend() : root_(std::make_shared<Node>()) {
  root_->attributes.device = 0x4D454D;
  root_->attributes.ino = 1;
  root_->attributes.mode = S_IFDIR | 0755;
  root_->attributes.nlink = 2;
  root_->attributes.atime = root_->attributes.mtime = root_->attributes.ctime = now();
}

MemoryBackend::~MemoryBackend() {
  if (answering_.joinable()) {
    {
      std::scoped_lock lock(later_mutex_);
      is_closing_ = true;
    }
    later_changed_.notify_all();
    answering_.join();
  }
}

std::vector<std::string> MemoryBackend::called() const {
  std::scoped_lock lock(mutex_);
  return called_;
}

void MemoryBackend::reset_calls() {
  std::scoped_lock lock(mutex_);
  calls_ = 0;
  called_.clear();
  failing_call_ = 0;
}

void MemoryBackend::fail_call(int n, int error) {
  std::scoped_lock lock(mutex_);
  failing_call_ = calls_ + n;
  failing_errno_ = error;
}

void MemoryBackend::answer_later() {
  answering_ = std::thread([this] { answer_queued(); });
}

void MemoryBackend::answer_queued() {
  std::unique_lock lock(later_mutex_);
  while (true) {
    later_changed_.wait(lock, [this] { return is_closing_ || !later_.empty(); });
    if (later_.empty()) return;
    std::function<void()> next = std::move(later_.front());
    later_.pop_front();
    is_answering_ = true;
    lock.unlock();
    next();
    next = nullptr;
    lock.lock();
    is_answering_ = false;
    later_changed_.notify_all();
  }
}

void MemoryBackend::settle() {
  std::unique_lock lock(later_mutex_);
  later_changed_.wait(lock, [this] { return later_.empty() && !is_answering_; });
}

// Counts; the failing arm when it is this one's turn to fail. Under mutex_.
Result<void> MemoryBackend::step(const char* operation) {
  called_.emplace_back(operation);
  if (++calls_ == failing_call_) return failure(failing_errno_);
  return {};
}

template <class T>
void MemoryBackend::deliver(Answer<T> answer, Result<T> result) {
  if (!answering_.joinable()) {
    answer.complete(std::move(result));
    return;
  }
  auto parcel = std::make_shared<std::pair<Answer<T>, Result<T>>>(std::move(answer), std::move(result));
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

NodePointer MemoryBackend::new_node(const Caller& caller, const Node& parent, mode_t mode) {
  auto node = std::make_shared<Node>();
  Attributes& attributes = node->attributes;
  attributes.device = root_->attributes.device;
  attributes.ino = next_ino_++;
  attributes.mode = (mode & S_IFMT) | (mode & 07777 & ~(S_ISLNK(mode) ? 0 : caller.umask));
  attributes.nlink = S_ISDIR(mode) ? 2 : 1;
  attributes.uid = caller.uid;
  attributes.gid = caller.gid;
  if (parent.attributes.mode & S_ISGID) {
    attributes.gid = parent.attributes.gid;
    if (S_ISDIR(mode)) attributes.mode |= S_ISGID;
  }
  attributes.atime = attributes.mtime = attributes.ctime = attributes.btime = now();
  return node;
}

Result<Entry> MemoryBackend::add_new(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                                     const std::function<void(Node&)>& fill) {
  Node* directory = TRY(directory_for(parent, name));
  if (directory->children.contains(name)) return failure(EEXIST);
  if (directory->attributes.nlink == 0) return failure(ENOENT);
  NodePointer node = new_node(caller, *directory, mode);
  if (fill) fill(*node);
  if (node->is_directory()) {
    node->parent = node_of(parent);
    ++directory->attributes.nlink;
  }
  directory->add(name, node);
  return entry_of(node);
}

Result<void> MemoryBackend::start() {
  std::scoped_lock lock(mutex_);
  return step("start");
}

Result<Attributes> MemoryBackend::probe() {
  std::scoped_lock lock(mutex_);
  return root_->now_attributes();
}

void MemoryBackend::root(Answer<Entry> answer) {
  serve("root", std::move(answer), [&]() -> Result<Entry> { return entry_of(root_); });
}

void MemoryBackend::lookup(Inode& parent, std::string_view name, Answer<Entry> answer) {
  serve("lookup", std::move(answer), [&]() -> Result<Entry> { return entry_of(TRY(child_of(parent, name))); });
}

void MemoryBackend::get_attributes(Inode& inode, File*, Answer<Attributes> answer) {
  serve("get_attributes", std::move(answer),
        [&]() -> Result<Attributes> { return node_of(inode)->now_attributes(); });
}

void MemoryBackend::set_attributes(const Caller&, Inode& inode, File*, const AttributeChanges& changes,
                                   Answer<Attributes> answer) {
  serve("set_attributes", std::move(answer), [&]() -> Result<Attributes> {
    Node& node = *node_of(inode);
    Attributes& attributes = node.attributes;
    const auto time = [](const AttributeChanges::Time& wanted) { return wanted.now ? now() : wanted.value; };
    if (changes.size && node.is_directory()) return failure(EISDIR);
    if (changes.size && *changes.size < 0) return failure(EINVAL);
    if ((changes.uid || changes.gid || changes.kill_set_id) && S_ISREG(attributes.mode))
      attributes.mode &= ~static_cast<mode_t>(S_ISUID | S_ISGID);
    if (changes.uid) attributes.uid = *changes.uid;
    if (changes.gid) attributes.gid = *changes.gid;
    if (changes.mode) attributes.mode = (attributes.mode & S_IFMT) | (*changes.mode & 07777);
    if (changes.size) {
      node.pages.truncate(*changes.size);
      attributes.mtime = now();
    }
    if (changes.atime) attributes.atime = time(*changes.atime);
    if (changes.mtime) attributes.mtime = time(*changes.mtime);
    attributes.ctime = now();
    return node.now_attributes();
  });
}

void MemoryBackend::read_link(Inode& inode, Answer<std::string> answer) {
  serve("read_link", std::move(answer), [&]() -> Result<std::string> {
    if (!S_ISLNK(node_of(inode)->attributes.mode)) return failure(EINVAL);
    return node_of(inode)->target;
  });
}

void MemoryBackend::make_node(const Caller& caller, Inode& parent, std::string_view name, mode_t mode, dev_t device,
                              Answer<Entry> answer) {
  serve("make_node", std::move(answer), [&] {
    return add_new(caller, parent, name, (mode & S_IFMT) == 0 ? mode | S_IFREG : mode, [&](Node& node) { node.attributes.rdev = device; });
  });
}

void MemoryBackend::make_directory(const Caller& caller, Inode& parent, std::string_view name, mode_t mode,
                                   Answer<Entry> answer) {
  serve("make_directory", std::move(answer),
        [&] { return add_new(caller, parent, name, S_IFDIR | (mode & 07777), nullptr); });
}

void MemoryBackend::make_symlink(const Caller& caller, Inode& parent, std::string_view name, std::string_view target,
                                 Answer<Entry> answer) {
  serve("make_symlink", std::move(answer), [&] {
    return add_new(caller, parent, name, S_IFLNK | 0777, [&](Node& node) { node.target = target; });
  });
}

void MemoryBackend::link(Inode& inode, Inode& new_parent, std::string_view new_name, Answer<Entry> answer) {
  serve("link", std::move(answer), [&]() -> Result<Entry> {
    const NodePointer& node = node_of(inode);
    if (node->is_directory()) return failure(EPERM);
    Node* directory = TRY(directory_for(new_parent, new_name));
    if (directory->children.contains(new_name)) return failure(EEXIST);
    ++node->attributes.nlink;
    node->attributes.ctime = now();
    directory->add(new_name, node);
    return entry_of(node);
  });
}

void MemoryBackend::unlink(Inode& parent, std::string_view name, Answer<void> answer) {
  serve("unlink", std::move(answer), [&]() -> Result<void> {
    const NodePointer node = TRY(child_of(parent, name));
    if (node->is_directory()) return failure(EISDIR);
    node_of(parent)->remove(name);
    --node->attributes.nlink;
    node->attributes.ctime = now();
    return {};
  });
}

void MemoryBackend::remove_directory(Inode& parent, std::string_view name, Answer<void> answer) {
  serve("remove_directory", std::move(answer), [&]() -> Result<void> {
    const NodePointer node = TRY(child_of(parent, name));
    if (!node->is_directory()) return failure(ENOTDIR);
    if (!node->children.empty()) return failure(ENOTEMPTY);
    node_of(parent)->remove(name);
    --node_of(parent)->attributes.nlink;
    node->attributes.nlink = 0;
    return {};
  });
}

void MemoryBackend::rename(Inode& parent, std::string_view name, Inode& new_parent, std::string_view new_name,
                           unsigned flags, Answer<void> answer) {
  serve("rename", std::move(answer), [&]() -> Result<void> {
    if ((flags & ~unsigned{RENAME_NOREPLACE | RENAME_EXCHANGE}) != 0 ||
        flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
      return failure(EINVAL);
    const NodePointer moved = TRY(child_of(parent, name));
    Result<NodePointer> replaced = child_of(new_parent, new_name);
    if (!replaced && replaced.error().code != ENOENT) return failure(replaced.error());
    if (replaced && (flags & RENAME_NOREPLACE)) return failure(EEXIST);
    if (!replaced && (flags & RENAME_EXCHANGE)) return failure(ENOENT);
    Node& from = *node_of(parent);
    Node& to = *node_of(new_parent);
    if (moved->is_directory() && is_below(node_of(new_parent), *moved)) return failure(EINVAL);
    const auto move_in = [](Node& directory, const NodePointer& directory_pointer, std::string_view as,
                            const NodePointer& node) {
      directory.add(as, node);
      if (node->is_directory()) {
        node->parent = directory_pointer;
        ++directory.attributes.nlink;
      }
    };
    const auto move_out = [](Node& directory, std::string_view as, const NodePointer& node) {
      directory.remove(as);
      if (node->is_directory()) --directory.attributes.nlink;
    };
    if (replaced && (flags & RENAME_EXCHANGE)) {
      const NodePointer other = *replaced;
      if (other->is_directory() && is_below(node_of(parent), *other)) return failure(EINVAL);
      move_out(from, name, moved);
      if (other != moved) move_out(to, new_name, other);
      move_in(to, node_of(new_parent), new_name, moved);
      if (other != moved) move_in(from, node_of(parent), name, other);
      return {};
    }
    if (replaced) {
      const NodePointer& other = *replaced;
      if (other == moved) return {};
      if (moved->is_directory() != other->is_directory()) return failure(moved->is_directory() ? ENOTDIR : EISDIR);
      if (!other->children.empty()) return failure(ENOTEMPTY);
      move_out(to, new_name, other);
      other->attributes.nlink = other->is_directory() ? 0 : other->attributes.nlink - 1;
    }
    move_out(from, name, moved);
    move_in(to, node_of(new_parent), new_name, moved);
    moved->attributes.ctime = now();
    return {};
  });
}

void MemoryBackend::open(Inode& inode, int flags, Answer<std::unique_ptr<File>> answer) {
  serve("open", std::move(answer), [&]() -> Result<std::unique_ptr<File>> {
    return std::make_unique<MemoryFile>(*this, node_of(inode), flags);
  });
}

void MemoryBackend::create(const Caller& caller, Inode& parent, std::string_view name, mode_t mode, int flags,
                           Answer<Created> answer) {
  serve("create", std::move(answer), [&]() -> Result<Created> {
    Result<Entry> made = add_new(caller, parent, name, S_IFREG | (mode & 07777), nullptr);
    if (!made && made.error().code == EEXIST && (flags & O_EXCL) == 0) return failure(ESTALE);
    Entry entry = TRY(std::move(made));
    const NodePointer node = node_of(*entry.inode);
    return Created{std::move(entry), std::make_unique<MemoryFile>(*this, node, flags)};
  });
}

void MemoryBackend::create_unnamed(const Caller& caller, Inode& parent, mode_t mode, int flags,
                                   Answer<Created> answer) {
  serve("create_unnamed", std::move(answer), [&]() -> Result<Created> {
    Node* directory = TRY(directory_for(parent, ""));
    NodePointer node = new_node(caller, *directory, S_IFREG | (mode & 07777));
    node->attributes.nlink = 0;
    return Created{entry_of(node), std::make_unique<MemoryFile>(*this, node, flags)};
  });
}

void MemoryBackend::read(File& file, std::size_t size, off_t offset, Answer<std::span<const std::byte>> answer) {
  auto bytes = std::make_unique<std::string>();
  std::string& filled = *bytes;
  // The bytes live as long as the answer is on its way.
  Answer<std::span<const std::byte>> keeping(
      [bytes = std::move(bytes), answer = std::move(answer)](Result<std::span<const std::byte>> read) mutable {
        return answer.complete(std::move(read));
      });
  serve("read", std::move(keeping), [&]() -> Result<std::span<const std::byte>> {
    if (!memory(file).is_readable()) return failure(EBADF);
    filled = memory(file).node->pages.read(offset, size);
    return std::as_bytes(std::span<const char>(filled));
  });
}

void MemoryBackend::write(File& file, std::span<const std::byte> data, off_t offset, WriteOptions options,
                          Answer<std::size_t> answer) {
  serve("write", std::move(answer), [&]() -> Result<std::size_t> {
    if (!memory(file).is_writable()) return failure(EBADF);
    Node& node = *memory(file).node;
    const std::string_view bytes(reinterpret_cast<const char*>(data.data()), data.size());
    node.pages.write(bytes, options.append ? node.pages.size : offset);
    if (options.kill_set_id) node.attributes.mode &= ~static_cast<mode_t>(S_ISUID | S_ISGID);
    node.changed();
    return data.size();
  });
}

void MemoryBackend::flush(File&, Answer<void> answer) {
  serve("flush", std::move(answer), []() -> Result<void> { return {}; });
}

void MemoryBackend::sync(File&, bool, Answer<void> answer) {
  serve("sync", std::move(answer), []() -> Result<void> { return {}; });
}

void MemoryBackend::allocate(File& file, int mode, off_t offset, off_t length, Answer<void> answer) {
  serve("allocate", std::move(answer), [&]() -> Result<void> {
    if (!memory(file).is_writable()) return failure(EBADF);
    if (offset < 0 || length <= 0) return failure(EINVAL);
    if (mode != 0 && mode != FALLOC_FL_KEEP_SIZE && mode != (FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE))
      return failure(EOPNOTSUPP);
    Pages& pages = memory(file).node->pages;
    if (mode & FALLOC_FL_PUNCH_HOLE) pages.zero(offset, length);
    else pages.allocate(offset, length);
    if (mode == 0) pages.size = std::max(pages.size, offset + length);
    memory(file).node->changed();
    return {};
  });
}

void MemoryBackend::seek(File& file, off_t offset, int whence, Answer<off_t> answer) {
  serve("seek", std::move(answer), [&] { return memory(file).node->pages.seek(offset, whence); });
}

void MemoryBackend::copy_range(File& from, off_t from_offset, File& to, off_t to_offset, std::size_t length,
                               Answer<std::size_t> answer) {
  serve("copy_range", std::move(answer), [&]() -> Result<std::size_t> {
    if (!memory(from).is_readable() || !memory(to).is_writable()) return failure(EBADF);
    const std::string bytes = memory(from).node->pages.read(from_offset, length);
    memory(to).node->pages.write(bytes, to_offset);
    memory(to).node->changed();
    return bytes.size();
  });
}

void MemoryBackend::open_directory(Inode& inode, Answer<std::unique_ptr<File>> answer) {
  serve("open_directory", std::move(answer), [&]() -> Result<std::unique_ptr<File>> {
    if (!node_of(inode)->is_directory()) return failure(ENOTDIR);
    return std::make_unique<MemoryFile>(*this, node_of(inode), O_RDONLY | O_DIRECTORY);
  });
}

void MemoryBackend::read_directory(File& directory, std::uint64_t cursor, DirectorySink& sink, Answer<void> answer) {
  serve("read_directory", std::move(answer), [&]() -> Result<void> {
    const NodePointer& node = memory(directory).node;
    const NodePointer parent = node->parent.lock();
    const std::uint64_t device = node->attributes.device;
    const std::uint64_t ino = node->attributes.ino;
    if (cursor < 1 && !sink.add(".", device, ino, DT_DIR, 1, std::nullopt)) return {};
    if (cursor < 2 && !sink.add("..", device, parent ? parent->attributes.ino : ino, DT_DIR, 2, std::nullopt))
      return {};
    for (auto name = node->order.upper_bound(cursor); name != node->order.end(); ++name) {
      const NodePointer& child = node->children.find(name->second)->second.node;
      std::optional<Entry> entry;
      if (sink.wants_attributes()) entry = entry_of(child);
      if (!sink.add(name->second, device, child->attributes.ino, IFTODT(child->attributes.mode), name->first,
                    std::move(entry)))
        break;
    }
    return {};
  });
}

void MemoryBackend::sync_directory(File&, bool, Answer<void> answer) {
  serve("sync_directory", std::move(answer), []() -> Result<void> { return {}; });
}

void MemoryBackend::get_xattr(Inode& inode, std::string_view name, Answer<std::string> answer) {
  serve("get_xattr", std::move(answer), [&]() -> Result<std::string> {
    const auto& xattrs = node_of(inode)->xattrs;
    const auto found = xattrs.find(name);
    if (found == xattrs.end()) return failure(ENODATA);
    return found->second;
  });
}

void MemoryBackend::set_xattr(const Caller&, Inode& inode, std::string_view name, std::string_view value, int flags,
                              bool may_keep_set_gid, Answer<void> answer) {
  serve("set_xattr", std::move(answer), [&]() -> Result<void> {
    Node& node = *node_of(inode);
    const bool is_there = node.xattrs.contains(name);
    if ((flags & XATTR_CREATE) && is_there) return failure(EEXIST);
    if ((flags & XATTR_REPLACE) && !is_there) return failure(ENODATA);
    if (!may_keep_set_gid) node.attributes.mode &= ~static_cast<mode_t>(S_ISGID);
    node.xattrs.insert_or_assign(std::string(name), std::string(value));
    node.attributes.ctime = now();
    return {};
  });
}

void MemoryBackend::list_xattrs(Inode& inode, Answer<std::string> answer) {
  serve("list_xattrs", std::move(answer), [&]() -> Result<std::string> {
    std::string names;
    for (const auto& [name, value] : node_of(inode)->xattrs) names += name + '\0';
    return names;
  });
}

void MemoryBackend::remove_xattr(Inode& inode, std::string_view name, Answer<void> answer) {
  serve("remove_xattr", std::move(answer), [&]() -> Result<void> {
    auto& xattrs = node_of(inode)->xattrs;
    const auto found = xattrs.find(name);
    if (found == xattrs.end()) return failure(ENODATA);
    xattrs.erase(found);
    return {};
  });
}

void MemoryBackend::file_system_state(Answer<FileSystemState> answer) {
  serve("file_system_state", std::move(answer), []() -> Result<FileSystemState> {
    FileSystemState state;
    state.blocks = 1000;
    state.blocks_free = state.blocks_available = 900;
    state.used_bytes = 100 * state.block_size;
    return state;
  });
}

void MemoryBackend::flock(File& file, int operation, bool wait, Answer<void> answer) {
  Result<void> result = [&]() -> Result<void> {
    std::unique_lock lock(mutex_);
    TRY_VOID(step("flock"));
    auto& held = memory(file).node->flocks;
    if (operation == LOCK_UN) {
      held.erase(&file);
      locks_changed_.notify_all();
      return {};
    }
    const auto is_free = [&] {
      return std::ranges::none_of(held, [&](const auto& other) {
        return other.first != &file && (operation == LOCK_EX || other.second == LOCK_EX);
      });
    };
    while (!is_free()) {
      if (!wait) return failure(EAGAIN);
      locks_changed_.wait(lock);
    }
    held[&file] = operation;
    return {};
  }();
  deliver(std::move(answer), std::move(result));
}

namespace {

std::optional<RangeLock> holder_against(const Node& node, const RangeLock& lock) {
  for (const RangeLock& held : node.locks)
    if (held.owner != lock.owner && overlap(held, lock) && (held.type == F_WRLCK || lock.type == F_WRLCK)) return held;
  return std::nullopt;
}

void place(Node& node, const RangeLock& lock) {
  std::vector<RangeLock> next;
  for (const RangeLock& held : node.locks) {
    if (held.owner != lock.owner || !overlap(held, lock)) {
      next.push_back(held);
      continue;
    }
    RangeLock rest = held;
    if (held.start < lock.start) {
      rest.end = lock.start - 1;
      next.push_back(rest);
    }
    rest = held;
    if (held.end > lock.end) {
      rest.start = lock.end + 1;
      next.push_back(rest);
    }
  }
  if (lock.type != F_UNLCK) next.push_back(lock);
  node.locks = std::move(next);
}

}  // namespace

void MemoryBackend::test_lock(Inode& inode, const RangeLock& lock, Answer<RangeLock> answer) {
  serve("test_lock", std::move(answer), [&]() -> Result<RangeLock> {
    if (const auto holder = holder_against(*node_of(inode), lock)) return *holder;
    RangeLock none = lock;
    none.type = F_UNLCK;
    return none;
  });
}

void MemoryBackend::set_lock(Inode& inode, const RangeLock& lock, bool wait, Answer<void> answer) {
  Result<void> result = [&]() -> Result<void> {
    std::unique_lock guard(mutex_);
    TRY_VOID(step("set_lock"));
    const NodePointer node = node_of(inode);
    while (lock.type != F_UNLCK && holder_against(*node, lock)) {
      if (!wait) return failure(EAGAIN);
      locks_changed_.wait(guard);
    }
    place(*node, lock);
    locks_changed_.notify_all();
    return {};
  }();
  deliver(std::move(answer), std::move(result));
}

void MemoryBackend::drop_locks(Inode& inode, std::uint64_t owner, Answer<void> answer) {
  serve("drop_locks", std::move(answer), [&]() -> Result<void> {
    std::erase_if(node_of(inode)->locks, [&](const RangeLock& held) { return held.owner == owner; });
    locks_changed_.notify_all();
    return {};
  });
}

}  // namespace claimfs::tests
