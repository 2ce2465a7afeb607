#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>

#include "backends/nfs/address.h"
#include "backends/nfs/file_handle.h"
#include "tests/unit/nfs_volume.h"

// `claimfs_tests "[.bench-nfs]"`: the backend beside libnfs' raw calls, on one server in one run.
// Ratios on a busy machine are good to about ±40 %.

namespace claimfs::tests {

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kPiece = 1 << 20;
constexpr int kPieces = 256;
constexpr int kInFlight = 8;
constexpr int kNames = 3000;

double seconds_of(const std::function<void()>& work) {
  const auto before = Clock::now();
  work();
  return std::chrono::duration<double>(Clock::now() - before).count();
}

void report(const char* what, double raw, double ours, const char* unit) {
  std::printf("%-28s raw %10.0f   backend %10.0f %s   %.2f\n", what, raw, ours, unit, ours / raw);
}

// Keeps so many asked at once, and waits for the last.
class Window {
 public:
  void enter() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return count_ < kInFlight; });
    ++count_;
  }
  void leave() {
    std::scoped_lock lock(mutex_);
    --count_;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

// One context, served by who asks: nothing is faster.
class RawClient {
 public:
  RawClient(int port, std::string_view root) : root_(root) {
    const auto addresses = nfs::addresses_of("127.0.0.1");
    Fd socket = std::move(
        *nfs::begin_connecting(addresses->front(), static_cast<std::uint16_t>(port), false));
    pollfd waiting{socket.get(), POLLOUT, 0};
    ::poll(&waiting, 1, -1);
    rpc_set_fd(context_, socket.release());
    rpc_service(context_, POLLOUT);
  }
  ~RawClient() { rpc_destroy_context(context_); }

  nfs_fh3 handle_of(const std::string& bytes) const {
    nfs_fh3 raw{};
    raw.data.data_len = static_cast<u_int>(bytes.size());
    raw.data.data_val = const_cast<char*>(bytes.data());
    return raw;
  }
  nfs_fh3 root() const { return handle_of(root_); }

  void serve(int most_waiting) {
    while (waiting_ > most_waiting) {
      pollfd events{rpc_get_fd(context_), static_cast<short>(rpc_which_events(context_)), 0};
      ::poll(&events, 1, -1);
      REQUIRE(rpc_service(context_, events.revents) == 0);
    }
  }
  template <class Arguments>
  void ask(int (*send)(rpc_context*, rpc_cb, Arguments*, void*), Arguments arguments) {
    ++waiting_;
    REQUIRE(send(context_, &RawClient::answered, &arguments, this) == 0);
  }
  std::string created;  // the handle of what was created last

 private:
  static void answered(rpc_context*, int status, void* data, void* self) {
    auto& client = *static_cast<RawClient*>(self);
    --client.waiting_;
    if (status != RPC_STATUS_SUCCESS) return;
    const auto& reply = *static_cast<CREATE3res*>(data);
    if (client.wants_handle && reply.status == NFS3_OK) {
      const nfs_fh3& made = reply.CREATE3res_u.resok.obj.post_op_fh3_u.handle;
      client.created.assign(made.data.data_val, made.data.data_len);
    }
  }

  rpc_context* context_ = rpc_init_context();
  std::string root_;
  int waiting_ = 0;

 public:
  bool wants_handle = false;
};

CREATE3args create_args(RawClient& client, const std::string& name) {
  CREATE3args arguments{};
  arguments.where.dir = client.root();
  arguments.where.name = const_cast<char*>(name.c_str());
  arguments.how.mode = GUARDED;
  return arguments;
}

}  // namespace

