#include "cli/served_claims.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include <spdlog/spdlog.h>

#include "backends/directory_identities.h"
#include "backends/make_backend.h"
#include "cli/root_looks.h"
#include "volumes/access_rules.h"
#include "volumes/use_rules.h"

namespace claimfs::cli {
namespace {

using control::BoundClaim;

constexpr std::size_t kLeftAtOnce = 32;

fs::ServedClaim described(const BoundClaim& bound, bool is_read_only) {
  const auto& [claim, volume, read_only_pods] = bound;
  const auto sharing = volumes::sharing_of(claim.access_modes);
  const auto capacity = claim.status_capacity.value_or(volume.capacity);
  return {.name_space = claim.metadata.name_space,
          .name = claim.metadata.name,
          .uid = claim.metadata.uid,
          .volume_name = volume.metadata.name,
          .phase = std::string(to_string(claim.phase)),
          .access_modes = claim.access_modes.canonical(),
          .storage_class = claim.storage_class.value_or(""),
          .reclaim_policy = std::string(to_string(volume.reclaim_policy)),
          .capacity = capacity.text(),
          .capacity_bytes = static_cast<std::uint64_t>(volumes::capacity_bytes(claim, volume)),
          .is_block = claim.mode == volumes::VolumeMode::Block,
          .is_read_only = is_read_only || volumes::is_read_only(claim, volume),
          .is_shared = claim.access_modes.has(volumes::AccessMode::ReadWriteMany),
          .is_terminating = claim.metadata.is_deleting(),
          .is_for_one_consumer = sharing == volumes::Sharing::OneConsumer,
          .is_for_one_writer = sharing == volumes::Sharing::OneNodeOrReaders,
          .read_only_pods = read_only_pods};
}

backends::ReportIncident incident_report(control::EventRecorder& events,
                                         const fs::ServedClaim& claim) {
  return [&events, claim](const backends::Incident& incident) {
    spdlog::log(incident.is_loss ? spdlog::level::err : spdlog::level::warn,
                "volume=abnormal claim={}/{} volume={} reason=\"{}\"", claim.name_space, claim.name,
                claim.volume_name, incident.message);
    events.record({.about = {volumes::Kind::PersistentVolumeClaim, claim.name_space, claim.name},
                   .uid = claim.uid,
                   .type = volumes::Notice::Type::Warning,
                   .reason = "VolumeConditionAbnormal",
                   .message = incident.message});
  };
}

}  // namespace

ServedClaims::ServedClaims(std::string node, std::map<std::string, std::string> node_labels,
                           bool is_read_only, control::EventRecorder& events,
                           CapacityRules capacity, volumes::NfsDefaults nfs, Attach attach)
    : node_(std::move(node)),
      node_labels_(node_labels.begin(), node_labels.end()),
      is_read_only_(is_read_only),
      events_(events),
      capacity_(capacity),
      nfs_(nfs),
      attach_(std::move(attach)) {}

std::shared_ptr<fs::ServedVolume> ServedClaims::make(const BoundClaim& bound,
                                                     fs::ServedClaim claim) const {
  const auto report = [&events = events_](const fs::ServedClaim& failed, const std::string& why) {
    const std::string message =
        why.starts_with("MountVolume.")
            ? why
            : "MountVolume.SetUp failed for volume \"" + failed.volume_name + "\" : " + why;
    spdlog::warn("mount=failed claim={}/{} volume={} reason=\"{}\"", failed.name_space, failed.name,
                 failed.volume_name, message);
    events.record({.about = {volumes::Kind::PersistentVolumeClaim, failed.name_space, failed.name},
                   .uid = failed.uid,
                   .type = volumes::Notice::Type::Warning,
                   .reason = "FailedMount",
                   .message = message});
  };
  auto backend = backends::make_backend(
      bound.volume, {.capacity = capacity_.options_for(bound, claim),
                     .refusal = volumes::cannot_mount(bound.volume, node_, node_labels_),
                     .claim_modes = bound.claim.access_modes,
                     .nfs = nfs_,
                     .report = incident_report(events_, claim)});
  const auto attach = [attach = attach_, volume = bound.volume](
                          const fs::ServedClaim& wanted, bool writes, const std::string* consumer) {
    return attach(wanted, writes, consumer, backends::directory_identities(volume));
  };
  return std::make_shared<fs::ServedVolume>(std::move(claim), std::move(backend), report, attach);
}

fs::Tree::Claims ServedClaims::update(const std::vector<BoundClaim>& bound) {
  decltype(served_) next;
  std::vector<std::shared_ptr<fs::ServedVolume>> fresh;
  fs::Tree::Claims claims;
  for (const BoundClaim& each : bound) {
    const std::pair key(each.claim.metadata.uid, each.volume.metadata.uid);
    fs::ServedClaim claim = described(each, is_read_only_);
    std::shared_ptr<fs::ServedVolume> volume;
    if (const auto known = served_.find(key); known != served_.end()) {
      volume = known->second;
      volume->update(std::move(claim));
    } else {
      spdlog::info("claim=shown claim={}/{} volume={}", claim.name_space, claim.name,
                   claim.volume_name);
      volume = make(each, std::move(claim));
      fresh.push_back(volume);
    }
    next.emplace(key, volume);
    claims.push_back(std::move(volume));
  }
  for (const auto& [key, volume] : served_) {
    if (next.contains(key)) continue;
    const auto claim = volume->claim();
    if (volume->nodes.load() > 0) gone_[claim->uid] = volume;
    spdlog::info("claim=gone claim={}/{} volume={}", claim->name_space, claim->name,
                 claim->volume_name);
  }
  look_at_roots(fresh);
  served_ = std::move(next);
  std::erase_if(gone_, [](const auto& each) { return each.second.expired(); });
  return claims;
}

void ServedClaims::abandon() {
  std::vector<std::shared_ptr<fs::ServedVolume>> all;
  for (const auto& [key, volume] : served_) all.push_back(volume);
  for (const auto& [uid, gone] : gone_)
    if (auto volume = gone.lock()) all.push_back(std::move(volume));
  // Each may wait for a server that is silent: they do so together.
  std::atomic<std::size_t> next{0};
  std::vector<std::jthread> threads;
  for (std::size_t number = 0; number < std::min(all.size(), kLeftAtOnce); ++number)
    threads.emplace_back([&all, &next] {
      for (std::size_t mine = next++; mine < all.size(); mine = next++) all[mine]->abandon();
    });
}

std::shared_ptr<fs::ServedVolume> ServedClaims::find(const std::string& claim_uid) const {
  const auto served = served_.lower_bound({claim_uid, ""});
  if (served != served_.end() && served->first.first == claim_uid) return served->second;
  const auto gone = gone_.find(claim_uid);
  return gone == gone_.end() ? nullptr : gone->second.lock();
}

}  // namespace claimfs::cli
