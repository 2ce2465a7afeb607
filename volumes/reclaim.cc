#include "volumes/reclaim.h"

#include <strings.h>

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
  // Most are, and of ten thousand volumes each is looked at.
  if (path.find("//") == std::string::npos && path.find("/.") == std::string::npos &&
      !path.ends_with('/'))
    return path;
  std::string clean = std::filesystem::path(path).lexically_normal().string();
  while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  return clean;
}

// Of cleaned paths. Nothing lies in "/", which is everything.
bool lies_in(std::string_view path, std::string_view directory) {
  return directory.size() > 1 && path.size() > directory.size() + 1 &&
         path.starts_with(directory) && path[directory.size()] == '/';
}

bool is_inside(const std::string& path, const std::string& directory) {
  return lies_in(path, cleaned(directory));
}

// The path as it goes on from a directory, which may be "/"; "" when it is not below it.
std::string name_below(const std::string& directory, const std::string& path) {
  const std::string base = cleaned(directory);
  if (base == "/") return path.substr(std::min<std::size_t>(path.size(), 1));
  return lies_in(path, base) ? path.substr(base.size() + 1) : "";
}

// In the host or the export; "" where the source has none.
const std::string& path_in(const VolumeSource& source) {
  static const std::string kNone;
  if (const auto* host = std::get_if<HostPathSource>(&source)) return host->path;
  if (const auto* local = std::get_if<LocalSource>(&source)) return local->path;
  if (const auto* nfs = std::get_if<NfsSource>(&source)) return nfs->path;
  return kNone;
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

// The path as a volume's source says it, with a csi volume's templates not filled in.
std::string written_path(const Volume& volume) {
  const auto* csi = std::get_if<CsiSource>(&volume.source);
  if (!csi) return path_in(volume.source);
  std::string share, below;
  for (const auto& [key, value] : csi->attributes) {
    if (::strcasecmp(key.c_str(), "share") == 0) share = value;
    if (::strcasecmp(key.c_str(), "subdir") == 0) below = value;
  }
  return below.empty() ? share : share + "/" + below;
}

bool touch(std::string_view one, std::string_view other) {
  return one == other || lies_in(one, other) || lies_in(other, one);
}

// Where another volume is on the server (or the host) that this one is on, if the two directories
// are the same or one lies in the other; else "".
std::string touching(const Volume& other, const std::string& path,
                     const std::optional<NfsSource>& place) {
  // A csi volume's options are only read where its text does not say enough.
  const std::string written = written_path(other);
  if (written.find("${") == std::string::npos && !touch(cleaned(written), path)) return "";
  const auto their_place = nfs_place(other);
  if ((place ? place->server : "") != (their_place ? their_place->server : "")) return "";
  std::string theirs = cleaned(their_place ? their_place->path : path_in(other.source));
  return touch(theirs, path) ? theirs : "";
}

// Another volume in use whose directory is this one, lies in it or around it. One that lies around
// what is named after its claim alone does not count: it is a whole share, say, of which it is
// known that volumes come and go in it.
const Volume* neighbour_in_use(const Volume& volume, const std::string& path, const World& world) {
  const auto place = nfs_place(volume);
  const std::string own = "pvc-" + volume.claim_ref->uid;
  const auto has_own = [&own](const std::string& text) {
    return text.find(own) != std::string::npos;
  };
  for (const auto& [name, other] : world.volumes()) {
    if (name == volume.metadata.name || other.phase != VolumePhase::Bound) continue;
    const std::string theirs = touching(other, path, place);
    if (theirs.empty()) continue;
    const bool is_around_it = lies_in(path, theirs) && has_own(path) && !has_own(theirs);
    if (!is_around_it) return &other;
  }
  return nullptr;
}

// 7.3: csi-driver-nfs deletes the directories that a nested subDir leaves empty. Not one that is
// another volume's, in use or not.
bool takes_empty_parents(const Volume& volume, const std::string& path, const World& world) {
  const std::string base = annotation(volume, kBaseDirectory);
  if (made_by(volume) != kNfsCsi || name_below(base, path).find('/') == std::string::npos)
    return false;
  const auto place = nfs_place(volume);
  return std::ranges::none_of(world.volumes(), [&](const auto& each) {
    if (each.first == volume.metadata.name) return false;
    const std::string theirs = touching(each.second, path, place);
    return lies_in(path, theirs) && !name_below(base, theirs).empty();
  });
}

// 7.3: nfs-subdir's archives have the directory's own name, csi-driver-nfs' the whole subDir. On
// this host they stand beside the directory.
std::string archive_name(const Volume& volume, const std::string& path) {
  const std::string maker = made_by(volume);
  const std::string below = maker == kOurNfs || maker == kNfsCsi
                                ? name_below(annotation(volume, kBaseDirectory), path)
                                : "";
  return "archived-" + (below.empty() ? path.substr(path.rfind('/') + 1) : below);
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
  // Path templates can give two claims one directory, and anybody can write a volume of one.
  const auto place = nfs_place(volume);
  const std::string path = cleaned(place ? place->path : work.path());
  if (const Volume* other = neighbour_in_use(volume, path, world)) {
    const std::string why = "the directory " + path + " is shared with volume " +
                            in_quotes(other->metadata.name) + ", which is in use";
    return {{.volume = {}, .claim = {}, .notices = {refused(volume, why)}}, {}};
  }
  if (work.action == ReclaimWork::Action::Archive) work.archive_name = archive_name(volume, path);
  if (work.action == ReclaimWork::Action::Delete)
    work.takes_empty_parents = takes_empty_parents(volume, path, world);
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

const std::string& ReclaimWork::path() const { return path_in(source); }

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
