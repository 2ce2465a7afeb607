#include "control/attachments.h"

#include <algorithm>
#include <cerrno>
#include <deque>

#include <spdlog/spdlog.h>

#include "control/clock.h"
#include "control/uid.h"
#include "volumes/timestamp.h"

namespace claimfs::control {
namespace {

using std::chrono::milliseconds;
using volumes::Attachment;
using volumes::Claim;
using volumes::InTheWay;
using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;
using volumes::Sharing;

// How often a consumer of this mount is looked at again, whose end nobody tells.
constexpr milliseconds kLookAgain{100};
constexpr milliseconds kIdle{std::chrono::hours(1)};
// Somebody else is quicker that often only if something is wrong.
constexpr int kMostTries = 20;

ObjectKey key_of(const std::string& attachment) { return {Kind::Attachment, "", attachment}; }

// Who is in the way, for people: "node-b: pid 12 (postgres) open; pod web-0 on node-c".
std::string holders_text(const InTheWay& holders) {
  std::string text;
  const auto add = [&text](const std::string& holder) {
    text += (text.empty() ? "" : "; ") + holder;
  };
  for (const Attachment* attachment : holders.attachments) {
    std::string holder = attachment->node;
    if (attachment->is_held()) holder += " (claimfs attach)";
    if (!attachment->users.empty()) holder += ": " + attachment->users;
    add(holder);
  }
  for (const volumes::Pod* pod : holders.pods)
    add("pod " + pod->metadata.name + " on " + pod->node);
  return text;
}

}  // namespace

void Attachments::Bell::ring() {
  wake.with([](const auto& call) {
    if (call) call();
  });
}

Attachments::Attachments(store::Store& store, EventRecorder& events, Asker asker,
                         EndConsumer end_consumer)
    : store_(store),
      events_(events),
      asker_(std::move(asker)),
      end_consumer_(std::move(end_consumer)) {}

void Attachments::set_wake(std::function<void()> wake) {
  bell_->wake.with([&](auto& call) { call = std::move(wake); });
}

std::future<Result<void>> Attachments::ask(Wanted wanted) {
  auto request = std::make_unique<Request>();
  request->wanted = std::move(wanted);
  request->deadline = Clock::now() + kPatience;
  auto answer = request->answer.get_future();
  inbox_.with([&](auto& requests) { requests.push_back(std::move(request)); });
  bell_->ring();
  return answer;
}

Result<void> Attachments::attach(Wanted wanted) {
  auto answer = ask(std::move(wanted));
  // The thread that takes turns may be gone, or wait for a store that is.
  if (answer.wait_for(kPatience * 10) != std::future_status::ready)
    return failure(EIO, "the store does not answer");
  try {
    return answer.get();
  } catch (const std::future_error&) {
    return failure(EIO, "the mount is ending");
  }
}

milliseconds Attachments::turn(Mirror& mirror) {
  const bool are_new = inbox_.with([this](auto& requests) {
    std::ranges::move(requests, std::back_inserter(waiting_));
    return !std::exchange(requests, {}).empty();
  });
  // Nobody is refused for what had ended before they asked. An error comes again where the mirror
  // is followed for its own sake.
  if (are_new) (void)mirror.follow(milliseconds(0));
  std::erase_if(waiting_, [&](const auto& request) { return serve(mirror, *request); });
  if (waiting_.empty()) {
    std::erase_if(refused_until_,
                  [now = Clock::now()](const auto& each) { return each.second < now; });
    return kIdle;
  }
  milliseconds pause = kLookAgain;
  for (const auto& request : waiting_) {
    const auto left = std::chrono::ceil<milliseconds>(request->deadline - Clock::now());
    pause = std::clamp(left, milliseconds(1), pause);
  }
  return pause;
}

// True when it has been answered.
bool Attachments::serve(Mirror& mirror, Request& request) {
  const Wanted& wanted = request.wanted;
  for (int tries = 0; tries < kMostTries; ++tries) {
    const volumes::World& world = mirror.world();
    const Claim* claim = world.claim(wanted.name_space, wanted.claim);
    const volumes::Volume* volume = claim ? world.volume(claim->volume_name) : nullptr;
    if (!claim || !volume || (!wanted.uid.empty() && claim->metadata.uid != wanted.uid)) {
      request.answer.set_value(failure(EBUSY, "the claim is not bound any more"));
      return true;
    }
    if (claim->metadata.is_deleting() && asker_.mount.empty()) {
      request.answer.set_value(failure(
          EBUSY, "persistentvolumeclaim \"" + claim->metadata.name + "\" is being deleted"));
      return true;
    }
    InTheWay holders =
        in_the_way(world, *claim, wanted.backing,
                   {.node = asker_.node, .consumer = wanted.consumer, .writes = wanted.writes});
    std::erase_if(holders.attachments, [&](const Attachment* holder) {
      if (holder->mount.empty() || holder->mount != asker_.mount) return false;
      return bell_->asked_consumers.with([&](auto& asked) {
        const auto found = asked.find(holder->metadata.name);
        if (found == asked.end() || !found->second) return false;
        asked.erase(found);
        return true;
      });
    });
    if (!holders.is_empty()) {
      // Who is asked is stored anew, also in the mirror, whose objects these are until then.
      std::deque<Attachment> kept;
      for (const Attachment*& holder : holders.attachments) holder = &kept.emplace_back(*holder);
      for (const Attachment& holder : kept) ask_to_give_way(mirror, request, holder);
      return refuse(request, *claim, holders);
    }
    const Result<void> written = write(mirror, request, *claim);
    if (written || written.error().code != EAGAIN) {
      request.answer.set_value(written);
      return true;
    }
    // Somebody was quicker. What they did may not have been told yet.
    if (const auto followed = mirror.follow(milliseconds(0)); !followed) break;
  }
  request.answer.set_value(failure(EIO, "the store does not take the attachment"));
  return true;
}

// True when there is no point in waiting any longer.
bool Attachments::refuse(Request& request, const Claim& claim, const InTheWay& holders) {
  const std::string& uid = claim.metadata.uid;
  const auto now = Clock::now();
  const auto known = refused_until_.find(uid);
  const bool was_refused_just_now = known != refused_until_.end() && now < known->second;
  const auto may_give_way = [](const Attachment* holder) { return !holder->is_held(); };
  // Says that it is in use, now, to us.
  const auto has_answered = [&request](const Attachment* holder) {
    const auto asked = request.asked.find(holder->metadata.name);
    return asked != request.asked.end() && holder->refused == asked->second;
  };
  const bool is_hopeless =
      !holders.pods.empty() || !std::ranges::all_of(holders.attachments, may_give_way);
  const bool is_known =
      was_refused_just_now && std::ranges::all_of(holders.attachments, has_answered);
  if (now < request.deadline && !is_hopeless && !is_known) return false;
  const std::string holders_are = holders_text(holders);
  if (!was_refused_just_now) {
    const volumes::Refusal refusal = refusal_of(claim, asker_.node, holders);
    spdlog::warn("attach=refused claim={}/{} volume={} reason=\"{}\" holder=\"{}\"",
                 claim.metadata.name_space, claim.metadata.name, claim.volume_name, refusal.message,
                 holders_are);
    events_.record(notice(claim, volumes::Notice::Type::Warning, refusal.reason, refusal.message));
    refused_until_[uid] = now + kPatience;
  }
  request.answer.set_value(failure(EBUSY, "attached to " + holders_are));
  return true;
}

void Attachments::ask_to_give_way(Mirror& mirror, Request& request, const Attachment& holder) {
  const std::string& name = holder.metadata.name;
  if (holder.is_held()) return;
  if (holder.mount == asker_.mount) {
    const bool is_asked = bell_->asked_consumers.with(
        [&](auto& asked) { return !asked.emplace(name, false).second; });
    if (is_asked || !end_consumer_) return;
    end_consumer_(request.wanted.uid, holder.consumer, [bell = bell_, name](bool has_ended) {
      bell->asked_consumers.with([&](auto& asked) {
        if (has_ended)
          asked[name] = true;
        else
          asked.erase(name);  // is asked again
      });
      if (has_ended) bell->ring();
    });
    return;
  }
  if (request.asked.contains(name)) return;
  const Object* object = mirror.find(key_of(name));
  if (!object) return;
  const std::string word = new_uid();
  Object asking = *object;
  asking.document["status"]["asked"] = word;
  if (auto asked = store_.update(asking)) {
    request.asked[name] = word;
    mirror.put(std::move(*asked));
  }
}

// Whether somebody whose attachment is older stands in the way of ours.
bool Attachments::has_been_outrun(const volumes::World& world, const Claim& claim,
                                  const Request& request, const std::string& version) const {
  const Wanted& wanted = request.wanted;
  const InTheWay holders =
      in_the_way(world, claim, wanted.backing,
                 {.node = asker_.node, .consumer = wanted.consumer, .writes = wanted.writes});
  return std::ranges::any_of(holders.attachments, [&](const Attachment* holder) {
    return holder->volume != claim.volume_name &&
           std::stoull(holder->metadata.resource_version) < std::stoull(version);
  });
}

// Takes an attachment that was just written back to what it was before. Whoever asks for it
// meanwhile writes to it, too.
Result<void> Attachments::undo(const ObjectKey& key, const std::optional<Object>& before) {
  if (!before) return store_.remove(key, "");
  while (true) {
    Object now = TRY(store_.get(key));
    now.document["spec"] = before->document["spec"];
    const auto restored = store_.update(now);
    if (restored) return {};
    if (restored.error().code != EAGAIN) return failure(restored.error());
  }
}

std::string Attachments::own_name(const std::string& volume) const {
  return Attachment::name_prefix(volume) + (asker_.mount.empty() ? asker_.node : asker_.mount);
}

// `claim` by value: following the mirror changes what is in it.
Result<void> Attachments::write(Mirror& mirror, const Request& request, const Claim claim) {
  const Wanted& wanted = request.wanted;
  const std::string name = own_name(claim.volume_name);
  Attachment attachment{.metadata = {},
                        .volume = claim.volume_name,
                        .name_space = claim.metadata.name_space,
                        .claim = claim.metadata.name,
                        .claim_uid = claim.metadata.uid,
                        .node = asker_.node,
                        .mount = asker_.mount,
                        .consumer = wanted.consumer,
                        .read_only = !wanted.writes,
                        .backing = wanted.backing};
  attachment.metadata.name = name;
  Object object{Kind::Attachment, attachment.document()};
  std::optional<Object> before_change;
  if (const Object* known = mirror.find(key_of(name))) {
    const Attachment before = Attachment::from(*known);
    const bool has_consumer = wanted.consumer.empty() || before.consumer == wanted.consumer;
    if (has_consumer && (!before.read_only || !wanted.writes)) return {};
    before_change = *known;
    object = *known;
    if (!has_consumer) object.document["spec"]["consumer"] = wanted.consumer;
    object.document["spec"]["readOnly"] = before.read_only && !wanted.writes;
  } else {
    object.document["metadata"]["uid"] = new_uid();
    object.document["metadata"]["creationTimestamp"] = volumes::timestamp_text(system_clock()());
  }
  store::Grounds grounds{.kind = Kind::Attachment, .name_prefixes = {}, .seen = mirror.version()};
  if (sharing_of(claim.access_modes) >= Sharing::OneNodeOrReaders)
    grounds.name_prefixes.push_back(Attachment::name_prefix(claim.volume_name));
  auto stored = store_.store_if(object, nullptr, grounds);
  if (!stored) {
    const int code = stored.error().code;
    // Not there any more, or there already: the mirror is behind.
    if (code == ENOENT || code == EEXIST) return failure(EAGAIN);
    return failure(std::move(stored).error());
  }
  const std::string version = stored->resource_version();
  mirror.put(std::move(*stored));
  // Which other volumes are the same directory nobody can tell from their names. So all are written
  // first and looked at then: of two that did so at once, one sees the other.
  TRY_VOID(mirror.follow(milliseconds(0)));
  if (has_been_outrun(mirror.world(), claim, request, version)) {
    TRY_VOID(undo(object.key(), before_change));
    TRY_VOID(mirror.follow(milliseconds(0)));
    return failure(EAGAIN);
  }
  if (attached_) attached_(name, claim.metadata.uid);
  spdlog::info("attach=done claim={}/{} volume={} node={} writes={}", claim.metadata.name_space,
               claim.metadata.name, claim.volume_name, asker_.node, wanted.writes);
  return {};
}

}  // namespace claimfs::control
