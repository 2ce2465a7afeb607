#pragma once

#include <string>
#include <vector>

#include "volumes/metadata.h"
#include "volumes/object.h"

namespace claimfs::volumes {

// A Pod, as far as storage looks at it.
struct Pod {
  struct ClaimUse {
    std::string claim;
    bool read_only = false;
    // Where the claim lives as long as the pod: the volume's name, and what the claim is made from.
    std::string ephemeral = {};
    Json claim_template = {};
  };
  Metadata metadata;
  std::string node;   // spec.nodeName; empty: not scheduled
  std::string phase;  // status.phase
  std::vector<ClaimUse> claims;
  bool is_shut_down = false;  // being deleted, and nothing of it runs any more

  static Pod from(const Object& object);

  bool references(const std::string& name_space, const std::string& claim) const;
  bool is_finished() const { return phase == "Succeeded" || phase == "Failed"; }
  // Kubernetes' rule for in-use protection: scheduled and referring to it, finished or not; an
  // ephemeral volume's claim only if it is the pod's own, until the pod is shut down. Source:
  // KUBERNETES.md 4.1.
  bool protects(const Metadata& claim) const;
};

}  // namespace claimfs::volumes
