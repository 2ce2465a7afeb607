#pragma once

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "control/bound_claims.h"
#include "control/uid.h"
#include "tests/unit/catch.h"
#include "tests/unit/store_fixture.h"
#include "volumes/mount_record.h"

// Mounts of several nodes on one real store, each with the thread that a daemon has; what their
// filesystems would do is a count of users.
namespace claimfs::control {

using namespace std::chrono_literals;
using volumes::Attachment;
using volumes::Json;
using volumes::Kind;
using volumes::Object;
using SteadyClock = std::chrono::steady_clock;

inline constexpr auto kLong = store::kLong;

template <class Holds>
bool comes_true(Holds&& holds, std::chrono::milliseconds within = kLong) {
  const auto deadline = SteadyClock::now() + within;
  while (!holds()) {
    if (SteadyClock::now() > deadline) return false;
    std::this_thread::sleep_for(2ms);
  }
  return true;
}

class SharedStore {
 public:
  // A volume and a claim of that name, bound to each other.
  void add(const std::string& name, const Json& modes, const std::string& path = "") {
    const Json claim_ref = {{"kind", "PersistentVolumeClaim"},
                            {"namespace", "default"},
                            {"name", name},
                            {"uid", "uid-" + name}};
    put(Kind::PersistentVolume, {{"apiVersion", "v1"},
                                 {"kind", "PersistentVolume"},
                                 {"metadata", {{"name", "pv-" + name}, {"uid", "uid-pv-" + name}}},
                                 {"spec",
                                  {{"accessModes", modes},
                                   {"capacity", {{"storage", "1Gi"}}},
                                   {"claimRef", claim_ref},
                                   {"hostPath", {{"path", path.empty() ? "/srv/" + name : path}}}}},
                                 {"status", {{"phase", "Bound"}}}});
    put(Kind::PersistentVolumeClaim,
        {{"apiVersion", "v1"},
         {"kind", "PersistentVolumeClaim"},
         {"metadata", {{"name", name}, {"namespace", "default"}, {"uid", "uid-" + name}}},
         {"spec",
          {{"accessModes", modes},
           {"volumeName", "pv-" + name},
           {"resources", {{"requests", {{"storage", "1Gi"}}}}}}},
         {"status", {{"phase", "Bound"}}}});
  }
  void put(Kind kind, const Json& document) {
    const auto stored = store->put({kind, document});
    INFO((stored ? "" : stored.error().message()));
    REQUIRE(stored);
  }
  void mark_deleted(const std::string& claim) {
    Object object = *store->get({Kind::PersistentVolumeClaim, "default", claim});
    object.document["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z";
    REQUIRE(store->update(object));
  }
  std::vector<Attachment> attachments(const std::string& volume = "") const {
    std::vector<Attachment> all;
    const auto listing = store->list(Kind::Attachment);
    for (const Object& object : listing->objects)
      if (volume.empty() || Attachment::from(object).volume == volume)
        all.push_back(Attachment::from(object));
    return all;
  }
  std::set<std::string> nodes_at(const std::string& volume) const {
    std::set<std::string> nodes;
    for (const Attachment& each : attachments(volume)) nodes.insert(each.node);
    return nodes;
  }
  std::multiset<std::string> events() const {
    std::multiset<std::string> reasons;
    const auto listing = store->list(Kind::Event);
    for (const Object& event : listing->objects)
      reasons.insert(volumes::text_at(event.document, "reason"));
    return reasons;
  }

  store::Directory directory;
  std::unique_ptr<store::Store> store = store::open(directory);
};

class OneMount {
 public:
  // `is_mount`: else `claimfs attach` of that node.
  OneMount(SharedStore& shared, const std::string& node, bool is_mount = true)
      : node_(node), store_(*shared.store), lease_(*store_.grant_lease()) {
    volumes::MountRecord record;
    record.metadata.name = name = node + ".1";
    record.node = node;
    if (is_mount) REQUIRE(store_.create({Kind::Mount, record.document()}, lease_.get()));
    attachments_ = std::make_unique<Attachments>(
        store_, events_, Attachments::Asker{node, is_mount ? name : ""},
        [this](const std::string&, const std::string& consumer,
               const std::function<void(bool)>& answer) {
          answer(ended_consumers.with([&](auto& ended) { return ended.contains(consumer); }));
        });
    releases_ = std::make_unique<Releases>(store_, is_mount ? name : "-", effects());
    follower_ = std::jthread([this](std::stop_token stop) {
      FirstConsumers consumers(store_, events_, {node_, {}});
      follow_bound_claims(store_, std::move(stop),
                          {.show = [](const auto&) {},
                           .consumers = consumers,
                           .attachments = *attachments_,
                           .releases = *releases_,
                           .unmount_dead = nullptr,
                           .report = [this](const Error&) { ++errors; }});
    });
  }
  ~OneMount() {
    follower_ = {};
    for (std::thread& each : proofs_) each.join();
  }

