#include "control/releases.h"

#include <algorithm>
#include <cerrno>
#include <thread>

#include <spdlog/spdlog.h>

namespace claimfs::control {
namespace {

using std::chrono::milliseconds;
using volumes::Attachment;
using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;

// Of a working directory that is left, or a bind mount that goes, nobody tells: it is looked again.
// Both are well within the second that DESIGN.md 6 grants.
constexpr milliseconds kRecallAgain{50};
constexpr milliseconds kDeletionAgain{200};
constexpr milliseconds kStoreAgain{1000};
constexpr milliseconds kIdle{std::chrono::hours(1)};

ObjectKey key_of(const std::string& attachment) { return {Kind::Attachment, "", attachment}; }

}  // namespace

void Releases::Bell::ring() {
  wake.with([](const auto& call) {
    if (call) call();
  });
}

Releases::Releases(store::Store& store, std::string mount, Filesystem filesystem)
    : store_(store), mount_(std::move(mount)), filesystem_(std::move(filesystem)) {}

// Whoever waits for something to be carried out is let go: their promises break.
void Releases::close() {
  bell_->is_closed.store(true);
  bell_->answers.with([](auto& answers) { answers.clear(); });
}

void Releases::set_wake(std::function<void()> wake) {
  bell_->wake.with([&](auto& call) { call = std::move(wake); });
}

void Releases::touched(const ObjectKey& key) {
  if (key.kind == Kind::Attachment) changed_attachments_.insert(key.name);
  if (key.kind == Kind::PersistentVolumeClaim) has_changed_claims_ = true;
}

milliseconds Releases::turn(Mirror& mirror) {
  for (const Answered& answer :
       bell_->answers.with([](auto& answers) { return std::exchange(answers, {}); }))
    carry_out(mirror, answer);
  for (const std::string& name : std::exchange(changed_attachments_, {}))
    look_at_attachment(mirror, name);
  if (std::exchange(has_changed_claims_, false)) look_at_claims(mirror);

  const auto now = Clock::now();
  auto next = now + kIdle;
  for (auto& [name, recall] : recalls_) {
    if (!recall.is_asked && recall.next <= now) ask(recall, name, own_.at(name));
    if (!recall.is_asked) next = std::min(next, recall.next);
  }
  for (auto& [uid, deletion] : deletions_) {
    if (!deletion.is_asked && deletion.next <= now) ask(deletion, "", uid);
    if (!deletion.is_asked) next = std::min(next, deletion.next);
  }
  if (!is_published_) publish(mirror);
  if (!is_published_) next = std::min(next, now + kStoreAgain);
  return std::max(milliseconds(1), std::chrono::ceil<milliseconds>(next - now));
}

void Releases::look_at_attachment(const Mirror& mirror, const std::string& name) {
  const auto& attachments = mirror.world().attachments();
  const auto found = attachments.find(name);
  if (found == attachments.end()) {
    recalls_.erase(name);
    const auto own = own_.extract(name);
    // One that we have given up ourselves is in own_ no more.
    if (!own.empty()) filesystem_.lose(own.mapped());
    return;
  }
  const Attachment& attachment = found->second;
  if (attachment.mount != mount_) return;
  own_[name] = attachment.claim_uid;
  if (attachment.asked.empty()) return;
  Recall& recall = recalls_[name];
  if (recall.word == attachment.asked) return;
  recall.word = attachment.asked;
  recall.until = Clock::now() + kPatience;
  recall.has_answered = attachment.refused == attachment.asked;
}

void Releases::look_at_claims(const Mirror& mirror) {
  std::set<std::string> deleted;
  for (const auto& [name, claim] : mirror.world().claims()) {
    if (claim.metadata.is_deleting()) deleted.insert(claim.metadata.uid);
  }
  std::erase_if(deletions_, [&](const auto& each) { return !deleted.contains(each.first); });
  // What is gone need not be spoken of any more; it is left out when the next one is added.
  std::erase_if(released_, [&](const std::string& uid) { return !deleted.contains(uid); });
  for (const std::string& uid : deleted)
    if (!released_.contains(uid)) deletions_.try_emplace(uid);
}

void Releases::ask(Question& question, const std::string& attachment,
                   const std::string& claim_uid) {
  question.is_asked = true;
  filesystem_.prove_unused(
      claim_uid, attachment.empty(),
      [bell = bell_, attachment, claim_uid, asking = std::this_thread::get_id()](bool is_unused) {
        auto carried_out = std::make_shared<std::promise<void>>();
        auto done = carried_out->get_future();
        bell->answers.with([&](auto& answers) {
          if (!bell->is_closed.load())
            answers.push_back({attachment, claim_uid, is_unused, std::move(carried_out)});
        });
        carried_out.reset();
        bell->ring();
        // An answer that was clear at once comes from the thread that carries it out, and there is
        // nobody who could be let in.
        if (is_unused && std::this_thread::get_id() != asking)
          done.wait_for(std::chrono::seconds(10));
      });
}

void Releases::carry_out(Mirror& mirror, const Answered& answer) {
  const auto now = Clock::now();
  if (answer.is_unused) {
    // Whatever asked, the claim is unused: every attachment of it goes, and the deletion goes on.
    for (auto own = own_.begin(); own != own_.end();) {
      const std::string name = own->first;
      const bool is_of_it = own->second == answer.claim_uid;
      ++own;
      if (is_of_it) drop_attachment(mirror, name);
    }
    if (answer.attachment.empty()) {
      deletions_.erase(answer.claim_uid);
      released_.insert(answer.claim_uid);
      is_published_ = false;
    }
  } else if (answer.attachment.empty()) {
    const auto deletion = deletions_.find(answer.claim_uid);
    if (deletion != deletions_.end()) {
      deletion->second.is_asked = false;
      deletion->second.next = now + kDeletionAgain;
    }
  } else if (const auto recall = recalls_.find(answer.attachment); recall != recalls_.end()) {
    recall->second.is_asked = false;
    recall->second.next = now + kRecallAgain;
    if (!recall->second.has_answered) answer_in_use(mirror, answer.attachment, recall->second);
    if (now > recall->second.until) recalls_.erase(recall);
  }
  answer.carried_out->set_value();
}

void Releases::drop_attachment(Mirror& mirror, const std::string& name) {
  const auto removed = store_.remove(key_of(name), "");
  if (!removed && removed.error().code != ENOENT)
    spdlog::error("detach=failed attachment={} reason=\"{}\"", name, removed.error().message());
  own_.erase(name);
  recalls_.erase(name);
  if (mirror.find(key_of(name))) mirror.erase(key_of(name));
  spdlog::info("detach=done attachment={}", name);
}

void Releases::answer_in_use(Mirror& mirror, const std::string& name, Recall& recall) {
  const Object* known = mirror.find(key_of(name));
  if (!known) return;
  const Attachment attachment = Attachment::from(*known);
  Object answered = *known;
  answered.document["status"]["refused"] = recall.word;
  answered.document["status"]["users"] = filesystem_.users(attachment.name_space, attachment.claim);
  // Whoever has changed it meanwhile has asked anew, and is answered next time.
  if (auto stored = store_.update(answered)) {
    recall.has_answered = true;
    mirror.put(std::move(*stored));
  }
}

void Releases::publish(Mirror& mirror) {
  const Object* known = mirror.find({Kind::Mount, "", mount_});
  if (!known) return;
  Object changed = *known;
  changed.document["status"]["released"] = released_;
  auto stored = store_.update(changed);
  if (!stored) {
    spdlog::error("release=not_told reason=\"{}\"", stored.error().message());
    return;
  }
  mirror.put(std::move(*stored));
  is_published_ = true;
}

}  // namespace claimfs::control
