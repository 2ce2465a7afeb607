#pragma once

#include <string>
#include <vector>

#include "volumes/lifecycle.h"
#include "volumes/matching.h"

namespace claimfs::volumes {

// What the first consumer of claims whose class waits for one decides, in place of Kubernetes'
// scheduler: a volume that its node reaches is reserved for each claim, or the claim's provisioner
// is told the node. All of them, or none and why not.
struct Placement {
  std::vector<Step> steps;
  std::string refusal;  // in the scheduler's words; empty: none
};

// A consumer on `node` needs these claims of a namespace together. Claims that are bound, or whose
// class does not wait, need nothing. Source: KUBERNETES.md 1.8; rows: consumer/*.
Placement place(const std::string& name_space, const std::vector<std::string>& claims,
                const World& world, const Node& node);

// The same for a pod, if it is on that node and not finished; a refusal becomes its event.
std::vector<Step> place(const Pod& pod, const World& world, const Node& node);

}  // namespace claimfs::volumes