  // As an operation in the claim: attached when somebody may begin. `hold` begins a use.
  Result<void> attach(const std::string& claim, bool writes = true,
                      const std::string& consumer = "", std::vector<std::string> backing = {}) {
    return attachments_->attach({.name_space = "default",
                                 .claim = claim,
                                 .uid = "",
                                 .writes = writes,
                                 .consumer = consumer,
                                 .backing = std::move(backing)});
  }
  int code(const std::string& claim, bool writes = true, const std::string& consumer = "") {
    const auto attached = attach(claim, writes, consumer);
    return attached ? 0 : attached.error().code;
  }
  // Attached and used, at once: nobody can prove it unused in between.
  Result<void> use(const std::string& claim, bool writes = true,
                   std::vector<std::string> backing = {}) {
    hold(claim);
    auto attached = attach(claim, writes, "", std::move(backing));
    if (!attached) let_go(claim);
    return attached;
  }
  // Waits where it has just been proven unused.
  void hold(const std::string& claim) {
    std::unique_lock lock(shutting_);
    has_opened_.wait(lock, [&] { return !shut_.contains("uid-" + claim); });
    users_.with([&](auto& users) { ++users["uid-" + claim]; });
  }
  void let_go(const std::string& claim) {
    users_.with([&](auto& users) { --users["uid-" + claim]; });
  }

  // The daemon dies: what hangs on it goes, and it takes no more turns.
  void die() {
    follower_ = {};
    lease_.reset();
  }

  bool has_released(const std::string& claim) const {
    const auto record = store_.get({Kind::Mount, "", name});
    return record && volumes::MountRecord::from(*record).released.contains("uid-" + claim);
  }
  bool has_lost(const std::string& claim) {
    return lost_.with([&](auto& lost) { return lost.contains("uid-" + claim); });
  }

  std::string name;
  Guarded<std::set<std::string>> ended_consumers;
  std::atomic<bool> answers_at_once{false};  // as for a claim that was never shown
  std::atomic<int> errors{0};

 private:
  bool is_used(const std::string& uid) {
    return users_.with([&](auto& users) { return users[uid] > 0; });
  }
  bool try_to_shut(const std::string& uid) {
    std::scoped_lock lock(shutting_);
    if (is_used(uid)) return false;
    shut_.insert(uid);
    return true;
  }
  Releases::Filesystem effects() {
    return {
        .prove_unused =
            [this](const std::string& uid, bool, const std::function<void(bool)>& answer) {
              if (answers_at_once) return answer(try_to_shut(uid));
              proofs_.emplace_back([this, uid, answer] { answer(try_to_shut(uid)); });
            },
        .let_in =
            [this](const std::string& uid) {
              {
                std::scoped_lock lock(shutting_);
                shut_.erase(uid);
              }
              has_opened_.notify_all();
            },
        .lose =
            [this](const std::string& uid) { lost_.with([&](auto& lost) { lost.insert(uid); }); },
        .users = [](const std::string&, const std::string&) -> std::string {
          return "pid 7 (postgres) open";
        }};
  }

  const std::string node_;
  store::Store& store_;
  EventRecorder events_{store_, system_clock(), "claimfs", node_};
  std::unique_ptr<store::Lease> lease_;
  Guarded<std::map<std::string, int>> users_;
  Guarded<std::set<std::string>> lost_;
  std::mutex shutting_;
  std::condition_variable has_opened_;
  std::set<std::string> shut_;       // guarded by shutting_
  std::vector<std::thread> proofs_;  // of the follower's
  std::unique_ptr<Attachments> attachments_;
  std::unique_ptr<Releases> releases_;
  std::jthread follower_;
};

}  // namespace claimfs::control
