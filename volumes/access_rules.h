#pragma once

#include "volumes/claim.h"
#include "volumes/volume.h"

namespace claimfs::volumes {

// Whether every use of the claim is read-only: its user asked for ReadOnlyMany alone, or the volume
// says so (nfs.readOnly, csi.readOnly, mount option `ro`). Kubernetes enforces none of these; we
// do. Source: KUBERNETES.md 5.3.
bool is_read_only(const Claim& claim, const Volume& volume);

// The bytes that the claim may hold: what its status says, else what its volume has. Source:
// KUBERNETES.md 5.4.
std::int64_t capacity_bytes(const Claim& claim, const Volume& volume);

// Why a volume cannot be used on a node, in the words of Kubernetes' FailedMount event; nothing
// when it can.
std::optional<std::string> cannot_mount(const Volume& volume, const std::string& node_name,
                                        const StringMap& node_labels);

}  // namespace claimfs::volumes
