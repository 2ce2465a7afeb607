#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "backends/caller_identity.h"
#include "backends/host_path/backend.h"

namespace claimfs::backends::host_path {

namespace {

// A name with its NUL, without an allocation for the usual ones. The native call says what is too
// long.
class CName {
 public:
  explicit CName(std::string_view name) {
    if (name.size() < sizeof small_) {
      name.copy(small_, name.size());
      small_[name.size()] = '\0';
      text_ = small_;
    } else {
      large_ = name;
      text_ = large_.c_str();
    }
  }
  CName(const CName&) = delete;
  const char* get() const { return text_; }

 private:
  char small_[NAME_MAX + 1];
  std::string large_;
  const char* text_;
};

// A directory begins with a block, and a long symlink has one.
constexpr std::uint64_t kOwnBlock = 4096;

Result<void> done(int result) {
  if (result != 0) return failure_from_errno();
  return {};
}

}  // namespace

void HostPathBackend::lookup(const Caller&, Inode& parent, std::string_view name,
                             Answer<Entry> answer) {
  Result<Lease> directory = descriptor_of(parent);
  if (!directory) return answer.refuse(directory.error());
  answer.complete(entry_at(directory->get(), CName(name).get()));
}

void HostPathBackend::read_link(const Caller&, Inode& inode, Answer<std::string> answer) {
  Result<Lease> link = descriptor_of(inode);
  if (!link) return answer.refuse(link.error());
  char target[PATH_MAX];
  const ssize_t length = ::readlinkat(link->get(), "", target, sizeof target);
  // readlinkat says ENOENT of a descriptor that is no symlink.
  if (length < 0)
    answer.fail(errno == ENOENT ? EINVAL : errno);
  else
    answer.complete(std::string(target, static_cast<std::size_t>(length)));
}

// Makes something new in a directory as the caller, and answers with what it became.
template <class Make>
void HostPathBackend::make_entry(const Caller& caller, Inode& parent, std::string_view name,
                                 std::uint64_t own, Answer<Entry> answer, Make&& make) {
  Result<Lease> directory = descriptor_of(parent);
  if (!directory) return answer.refuse(directory.error());
  Result<Reservation> room = room_for_name(own);
  if (!room) return answer.refuse(room.error());
  become(caller);
  const CName c_name(name);
  const Result<void> made = within_quota([&] {
    const Change change(accounting_, host(parent), directory->get(), *room);
    return done(make(directory->get(), c_name.get()));
  });
  if (!made) return answer.refuse(made.error());
  Result<Entry> entry = entry_at(directory->get(), c_name.get());
  if (entry) has_made(*entry, *room);
  answer.complete(std::move(entry));
}

void HostPathBackend::make_node(const Caller& caller, Inode& parent, std::string_view name,
                                mode_t mode, dev_t device, Answer<Entry> answer) {
  make_entry(caller, parent, name, 0, std::move(answer), [&](int directory, const char* new_name) {
    return ::mknodat(directory, new_name, mode, device);
  });
}

void HostPathBackend::make_directory(const Caller& caller, Inode& parent, std::string_view name,
                                     mode_t mode, Answer<Entry> answer) {
  make_entry(
      caller, parent, name, kOwnBlock, std::move(answer),
      [&](int directory, const char* new_name) { return ::mkdirat(directory, new_name, mode); });
}

void HostPathBackend::make_symlink(const Caller& caller, Inode& parent, std::string_view name,
                                   std::string_view target, Answer<Entry> answer) {
  const std::string c_target(target);
  make_entry(caller, parent, name, kOwnBlock, std::move(answer),
             [&](int directory, const char* new_name) {
               return ::symlinkat(c_target.c_str(), directory, new_name);
             });
}

void HostPathBackend::link(const Caller&, Inode& inode, Inode& new_parent,
                           std::string_view new_name, Answer<Entry> answer) {
  Result<Lease> file = descriptor_of(inode);
  Result<Lease> directory = file ? descriptor_of(new_parent) : failure(file.error());
  if (!directory) return answer.refuse(directory.error());
  Result<Reservation> room = room_for_name(0);
  if (!room) return answer.refuse(room.error());
  const CName c_name(new_name);
  const Result<void> linked = within_quota([&] {
    const Change change(accounting_, host(new_parent), directory->get(), *room);
    if (accounting_) accounting_->gets_name(host(inode), file->get());
    return done(::linkat(file->get(), "", directory->get(), c_name.get(), AT_EMPTY_PATH));
  });
  if (!linked) return answer.refuse(linked.error());
  answer.complete(entry_at(directory->get(), c_name.get()));
}

Result<void> HostPathBackend::remove(Inode& parent, int directory, const char* name, int flags) {
  Leaving leaving = keep_reachable(directory, name);
  Reservation none;
  const Change change(accounting_, host(parent), directory, none);
  Result<void> removed = done(::unlinkat(directory, name, flags));
  if (removed) has_gone(std::move(leaving));
  return removed;
}

void HostPathBackend::unlink(const Caller&, Inode& parent, std::string_view name,
                             Answer<void> answer) {
  Result<Lease> directory = descriptor_of(parent);
  if (!directory) return answer.refuse(directory.error());
  const CName c_name(name);
  answer.complete(remove(parent, directory->get(), c_name.get(), 0));
}

void HostPathBackend::remove_directory(const Caller&, Inode& parent, std::string_view name,
                                       Answer<void> answer) {
  Result<Lease> directory = descriptor_of(parent);
  if (!directory) return answer.refuse(directory.error());
  const CName c_name(name);
  answer.complete(remove(parent, directory->get(), c_name.get(), AT_REMOVEDIR));
}

void HostPathBackend::rename(const Caller&, Inode& parent, std::string_view name, Inode& new_parent,
                             std::string_view new_name, unsigned flags, Answer<void> answer) {
  Result<Lease> from = descriptor_of(parent);
  Result<Lease> to = from ? descriptor_of(new_parent) : failure(from.error());
  if (!to) return answer.refuse(to.error());
  Result<Reservation> room = room_for_name(0);
  if (!room) return answer.refuse(room.error());
  const CName c_name(name);
  const CName c_new_name(new_name);
  if (accounting_) {
    accounting_->moves(from->get(), c_name.get());
    if ((flags & RENAME_EXCHANGE) != 0) accounting_->moves(to->get(), c_new_name.get());
  }
  Leaving leaving;
  const auto rename_with = [&](unsigned how) -> Result<void> {
    const Change change(accounting_, host(new_parent), to->get(), *room);
    if (::renameat2(from->get(), c_name.get(), to->get(), c_new_name.get(), how) != 0)
      return failure_from_errno();
    has_gone(std::move(leaving));
    return {};
  };
  // The directory that is left may become smaller, or larger by a whiteout.
  const auto moved = [&](Result<void> renamed) {
    if (renamed && &parent != &new_parent)
      const Change change(accounting_, host(parent), from->get(), *room);
    answer.complete(std::move(renamed));
  };
  if ((flags & (RENAME_NOREPLACE | RENAME_EXCHANGE)) == 0) {
    // Mostly there is nothing to replace. Whatever is against that, the plain call says it right.
    if (Result<void> renamed = rename_with(flags | RENAME_NOREPLACE)) {
      moved(std::move(renamed));
      return;
    }
    leaving = keep_reachable(to->get(), c_new_name.get());
  }
  moved(within_quota([&] { return rename_with(flags); }));
}

}  // namespace claimfs::backends::host_path
