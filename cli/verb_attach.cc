#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iostream>
#include <optional>

#include <spdlog/spdlog.h>

#include "backends/directory_identities.h"
#include "cli/claim_word.h"
#include "cli/until_true.h"
#include "cli/verbs.h"
#include "config/node_name.h"
#include "control/attachments.h"
#include "control/dead_mounts.h"
#include "control/event_recorder.h"
#include "control/first_consumers.h"
#include "control/releases.h"
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

Outcome<std::vector<volumes::Object>> attachments_of(Context& context, const ObjectKey& key) {
  auto listing = context.store->list(Kind::Attachment);
  if (!listing) return tl::unexpected(failure_of(listing.error()));
  std::erase_if(listing->objects, [&key](const volumes::Object& object) {
    return !Attachment::from(object).is_of(key.name_space, key.name);
  });
  return std::move(listing->objects);
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
  const std::string& node = context.config.node;
  const auto volume = context.store->get({Kind::PersistentVolume, "", claim->volume_name});
  if (!volume) return tl::unexpected(failure_of(volume.error()));

  // What came of it is the verb's own to say; a log that nobody set up would go to its output.
  spdlog::set_level(spdlog::level::off);
  control::EventRecorder events(*context.store, control::system_clock(), "claimfs", node);
  control::Attachments attachments(*context.store, events, {.node = node, .mount = ""}, nullptr);
  control::Mirror mirror(*context.store);
  if (const auto listed = mirror.relist(); !listed)
    return tl::unexpected(failure_of(listed.error()));
  if (const auto swept = control::remove_dead_attachments(*context.store, mirror, nullptr); !swept)
    return tl::unexpected(failure_of(swept.error()));
  auto answer =
      attachments.ask({.name_space = key->name_space,
                       .claim = key->name,
                       .uid = claim->metadata.uid,
                       .writes = !arguments.read_only,
                       .backing = backends::directory_identities(volumes::Volume::from(*volume))});
  auto pause = attachments.turn(mirror);
  while (answer.wait_for(std::chrono::seconds(0)) != std::future_status::ready) {
    if (const auto followed = mirror.follow(pause); !followed)
      return tl::unexpected(failure_of(followed.error()));
    pause = attachments.turn(mirror);
  }
  const Result<void> attached = answer.get();
  if (attached) {
    std::cout << key->name_space << "/" << key->name << " attached to " << node << "\n";
    return ExitStatus::Done;
  }
  if (attached.error().code != EBUSY) return tl::unexpected(failure_of(attached.error()));
  return in_use(*key, attached.error().context);
}

namespace {

// Asks the mounts of this node to let go of the claim, and waits a moment for it. False: in use.
Outcome<bool> ask_to_let_go(Context& context, const ObjectKey& key,
                            const std::vector<volumes::Object>& attachments) {
  for (volumes::Object object : attachments) {
    object.document["status"]["asked"] = control::new_uid();
    // Who has changed it meanwhile is asked by somebody else, or gone.
    (void)context.store->update(object);
  }
  return until_true(*context.store, control::Releases::kPatience, [&]() -> Outcome<bool> {
    const auto left = attachments_of(context, key);
    if (!left) return tl::unexpected(left.error());
    return std::ranges::none_of(*left, [&](const volumes::Object& object) {
      return std::ranges::any_of(
          attachments, [&](const volumes::Object& asked) { return asked.uid() == object.uid(); });
    });
  });
}

void tell_of_force(Context& context, const ObjectKey& key, const std::string& node) {
  const auto claim = claim_of(context, key);
  control::EventRecorder(*context.store, control::system_clock(), "claimfs", context.config.node)
      .record({.about = key,
               .uid = claim ? claim->metadata.uid : "",
               .type = volumes::Notice::Type::Warning,
               .reason = "ForceDetached",
               .message = "detached from node " + node + " by force, by uid " +
                          std::to_string(::getuid()) + " on " + config::host_node_name()});
}

}  // namespace

Outcome<ExitStatus> detach(Context& context, const DetachArguments& arguments) {
  const auto key = claim_key(arguments.claim);
  if (!key) return tl::unexpected(key.error());
  const std::string& node = context.config.node;
  auto attachments = attachments_of(context, *key);
  if (!attachments) return tl::unexpected(attachments.error());
  std::erase_if(*attachments, [&node](const volumes::Object& object) {
    return Attachment::from(object).node != node;
  });
  if (attachments->empty())
    return fail(ExitStatus::Failed,
                "error: " + key->name_space + "/" + key->name + " is not attached to " + node);
  // What was held by hand is let go by hand; what a mount uses only by force, or when it is done.
  std::vector<volumes::Object> of_mounts;
  bool was_held = false;
  for (const volumes::Object& object : *attachments) {
    if (!arguments.force && !Attachment::from(object).is_held()) {
      of_mounts.push_back(object);
      continue;
    }
    const auto removed = context.store->remove(object.key(), "");
    if (!removed && removed.error().code != ENOENT)
      return tl::unexpected(failure_of(removed.error()));
    was_held = true;
  }
  if (arguments.force) tell_of_force(context, *key, node);
  if (!was_held) {
    const auto let_go = ask_to_let_go(context, *key, of_mounts);
    if (!let_go) return tl::unexpected(let_go.error());
    if (!*let_go)
      return in_use(*key, "it is in use on " + node + ": see claimfs who " + key->name_space + "/" +
                              key->name);
  }
  std::cout << key->name_space << "/" << key->name << " detached from " << node << "\n";
  return ExitStatus::Done;
}

}  // namespace claimfs::cli
