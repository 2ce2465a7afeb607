#include "fs/session.h"

#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/fd.h"
#include "fs/fuse_uring.h"
#include "fs/kernel_notifier.h"
#include "fs/kernel_requests.h"
#include "fs/waiting_threads.h"
#include "fs/workers.h"

namespace claimfs::fs {

namespace {

// Linux 6.9's interface; the headers of older distributions do not have it. Source:
// include/uapi/linux/fuse.h.
struct BackingMap {
  std::int32_t fd;
  std::uint32_t flags;
  std::uint64_t padding;
};
constexpr unsigned long kBackingOpen = _IOW(229, 1, BackingMap);
constexpr unsigned long kBackingClose = _IOW(229, 2, std::uint32_t);

class KernelDoor final : public PassthroughDoor {
 public:
  KernelDoor(int fuse_descriptor, Session::Unprivileged unprivileged)
      : fuse_(fuse_descriptor), unprivileged_(std::move(unprivileged)) {}

  // The kernel writes with the rights of the thread that opened the door: without CAP_FSETID, so
  // that a write by somebody else takes set-id bits away (FUSE.md 4).
  Result<int> admit(int native_descriptor) override {
    BackingMap map{native_descriptor, 0, 0};
    int id = -1;
    int error = 0;
    const auto ask = [&] {
      id = ::ioctl(fuse_, kBackingOpen, &map);
      error = errno;
    };
    if (unprivileged_)
      unprivileged_(ask);
    else
      ask();
    if (id <= 0) return failure(id < 0 ? error : EIO);
    return id;
  }

  void dismiss(int backing_id) override {
    auto id = static_cast<std::uint32_t>(backing_id);
    ::ioctl(fuse_, kBackingClose, &id);
  }

 private:
  int fuse_;
  Session::Unprivileged unprivileged_;
};

// What libfuse has to say goes where everything else goes.
void log_libfuse(fuse_log_level level, const char* format, va_list arguments) {
  char text[1024];
  std::vsnprintf(text, sizeof text, format, arguments);
  std::string_view line(text);
  while (!line.empty() && line.back() == '\n') line.remove_suffix(1);
  if (level <= FUSE_LOG_ERR)
    spdlog::error("libfuse=\"{}\"", line);
  else if (level == FUSE_LOG_WARNING)
    spdlog::warn("libfuse=\"{}\"", line);
  else
    spdlog::debug("libfuse=\"{}\"", line);
}

// Tells the kernel of our rings in the reply to INIT, where it offers them. libfuse would make its
// own otherwise, whose threads nobody may hold up.
void offer_rings(KernelSide& side, int descriptor, const iovec& reply_to_init) {
  if (reply_to_init.iov_len < sizeof(fuse_init_out)) return;  // a refusal
  fuse_init_out reply;
  std::memcpy(&reply, reply_to_init.iov_base, sizeof reply);
  const std::size_t pages = reply.max_pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto prepared =
      side.rings->prepare(descriptor, std::max<std::size_t>(reply.max_write, pages));
  if (!prepared) {
    spdlog::warn("requests=/dev/fuse reason=\"no io_uring: {}\"", prepared.error().message());
    return;
  }
  reply.flags2 |= kOverIoUring;
  std::memcpy(reply_to_init.iov_base, &reply, sizeof reply);
  side.filesystem.set_has_rings();
  spdlog::info("requests=io_uring");
}

// All that libfuse sends comes here.
ssize_t write_reply(int descriptor, iovec* parts, int count, void* user_data) {
  KernelSide& side = *static_cast<KernelSide*>(user_data);
  if (std::exchange(side.offers_rings, false) && count > 1) offer_rings(side, descriptor, parts[1]);
  return side.rings->write(descriptor, parts, count);
}

ssize_t read_request(int descriptor, void* to, size_t size, void*) {
  return ::read(descriptor, to, size);
}

class KernelSession final : public Session, private KernelCache {
 public:
  KernelSession(std::string mount_point, Filesystem& filesystem)
      : mount_point_(std::move(mount_point)), filesystem_(filesystem), side_{filesystem} {}

  ~KernelSession() override {
    filesystem_.set_kernel_cache(nullptr);
    filesystem_.set_passthrough_door(nullptr);
    if (session_) {
      if (is_mounted_) stop();
      if (workers_) workers_->stop();
      side_.impatient->end();   // it replies
      filesystem_.end_waits();  // they do
      fuse_session_destroy(session_);
    }
  }

