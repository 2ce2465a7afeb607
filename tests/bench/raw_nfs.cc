#include "tests/bench/raw_nfs.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace claimfs::bench {

namespace {

constexpr int kMountProgram = 100005;
constexpr int kNfsProgram = 100003;
constexpr int kVersion = 3;
constexpr const char* kAddress = "127.0.0.1";
constexpr int kPatienceMs = 20'000;  // a server that says nothing for so long is gone

}  // namespace

RawNfs::RawNfs(int port, int mount_port, const std::string& path, std::size_t connections) {
  mount(mount_port, path);
  for (std::size_t i = 0; i < connections; ++i) contexts_.push_back(connected(port, kNfsProgram));
}

void RawNfs::fail(const char* what) {
  std::fprintf(stderr, "nfs_raw: %s\n", what);
  std::_Exit(1);
}

RawNfs::Context RawNfs::connected(int port, int program) {
  Context context(rpc_init_context());
  if (!context) fail("out of memory");
  bool is_connected = false;
  const rpc_cb told = [](rpc_context* its, int status, void*, void* flag) {
    if (status == RPC_STATUS_CANCEL) return;
    if (status != RPC_STATUS_SUCCESS) fail(rpc_get_error(its));
    *static_cast<bool*>(flag) = true;
  };
  if (rpc_connect_port_async(context.get(), kAddress, port, program, kVersion, told,
                             &is_connected) != 0)
    fail(rpc_get_error(context.get()));
  while (!is_connected) serve({context.get()});
  // libnfs 4 and 5 leave Nagle's algorithm on.
  const int yes = 1;
  if (::setsockopt(rpc_get_fd(context.get()), IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes) != 0)
    fail("TCP_NODELAY");
  return context;
}

void RawNfs::mount(int mount_port, const std::string& path) {
  const Context context = connected(mount_port, kMountProgram);
  struct Answer {
    bool is_there = false;
    RawHandle root;
  } answer;
  const rpc_cb told = [](rpc_context* its, int status, void* data, void* to) {
    if (status == RPC_STATUS_CANCEL) return;
    if (status != RPC_STATUS_SUCCESS) fail(rpc_get_error(its));
    const auto& reply = *static_cast<mountres3*>(data);
    if (reply.fhs_status != MNT3_OK) fail("the export cannot be mounted");
    const fhandle3& handle = reply.mountres3_u.mountinfo.fhandle;
    nfs_fh3 raw{};
    raw.data.data_val = handle.fhandle3_val;
    raw.data.data_len = handle.fhandle3_len;
    *static_cast<Answer*>(to) = {true, RawHandle(raw)};
  };
  if (rpc_mount3_mnt_async(context.get(), told, const_cast<char*>(path.c_str()), &answer) != 0)
    fail(rpc_get_error(context.get()));
  while (!answer.is_there) serve({context.get()});
  root_ = answer.root;
}

void RawNfs::serve(const std::vector<rpc_context*>& contexts) {
  std::vector<pollfd> waiting;
  waiting.reserve(contexts.size());
  for (rpc_context* context : contexts)
    waiting.push_back({rpc_get_fd(context), static_cast<short>(rpc_which_events(context)), 0});
  if (::poll(waiting.data(), waiting.size(), kPatienceMs) <= 0) fail("the server is silent");
  for (std::size_t i = 0; i < contexts.size(); ++i)
    if (waiting[i].revents != 0 && rpc_service(contexts[i], waiting[i].revents) < 0)
      fail(rpc_get_error(contexts[i]));
}

void RawNfs::serve() {
  std::vector<rpc_context*> contexts;
  for (const Context& context : contexts_) contexts.push_back(context.get());
  serve(contexts);
}

void RawNfs::each(
    std::size_t count, std::size_t at_once,
    const std::function<void(std::size_t number, std::size_t lane, Done done)>& begin) {
  std::size_t next = 0;
  std::size_t ended = 0;
  std::function<void(std::size_t)> go_on = [&](std::size_t lane) {
    if (next == count) return;
    begin(next++, lane, [&, lane] {
      ++ended;
      go_on(lane);
    });
  };
  for (std::size_t lane = 0; lane < std::min(at_once, count); ++lane) go_on(lane);
  while (ended < count) serve();
}

}  // namespace claimfs::bench
