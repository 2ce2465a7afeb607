#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <optional>

#include "cli/until_true.h"
#include "cli/verbs.h"
#include "config/node_name.h"
#include "control/event_recorder.h"
#include "control/first_consumers.h"
#include "control/uid.h"
#include "volumes/attachment.h"
#include "volumes/claim.h"
#include "volumes/timestamp.h"

namespace claimfs::cli {
namespace {

using volumes::Attachment;
using volumes::Claim;
using volumes::Kind;
using volumes::ObjectKey;

Outcome<ObjectKey> claim_key(const std::string& word) {
  const auto slash = word.find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == word.size() ||
      word.find('/', slash + 1) != std::string::npos)
    return fail(ExitStatus::Usage, "error: \"" + word + "\" is not NAMESPACE/CLAIM");
  return ObjectKey{Kind::PersistentVolumeClaim, word.substr(0, slash), word.substr(slash + 1)};
}

Outcome<Claim> claim_of(Context& context, const ObjectKey& key) {
  const auto object = context.store->get(key);
  if (object) return Claim::from(*object);
  if (object.error().code != ENOENT) return tl::unexpected(failure_of(object.error()));
  return fail(ExitStatus::Failed, "Error from server (NotFound): persistentvolumeclaims \"" +
                                      key.name + "\" not found");
}

Outcome<std::vector<volumes::Object>> attachments_of(Context& context, const ObjectKey& key) {
  auto listing = context.store->list(Kind::Attachment);
  if (!listing) return tl::unexpected(failure_of(listing.error()));
  std::erase_if(listing->objects, [&key](const volumes::Object& object) {
    return !Attachment::from(object).is_of(key.name_space, key.name);
  });
  return std::move(listing->objects);
}

bool may_be_shared(const Claim& claim) {
  return claim.access_modes.has(volumes::AccessMode::ReadWriteMany) ||
         claim.access_modes.has(volumes::AccessMode::ReadOnlyMany);
}

tl::unexpected<Failure> in_use(const ObjectKey& key, const std::string& why) {
  return fail(ExitStatus::InUse, key.name_space + "/" + key.name + ": " + why);
}

// A claim that waits for its first consumer has one now.
Outcome<Claim> bound_claim(Context& context, const ObjectKey& key,
                           std::chrono::milliseconds timeout) {
  auto claim = claim_of(context, key);
  if (!claim || claim->phase == volumes::ClaimPhase::Bound) return claim;
  control::EventRecorder events(*context.store, control::system_clock(), "claimfs",
                                context.config.node);
  control::FirstConsumers consumers(*context.store, events, node_of(context.config));
  const auto refusal = consumers.place(key.name_space, key.name);
  if (!refusal) return tl::unexpected(failure_of(refusal.error()));
  if (!refusal->empty()) return in_use(key, *refusal);
  const auto is_bound = until_true(*context.store, timeout, [&]() -> Outcome<bool> {
    claim = claim_of(context, key);
    if (!claim) return tl::unexpected(claim.error());
    return claim->phase == volumes::ClaimPhase::Bound;
  });
  if (!is_bound) return tl::unexpected(is_bound.error());
  if (!*is_bound)
    return in_use(key, "it is not bound: see claimfs describe pvc, and whether a controller runs");
  return claim;
}

}  // namespace

Outcome<ExitStatus> attach(Context& context, const AttachArguments& arguments) {
  const auto key = claim_key(arguments.claim);
  if (!key) return tl::unexpected(key.error());
  const auto claim = bound_claim(context, *key, arguments.timeout);
  if (!claim) return tl::unexpected(claim.error());
  const auto others = attachments_of(context, *key);
  if (!others) return tl::unexpected(others.error());
  const std::string& node = context.config.node;
  bool is_attached = false;
  for (const volumes::Object& object : *others) {
    const auto other = Attachment::from(object);
    is_attached |= other.node == node;
    if (other.node != node && !may_be_shared(*claim)) {
      return in_use(*key, "Volume is already exclusively attached to one node (" + other.node +
                              ") and can't be attached to another");
    }
  }
  const std::string said = key->name_space + "/" + key->name + " attached to " + node + "\n";
  if (is_attached) {
    std::cout << said;
    return ExitStatus::Done;
  }
  if (claim->metadata.is_deleting())
    return in_use(*key, "persistentvolumeclaim \"" + key->name + "\" is being deleted");
  Attachment attachment{.metadata = {},
                        .volume = claim->volume_name,
                        .name_space = key->name_space,
                        .claim = key->name,
                        .node = node,
                        .read_only = arguments.read_only};
  // Neither a volume's nor a node's name has an '@'.
  attachment.metadata.name = claim->volume_name + "@" + node;
  volumes::Object object{Kind::Attachment, attachment.document()};
  object.document["metadata"]["uid"] = control::new_uid();
  object.document["metadata"]["creationTimestamp"] =
      volumes::timestamp_text(control::system_clock()());
  const auto created = context.store->create(object);
  if (!created && created.error().code != EEXIST)
    return tl::unexpected(failure_of(created.error()));
  std::cout << said;
  return ExitStatus::Done;
}

Outcome<ExitStatus> detach(Context& context, const DetachArguments& arguments) {
  const auto key = claim_key(arguments.claim);
  if (!key) return tl::unexpected(key.error());
  const std::string& node = context.config.node;
  const auto attachments = attachments_of(context, *key);
  if (!attachments) return tl::unexpected(attachments.error());
  for (const volumes::Object& object : *attachments) {
    if (Attachment::from(object).node != node) continue;
    const auto removed = context.store->remove(object.key(), "");
    if (!removed && removed.error().code != ENOENT)
      return tl::unexpected(failure_of(removed.error()));
    if (arguments.force) {
      const auto claim = claim_of(context, *key);
      control::EventRecorder(*context.store, control::system_clock(), "claimfs", node)
          .record({.about = *key,
                   .uid = claim ? claim->metadata.uid : "",
                   .type = volumes::Notice::Type::Warning,
                   .reason = "ForceDetached",
                   .message = "detached from node " + node + " by force, by uid " +
                              std::to_string(::getuid()) + " on " + config::host_node_name()});
    }
    std::cout << key->name_space << "/" << key->name << " detached from " << node << "\n";
    return ExitStatus::Done;
  }
  return fail(ExitStatus::Failed,
              "error: " + key->name_space + "/" + key->name + " is not attached to " + node);
}

}  // namespace claimfs::cli