  Result<void> open(const MountOptions& options, Unprivileged unprivileged) {
    if (::access("/dev/fuse", F_OK) != 0)
      return failure(
          ENODEV,
          "/dev/fuse is missing: load the kernel's fuse module, or give the container the device");
    if (Fd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC)); !device)
      return failure_from_errno("/dev/fuse");
    fuse_set_log_func(log_libfuse);
    std::string words =
        "fsname=" + options.fs_name + ",subtype=claimfs,allow_other,default_permissions";
    for (const std::string& option : options.options) words += "," + option;
    const char* arguments[] = {"claimfs", "-o", words.c_str()};
    fuse_args parsed = FUSE_ARGS_INIT(3, const_cast<char**>(arguments));
    session_ = fuse_session_new(&parsed, &kernel_requests(), sizeof(fuse_lowlevel_ops), &side_);
    fuse_opt_free_args(&parsed);
    if (!session_) return failure(EINVAL, "the mount options \"" + words + "\" are not all known");
    if (fuse_session_mount(session_, mount_point_.c_str()) != 0)
      return failure(errno != 0 ? errno : EIO, "cannot mount at " + mount_point_);
    is_mounted_ = true;
    ::fcntl(fuse_session_fd(session_), F_SETFD, FD_CLOEXEC);
    door_ = std::make_unique<KernelDoor>(fuse_session_fd(session_), std::move(unprivileged));
    notifier_ = std::make_unique<KernelNotifier>(fuse_session_fd(session_));
    workers_ = std::make_unique<Workers>(session_, filesystem_, [this] {
      // Whatever is known of the root: asked for anew, without a lock that anybody holds.
      struct statx unused {};
      ::statx(AT_FDCWD, mount_point_.c_str(), AT_STATX_FORCE_SYNC | AT_NO_AUTOMOUNT, STATX_MODE,
              &unused);
    });
    side_.rings = &workers_->rings();
    // Not every build of libfuse lets us: then there are no rings.
    const fuse_custom_io io{.writev = write_reply,
                            .read = read_request,
                            .splice_receive = nullptr,
                            .splice_send = nullptr,
                            .clone_fd = nullptr};
    side_.may_have_rings =
        fuse_session_custom_io(session_, &io, sizeof io, fuse_session_fd(session_)) == 0;
    return {};
  }

  void start() override {
    filesystem_.set_passthrough_door(door_.get());
    filesystem_.set_kernel_cache(this);
    workers_->start();
  }

  bool wait() override { return workers_->wait(); }

  void stop() override {
    if (!is_mounted_.exchange(false)) {
      workers_->stop();
      return;
    }
    // The name alone: a look into the mount would wait for ourselves.
    if (::umount2(mount_point_.c_str(), UMOUNT_NOFOLLOW) != 0 && errno == EBUSY) {
      spdlog::warn("unmount=lazy mount_point={} reason=\"still in use\"", mount_point_);
      ::umount2(mount_point_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
      return;  // who has a file open may write through us: the session ends with the last of them
    }
    workers_->stop();
  }

  void expire_claim(std::string_view name_space, std::string_view claim) override {
    const std::string name(claim.empty() ? name_space : claim);
    NodeId parent = kRootNode;
    if (!claim.empty()) {
      const auto directory = Tree::namespace_inode(name_space);
      parent = filesystem_.nodes().id_of(*filesystem_.nodes().find(kRootNode)->volume, *directory);
      if (parent == 0) return;  // the kernel knows nothing of it
    }
    notifier_->run(
        [&] { fuse_lowlevel_notify_expire_entry(session_, parent, name.c_str(), name.size()); });
  }

  std::size_t workers() const override { return workers_->count(); }

 private:
  // Linux 6.18's interface, for which libfuse has no call. Source: include/uapi/linux/fuse.h.
  static constexpr int kNotifyPrune = 9;
  struct PruneHead {
    std::uint32_t count;
    std::uint32_t padding;
    std::uint64_t spare;
  };

  bool prune(std::span<const NodeId> nodes) override {
    PruneHead head{static_cast<std::uint32_t>(nodes.size()), 0, 0};
    fuse_out_header header{};
    header.len = static_cast<std::uint32_t>(sizeof header + sizeof head + nodes.size_bytes());
    header.error = kNotifyPrune;
    const iovec parts[] = {{&header, sizeof header},
                           {&head, sizeof head},
                           {const_cast<NodeId*>(nodes.data()), nodes.size_bytes()}};
    bool is_known = true;
    notifier_->run(
        [&] { is_known = ::writev(fuse_session_fd(session_), parts, 3) >= 0 || errno != EINVAL; });
    return is_known;
  }

  void drop_name(NodeId directory, const std::string& name) override {
    notifier_->run([&] { drop(directory, name); });
  }
  void drop_names(const NextName& next) override {
    notifier_->run([&] {
      while (const auto name = next()) drop(name->directory, name->name);
    });
  }
  void drop(NodeId directory, const std::string& name) {
    fuse_lowlevel_notify_inval_entry(session_, directory, name.c_str(), name.size());
  }

  std::string mount_point_;
  Filesystem& filesystem_;
  KernelSide side_;
  fuse_session* session_ = nullptr;
  std::atomic<bool> is_mounted_{false};
  std::unique_ptr<KernelDoor> door_;
  std::unique_ptr<KernelNotifier> notifier_;
  std::unique_ptr<Workers> workers_;
};

}  // namespace

Result<std::unique_ptr<Session>> Session::mount(const MountOptions& options, Filesystem& filesystem,
                                                Unprivileged unprivileged) {
  WaitingThreads::install_signal();
  auto session = std::make_unique<KernelSession>(options.mount_point, filesystem);
  TRY_VOID(session->open(options, std::move(unprivileged)));
  return session;
}

}  // namespace claimfs::fs
