#include "volumes/reclaim.h"

#include <algorithm>
#include <filesystem>

#include "volumes/nfs_options.h"
#include "volumes/provisioners.h"

namespace claimfs::volumes {
namespace {

constexpr std::int64_t kGi = std::int64_t{1} << 30;

std::string annotation(const Volume& volume, std::string_view key) {
  const auto found = volume.metadata.annotations.find(key);
  return found == volume.metadata.annotations.end() ? "" : found->second;
}

std::string made_by(const Volume& volume) { return annotation(volume, kProvisionedBy); }

Step failed(const Volume& volume, const std::string& reason, const std::string& message) {
  // Told at the transition only; a failure that goes on keeps its first message.
  if (volume.phase == VolumePhase::Failed) return {};
  Volume changed = volume;
  changed.phase = VolumePhase::Failed;
  changed.message = message;
  return {.volume = std::move(changed),
          .claim = {},
          .notices = {notice(volume, Notice::Type::Warning, reason, message)}};
}

Step no_deleter(const Volume& volume, const std::string& why) {
  return failed(volume, "VolumeFailedDelete",
                "error getting deleter volume plugin for volume " +
                    in_quotes(volume.metadata.name) + ": " + why);
}

// Without "." and "..", doubled and trailing slashes; "" when it is not absolute.
std::string cleaned(const std::string& path) {
  if (!path.starts_with('/')) return "";
  std::string clean = std::filesystem::path(path).lexically_normal().string();
  while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  return clean;
}

bool is_inside(const std::string& path, const std::string& directory) {
  const std::string base = cleaned(directory);
  return base.size() > 1 && path.size() > base.size() + 1 && path.starts_with(base + "/");
}

// 3.2: which deleter Kubernetes would find. `work` is what the deleter would do.
Reclaim delete_in_tree(const Volume& volume, const std::string& plugin, ReclaimWork work,
                       std::span<const std::string> roots) {
  if (!plugin.empty()) {
    const InTreePlugin kind = in_tree_plugin(plugin);
    if (kind == InTreePlugin::Unknown)
      return {no_deleter(volume, "no volume plugin matched name: " + plugin), {}};
    if (kind == InTreePlugin::NotProvisionable)
      return {no_deleter(volume, "no deletable volume plugin matched"), {}};
  } else if (std::holds_alternative<NfsSource>(volume.source) ||
             std::holds_alternative<LocalSource>(volume.source)) {
    return {no_deleter(volume, "no deletable volume plugin matched"), {}};
  }
  const auto* host = std::get_if<HostPathSource>(&volume.source);
  if (!host && plugin.empty()) return {no_deleter(volume, "no volume plugin matched"), {}};
  if (!host) {
    return {failed(volume, "VolumeFailedDelete",
                   "failed to create deleter for volume " + in_quotes(volume.metadata.name) +
                       ": spec.PersistentVolume.Spec.HostPath is nil"),
            {}};
  }
  const std::string path = cleaned(host->path);
  if (std::ranges::none_of(roots, [&](const std::string& root) { return is_inside(path, root); })) {
    return {failed(volume, "VolumeFailedDelete",
                   "host_path deleter only supports /tmp/.+ but received provided " + host->path),
            {}};
  }
  return {{}, std::move(work)};
}

// Another volume in use whose directory is this one, lies in it or around it.
const Volume* neighbour_in_use(const Volume& volume, const std::string& path, const World& world) {
  const auto place = nfs_place(volume);
  for (const auto& [name, other] : world.volumes()) {
    if (name == volume.metadata.name || other.phase != VolumePhase::Bound) continue;
    const auto their_place = nfs_place(other);
    // On another server, or one of this host and the other not.
    if ((place ? place->server : "") != (their_place ? their_place->server : "")) continue;
    const std::string theirs =
        cleaned(their_place ? their_place->path : ReclaimWork{.source = other.source}.path());
    if (!theirs.empty() && (theirs == path || is_inside(theirs, path) || is_inside(path, theirs)))
      return &other;
  }
  return nullptr;
}

Notice refused(const Volume& volume, const std::string& why) {
  Notice told = notice(volume, Notice::Type::Warning, "VolumeFailedDelete", why);
  told.from = made_by(volume);
  return told;
}

// What the provisioner that made the volume would do. 7.3
Reclaim delete_provisioned(const Volume& volume, ReclaimWork work, const World& world,
                           std::span<const std::string> roots) {
  if (volume.phase != VolumePhase::Released) return {};
  if (volume.metadata.is_deleting() && !volume.metadata.has_finalizer(kExternalDeletion)) return {};
  const std::string on_delete = annotation(volume, kOnDelete);
  if (on_delete == "archive") work.action = ReclaimWork::Action::Archive;
  if (on_delete == "retain") work.action = ReclaimWork::Action::Keep;
  if (work.action == ReclaimWork::Action::Keep) return {{}, std::move(work)};
  const bool is_of_host = std::holds_alternative<HostPathSource>(volume.source) ||
                          std::holds_alternative<LocalSource>(volume.source);
  if (is_of_host) {
    const std::string path = cleaned(work.path());
    const bool is_allowed =
        is_inside(path, annotation(volume, kBaseDirectory)) ||
        std::ranges::any_of(roots, [&](const std::string& root) { return is_inside(path, root); });
    if (!is_allowed) {
      const std::string why = "the directory " + work.path() +
                              " is outside of the directories that claimfs may delete in "
                              "(reclaim.hostPathRoots); delete it by hand, then the volume";
      return {{.volume = {}, .claim = {}, .notices = {refused(volume, why)}}, {}};
    }
  }
  // Path templates can give two claims one directory; one that is named after the claim's uid
  // cannot be another's, and needs no look at every volume.
  const auto place = nfs_place(volume);
  const std::string path = cleaned(place ? place->path : work.path());
  const bool is_its_own = path.find("pvc-" + volume.claim_ref->uid) != std::string::npos;
  const Volume* other = is_its_own ? nullptr : neighbour_in_use(volume, path, world);
  if (other) {
    const std::string why = "the directory " + path + " is shared with volume " +
                            in_quotes(other->metadata.name) + ", which is in use";
    return {{.volume = {}, .claim = {}, .notices = {refused(volume, why)}}, {}};
  }
  return {{}, std::move(work)};
}

Reclaim decide_delete(const Volume& volume, const World& world,
                      std::span<const std::string> roots) {
  ReclaimWork work{.action = ReclaimWork::Action::Delete, .source = volume.source};
  const std::string provisioner = made_by(volume);
  if (is_ours(provisioner)) return delete_provisioned(volume, std::move(work), world, roots);
  const bool is_external = provisioner.empty() ? std::holds_alternative<CsiSource>(volume.source)
                                               : !provisioner.starts_with(kInTreePrefix);
  if (is_external || volume.metadata.has_annotation(kMigratedTo)) return {};
  return delete_in_tree(volume, provisioner, std::move(work), roots);
}

// 3.3.1: unfinished pods that still refer to the claim's name, as "ns/pod,ns/pod".
std::string users_of(const ClaimReference& claim, const World& world) {
  std::string users;
  for (const Pod* pod : world.referring_to({claim.name_space, claim.name})) {
    if (pod->is_finished()) continue;
    users += (users.empty() ? "" : ",") + claim.name_space + "/" + pod->metadata.name;
  }
  return users;
}

Reclaim decide_recycle(const Volume& volume, const World& world) {
  const ClaimReference& claim = *volume.claim_ref;
  if (!world.claim(claim.name_space, claim.name)) {
    if (const std::string users = users_of(claim, world); !users.empty()) {
      return {{.volume = {},
               .claim = {},
               .notices = {notice(volume, Notice::Type::Normal, "VolumeFailedRecycle",
                                  "Volume is used by pods: " + users)}},
              {}};
    }
  }
  const bool is_nfs = std::holds_alternative<NfsSource>(volume.source);
  if (!is_nfs && !std::holds_alternative<HostPathSource>(volume.source))
    return {failed(volume, "VolumeFailedRecycle", "No recycler plugin found for the volume!"), {}};
  const std::chrono::seconds least(is_nfs ? 300 : 60);
  const std::chrono::seconds by_size(volume.capacity.bytes() / kGi * 30);
  return {{},
          ReclaimWork{.action = ReclaimWork::Action::Recycle,
                      .source = volume.source,
                      .deadline = std::max(least, by_size)}};
}

}  // namespace

const std::string& ReclaimWork::path() const {
  static const std::string kNone;
  if (const auto* host = std::get_if<HostPathSource>(&source)) return host->path;
  if (const auto* local = std::get_if<LocalSource>(&source)) return local->path;
  if (const auto* nfs = std::get_if<NfsSource>(&source)) return nfs->path;
  return kNone;
}

Reclaim decide_reclaim(const Volume& volume, const World& world,
                       std::span<const std::string> roots) {
  if (volume.phase != VolumePhase::Released && volume.phase != VolumePhase::Failed) return {};
  if (!is_released(volume, world)) return {};
  switch (volume.reclaim_policy) {
    case ReclaimPolicy::Retain:
      return {};
    case ReclaimPolicy::Delete:
      return decide_delete(volume, world, roots);
    case ReclaimPolicy::Recycle:
      return decide_recycle(volume, world);
    case ReclaimPolicy::Unknown:
      break;
  }
  return {failed(volume, "VolumeUnknownReclaimPolicy",
                 "Volume has unrecognized PersistentVolumeReclaimPolicy"),
          {}};
}

Step reclaim_failed(const Volume& volume, const ReclaimWork& work, const std::string& why) {
  if (work.action == ReclaimWork::Action::Recycle) {
    return failed(volume, "VolumeFailedRecycle",
                  "Recycle failed: failed to recycle volume: " + why);
  }
  if (is_ours(made_by(volume)))
    return {.volume = {}, .claim = {}, .notices = {refused(volume, why)}};
  return failed(volume, "VolumeFailedDelete", why);
}

Step recycled(const Volume& volume) {
  return {.volume = unbound(volume),
          .claim = {},
          .notices = {notice(volume, Notice::Type::Normal, "VolumeRecycled", "Volume recycled")}};
}

Volume deleted(const Volume& volume) {
  Volume changed = volume;
  changed.metadata.drop_finalizer(kInTreeDeletion);
  if (is_ours(made_by(volume))) changed.metadata.drop_finalizer(kExternalDeletion);
  changed.metadata.drop_finalizer(kVolumeProtection);
  return changed;
}

bool protection_ends(const Volume& volume, const World& world, std::span<const std::string> roots) {
  if (!volume.metadata.is_deleting() || !volume.metadata.has_finalizer(kVolumeProtection))
    return false;
  if (volume.phase == VolumePhase::Bound) return false;
  if (volume.phase != VolumePhase::Released) return true;
  const Reclaim left = decide_reclaim(volume, world, roots);
  // Told something, and not Failed: it waits.
  const bool waits = !left.step.notices.empty() && !left.step.volume;
  return !left.work && !waits;
}

}  // namespace claimfs::volumes