TEST_CASE("how fast the NFS backend is", "[.bench-nfs]") {
  if (!can_run()) return;
  const NfsServer server;
  Volume volume(backend_on(server.options()), {});
  RawClient raw(*server.options().port, volume.root().key());
  std::string piece(kPiece, 'x');
  constexpr double kMebibytes = kPieces;

  raw.wants_handle = true;
  raw.ask(&rpc_nfs3_create_async, create_args(raw, "raw"));
  raw.serve(0);
  raw.wants_handle = false;
  const std::string raw_file = raw.created;
  const double raw_write = seconds_of([&] {
    for (int number = 0; number < kPieces; ++number) {
      WRITE3args to{};
      to.file = raw.handle_of(raw_file);
      to.offset = static_cast<offset3>(number) * kPiece;
      to.count = to.data.data_len = kPiece;
      to.data.data_val = piece.data();
      raw.ask(&rpc_nfs3_write_async, to);
      raw.serve(kInFlight);
    }
    raw.serve(0);
    COMMIT3args commit{};
    commit.file = raw.handle_of(raw_file);
    raw.ask(&rpc_nfs3_commit_async, commit);
    raw.serve(0);
  });
  auto file = volume.create(volume.root(), "ours", O_RDWR | O_EXCL);
  REQUIRE(file);
  const double our_write = seconds_of([&] {
    for (int number = 0; number < kPieces; ++number)
      REQUIRE(volume.write(*file->file, piece, off_t{number} * off_t{kPiece}));
    REQUIRE(ask<void>(
        [&](auto answer) { volume.backend().sync({}, *file->file, false, std::move(answer)); }));
  });
  report("sequential write + commit", kMebibytes / raw_write, kMebibytes / our_write, "MiB/s");

  const double raw_read = seconds_of([&] {
    for (int number = 0; number < kPieces; ++number) {
      READ3args from{};
      from.file = raw.handle_of(raw_file);
      from.offset = static_cast<offset3>(number) * kPiece;
      from.count = kPiece;
      raw.ask(&rpc_nfs3_read_async, from);
      raw.serve(kInFlight);
    }
    raw.serve(0);
  });
  Window window;
  const double our_read = seconds_of([&] {
    for (int number = 0; number < kPieces; ++number) {
      window.enter();
      volume.backend().read({}, *file->file, kPiece, off_t{number} * off_t{kPiece},
                            [&](const Result<std::span<const std::byte>>& read) {
                              if (!read || read->size() != kPiece) std::abort();
                              window.leave();
                              return true;
                            });
    }
    window.wait();
  });
  report("sequential read", kMebibytes / raw_read, kMebibytes / our_read, "MiB/s");

  const double raw_create = seconds_of([&] {
    for (int number = 0; number < kNames; ++number) {
      const std::string name = "raw" + std::to_string(number);
      raw.ask(&rpc_nfs3_create_async, create_args(raw, name));
      raw.serve(0);
    }
  });
  file->file.reset();
  const double our_create = seconds_of([&] {
    for (int number = 0; number < kNames; ++number)
      REQUIRE(volume.create(volume.root(), std::to_string(number), O_RDWR));
  });
  report("create", kNames / raw_create, kNames / our_create, "files/s");

  const double raw_lookup = seconds_of([&] {
    for (int number = 0; number < kNames; ++number) {
      const std::string name = std::to_string(number);
      LOOKUP3args what{};
      what.what = {raw.root(), const_cast<char*>(name.c_str())};
      raw.ask(&rpc_nfs3_lookup_async, what);
      raw.serve(0);
    }
  });
  const double our_lookup = seconds_of([&] {
    for (int number = 0; number < kNames; ++number)
      REQUIRE(volume.lookup(volume.root(), std::to_string(number)));
  });
  report("look up", kNames / raw_lookup, kNames / our_lookup, "files/s");

  const double raw_remove = seconds_of([&] {
    for (int number = 0; number < kNames; ++number) {
      const std::string name = "raw" + std::to_string(number);
      REMOVE3args what{};
      what.object = {raw.root(), const_cast<char*>(name.c_str())};
      raw.ask(&rpc_nfs3_remove_async, what);
      raw.serve(0);
    }
  });
  const auto open = volume.open(*file->known.inode, O_RDONLY);  // as there always is one
  const double our_remove = seconds_of([&] {
    for (int number = 0; number < kNames; ++number)
      REQUIRE(volume.unlink(volume.root(), std::to_string(number)));
  });
  report("remove, with an open file", kNames / raw_remove, kNames / our_remove, "files/s");
}

}  // namespace claimfs::tests
