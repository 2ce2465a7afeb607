#pragma once

#include <set>
#include <string>
#include <vector>

#include "control/api.h"
#include "control/controller.h"
#include "tests/unit/catch.h"
#include "tests/unit/memory_ground.h"
#include "tests/unit/store_fixture.h"

// A store, an API and a controller over directories that are only remembered.
namespace claimfs::controlled {

using volumes::Json;
using volumes::Kind;
using volumes::Object;

inline Json volume(const std::string& name, const std::string& policy, const Json& changes = {}) {
  Json document = {{"apiVersion", "v1"},
                   {"kind", "PersistentVolume"},
                   {"metadata", {{"name", name}}},
                   {"spec",
                    {{"capacity", {{"storage", "1Gi"}}},
                     {"accessModes", {"ReadWriteOnce"}},
                     {"persistentVolumeReclaimPolicy", policy},
                     {"storageClassName", "manual"},
                     {"hostPath", {{"path", "/tmp/" + name}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}

inline Json claim(const std::string& name, const Json& changes = {}) {
  Json document = {{"apiVersion", "v1"},
                   {"kind", "PersistentVolumeClaim"},
                   {"metadata", {{"name", name}, {"namespace", "default"}}},
                   {"spec",
                    {{"accessModes", {"ReadWriteOnce"}},
                     {"storageClassName", "manual"},
                     {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}

inline Json storage_class(const std::string& name, const Json& changes = {}) {
  Json document = {{"apiVersion", "storage.k8s.io/v1"},
                   {"kind", "StorageClass"},
                   {"metadata", {{"name", name}}},
                   {"provisioner", "claimfs.io/host-path"},
                   {"parameters", {{"root", "/srv/volumes"}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}

inline Json of_class(const std::string& name) { return {{"spec", {{"storageClassName", name}}}}; }

class Cluster {
 public:
  void create(const Json& document) {
    const auto created = api.create({*volumes::kind_from_document(document), document});
    INFO((created ? "" : created.error().message));
    REQUIRE(created);
  }
  void remove(Kind kind, const std::string& name) {
    REQUIRE(api.remove({kind, name_space(kind), name}));
  }
  void patch(Kind kind, const std::string& name, const Json& patch) {
    REQUIRE(api.patch({kind, name_space(kind), name}, patch));
  }
  // As a daemon that is started, settles and ends.
  void settle(const std::string& node = "") {
    control::ControllerSettings settings{.host_path_roots = {"/tmp"},
                                         .default_root = "/var/lib/claimfs/volumes",
                                         .node = std::nullopt};
    if (!node.empty()) settings.node = volumes::Node{node, {{"kubernetes.io/hostname", node}}};
    control::Controller controller(*store, clock, ground, settings);
    REQUIRE(controller.settle());
  }
  Json get(Kind kind, const std::string& name) {
    const auto found = store->get({kind, name_space(kind), name});
    return found ? found->document : Json();
  }
  std::string phase(Kind kind, const std::string& name) {
    return volumes::text_at(get(kind, name), {"status", "phase"});
  }
  std::vector<Json> all(Kind kind) {
    std::vector<Json> documents;
    const auto listing = store->list(kind);
    for (const Object& object : listing->objects) documents.push_back(object.document);
    return documents;
  }
  std::multiset<std::string> events(const std::string& name) {
    std::multiset<std::string> lines;
    for (const Json& event : all(Kind::Event)) {
      if (volumes::text_at(event, {"involvedObject", "name"}) != name) continue;
      lines.insert(volumes::text_at(event, "type") + " " + volumes::text_at(event, "reason") +
                   ": " + volumes::text_at(event, "message"));
    }
    return lines;
  }

  // Looks at every change of the store; false when it never holds.
  template <class Holds>
  bool until(Holds&& holds) {
    const auto watch = *store->watch(*store->newest());
    const auto deadline = std::chrono::steady_clock::now() + store::kLong;
    while (!holds() && std::chrono::steady_clock::now() < deadline)
      (void)watch->next(std::chrono::milliseconds(100));
    return holds();
  }

  MemoryGround ground;
  store::Directory directory;
  std::unique_ptr<store::Store> store = *store::open_sqlite_store(directory.database());
  std::int64_t now = 1'000'000'000;
  control::Clock clock = [this] { return ++now; };
  control::Api api{*store, clock};

 private:
  static std::string name_space(Kind kind) {
    return volumes::names_of(kind).namespaced ? "default" : "";
  }
};

}  // namespace claimfs::controlled
