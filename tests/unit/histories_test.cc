// What a real Kubernetes did in random histories, step by step, beside what our API and controller
// do with the same.

#include <fstream>
#include <map>
#include <set>
#include <string>

#include "control/api.h"
#include "control/controller.h"
#include "tests/unit/catch.h"
#include "tests/unit/memory_ground.h"
#include "tests/unit/store_fixture.h"
#include "volumes/claim.h"
#include "volumes/volume.h"

namespace claimfs {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::Object;

class Replay {
 public:
  bool perform(const Json& op) {
    if (op["op"] == "create") {
      // As the recording's machine had it: a directory with something in it for every volume.
      const std::string path = volumes::text_at(op["obj"], {"spec", "hostPath", "path"});
      if (!path.empty()) ground_.directories.insert(path);
      Object object{*volumes::kind_from_document(op["obj"]), op["obj"]};
      const auto created = api_.create(object);
      if (!created) refusal_ = created.error().message;
      if (created && object.kind == Kind::PersistentVolumeClaim) {
        const int generation = ++generations_[object.name()];
        uids_[created->object.uid()] = object.name() + "#" + std::to_string(generation);
      }
      return created.has_value();
    }
    const Kind kind = *volumes::kind_from_word(op["kind"].get<std::string>());
    const volumes::ObjectKey key{kind, volumes::names_of(kind).namespaced ? "default" : "",
                                 op["name"]};
    if (op["op"] == "delete") {
      const auto deleted = api_.remove(key);
      if (!deleted) refusal_ = deleted.error().message;
      return deleted.has_value();
    }
    const auto patched = api_.patch(key, op["patch"]);
    if (!patched) refusal_ = patched.error().message;
    return patched.has_value();
  }

  // In which words the last one was refused.
  const std::string& refusal() const { return refusal_; }

  Json state() {
    REQUIRE(
        control::Controller(*store_, clock_, ground_,
                            {.host_path_roots = {"/tmp"}, .default_root = "", .node = std::nullopt})
            .settle()
            .has_value());
    Json state = {{"pv", Json::object()}, {"pvc", Json::object()}};
    for (const Object& object : list(Kind::PersistentVolume)) {
      const auto volume = volumes::Volume::from(object);
      Json claim;
      if (volume.claim_ref) {
        const std::string& uid = volume.claim_ref->uid;
        claim = {{"name", volume.claim_ref->name},
                 {"uid", uid.empty()           ? Json()
                         : uids_.contains(uid) ? Json(uids_[uid])
                                               : Json("foreign")}};
      }
      state["pv"][object.name()] = common(object, volume.metadata);
      state["pv"][object.name()].update({{"claim", claim},
                                         {"capacity", volume.capacity.text()},
                                         {"policy", std::string(to_string(volume.reclaim_policy))},
                                         {"message", volume.message},
                                         {"data", has_data(volume)}});
    }
    for (const Object& object : list(Kind::PersistentVolumeClaim)) {
      const auto claim = volumes::Claim::from(object);
      state["pvc"][object.name()] = common(object, claim.metadata);
      state["pvc"][object.name()].update(
          {{"volume", claim.volume_name},
           {"capacity", claim.status_capacity ? Json(claim.status_capacity->text()) : Json()},
           {"modes",
            claim.status_access_modes.empty() ? Json() : Json(claim.status_access_modes)}});
    }
    return state;
  }

  std::set<std::string> events() {
    std::set<std::string> lines;
    for (const Object& event : list(Kind::Event)) {
      const auto text = [&event](const char* key) { return volumes::text_at(event.document, key); };
      lines.insert(volumes::text_at(event.document, {"involvedObject", "name"}) + " " +
                   text("type") + " " + text("reason") + ": " + text("message"));
    }
    return lines;
  }

 private:
  bool has_data(const volumes::Volume& volume) const {
    const auto* host = std::get_if<volumes::HostPathSource>(&volume.source);
    return host && ground_.directories.contains(host->path);
  }

  std::vector<Object> list(Kind kind) {
    auto listing = store_->list(kind);
    REQUIRE(listing.has_value());
    return std::move(listing->objects);
  }

  static Json common(const Object& object, const volumes::Metadata& metadata) {
    Json annotations = Json::array();
    for (const auto& [key, value] : metadata.annotations) {
      if (key.starts_with("pv.kubernetes.io/")) annotations.push_back(key);
    }
    return {{"phase", volumes::text_at(object.document, {"status", "phase"})},
            {"annotations", annotations},
            {"finalizers", metadata.finalizers},
            {"deleting", metadata.is_deleting()}};
  }

  MemoryGround ground_;
  store::Directory directory_;
  std::unique_ptr<store::Store> store_ = *store::open_sqlite_store(directory_.database());
  std::int64_t now_ = 1'000'000'000;
  control::Clock clock_ = [this] { return ++now_; };
  control::Api api_{*store_, clock_};
  std::string refusal_;
  std::map<std::string, int> generations_;
  std::map<std::string, std::string> uids_;
};

Json objects_of(const Json& state) { return {{"pv", state["pv"]}, {"pvc", state["pvc"]}}; }

}  // namespace

TEST_CASE("histories of a real Kubernetes come out the same") {
  std::ifstream file(CLAIMFS_TEST_DATA "/histories.jsonl");
  int compared = 0;
  for (std::string line; std::getline(file, line);) {
    const Json history = Json::parse(line);
    Replay replay;
    for (std::size_t step = 0; step < history["ops"].size(); ++step) {
      const Json& op = history["ops"][step];
      const Json& expected = history["states"][step];
      INFO("history " << history["id"] << " step " << step << ": " << op.dump());
      const bool done = replay.perform(op);
      const Json actual = replay.state();
      CHECK(done == expected["ok"].get<bool>());
      // kubectl says the same with its own words before it.
      if (!done)
        CHECK_THAT(volumes::text_at(expected, "error"),
                   Catch::Matchers::EndsWith(replay.refusal()));
      CHECK(actual.dump(1) == objects_of(expected).dump(1));
      const std::set<std::string> events = replay.events();
      for (const Json& event : expected["events"]) {
        INFO(event.dump());
        CHECK(events.contains(event.get<std::string>()));
      }
      ++compared;
    }
  }
  CHECK(compared == 594);
}

}  // namespace claimfs
