#include "volumes/use_rules.h"

#include <algorithm>
#include <set>

namespace claimfs::volumes {
namespace {

Use use_of(const Attachment& attachment) {
  return {
      .node = attachment.node, .consumer = attachment.consumer, .writes = !attachment.read_only};
}

// A pod that may write has not written yet: where one writes or many read it counts as a reader
// until its node's mount has become the writer.
Use use_of(const Pod& pod) { return {.node = pod.node, .consumer = pod.metadata.uid}; }

bool is_older(const Pod* left, const Pod* right) {
  return std::tie(left->metadata.created, left->metadata.name) <
         std::tie(right->metadata.created, right->metadata.name);
}

Sharing sharing_of_other(const World& world, const Attachment& attachment) {
  const Claim* claim = world.claim(attachment.name_space, attachment.claim);
  return claim ? sharing_of(claim->access_modes) : Sharing::Everyone;
}

std::string joined(const std::set<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

Sharing sharing_of(AccessModes modes) {
  if (modes.has(AccessMode::ReadWriteMany)) return Sharing::Everyone;
  if (modes.has(AccessMode::ReadWriteOncePod)) return Sharing::OneConsumer;
  if (!modes.has(AccessMode::ReadOnlyMany)) return Sharing::OneNode;
  return modes.has(AccessMode::ReadWriteOnce) ? Sharing::OneNodeOrReaders : Sharing::Readers;
}

bool exclude_each_other(Sharing sharing, const Use& one, const Use& other) {
  const bool is_same_node = one.node == other.node;
  switch (sharing) {
    case Sharing::Everyone:
    case Sharing::Readers:
      return false;
    case Sharing::OneNodeOrReaders:
      return !is_same_node && (one.writes || other.writes);
    case Sharing::OneNode:
      return !is_same_node;
    case Sharing::OneConsumer:
      return !is_same_node ||
             (!one.consumer.empty() && !other.consumer.empty() && one.consumer != other.consumer);
  }
  return true;
}

bool exclude_each_other(Sharing one_sharing, const Use& one, Sharing other_sharing,
                        const Use& other) {
  const Sharing stricter = std::max(one_sharing, other_sharing);
  return stricter == Sharing::OneConsumer || exclude_each_other(stricter, one, other);
}

std::vector<const Pod*> holding_pods(const World& world, const Claim& claim) {
  auto pods = world.referring_to({claim.metadata.name_space, claim.metadata.name});
  // A finished pod still protects the claim, but leaves its place to the next. Source:
  // KUBERNETES.md 5.1.
  std::erase_if(pods, [&claim](const Pod* pod) {
    return pod->is_finished() || !pod->protects(claim.metadata);
  });
  std::ranges::sort(pods, is_older);
  const Sharing sharing = sharing_of(claim.access_modes);
  std::vector<const Pod*> holding;
  for (const Pod* pod : pods) {
    if (std::ranges::none_of(holding, [&](const Pod* older) {
          return exclude_each_other(sharing, use_of(*older), use_of(*pod));
        }))
      holding.push_back(pod);
  }
  return holding;
}

InTheWay in_the_way(const World& world, const Claim& claim, const std::vector<std::string>& backing,
                    const Use& use) {
  const Sharing sharing = sharing_of(claim.access_modes);
  InTheWay found;
  for (const Attachment* attachment : world.attachments_at(claim.volume_name, backing)) {
    const Use other = use_of(*attachment);
    const bool is_in_the_way =
        attachment->volume == claim.volume_name
            ? exclude_each_other(sharing, use, other)
            : exclude_each_other(sharing, use, sharing_of_other(world, *attachment), other);
    if (is_in_the_way) found.attachments.push_back(attachment);
  }
  for (const Pod* pod : holding_pods(world, claim)) {
    if (exclude_each_other(sharing, use, use_of(*pod))) found.pods.push_back(pod);
  }
  return found;
}

Refusal refusal_of(const Claim& claim, const std::string& node, const InTheWay& holders) {
  const std::string& volume = claim.volume_name;
  const auto is_elsewhere = [&node](const auto* holder) { return holder->node != node; };
  if (std::ranges::none_of(holders.attachments, is_elsewhere) &&
      std::ranges::none_of(holders.pods, is_elsewhere)) {
    return {"FailedMount", "MountVolume.SetUp failed for volume " + in_quotes(volume) +
                               " : volume uses the ReadWriteOncePod access mode and is already in "
                               "use by another pod"};
  }
  const std::string multi_attach = "Multi-Attach error for volume " + in_quotes(volume) + " ";
  std::set<std::string> pods, nodes, others;
  for (const Pod* pod : holders.pods) pods.insert(pod->metadata.name);
  for (const Attachment* attachment : holders.attachments) {
    nodes.insert(attachment->node);
    if (attachment->volume != volume)
      others.insert(attachment->name_space + "/" + attachment->claim);
  }
  if (!pods.empty())
    return {"FailedAttachVolume",
            multi_attach + "Volume is already used by pod(s) " + joined(pods)};
  std::string message = multi_attach +
                        "Volume is already exclusively attached to one node and can't be attached "
                        "to another";
  if (!others.empty()) {
    message =
        multi_attach + "Its directory is also that of " + joined(others) + ", which is attached";
  }
  return {"FailedAttachVolume", message};
}

}  // namespace claimfs::volumes
