#include "backends/nfs/backend.h"

#include <cerrno>
#include <future>

namespace claimfs::backends::nfs {

namespace {

constexpr auto kStarting = std::chrono::seconds(10);
constexpr auto kProbing = std::chrono::seconds(1);
// How soon a server that did not answer is asked again only to show a directory's attributes.
constexpr auto kProbeAgain = std::chrono::seconds(10);
// What nobody waits for any more (hidden names) may take so long when the volume is left.
constexpr auto kLeaving = std::chrono::seconds(2);
// And what was written so long.
constexpr auto kWritingBack = std::chrono::seconds(10);

}  // namespace

NfsBackend::NfsBackend(volumes::NfsOptions options, CapacityOptions capacity)
    : options_(std::move(options)),
      server_(number_of_server(options_.server)),
      accounting_(capacity.bound && !options_.read_only
                      ? std::make_shared<Accounting>(std::move(capacity))
                      : nullptr) {}

Result<void> NfsBackend::start() {
  stop();
  MountedExport mounted = TRY(mount_export(options_, Clock::now() + kStarting));
  export_ = mounted.found;
  probed_.with([&](Probed& probed) { probed = {told(export_.root_attributes), 0, {}}; });
  session_ = std::make_shared<Session>(mounted.connection, options_.connections);
  watched_.with([&](auto& watched) { watched = session_; });
  written_volume_ =
      std::make_shared<WrittenVolume>(session_, export_.write_size, soft_deadline(), accounting_);
  return start_accounting();
}

void NfsBackend::stop() {
  if (!session_) return;
  if (accounting_) accounting_->end();
  write_back_all();
  session_->drain(kLeaving);
  session_->stop();
  usage_.reset();
  written_files_.let_go();
  if (accounting_) accounting_->leave();
  written_volume_.reset();
  session_.reset();
}

std::optional<Backend::Silence> NfsBackend::silence() const {
  const auto session = watched_.with([](const auto& watched) { return watched.lock(); });
  const auto since = session ? session->silent_since() : std::nullopt;
  if (!since) return std::nullopt;
  return Silence{.who = "nfs: server " + options_.server, .since = *since};
}

// Most has gone with its close(2). What has not, and what a server that is down keeps here, may
// take so long.
void NfsBackend::write_back_all() {
  const auto ticket = std::make_shared<Ticket>();
  ticket->deadline = Clock::now() + kWritingBack;
  for (const auto& file : written_files_.all()) {
    auto promise = std::make_shared<std::promise<void>>();
    file->flush(ticket, nullptr, [promise](const Result<void>&) {
      promise->set_value();
      return true;
    });
    promise->get_future().wait();
  }
}

Result<Attributes> NfsBackend::probe() {
  const Clock::time_point now = Clock::now();
  const auto known = probed_.with([&](const Probed& probed) -> std::optional<Result<Attributes>> {
    if (probed.root) return *probed.root;
    if (probed.failed_by != 0 && now - probed.failed_at < kProbeAgain)
      return failure(probed.failed_by);
    return std::nullopt;
  });
  if (known) return *known;
  const Result<MountedExport> mounted = mount_export(options_, now + kProbing);
  return probed_.with([&](Probed& probed) -> Result<Attributes> {
    if (!mounted) {
      probed = {std::nullopt, mounted.error().code, Clock::now()};
      return failure(mounted.error());
    }
    probed.root = told(mounted->found.root_attributes);
    return *probed.root;
  });
}

void NfsBackend::root(Answer<Entry> answer) {
  const Attributes attributes = told(export_.root_attributes);
  answer.complete(Entry{std::make_unique<NfsInode>(export_.root, attributes.mode), attributes});
}

std::optional<Clock::duration> NfsBackend::soft_deadline() const {
  if (options_.hard) return std::nullopt;
  return options_.soft_deadline.value_or(options_.timeout * (options_.retransmissions + 1));
}

NfsBackend::TicketPointer NfsBackend::ticket_for(const Caller& caller) {
  return ticket_for(caller, identity_of(caller));
}

NfsBackend::TicketPointer NfsBackend::ticket_for(const Caller& caller, const Identity& opener) {
  auto ticket = std::make_shared<Ticket>();
  ticket->identity = opener;
  if (const auto soft = soft_deadline()) ticket->deadline = Clock::now() + *soft;
  session_->let_interrupt(ticket, caller);
  return ticket;
}

int NfsBackend::refusal_of_name(const Inode& parent, std::string_view name) const {
  const auto& directory = static_cast<const NfsInode&>(parent);
  if (!directory.is_directory()) return ENOTDIR;
  if (name.size() > export_.longest_name) return ENAMETOOLONG;
  if (directory.removed() || hidden_names_->contains(directory.handle(), name)) return ENOENT;
  return 0;
}

int NfsBackend::refusal_of_change(const Inode& parent, std::string_view name) const {
  if (options_.read_only) return EROFS;
  return refusal_of_name(parent, name);
}

}  // namespace claimfs::backends::nfs

namespace claimfs::backends {

std::unique_ptr<Backend> make_nfs_backend(volumes::NfsOptions options, CapacityOptions capacity) {
  return std::make_unique<nfs::NfsBackend>(std::move(options), std::move(capacity));
}

}  // namespace claimfs::backends
