// What an API server does between a request and the store.

#include "control/api.h"

#include "tests/unit/catch.h"
#include "tests/unit/store_fixture.h"

namespace claimfs::control {
namespace {

using store::Directory;
using volumes::Json;
using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;

struct Cluster {
  std::int64_t now = 1'795'419'449;
  Directory directory;
  std::unique_ptr<store::Store> store = store::open_sqlite_store(directory.database()).value();
  Api api{*store, [this] { return now; }};


  Json stored(const ObjectKey& key) const { return store->get(key).value().document; }
};

const ObjectKey kVolume{Kind::PersistentVolume, "", "pv"};
const ObjectKey kClaim{Kind::PersistentVolumeClaim, "default", "data"};

Object volume(const Json& changes = {}) {
  Json document = {{"apiVersion", "v1"},
                   {"kind", "PersistentVolume"},
                   {"metadata", {{"name", "pv"}}},
                   {"spec",
                    {{"capacity", {{"storage", "1024Mi"}}},
                     {"accessModes", {"ReadWriteOnce"}},
                     {"hostPath", {{"path", "/data"}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return {Kind::PersistentVolume, document};
}

Object claim(const Json& changes = {}) {
  Json document = {
      {"apiVersion", "v1"},
      {"kind", "PersistentVolumeClaim"},
      {"metadata", {{"name", "data"}, {"namespace", "default"}}},
      {"spec",
       {{"accessModes", {"ReadWriteOnce"}}, {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return {Kind::PersistentVolumeClaim, document};
}

Object storage_class(const char* name, bool is_default) {
  Json document = {{"apiVersion", "storage.k8s.io/v1"},
                   {"kind", "StorageClass"},
                   {"metadata", {{"name", name}}},
                   {"provisioner", "kubernetes.io/no-provisioner"}};
  if (is_default) {
    document["metadata"]["annotations"] = {{"storageclass.kubernetes.io/is-default-class", "true"}};
  }
  return {Kind::StorageClass, document};
}

void restore(Cluster& cluster, const Object& object) {
  std::vector<Object> objects = {object};
  REQUIRE(cluster.api.import(objects));
}

}  // namespace

TEST_CASE("a new object is given its defaults", "[api]") {
  Cluster cluster;
  const auto created = cluster.api.create(
      volume({{"status", {{"phase", "Bound"}}}, {"metadata", {{"namespace", "x"}}}}));
  REQUIRE(created);
  CHECK(created->outcome == Api::Outcome::Created);
  const Json document = cluster.stored(kVolume);
  CHECK(document["spec"]["persistentVolumeReclaimPolicy"] == "Retain");
  CHECK(document["spec"]["volumeMode"] == "Filesystem");
  CHECK(document["spec"]["hostPath"]["type"] == "");
  CHECK(document["spec"]["capacity"]["storage"] == "1Gi");
  CHECK(document["status"]["phase"] == "Pending");
  CHECK(document["metadata"]["finalizers"] == Json{"kubernetes.io/pv-protection"});
  CHECK(document["metadata"]["creationTimestamp"] == "2026-11-23T07:37:29Z");
  CHECK(document["metadata"]["uid"].get<std::string>().size() == 36);
  CHECK_FALSE(document["metadata"].contains("namespace"));

  REQUIRE(cluster.api.create(claim()));
  CHECK(cluster.stored(kClaim)["metadata"]["finalizers"] == Json{"kubernetes.io/pvc-protection"});
  CHECK_FALSE(cluster.stored(kClaim)["spec"].contains("storageClassName"));
}

TEST_CASE("a claim without a class gets the default class, an empty one does not", "[api]") {
  Cluster cluster;
  REQUIRE(cluster.api.create(storage_class("older", true)));
  cluster.now += 10;
  REQUIRE(cluster.api.create(storage_class("newer", true)));
  cluster.now += 10;
  REQUIRE(cluster.api.create(storage_class("newest", false)));
  REQUIRE(cluster.api.create(claim()));
  CHECK(cluster.stored(kClaim)["spec"]["storageClassName"] == "newer");
  REQUIRE(cluster.api.create(
      claim({{"metadata", {{"name", "none"}}}, {"spec", {{"storageClassName", ""}}}})));
  CHECK(cluster.stored(
            {Kind::PersistentVolumeClaim, "default", "none"})["spec"]["storageClassName"] == "");
}

TEST_CASE("refusals are in the words of the API server", "[api]") {
  Cluster cluster;
  REQUIRE(cluster.api.create(volume()));
  const auto twice = cluster.api.create(volume());
  REQUIRE_FALSE(twice);
  CHECK(twice.error().reason == Refusal::Reason::AlreadyExists);
  CHECK(twice.error().message == "persistentvolumes \"pv\" already exists");

  const auto invalid =
      cluster.api.apply(volume({{"spec", {{"accessModes", {"x"}}, {"volumeMode", "Tape"}}}}));
  REQUIRE_FALSE(invalid);
  CHECK(invalid.error().reason == Refusal::Reason::Invalid);
  // What is wrong with the object and with its change.
  CHECK(volumes::messages_of(invalid.error().causes) ==
        std::vector<std::string>{
            "spec.accessModes: Unsupported value: \"x\": supported values: \"ReadOnlyMany\", "
            "\"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\"",
            "spec.volumeMode: Unsupported value: \"Tape\": supported values: \"Block\", "
            "\"Filesystem\"",
            "volumeMode: Invalid value: \"Tape\": field is immutable"});
  const auto moved = cluster.api.apply(volume({{"spec", {{"hostPath", {{"path", "/other"}}}}}}));
  REQUIRE_FALSE(moved);
  CHECK(moved.error().reason == Refusal::Reason::Invalid);
  CHECK(cluster.stored(kVolume)["spec"]["hostPath"]["path"] == "/data");

  const auto missing = cluster.api.remove(kClaim);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().reason == Refusal::Reason::NotFound);
  CHECK(missing.error().message == "persistentvolumeclaims \"data\" not found");
  CHECK(cluster.api.patch(kClaim, Json::object()).error().reason == Refusal::Reason::NotFound);
}

TEST_CASE("what the server has written can be said again, and not otherwise", "[api]") {
  Cluster cluster;
  REQUIRE(cluster.api.create(volume({{"metadata", {{"uid", "mine"}}}})));
  const Json stored = cluster.stored(kVolume);
  CHECK(stored["metadata"]["uid"] != "mine");
  const auto patched = [&cluster](const Json& metadata) {
    const auto done = cluster.api.patch(kVolume, {{"metadata", metadata}});
    return done ? std::vector<std::string>() : volumes::messages_of(done.error().causes);
  };
  CHECK(patched({{"uid", stored["metadata"]["uid"]}}).empty());
  CHECK(patched({{"uid", "mine"}}) ==
        std::vector<std::string>{"metadata.uid: Invalid value: \"mine\": field is immutable"});
  // Kubernetes does not even look at this one.
  CHECK(patched({{"creationTimestamp", "2000-01-01T00:00:00Z"}}).empty());
  CHECK(patched({{"deletionTimestamp", "2000-01-01T00:00:00Z"}}) ==
        std::vector<std::string>{"metadata.deletionTimestamp: Invalid value: "
                                 "\"2000-01-01T00:00:00Z\": field is immutable"});
  CHECK(cluster.stored(kVolume) == stored);
  REQUIRE(cluster.api.remove(kVolume));
  const std::string deletion = cluster.stored(kVolume)["metadata"]["deletionTimestamp"];
  CHECK(patched({{"deletionTimestamp", nullptr}, {"deletionGracePeriodSeconds", nullptr}}).empty());
  CHECK(cluster.stored(kVolume)["metadata"]["deletionTimestamp"] == deletion);
  CHECK(cluster.stored(kVolume)["metadata"]["deletionGracePeriodSeconds"] == 0);
  CHECK(patched({{"finalizers", {"kubernetes.io/pv-protection", "a/b"}}}) ==
        std::vector<std::string>{
            "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
            "deleted, found new finalizers []string{\"a/b\"}"});
}

TEST_CASE("a claim's data source is kept in both of its fields", "[api]") {
  Cluster cluster;
  const Json source = {{"kind", "PersistentVolumeClaim"}, {"name", "other"}};
  const Object filled = claim({{"spec", {{"dataSource", source}}}});
  REQUIRE(cluster.api.apply(filled));
  CHECK(cluster.stored(kClaim)["spec"]["dataSource"] == source);
  CHECK(cluster.stored(kClaim)["spec"]["dataSourceRef"] == source);
  CHECK(cluster.api.apply(filled)->outcome == Api::Outcome::Unchanged);
  // What is taken out of the one comes back from the other.
  REQUIRE(cluster.api.apply(claim()));
  CHECK(cluster.stored(kClaim)["spec"]["dataSource"] == source);
}

TEST_CASE("apply says only what it wants changed", "[api]") {
  Cluster cluster;
  REQUIRE(cluster.api.create(volume()));
  const Object larger{Kind::PersistentVolume,
                      {{"apiVersion", "v1"},
                       {"kind", "PersistentVolume"},
                       {"metadata", {{"name", "pv"}}},
                       {"spec", {{"capacity", {{"storage", "2Gi"}}}}}}};
  REQUIRE(cluster.api.apply(larger));
  CHECK(cluster.stored(kVolume)["spec"]["capacity"]["storage"] == "2Gi");
  CHECK(cluster.stored(kVolume)["spec"]["hostPath"]["path"] == "/data");
  const auto unreadable = cluster.api.apply(volume({{"spec", {{"zone", "a"}, {"size", 1}}}}));
  REQUIRE_FALSE(unreadable);
  CHECK(unreadable.error().message ==
        "The PersistentVolume \"pv\" is invalid: strict decoding error: unknown field "
        "\"spec.size\", unknown field \"spec.zone\"");
}

TEST_CASE("an imported object of a newer cluster can be changed", "[api]") {
  Cluster cluster;
  restore(cluster, volume({{"spec", {{"futureField", {{"a", 1}}}}}}));
  REQUIRE(cluster.api.patch(kVolume, {{"metadata", {{"labels", {{"k", "v"}}}}}}));
  CHECK(cluster.stored(kVolume)["spec"]["futureField"]["a"] == 1);
}

TEST_CASE("a bound claim grows where its class lets it", "[api]") {
  Cluster cluster;
  Object growing = storage_class("growing", false);
  growing.document["allowVolumeExpansion"] = true;
  REQUIRE(cluster.api.create(growing));
  const auto bound = [](const char* name, const char* class_name) {
    return claim({{"metadata", {{"name", name}}},
                  {"spec", {{"volumeName", "pv"}, {"storageClassName", class_name}}},
                  {"status", {{"phase", "Bound"}, {"capacity", {{"storage", "1Gi"}}}}}});
  };
  const Json more = {{"spec", {{"resources", {{"requests", {{"storage", "2Gi"}}}}}}}};
  restore(cluster, bound("grows", "growing"));
  restore(cluster, bound("stays", ""));
  CHECK(cluster.api.patch({Kind::PersistentVolumeClaim, "default", "grows"}, more));
  const auto refused = cluster.api.patch({Kind::PersistentVolumeClaim, "default", "stays"}, more);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().reason == Refusal::Reason::Forbidden);
  CHECK(refused.error().message ==
        "persistentvolumeclaims \"stays\" is forbidden: only dynamically provisioned pvc can be "
        "resized and the storageclass that provisions the pvc must support resize");
  // A status is not changed by who changes the rest.
  REQUIRE(cluster.api.patch({Kind::PersistentVolumeClaim, "default", "stays"},
                            {{"metadata", {{"labels", {{"k", "v"}}}}},
                             {"status", {{"phase", "Lost"}, {"capacity", nullptr}}}}));
  const Json stays = cluster.stored({Kind::PersistentVolumeClaim, "default", "stays"});
  CHECK(stays["metadata"]["labels"]["k"] == "v");
  CHECK(stays["status"]["phase"] == "Bound");
  CHECK(stays["status"]["capacity"]["storage"] == "1Gi");
}

TEST_CASE("apply merges three ways", "[api]") {
  Cluster cluster;
  const Json labels = {{"metadata", {{"labels", {{"mine", "1"}, {"old", "1"}}}}}};
  CHECK(cluster.api.apply(volume(labels))->outcome == Api::Outcome::Created);
  CHECK(cluster.api.apply(volume(labels))->outcome == Api::Outcome::Unchanged);
  // Others set what is theirs.
  REQUIRE(cluster.api.patch(
      kVolume, {{"metadata", {{"labels", {{"theirs", "1"}}}}},
                {"spec", {{"claimRef", {{"name", "data"}, {"namespace", "default"}}}}}}));
  // What left the manifest leaves the object; what others have set stays.
  const auto applied = cluster.api.apply(volume({{"metadata", {{"labels", {{"mine", "2"}}}}}}));
  REQUIRE(applied);
  CHECK(applied->outcome == Api::Outcome::Configured);
  const Json document = cluster.stored(kVolume);
  CHECK(document["metadata"]["labels"] == Json{{"mine", "2"}, {"theirs", "1"}});
  CHECK(document["spec"]["claimRef"]["name"] == "data");
  CHECK(document["metadata"]["uid"] == applied->object.uid());
  const Json last = Json::parse(
      document["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"]
          .get<std::string>());
  CHECK(last["metadata"]["labels"] == Json{{"mine", "2"}});
  // A quantity written in another way is no change.
  CHECK(cluster.api.apply(volume({{"metadata", {{"labels", {{"mine", "2"}}}}}}))->outcome ==
        Api::Outcome::Unchanged);
}

TEST_CASE("a dry run changes nothing", "[api]") {
  Cluster cluster;
  CHECK(cluster.api.apply(volume(), true)->outcome == Api::Outcome::Created);
  CHECK_FALSE(cluster.store->get(kVolume));
  REQUIRE(cluster.api.create(volume()));
  const Json before = cluster.stored(kVolume);
  CHECK(cluster.api.apply(volume({{"spec", {{"storageClassName", "x"}}}}), true)->outcome ==
        Api::Outcome::Configured);
  CHECK(cluster.stored(kVolume) == before);
  CHECK_FALSE(cluster.api.create(volume(), true));
}

TEST_CASE("deletion waits for finalizers", "[api]") {
  Cluster cluster;
  REQUIRE(cluster.api.create(claim()));
  const auto first = cluster.api.remove(kClaim);
  REQUIRE(first);
  CHECK_FALSE(first->is_gone);
  CHECK(cluster.stored(kClaim)["metadata"]["deletionTimestamp"] == "2026-11-23T07:37:29Z");
  cluster.now += 100;
  REQUIRE(cluster.api.remove(kClaim));
  CHECK(cluster.stored(kClaim)["metadata"]["deletionTimestamp"] == "2026-11-23T07:37:29Z");
  // Without the last finalizer it goes.
  REQUIRE(cluster.api.patch(kClaim, {{"metadata", {{"finalizers", nullptr}}}}));
  CHECK_FALSE(cluster.store->get(kClaim));
  REQUIRE(cluster.api.create(storage_class("fast", false)));
  CHECK(cluster.api.remove({Kind::StorageClass, "", "fast"})->is_gone);
}

TEST_CASE("import puts objects back as they were", "[api]") {
  Cluster cluster;
  Object broken = volume({{"metadata", {{"uid", "u"}, {"resourceVersion", "99"}}},
                          {"spec", {{"accessModes", nullptr}}},
                          {"status", {{"phase", "Failed"}}}});
  restore(cluster, broken);
  restore(cluster, broken);
  Json document = cluster.stored(kVolume);
  document["metadata"].erase("resourceVersion");
  broken.document["metadata"].erase("resourceVersion");
  CHECK(document == broken.document);
}

TEST_CASE("apply compares a version that the manifest says", "[api]") {
  Cluster cluster;
  REQUIRE(cluster.api.apply(volume()));
  Json got = cluster.stored(kVolume);
  got["metadata"]["labels"] = {{"a", "b"}};
  got["status"] = {{"phase", "Failed"}};
  got["metadata"]["creationTimestamp"] = "2000-01-01T00:00:00Z";
  const auto applied = cluster.api.apply({Kind::PersistentVolume, got});
  REQUIRE(applied);
  CHECK(applied->outcome == Api::Outcome::Configured);
  CHECK(applied->warnings.empty());
  const Json now = cluster.stored(kVolume);
  CHECK(now["metadata"]["labels"] == Json{{"a", "b"}});
  CHECK(now["status"]["phase"] == "Pending");
  CHECK(now["metadata"]["creationTimestamp"] != "2000-01-01T00:00:00Z");

  got["metadata"]["labels"] = {{"a", "c"}};
  const auto stale = cluster.api.apply({Kind::PersistentVolume, got});
  REQUIRE_FALSE(stale);
  CHECK(stale.error().reason == Refusal::Reason::Conflict);
  CHECK(stale.error().message ==
        "Operation cannot be fulfilled on persistentvolumes \"pv\": the object has been modified; "
        "please apply your changes to the latest version and try again");
  CHECK(cluster.stored(kVolume) == now);

  // A manifest that says no version any more takes the old one out of nobody's way.
  got["metadata"].erase("resourceVersion");
  CHECK(cluster.api.apply({Kind::PersistentVolume, got}));
  got["metadata"]["uid"] = "somebody-else";
  const auto foreign = cluster.api.apply({Kind::PersistentVolume, got});
  REQUIRE_FALSE(foreign);
  CHECK(foreign.error().message ==
        "The PersistentVolume \"pv\" is invalid: metadata.uid: Invalid value: "
        "\"somebody-else\": field is immutable");
}

TEST_CASE("apply warns of what others have created, once", "[api]") {
  Cluster cluster;
  REQUIRE(cluster.api.create(volume()));
  const auto dry = cluster.api.apply(volume(), /*dry_run=*/true);
  REQUIRE(dry);
  CHECK(dry->warnings.empty());
  const auto first = cluster.api.apply(volume());
  REQUIRE(first);
  CHECK(first->warnings ==
        std::vector<std::string>{
            "resource persistentvolumes/pv is missing the "
            "kubectl.kubernetes.io/last-applied-configuration annotation which is required by "
            "kubectl apply. kubectl apply should only be used on resources created declaratively "
            "by either kubectl create --save-config or kubectl apply. The missing annotation will "
            "be patched automatically."});
  CHECK(cluster.api.apply(volume())->warnings.empty());
  REQUIRE(cluster.api.remove(kVolume));
  CHECK(cluster.api.apply(volume({{"metadata", {{"labels", {{"a", "b"}}}}}}))->warnings ==
        std::vector<std::string>{
            "Detected changes to resource pv which is currently being deleted."});
}

TEST_CASE("create makes up the end of a name", "[api]") {
  Cluster cluster;
  const std::string longest(80, 'a');
  for (const std::string& prefix : {std::string("data-"), longest}) {
    Object nameless = claim({{"metadata", {{"name", nullptr}, {"generateName", prefix}}}});
    const auto first = cluster.api.create(nameless), second = cluster.api.create(nameless);
    REQUIRE(first);
    REQUIRE(second);
    const std::string name = first->object.name();
    CHECK(name != second->object.name());
    CHECK(name.starts_with(prefix.substr(0, 58)));
    CHECK(name.size() == std::min<std::size_t>(prefix.size(), 58) + 5);
    CHECK(name.substr(name.size() - 5).find_first_not_of("bcdfghjklmnpqrstvwxz2456789") ==
          std::string::npos);
  }
}

}  // namespace claimfs::control
