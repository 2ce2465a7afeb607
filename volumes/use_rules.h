#pragma once

#include <string>
#include <vector>

#include "volumes/access_modes.h"
#include "volumes/attachment.h"
#include "volumes/notice.h"
#include "volumes/world.h"

namespace claimfs::volumes {

// How many may use a claim at a time: what its access modes come to. Source: KUBERNETES.md 5,
// DESIGN.md 4.
enum class Sharing {
  Everyone,          // any set with ReadWriteMany
  Readers,           // ReadOnlyMany alone
  OneNodeOrReaders,  // ReadWriteOnce and ReadOnlyMany: one node that writes, or many that read
  OneNode,           // ReadWriteOnce
  OneConsumer,       // ReadWriteOncePod
};

Sharing sharing_of(AccessModes modes);

// One use of a volume, there or asked for.
struct Use {
  std::string node;
  std::string consumer = {};  // as Attachment::consumer; matters for ReadWriteOncePod
  bool writes = false;        // matters where one writes or many read
};

// Whether two uses of one volume exclude each other. Symmetric.
bool exclude_each_other(Sharing sharing, const Use& one, const Use& other);
// The same for uses of two volumes that are one directory, or one inside the other: the stricter
// of both decides, and of a ReadWriteOncePod volume nobody else has anything.
bool exclude_each_other(Sharing one_sharing, const Use& one, Sharing other_sharing,
                        const Use& other);

// Who stands in the way of a use: attachments, which may be given up when asked, and pods, which
// hold the claim until they are gone.
struct InTheWay {
  std::vector<const Attachment*> attachments;
  std::vector<const Pod*> pods;

  bool is_empty() const { return attachments.empty() && pods.empty(); }
};

// `claim` is Bound; `backing` as in Attachment. The asking node's own attachments stand in the way
// only where their consumer is another.
InTheWay in_the_way(const World& world, const Claim& claim, const std::vector<std::string>& backing,
                    const Use& use);

// The pods that hold a claim: those that have a node and have not finished, and are admitted beside
// the older ones. Sorted by age.
std::vector<const Pod*> holding_pods(const World& world, const Claim& claim);

// Kubernetes' words for the refusal of a use: the event's reason and message. Source: KUBERNETES.md
// 5.1.
struct Refusal {
  std::string reason;
  std::string message;
};
Refusal refusal_of(const Claim& claim, const std::string& node, const InTheWay& holders);

}  // namespace claimfs::volumes
