#include "cli/claim_holders.h"

#include <algorithm>

#include "cli/mount_point.h"
#include "volumes/pod.h"

namespace claimfs::cli {
namespace {

using volumes::Attachment;
using volumes::Kind;
using volumes::MountRecord;

constexpr std::size_t kMostNamed = 20;

// A machine may have several nodes, and a mount point another's mount: the number of the connection
// tells.
bool is_here(const MountRecord& record) {
  const auto mount = mount_at(record.mount_point);
  return mount && mount->type == "fuse.claimfs" &&
         (record.connection == 0 || mount->device == "0:" + std::to_string(record.connection));
}

std::string use_of(const Attachment& attachment) {
  if (attachment.is_held()) return "held by claimfs attach";
  if (attachment.is_draining) {
    return "draining: files that are open through a mount whose daemon died, connection " +
           attachment.passthrough.substr(0, attachment.passthrough.find(' '));
  }
  return attachment.users.empty() ? "attached" : attachment.users;
}

}  // namespace

std::string text_of(const ClaimHolder& holder) {
  std::string text = holder.node;
  const auto add = [&text](const std::string& word) { text += (text.empty() ? "" : " ") + word; };
  if (!holder.pod.empty()) add("pod " + holder.pod);
  if (!holder.pid.empty()) add("pid " + holder.pid + " (" + holder.command + ")");
  if (!holder.is_pod) add(holder.use);
  if (!holder.what.empty() && !holder.is_path_in_claim) add(holder.what);
  return text;
}

Result<ClaimHolders> ClaimHolders::look(store::Store& store) {
  ClaimHolders holders;
  store::Listing pods = TRY(store.list(Kind::Pod));
  holders.pods_ = std::move(pods.objects);
  for (const volumes::Object& pod : holders.pods_)
    holders.pod_names_.emplace(pod.uid(), pod.name_space() + "/" + pod.name());
  const store::Listing attachments = TRY(store.list(Kind::Attachment));
  for (const volumes::Object& object : attachments.objects)
    holders.attachments_.push_back(Attachment::from(object));
  const store::Listing mounts = TRY(store.list(Kind::Mount));
  for (const volumes::Object& object : mounts.objects) {
    MountRecord record = MountRecord::from(object);
    if (is_here(record)) holders.mounts_here_.emplace(object.name(), std::move(record));
  }
  return holders;
}

std::vector<ClaimHolder> ClaimHolders::of(const volumes::Metadata& claim) {
  std::vector<ClaimHolder> holders;
  add_pods(claim, holders);
  add_attachments(claim, holders);
  add_users(claim, holders);
  return holders;
}

std::vector<std::string> ClaimHolders::nodes_of(const volumes::Metadata& claim) const {
  std::vector<std::string> nodes;
  for (const Attachment& attachment : attachments_) {
    if (attachment.is_of(claim.name_space, claim.name)) nodes.push_back(attachment.node);
  }
  std::ranges::sort(nodes);
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  return nodes;
}

void ClaimHolders::add_pods(const volumes::Metadata& claim,
                            std::vector<ClaimHolder>& holders) const {
  for (const volumes::Object& object : pods_) {
    const auto pod = volumes::Pod::from(object);
    if (!pod.protects(claim)) continue;
    holders.push_back({.node = pod.node,
                       .pod = object.name_space() + "/" + object.name(),
                       .pid = {},
                       .command = {},
                       .use = "volume of the pod",
                       .what = {},
                       .is_pod = true});
  }
}

// A mount's here is told by who uses it.
void ClaimHolders::add_attachments(const volumes::Metadata& claim,
                                   std::vector<ClaimHolder>& holders) const {
  for (const Attachment& attachment : attachments_) {
    if (!attachment.is_of(claim.name_space, claim.name) || mounts_here_.contains(attachment.mount))
      continue;
    holders.push_back({.node = attachment.node,
                       .pod = {},
                       .pid = {},
                       .command = {},
                       .use = use_of(attachment),
                       .what = {}});
  }
}

void ClaimHolders::add_users(const volumes::Metadata& claim, std::vector<ClaimHolder>& holders) {
  for (const auto& [name, mount] : mounts_here_) {
    auto uses = uses_.find(mount.mount_point);
    if (uses == uses_.end())
      uses = uses_.emplace(mount.mount_point, MountUses::search(mount.mount_point)).first;
    for (ClaimUser& user : uses->second.of("/" + claim.name_space + "/" + claim.name)) {
      const auto pod = pod_names_.find(user.pod_uid);
      holders.push_back({.node = mount.node,
                         .pod = pod == pod_names_.end() ? user.pod_uid : pod->second,
                         .pid = user.pid == 0 ? "" : std::to_string(user.pid),
                         .command = std::move(user.command),
                         .use = std::string(to_string(user.how)),
                         .what = std::move(user.what),
                         .is_pod = false,
                         .is_path_in_claim = user.how < How::MountPoint});
    }
  }
}

std::string nodes_text(store::Store& store, const volumes::Metadata& claim) {
  const auto holders = ClaimHolders::look(store);
  if (!holders) return "unknown: " + holders.error().message();
  std::string text;
  for (const std::string& node : holders->nodes_of(claim)) text += (text.empty() ? "" : ",") + node;
  return text;
}

std::string holders_text(store::Store& store, const volumes::Metadata& claim) {
  auto holders = ClaimHolders::look(store);
  if (!holders) return "unknown: " + holders.error().message();
  const auto all = holders->of(claim);
  std::string text;
  for (std::size_t at = 0; at < std::min(all.size(), kMostNamed); ++at)
    text += (text.empty() ? "" : "; ") + text_of(all[at]);
  if (all.size() > kMostNamed) text += "; " + std::to_string(all.size() - kMostNamed) + " more";
  return text;
}

}  // namespace claimfs::cli
