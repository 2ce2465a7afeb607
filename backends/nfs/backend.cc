#include "backends/nfs/backend.h"

#include <cerrno>

namespace claimfs::backends::nfs {

namespace {

constexpr auto kStarting = std::chrono::seconds(10);
constexpr auto kProbing = std::chrono::seconds(1);
// How soon a server that did not answer is asked again only to show a directory's attributes.
constexpr auto kProbeAgain = std::chrono::seconds(10);
// What nobody waits for any more (hidden names) may take so long when the volume is left.
constexpr auto kLeaving = std::chrono::seconds(2);

}  // namespace

NfsBackend::NfsBackend(volumes::NfsOptions options, CapacityOptions capacity, ReportIncident report)
    : options_(std::move(options)),
      server_(number_of_server(options_.server)),
      report_(std::move(report)),
      accounting_(capacity.bound && !options_.read_only
                      ? std::make_shared<Accounting>(std::move(capacity))
                      : nullptr),
      probe_([this] { return ask_for_root(); }, kProbeAgain) {}

Result<void> NfsBackend::start() {
  stop();
  MountedExport mounted = TRY(mount_export(options_, Clock::now() + kStarting));
  export_ = mounted.found;
  probe_.saw(told(export_.root_attributes));
  known_names_.forget_all();  // others may have had the volume since
  listings_ahead_.clear();
  session_ = std::make_shared<Session>(mounted.connection, options_.connections);
  keeps_moved_handles_.store(false);
  remount_ = std::make_unique<Remount>(options_, export_.root, *session_,
                                       [this](const Export& found) { was_replaced(found); });
  watched_.with([&](auto& watched) { watched = session_; });
  written_volume_ =
      std::make_shared<WrittenVolume>(session_, export_.write_size, soft_deadline(), accounting_);
  files_ahead_ = std::make_shared<FilesAhead>(export_.read_size);
  return start_accounting();
}

void NfsBackend::stop() {
  if (!session_) return;
  if (accounting_) accounting_->end();
  write_back_all();
  session_->drain(kLeaving);
  session_->stop();
  remount_.reset();
  usage_.reset();
  written_files_.let_go();
  if (accounting_) accounting_->leave();
  written_volume_.reset();
  session_.reset();
}

void NfsBackend::was_replaced(const Export& found) {
  probe_.saw(told(found.root_attributes));
  known_names_.forget_all();
  if (report_)
    report_({.is_loss = false,
             .message = "nfs: the export " + options_.server + ":" + options_.path +
                        " was replaced on its server: what was open is stale, paths lead to what "
                        "is there now"});
}

std::optional<Backend::Silence> NfsBackend::silence() const {
  const auto session = watched_.with([](const auto& watched) { return watched.lock(); });
  const auto since = session ? session->silent_since() : std::nullopt;
  if (!since) return std::nullopt;
  return Silence{.who = "nfs: server " + options_.server, .since = *since};
}

Result<Attributes> NfsBackend::probe() { return probe_.get(); }

Result<Attributes> NfsBackend::ask_for_root() const {
  const MountedExport mounted = TRY(mount_export(options_, Clock::now() + kProbing));
  return told(mounted.found.root_attributes);
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

std::unique_ptr<Backend> make_nfs_backend(volumes::NfsOptions options, CapacityOptions capacity,
                                          ReportIncident report) {
  return std::make_unique<nfs::NfsBackend>(std::move(options), std::move(capacity),
                                           std::move(report));
}

}  // namespace claimfs::backends
