#pragma once

#include <sys/time.h>
// Its own headers rest on it.
#include <nfsc/libnfs.h>

#include <nfsc/libnfs-raw-mount.h>
#include <nfsc/libnfs-raw-nfs.h>
#include <nfsc/libnfs-raw.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace claimfs::bench {

// A file's handle, kept beyond the reply that told it.
class RawHandle {
 public:
  RawHandle() = default;
  explicit RawHandle(const nfs_fh3& told) : bytes_(told.data.data_val, told.data.data_len) {}
  // Points into this.
  nfs_fh3 raw() const {
    nfs_fh3 handle{};
    handle.data.data_val = const_cast<char*>(bytes_.data());
    handle.data.data_len = static_cast<unsigned>(bytes_.size());
    return handle;
  }

 private:
  std::string bytes_;
};

// As little as can be between a program and a server: libnfs's calls by file handle, one thread.
// What fails ends the program with a message.
class RawNfs {
 public:
  RawNfs(int port, int mount_port, const std::string& path, std::size_t connections);

  const RawHandle& root() const { return root_; }

  // Queues one call; `then` is given the reply, which is valid only meanwhile. `lane` picks the
  // connection.
  template <class Reply, class Arguments>
  void call(std::size_t lane, int (*queue)(rpc_context*, rpc_cb, Arguments*, void*),
            Arguments arguments, std::function<void(Reply&)> then) {
    struct Pending {
      RawNfs* nfs;
      std::function<void(Reply&)> then;
    };
    auto* pending = new Pending{this, std::move(then)};
    const rpc_cb replied = [](rpc_context* context, int status, void* data, void* mine) {
      const std::unique_ptr<Pending> owned(static_cast<Pending*>(mine));
      if (status == RPC_STATUS_CANCEL) return;
      if (status != RPC_STATUS_SUCCESS) fail(rpc_get_error(context));
      Reply& reply = *static_cast<Reply*>(data);
      if (reply.status != NFS3_OK) fail(nfsstat3_to_str(reply.status));
      owned->then(reply);
    };
    rpc_context* context = contexts_[lane % contexts_.size()].get();
    if (queue(context, replied, &arguments, pending) != 0) fail(rpc_get_error(context));
  }
  // The same, and waits. For what is not measured.
  template <class Reply, class Arguments>
  void ask(
      int (*queue)(rpc_context*, rpc_cb, Arguments*, void*), Arguments arguments,
      std::function<void(Reply&)> then = [](Reply&) {}) {
    bool is_done = false;
    call<Reply>(0, queue, arguments, [&](Reply& reply) {
      then(reply);
      is_done = true;
    });
    while (!is_done) serve();
  }

  using Done = std::function<void()>;
  // Begins operations 0 to count - 1, `at_once` of them in flight, and waits for all. Each calls
  // what it is given when it is over.
  void each(std::size_t count, std::size_t at_once,
            const std::function<void(std::size_t number, std::size_t lane, Done done)>& begin);

  [[noreturn]] static void fail(const char* what);

 private:
  struct DestroyContext {
    void operator()(rpc_context* context) const { rpc_destroy_context(context); }
  };
  using Context = std::unique_ptr<rpc_context, DestroyContext>;

  static Context connected(int port, int program);
  static void serve(const std::vector<rpc_context*>& contexts);
  void serve();
  void mount(int mount_port, const std::string& path);

  std::vector<Context> contexts_;
  RawHandle root_;
};

}  // namespace claimfs::bench
