#include "tests/backend_contract/memory_backend.h"

#include <dirent.h>
#include <fcntl.h>

#include "tests/backend_contract/memory_node.h"

namespace claimfs::tests {

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

Result<Entry> MemoryBackend::add_new(const Caller& caller, Inode& parent, std::string_view name,
                                     mode_t mode, const std::function<void(Node&)>& fill) {
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
  if (on_start) on_start();
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

void MemoryBackend::lookup(const Caller&, Inode& parent, std::string_view name,
                           Answer<Entry> answer) {
  serve("lookup", std::move(answer),
        [&]() -> Result<Entry> { return entry_of(TRY(child_of(parent, name))); });
}

void MemoryBackend::get_attributes(const Caller&, Inode& inode, File*, Answer<Attributes> answer) {
  serve("get_attributes", std::move(answer),
        [&]() -> Result<Attributes> { return node_of(inode)->now_attributes(); });
}

void MemoryBackend::set_attributes(const Caller&, Inode& inode, File*,
                                   const AttributeChanges& changes, Answer<Attributes> answer) {
  serve("set_attributes", std::move(answer), [&]() -> Result<Attributes> {
    Node& node = *node_of(inode);
    Attributes& attributes = node.attributes;
    const auto time = [](const AttributeChanges::Time& wanted) {
      return wanted.now ? now() : wanted.value;
    };
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

void MemoryBackend::read_link(const Caller&, Inode& inode, Answer<std::string> answer) {
  serve("read_link", std::move(answer), [&]() -> Result<std::string> {
    if (!S_ISLNK(node_of(inode)->attributes.mode)) return failure(EINVAL);
    return node_of(inode)->target;
  });
}

void MemoryBackend::make_node(const Caller& caller, Inode& parent, std::string_view name,
                              mode_t mode, dev_t device, Answer<Entry> answer) {
  serve("make_node", std::move(answer), [&] {
    return add_new(caller, parent, name, (mode & S_IFMT) == 0 ? mode | S_IFREG : mode,
                   [&](Node& node) { node.attributes.rdev = device; });
  });
}

void MemoryBackend::make_directory(const Caller& caller, Inode& parent, std::string_view name,
                                   mode_t mode, Answer<Entry> answer) {
  serve("make_directory", std::move(answer),
        [&] { return add_new(caller, parent, name, S_IFDIR | (mode & 07777), nullptr); });
}

void MemoryBackend::make_symlink(const Caller& caller, Inode& parent, std::string_view name,
                                 std::string_view target, Answer<Entry> answer) {
  serve("make_symlink", std::move(answer), [&] {
    return add_new(caller, parent, name, S_IFLNK | 0777, [&](Node& node) { node.target = target; });
  });
}

void MemoryBackend::link(const Caller&, Inode& inode, Inode& new_parent, std::string_view new_name,
                         Answer<Entry> answer) {
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

void MemoryBackend::unlink(const Caller&, Inode& parent, std::string_view name,
                           Answer<void> answer) {
  serve("unlink", std::move(answer), [&]() -> Result<void> {
    const NodePointer node = TRY(child_of(parent, name));
    if (node->is_directory()) return failure(EISDIR);
    node_of(parent)->remove(name);
    --node->attributes.nlink;
    node->attributes.ctime = now();
    return {};
  });
}

void MemoryBackend::remove_directory(const Caller&, Inode& parent, std::string_view name,
                                     Answer<void> answer) {
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

void MemoryBackend::rename(const Caller&, Inode& parent, std::string_view name, Inode& new_parent,
                           std::string_view new_name, unsigned flags, Answer<void> answer) {
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
    const auto move_in = [](Node& directory, const NodePointer& directory_pointer,
                            std::string_view as, const NodePointer& node) {
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
      if (moved->is_directory() != other->is_directory())
        return failure(moved->is_directory() ? ENOTDIR : EISDIR);
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

void MemoryBackend::open_directory(const Caller&, Inode& inode,
                                   Answer<std::unique_ptr<File>> answer) {
  serve("open_directory", std::move(answer), [&]() -> Result<std::unique_ptr<File>> {
    if (!node_of(inode)->is_directory()) return failure(ENOTDIR);
    return std::make_unique<MemoryFile>(*this, node_of(inode), O_RDONLY | O_DIRECTORY);
  });
}

void MemoryBackend::read_directory(const Caller&, File& directory, std::uint64_t cursor,
                                   DirectorySink& sink, Answer<void> answer) {
  serve("read_directory", std::move(answer), [&]() -> Result<void> {
    const NodePointer& node = memory(directory).node;
    const NodePointer parent = node->parent.lock();
    const std::uint64_t device = node->attributes.device;
    const std::uint64_t ino = node->attributes.ino;
    if (cursor < 1 && !sink.add(".", device, ino, DT_DIR, 1, std::nullopt)) return {};
    if (cursor < 2 &&
        !sink.add("..", device, parent ? parent->attributes.ino : ino, DT_DIR, 2, std::nullopt))
      return {};
    for (auto name = node->order.upper_bound(cursor); name != node->order.end(); ++name) {
      const NodePointer& child = node->children.find(name->second)->second.node;
      std::optional<Entry> entry;
      if (sink.wants_attributes()) entry = entry_of(child);
      if (!sink.add(name->second, device, child->attributes.ino, IFTODT(child->attributes.mode),
                    name->first, std::move(entry)))
        break;
    }
    return {};
  });
}

void MemoryBackend::sync_directory(const Caller&, File&, bool, Answer<void> answer) {
  serve("sync_directory", std::move(answer), []() -> Result<void> { return {}; });
}

}  // namespace claimfs::tests
