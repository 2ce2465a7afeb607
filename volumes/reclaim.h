#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>

#include "volumes/lifecycle.h"

namespace claimfs::volumes {

// On a volume that a provisioner of ours made: the directory that it may not be deleted outside of,
// and what to do instead of deleting.
inline constexpr std::string_view kBaseDirectory = "claimfs.io/base-directory";
inline constexpr std::string_view kOnDelete = "claimfs.io/on-delete";
// How far a long removal has come; for people.
inline constexpr std::string_view kReclaimProgress = "claimfs.io/reclaim";

// What has to be done to a released volume's storage.
struct ReclaimWork {
  enum class Action { Delete, Archive, Keep, Recycle };
  Action action = Action::Delete;
  VolumeSource source;
  std::chrono::seconds deadline{0};  // Recycle: after which it counts as failed; else none
  // Archive: the new name, beside the directory on this host, below the share on a server.
  std::string archive_name{};
  // Delete: the directories between the share and this one go, too, when they are empty then.
  bool takes_empty_parents = false;

  const std::string& path() const;  // in the host or the export
};

struct Reclaim {
  Step step;  // what needs no work: refusals
  std::optional<ReclaimWork> work;
};

// What the policy of a released volume asks for. `roots`: the directories below which a hostPath
// that no provisioner of ours made may be deleted. Source: KUBERNETES.md 3; rows: reclaim/*.
Reclaim decide_reclaim(const Volume& volume, const World& world,
                       std::span<const std::string> roots);

// The work failed: the volume is Failed and says why, or, where an external provisioner would have
// done it, stays Released. Source: KUBERNETES.md 3.2.5, 3.3.5, 7.3.
Step reclaim_failed(const Volume& volume, const ReclaimWork& work, const std::string& why);

// Recycle is done. Source: KUBERNETES.md 3.3.6.
Step recycled(const Volume& volume);

// Delete is done: the object as it is to be deleted. Source: KUBERNETES.md 3.2.4.
Volume deleted(const Volume& volume);

// Whether the finalizer that protects a volume should go: its deletion was asked for, it is not
// Bound, and its storage needs nothing any more. (Kubernetes looks at the phase alone, and so loses
// the policy of a static volume that is deleted before its claim.) Source: KUBERNETES.md 4.2, 3.5.
bool protection_ends(const Volume& volume, const World& world, std::span<const std::string> roots);

}  // namespace claimfs::volumes
