#include "cli/mount_daemon.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>

#include <spdlog/spdlog.h>

#include "backends/caller_identity.h"
#include "cli/claim_holders.h"
#include "cli/claim_users.h"
#include "cli/context.h"
#include "cli/log.h"
#include "cli/manifest_files.h"
#include "cli/read_ahead.h"
#include "cli/server_watch.h"
#include "cli/spare_memory.h"
#include "cli/state_page.h"
#include "control/controller.h"
#include "control/manifest_directory.h"
#include "volumes/attachment.h"
#include "volumes/pod.h"

namespace claimfs::cli {
namespace {

// A mount does not wait for the removal of a million files.
constexpr auto kForStorage = std::chrono::seconds(1);

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (int signal : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  return set;
}

void report_store_error(const Error& error) {
  spdlog::error("store=failed reason=\"{}\"", error.message());
}

volumes::Metadata metadata_of(const fs::ServedClaim& claim) {
  volumes::Metadata metadata;
  metadata.name_space = claim.name_space;
  metadata.name = claim.name;
  metadata.uid = claim.uid;
  return metadata;
}

void log_complaint(control::EventRecorder& events, const std::string& complaint) {
  spdlog::error("manifest=refused reason=\"{}\"", complaint);
  const std::string file = complaint.substr(0, complaint.find(':'));
  const std::string name = file.substr(file.rfind('/') + 1);
  // There may be no object yet that the event could be about: it is about the file, under the name
  // of a volume.
  events.record({.about = {volumes::Kind::PersistentVolume, "", name},
                 .uid = "",
                 .type = volumes::Notice::Type::Warning,
                 .reason = "InvalidManifest",
                 .message = complaint});
}

}  // namespace

MountDaemon::MountDaemon(config::Config config, MountArguments arguments, Reread reread)
    : config_(std::move(config)),
      manifest_directories_(config_.manifests),
      arguments_(std::move(arguments)),
      reread_(std::move(reread)) {}

MountDaemon::~MountDaemon() {
  for (std::jthread* thread : {&controller_, &manifests_, &claims_, &servers_})
    thread->request_stop();
  if (signals_.joinable()) {
    signals_.request_stop();
    pthread_kill(signals_.native_handle(), SIGTERM);
  }
}

// Before anything is mounted: two daemons that start at once for one place would both succeed.
Outcome<void> MountDaemon::claim_mount_point() {
  auto lease = store_->grant_lease();
  if (!lease) return tl::unexpected(failure_of(lease.error()));
  lease_ = std::move(*lease);
  const std::string holder = config_.node + " pid " + std::to_string(::getpid());
  const auto taken =
      store_->acquire("mount " + config_.node + " " + arguments_.mount_point, *lease_, holder);
  if (taken) return register_mount();
  if (taken.error().code != EBUSY) return tl::unexpected(failure_of(taken.error()));
  return fail(ExitStatus::Failed, "another claimfs daemon (" + taken.error().context + ") serves " +
                                      arguments_.mount_point);
}

Result<void> MountDaemon::delete_claim(const fs::ServedClaim& claim) {
  const volumes::ObjectKey key{volumes::Kind::PersistentVolumeClaim, claim.name_space, claim.name};
  const volumes::Object stored = TRY(store_->get(key));
  const auto metadata = volumes::Metadata::from(stored.document);
  const store::Listing pods = TRY(store_->list(volumes::Kind::Pod));
  for (const auto& object : pods.objects) {
    if (volumes::Pod::from(object).protects(metadata)) return failure(EBUSY);
  }
  const store::Listing attachments = TRY(store_->list(volumes::Kind::Attachment));
  for (const auto& object : attachments.objects) {
    const auto attachment = volumes::Attachment::from(object);
    // Of this mount it is known already that it uses nothing.
    if (attachment.is_of(claim.name_space, claim.name) && attachment.mount != mount_)
      return failure(EBUSY);
  }
  const auto removed = api_->remove(key);
  if (removed) return {};
  return failure(removed.error().reason == control::Refusal::Reason::NotFound ? ENOENT : EIO);
}

Outcome<void> MountDaemon::open_filesystem() {
  auto numbers = fs::InodeNumbers::load(config_.state + "/devices");
  if (!numbers) return fail(ExitStatus::Failed, numbers.error().message());
  const MountFacts facts{.mount_point = arguments_.mount_point,
                         .node = config_.node,
                         .store = config_.store,
                         .enforcement = config_.capacity_enforcement};
  auto tree =
      std::make_unique<fs::Tree>(state_texts(*store_, facts, [this] { return filesystem_.get(); }));
  fs::Effects effects{
      .delete_claim = [this](const fs::ServedClaim& claim) { return delete_claim(claim); },
      .is_used_by_processes =
          [mount_point = arguments_.mount_point](const fs::ServedClaim& claim) {
            return is_used_by_processes(mount_point, "/" + claim.name_space + "/" + claim.name);
          },
      .has_mounts_inside =
          [mount_point = arguments_.mount_point](const fs::ServedClaim& claim) {
            return has_mounts_inside(mount_point, "/" + claim.name_space + "/" + claim.name);
          },
      .note_passthrough = [this](const fs::ServedClaim& claim) { return note_passthrough(claim); },
      .attached_to =
          [this](const fs::ServedClaim& claim) { return nodes_text(*store_, metadata_of(claim)); },
      .used_by =
          [this](const fs::ServedClaim& claim) {
            return holders_text(*store_, metadata_of(claim));
          }};
  filesystem_ =
      std::make_unique<fs::Filesystem>(std::move(tree), std::move(*numbers), std::move(effects));
  return {};
}

void MountDaemon::show(const std::vector<control::BoundClaim>& bound) {
  const auto went = filesystem_->show(served_->update(bound));
  if (!session_) return;
  for (const auto& [name_space, claim] : went) session_->expire_claim(name_space, claim);
}

void MountDaemon::start_manifests(const std::vector<std::string>& directories) {
  manifests_ = std::jthread([this, directories](std::stop_token stop) {
    if (directories.empty()) return;
    control::ManifestDirectories manifests(
        directories, *store_, *api_, manifest_parser(),
        [this](const std::string& complaint) { log_complaint(*events_, complaint); });
    manifests.run(std::move(stop));
  });
}

Outcome<void> MountDaemon::start() {
  const sigset_t signals = handled_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // inherited by every thread; one of them reads
  backends::prepare_process_for_callers();

  auto store = open_store(config_);
  if (!store) return tl::unexpected(store.error());
  store_ = std::move(*store);
  if (const auto claimed = claim_mount_point(); !claimed) return claimed;
  api_ = std::make_unique<control::Api>(*store_, control::system_clock());
  events_ = std::make_unique<control::EventRecorder>(*store_, control::system_clock(), "claimfs",
                                                     config_.node);
  attachments_ = std::make_unique<control::Attachments>(
      *store_, *events_, control::Attachments::Asker{config_.node, mount_},
      [this](const std::string& claim_uid, const std::string& consumer,
             const std::function<void(bool)>& answer) {
        end_consumer(claim_uid, consumer, answer);
      });
  releases_ = std::make_unique<control::Releases>(*store_, mount_, release_effects());
  served_ = std::make_unique<ServedClaims>(
      config_.node, config_.node_labels, arguments_.read_only, *events_,
      CapacityRules(*store_, *lease_, *events_, config_.capacity_enforcement),
      nfs_defaults(config_),
      [this](const fs::ServedClaim& claim, bool writes, const std::string* consumer,
             std::vector<std::string> backing) {
        return attach(claim, writes, consumer, std::move(backing));
      });
  if (const auto opened = open_filesystem(); !opened) return opened;

  // What the manifests say is there when the mount is.
  if (!config_.manifests.empty()) {
    control::ManifestDirectories(config_.manifests, *store_, *api_, manifest_parser(),
                                 [](const std::string&) {})
        .sync();
  }
  {
    control::Controller controller(*store_, control::system_clock(), *ground_,
                                   controller_settings(config_, /*with_node=*/true));
    if (const auto settled = controller.settle(kForStorage); !settled)
      report_store_error(settled.error());
  }
  control::Mirror mirror(*store_);
  if (const auto listed = mirror.relist(); !listed)
    return tl::unexpected(failure_of(listed.error()));
  show(control::bound_claims(mirror.world()));

  fs::MountOptions options{.mount_point = arguments_.mount_point,
                           .fs_name = arguments_.options.fs_name,
                           .options = arguments_.options.kernel};
  if (arguments_.read_only) options.options.emplace_back("ro");
  auto session = fs::Session::mount(options, *filesystem_, [](const std::function<void()>& act) {
    const backends::WithoutFsetid guard;
    act();
  });
  if (!session) {
    const Error& error = session.error();
    const bool not_permitted = error.code == EPERM || error.code == EACCES;
    return fail(not_permitted ? ExitStatus::NotPermitted : ExitStatus::Failed, error.message());
  }
  session_ = std::move(*session);
  if (const auto noted = note_connection(); !noted) {
    session_->stop();
    return tl::unexpected(failure_of(noted.error()));
  }
  session_->start();
  struct statvfs state {};
  if (::statvfs(arguments_.mount_point.c_str(), &state) != 0) {
    const std::string why = std::strerror(errno);
    session_->stop();
    return fail(ExitStatus::Failed, "the mount does not answer: " + why);
  }
  widen_read_ahead(arguments_.mount_point);
  return {};
}

bool MountDaemon::serve() {
  spdlog::info("mount=up mount_point={} node={} store={} pid={}", arguments_.mount_point,
               config_.node, config_.store, ::getpid());
  claims_ = std::jthread([this](std::stop_token stop) { follow_claims(std::move(stop)); });
  controller_ = std::jthread([this](std::stop_token stop) {
    const std::string holder = config_.node + " pid " + std::to_string(::getpid());
    control::Controller(*store_, control::system_clock(), *ground_,
                        controller_settings(config_, /*with_node=*/false))
        .run(std::move(stop), holder, report_store_error);
  });
  servers_ = std::jthread([this](const std::stop_token& stop) { look_around(stop); });
  start_manifests(manifest_directories_);
  // Last: a SIGHUP starts the thread of the manifests anew.
  signals_ = std::jthread([this](const std::stop_token& stop) { read_signals(stop); });
  const bool ended = session_->wait();
  claims_ = {};  // nobody is let in any more
  end_attachments();
  // What servers still owe is failed while there is a session to tell it.
  served_->abandon();
  spdlog::info("mount=down mount_point={}", arguments_.mount_point);
  return ended;
}

void MountDaemon::look_around(const std::stop_token& stop) {
  constexpr std::chrono::seconds kInterval{1};
  ServerWatch watch(*events_);
  SpareMemory memory([] { ::malloc_trim(0); });
  std::mutex mutex;
  std::condition_variable_any wake;
  while (!stop.stop_requested()) {
    watch.look(filesystem_->tree().claims(), ServerWatch::Clock::now());
    memory.look(filesystem_->nodes().size());
    std::unique_lock lock(mutex);
    wake.wait_for(lock, stop, kInterval, [] { return false; });
  }
}

void MountDaemon::read_signals(const std::stop_token& stop) {
  const sigset_t signals = handled_signals();
  while (true) {
    int signal = 0;
    if (sigwait(&signals, &signal) != 0) continue;
    if (stop.stop_requested()) return;
    if (signal == SIGHUP) {
      reload();
    } else {
      spdlog::info("signal={} action=unmount", signal == SIGTERM ? "SIGTERM" : "SIGINT");
      session_->stop();
    }
  }
}

// The last good configuration stays when the new one is not good, and so does what a running mount
// cannot change.
void MountDaemon::reload() {
  auto fresh = reread_();
  if (!fresh) {
    spdlog::error("configuration=kept reason=\"{}\"", fresh.error().message);
    return;
  }
  if (fresh->node != config_.node || fresh->state != config_.state ||
      fresh->store != config_.store) {
    spdlog::warn(
        "configuration=partly reason=\"node, state and store change only with a new mount\"");
  }
  if (const auto opened =
          set_up_log(*fresh, arguments_.foreground ? LogTarget::Stderr : LogTarget::Configured);
      !opened) {
    spdlog::error("configuration=kept reason=\"{}\"", opened.error().message());
    return;
  }
  // Assigning ends the old thread first.
  if (fresh->manifests != manifest_directories_) {
    manifest_directories_ = std::move(fresh->manifests);
    start_manifests(manifest_directories_);
  }
  spdlog::info("configuration=read");
}

}  // namespace claimfs::cli
