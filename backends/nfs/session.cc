#include "backends/nfs/session.h"

#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <future>

namespace claimfs::backends::nfs {

namespace {

constexpr int kPortMapperPort = 111;
constexpr int kNfsPort = 2049;
// What a call fails with that the server's RPC layer refuses: over IPv6 no port mapper speaks the
// older protocol.
constexpr int kNotUnderstood = EIO;
// More in one call than any server of NFSv3 is known to take is not asked for, whatever it says.
constexpr std::uint32_t kMostBytes = 1U << 20U;
constexpr std::uint32_t kFewestBytes = 4096;

std::shared_ptr<Ticket> ticket_until(Clock::time_point deadline) {
  auto ticket = std::make_shared<Ticket>();
  ticket->deadline = deadline;
  return ticket;
}

// Asks and waits. `take` copies what is wanted from the reply.
template <class P, class Fill, class Take>
auto ask(Connection& connection, Clock::time_point deadline, Fill fill, Take take)
    -> Result<decltype(take(std::declval<typename P::Reply&>()))> {
  using Taken = decltype(take(std::declval<typename P::Reply&>()));
  auto promise = std::make_shared<std::promise<Result<Taken>>>();
  auto answered = promise->get_future();
  connection.submit(make_call<P>(ticket_until(deadline), std::move(fill),
                                 [promise, take](Result<typename P::Reply*> reply, bool) {
                                   if (reply)
                                     promise->set_value(take(**reply));
                                   else
                                     promise->set_value(failure(reply.error()));
                                 }));
  return answered.get();
}

Connection::Settings settings_for(const std::vector<Address>& addresses, std::uint16_t port,
                                  bool is_reserved) {
  Connection::Settings settings;
  settings.addresses = addresses;
  settings.port = port;
  settings.is_reserved = is_reserved;
  settings.timeout = std::chrono::hours(1);  // deadlines end what asks by these
  settings.gives_up = true;
  return settings;
}

Result<std::uint16_t> port_of(const std::vector<Address>& addresses, RpcProgram program,
                              Clock::time_point deadline) {
  Connection port_mapper(settings_for(addresses, kPortMapperPort, /*is_reserved=*/false));
  const Result<std::uint32_t> port = ask<GetPort>(
      port_mapper, deadline,
      [program](pmap2_mapping& to) {
        to = {program.number, program.version, IPPROTO_TCP, 0};
      },
      [](const std::uint32_t& found) { return found; });
  if (port) {
    if (*port == 0 || *port > UINT16_MAX) return failure(EPROTONOSUPPORT);
    return static_cast<std::uint16_t>(*port);
  }
  if (port.error().code != kNotUnderstood) return failure(port.error());
  std::string network = "tcp6";
  std::string none;
  const auto fill = [&](pmap3_mapping& to) {
    to = {program.number, program.version, network.data(), none.data(), none.data()};
  };
  const std::optional<std::uint16_t> port6 =
      TRY(ask<GetAddress>(port_mapper, deadline, fill, [](const pmap3_string_result& found) {
        return found.addr ? port_of_universal(found.addr) : std::nullopt;
      }));
  if (!port6) return failure(EPROTONOSUPPORT);
  return *port6;
}

// Whether AUTH_UNIX is among the flavours that an export is mounted with.
bool admits_unix(const mountres3_ok& mounted) {
  constexpr int kAuthNone = 0;
  constexpr int kAuthUnix = 1;
  const std::span<const int> flavors(mounted.auth_flavors.auth_flavors_val,
                                     mounted.auth_flavors.auth_flavors_len);
  return flavors.empty() || std::ranges::any_of(flavors, [](int flavor) {
           return flavor == kAuthNone || flavor == kAuthUnix;
         });
}

struct MountAnswer {
  mountstat3 status = MNT3ERR_SERVERFAULT;
  FileHandle root;
  bool admits_us = false;
};

Result<FileHandle> root_of(const volumes::NfsOptions& options,
                           const std::vector<Address>& addresses, const std::string& what,
                           Clock::time_point deadline) {
  const Result<std::uint16_t> port =
      options.mount_port ? *options.mount_port : port_of(addresses, kMountd, deadline);
  if (!port) return failure(mount_failure(port.error().code, what));
  Connection mountd(settings_for(addresses, *port, options.reserved_port));
  const Result<MountAnswer> answer = ask<Mount>(
      mountd, deadline,
      [path = options.path](dirpath& to) { to = const_cast<char*>(path.c_str()); },
      [](const mountres3& reply) {
        MountAnswer told;
        told.status = reply.fhs_status;
        if (told.status != MNT3_OK) return told;
        const mountres3_ok& mounted = reply.mountres3_u.mountinfo;
        told.root = FileHandle(mounted.fhandle);
        told.admits_us = admits_unix(mounted);
        return told;
      });
  if (!answer) return failure(mount_failure(answer.error().code, what));
  if (answer->status != MNT3_OK) return failure(mount_refusal(answer->status, what));
  if (!answer->root)
    return failure(EIO, "mount.nfs: the server's file handle for " + what + " is not one");
  if (!answer->admits_us)
    return failure(EACCES,
                   "mount.nfs: the server wants another security flavor than sys for " + what);
  return answer->root;
}

std::uint32_t within(std::uint32_t wanted, std::uint32_t offered) {
  const std::uint32_t most = offered == 0 ? kMostBytes : std::min(offered, kMostBytes);
  return std::clamp(wanted, std::min(kFewestBytes, most), most);
}

Result<Export> ask_for_limits(const volumes::NfsOptions& options, const FileHandle& root,
                              const Connection::Settings& settings, Clock::time_point deadline) {
  Connection connection(settings);
  Export found;
  found.root = root;
  found.root_attributes = TRY(ask<GetAttributes>(
      connection, deadline, [root](GETATTR3args& to) { to.object = root.raw(); },
      [](const GETATTR3res& reply) { return reply.GETATTR3res_u.resok.obj_attributes; }));
  const FSINFO3resok limits = TRY(ask<FileSystemLimits>(
      connection, deadline, [root](FSINFO3args& to) { to.fsroot = root.raw(); },
      [](const FSINFO3res& reply) { return reply.FSINFO3res_u.resok; }));
  found.read_size = within(options.read_size, limits.rtmax);
  found.write_size = within(options.write_size, limits.wtmax);
  found.largest_file = limits.maxfilesize;
  const Result<std::uint64_t> longest = ask<PathLimits>(
      connection, deadline, [root](PATHCONF3args& to) { to.object = root.raw(); },
      [](const PATHCONF3res& reply) { return std::uint64_t{reply.PATHCONF3res_u.resok.name_max}; });
  if (longest && *longest > 0) found.longest_name = *longest;
  return found;
}

}  // namespace

Result<MountedExport> mount_export(const volumes::NfsOptions& options, Clock::time_point deadline) {
  const std::string what = options.server + ":" + options.path;
  const std::vector<Address> addresses = TRY(addresses_of(options.server));
  const FileHandle root = TRY(root_of(options, addresses, what, deadline));
  std::uint16_t port = kNfsPort;
  if (options.port)
    port = *options.port;
  else if (const Result<std::uint16_t> found = port_of(addresses, kNfs, deadline))
    port = *found;
  MountedExport mounted;
  mounted.connection = settings_for(addresses, port, options.reserved_port);
  Result<Export> found = ask_for_limits(options, root, mounted.connection, deadline);
  if (!found) return failure(mount_failure(found.error().code, what));
  mounted.found = *found;
  mounted.connection.gives_up = false;
  mounted.connection.timeout = options.timeout;
  if (!options.port)
    mounted.connection.find_port = [addresses]() -> std::optional<std::uint16_t> {
      const auto soon = Clock::now() + std::chrono::seconds(1);
      const Result<std::uint16_t> anew = port_of(addresses, kNfs, soon);
      if (!anew) return std::nullopt;
      return *anew;
    };
  return mounted;
}

Session::Session(const Connection::Settings& settings, int connections)
    : doorbells_(std::make_shared<std::vector<std::shared_ptr<Connection::Doorbell>>>()) {
  for (int number = 0; number < std::max(connections, 1); ++number) {
    connections_.push_back(std::make_shared<Connection>(settings));
    doorbells_->push_back(connections_.back()->doorbell());
  }
}

void Session::stop() {
  for (const auto& connection : connections_) connection->stop();
}

void Session::drain(Clock::duration patience) {
  std::unique_lock lock(background_->mutex);
  background_->is_less.wait_for(lock, patience, [this] { return background_->count == 0; });
}

void Session::wake() {
  for (const auto& connection : connections_) connection->wake();
}

void Session::submit(std::unique_ptr<Call> call) {
  call->handles = &handles_;
  if (Connection* serving = Connection::served_by_this_thread()) {
    for (const auto& connection : connections_)
      if (connection.get() == serving) return serving->submit(std::move(call));
  }
  submit_elsewhere(std::move(call));
}

void Session::submit_elsewhere(std::unique_ptr<Call> call) {
  call->handles = &handles_;
  const std::shared_ptr<Connection> connection =
      *std::ranges::min_element(connections_, {}, [](const auto& each) { return each->load(); });
  connection->submit(std::move(call));
}

void Session::let_interrupt(const std::shared_ptr<Ticket>& ticket, const Caller& caller) {
  ticket->interruption = caller.interruptions.take();
  if (!ticket->interruption) return;
  ticket->interruption->on_interrupt([weak = std::weak_ptr(ticket), doorbells = doorbells_] {
    const std::shared_ptr<Ticket> given_up = weak.lock();
    if (!given_up) return;
    given_up->is_given_up.store(true, std::memory_order_release);
    for (const auto& doorbell : *doorbells) doorbell->interrupt();
  });
}

std::optional<Clock::time_point> Session::silent_since() const {
  Clock::time_point last_reply{};
  for (const auto& connection : connections_)
    last_reply = std::max(last_reply, connection->last_reply_at());
  std::optional<Clock::time_point> earliest;
  for (const auto& connection : connections_) {
    const auto since = connection->silent_since();
    // Where nobody waits any more, another connection's reply says that the server is back.
    if (!since || (connection->load() == 0 && last_reply > *since)) continue;
    earliest = earliest ? std::min(*earliest, *since) : *since;
  }
  return earliest;
}

}  // namespace claimfs::backends::nfs
