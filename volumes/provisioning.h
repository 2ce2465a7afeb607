#pragma once

#include <optional>
#include <string>

#include <tl/expected.hpp>

#include "volumes/lifecycle.h"

namespace claimfs::volumes {

// What a provisioner of ours does for a claim: a directory, and the volume that shows it.
struct ProvisioningPlan {
  std::string server;    // of an NFS export; empty: this host
  std::string base;      // the directory or export that must not be left
  std::string below;     // of the base: the new directory
  unsigned mode = 0777;  // 0, on a server: none is set
  Object volume;         // complete but for uid and creationTimestamp
};

// Whether a provisioner of ours is asked to make a volume for the claim, and has not yet. Returns
// its class, or null. Source: KUBERNETES.md 7.1.
const StorageClass* wants_provisioning(const Claim& claim, const World& world);

// `default_root`: where claimfs.io/host-path makes directories when its class names no root. The
// error is a sentence for the event. Source: KUBERNETES.md 7.3; rows: provisioning/*.
tl::expected<ProvisioningPlan, std::string> plan_provisioning(const Claim& claim,
                                                              const StorageClass& storage_class,
                                                              const std::string& default_root);

// What is told: before, after, and when it did not work.
Notice provisioning_begins(const Claim& claim, const StorageClass& storage_class);
Notice provisioning_succeeded(const Claim& claim, const StorageClass& storage_class);
Notice provisioning_failed(const Claim& claim, const StorageClass& storage_class,
                           const std::string& why);

// The name of the volume that is made for a claim, whoever makes it.
std::string provisioned_name(const Claim& claim);

}  // namespace claimfs::volumes
