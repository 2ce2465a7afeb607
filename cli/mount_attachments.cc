// What a mount does about attachments: asks for them, and gives them up.

#include <sys/mount.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <ranges>

#include <spdlog/spdlog.h>

#include "cli/claim_users.h"
#include "cli/daemon_search.h"
#include "cli/mount_daemon.h"
#include "cli/mount_point.h"
#include "control/uid.h"
#include "fs/calling_process.h"
#include "volumes/mount_record.h"
#include "volumes/timestamp.h"

namespace claimfs::cli {
namespace {

using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;

// Changes one object of ours whatever others write to it meanwhile.
Result<void> change(store::Store& store, const ObjectKey& key,
                    const std::function<void(volumes::Json&)>& edit) {
  while (true) {
    Object object = TRY(store.get(key));
    edit(object.document);
    const auto stored = store.update(object);
    if (stored) return {};
    if (stored.error().code != EAGAIN) return failure(stored.error());
  }
}

// "pid 12 (postgres) open, pid 14 (bash) working directory": the first few.
std::string users_text(const std::string& mount_point, const std::string& path) {
  constexpr std::size_t kMost = 5;
  const auto users = MountUses::search(mount_point).of(path);
  std::string text;
  for (const ClaimUser& user : users | std::views::take(kMost)) {
    if (!text.empty()) text += ", ";
    if (user.pid != 0) text += "pid " + std::to_string(user.pid) + " (" + user.command + ") ";
    text += to_string(user.how);
  }
  if (users.size() > kMost) text += ", and " + std::to_string(users.size() - kMost) + " more";
  return text.empty() ? "in use" : text;
}

// Whether the mount that a dead daemon had made is still there, not one that was made over it. The
// mount itself is not asked: nobody might ever answer.
bool is_left_behind(const std::string& mount_point, unsigned connection) {
  const auto mount = mount_at(mount_point);
  return mount && mount->type == "fuse.claimfs" &&
         mount->device == "0:" + std::to_string(connection) && daemons_of(mount_point).empty();
}

// Requests that the dead daemon has not answered, and that its own last thread may wait for.
void abort_dead(const volumes::MountRecord& record) {
  if (!is_left_behind(record.mount_point, record.connection)) return;
  std::ofstream("/sys/fs/fuse/connections/" + std::to_string(record.connection) + "/abort") << 1;
  spdlog::info("connection=aborted mount_point={} connection={}", record.mount_point,
               record.connection);
}

void unmount_dead(const std::string& mount_point, unsigned connection) {
  if (!is_left_behind(mount_point, connection)) return;
  if (::umount2(mount_point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0)
    spdlog::info("unmount=dead mount_point={} connection={}", mount_point, connection);
}

}  // namespace

Outcome<void> MountDaemon::register_mount() {
  const std::string uid = control::new_uid();
  volumes::MountRecord record;
  record.metadata.name = config_.node + "." + uid.substr(0, 8);
  record.node = config_.node;
  record.mount_point = arguments_.mount_point;
  Object object{Kind::Mount, record.document()};
  object.document["metadata"]["uid"] = uid;
  object.document["metadata"]["creationTimestamp"] =
      volumes::timestamp_text(control::system_clock()());
  const auto created = store_->create(object, lease_.get());
  if (!created) return tl::unexpected(failure_of(created.error()));
  mount_ = record.metadata.name;
  return {};
}

// The mount's device number is its connection's.
Result<void> MountDaemon::note_connection() {
  const auto mount = mount_at(arguments_.mount_point);
  if (!mount) return failure(ENOENT, "the mount is not in /proc/self/mountinfo");
  connection_ =
      static_cast<unsigned>(std::stoul(mount->device.substr(mount->device.find(':') + 1)));
  return change(*store_, {Kind::Mount, "", mount_},
                [this](volumes::Json& document) { document["spec"]["connection"] = connection_; });
}

Result<void> MountDaemon::attach(const fs::ServedClaim& claim, bool writes,
                                 const std::string* consumer, std::vector<std::string> backing) {
  std::string who;
  if (consumer) who = consumer->empty() ? mount_ : *consumer;
  return attachments_->attach({.name_space = claim.name_space,
                               .claim = claim.name,
                               .uid = claim.uid,
                               .writes = writes,
                               .consumer = who,
                               .backing = std::move(backing)});
}

Result<void> MountDaemon::note_passthrough(const fs::ServedClaim& claim) {
  const std::string name = volumes::Attachment::name_prefix(claim.volume_name) + mount_;
  auto noted = change(*store_, {Kind::Attachment, "", name}, [this](volumes::Json& document) {
    document["status"]["passthrough"] =
        control::passthrough_word(connection_, arguments_.mount_point);
  });
  if (!noted)
    spdlog::error("passthrough=not_noted attachment={} reason=\"{}\"", name,
                  noted.error().message());
  return noted;
}

control::Releases::Filesystem MountDaemon::release_effects() {
  return {
      .prove_unused =
          [this](const std::string& claim_uid, bool for_good, std::function<void(bool)> answer) {
            auto volume = served_->find(claim_uid);
            // What the kernel never heard of it does not hold. A claim that is shown from now on is
            // shown as Terminating, and lets nobody begin.
            if (!volume) {
              answer(true);
              return;
            }
            // A pod that lives may go on at any time.
            const std::string pod = volume->pod();
            if (!for_good && !pod.empty() && fs::has_processes(pod)) {
              answer(false);
              return;
            }
            filesystem_->prove_unused(
                volume, for_good, [volume, for_good, answer = std::move(answer)](bool is_unused) {
                  if (!is_unused && for_good) volume->allow_first_use();
                  answer(is_unused);
                });
          },
      .let_in =
          [this](const std::string& claim_uid) {
            if (const auto volume = served_->find(claim_uid)) volume->let_in();
          },
      .lose =
          [this](const std::string& claim_uid) {
            const auto volume = served_->find(claim_uid);
            if (!volume) return;
            const auto claim = volume->claim();
            spdlog::warn("attachment=lost claim={}/{} volume={}", claim->name_space, claim->name,
                         claim->volume_name);
            volume->lose();
          },
      .users =
          [this](const std::string& name_space, const std::string& claim) {
            return users_text(arguments_.mount_point, "/" + name_space + "/" + claim);
          },
  };
}

// A pod ends when its last process does; those who are in no pod, when none of them is to be found.
// Mount points are nobody: container runtimes bind the claim for a pod that is only about to start.
bool MountDaemon::is_consumer_alive(const fs::ServedVolume& volume, const std::string& pod) const {
  if (!pod.empty()) return fs::has_processes(pod);
  const auto claim = volume.claim();
  const auto users = users_of(arguments_.mount_point, "/" + claim->name_space + "/" + claim->name);
  return std::ranges::any_of(users, [](const ClaimUser& user) {
    return user.how != How::MountPoint && user.pod_uid.empty();
  });
}

void MountDaemon::end_consumer(const std::string& claim_uid, const std::string& consumer,
                               const std::function<void(bool)>& answer) const {
  const auto volume = served_->find(claim_uid);
  const bool has_ended = volume && volume->open_handles.load() == 0 &&
                         !is_consumer_alive(*volume, consumer == mount_ ? "" : consumer);
  if (has_ended) volume->end_consumer();
  answer(has_ended);
}

// The mount has gone; what is open by passthrough in it may not have.
void MountDaemon::end_attachments() {
  Result<void> done = store_->remove({Kind::Mount, "", mount_}, "");
  control::Mirror mirror(*store_);
  if (done) done = mirror.relist();
  if (done) {
    if (const auto swept = control::remove_dead_attachments(*store_, mirror, nullptr); !swept)
      done = failure(swept.error());
  }
  if (!done) spdlog::error("detach=failed reason=\"{}\"", done.error().message());
}

void MountDaemon::follow_claims(std::stop_token stop) {
  control::FirstConsumers consumers(*store_, *events_, node_of(config_));
  control::follow_bound_claims(
      *store_, std::move(stop),
      {.show = [this](std::vector<control::BoundClaim> bound) { show(bound); },
       .consumers = consumers,
       .attachments = *attachments_,
       .releases = *releases_,
       .unmount_dead = unmount_dead,
       .abort_dead = abort_dead,
       .report =
           [](const Error& error) {
             spdlog::error("store=failed reason=\"{}\"", error.message());
           }});
}

}  // namespace claimfs::cli
