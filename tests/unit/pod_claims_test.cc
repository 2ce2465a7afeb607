// Pods and the claims that they use: placed, made for them, and protected by them.
// KUBERNETES.md 1.8, 4.1.

#include "tests/unit/catch.h"
#include "volumes/consumers.h"
#include "volumes/ephemeral.h"

namespace claimfs::volumes {
namespace {

const Json kDeleting = {{"metadata", {{"deletionTimestamp", "2026-01-01T00:00:00Z"}}}};
const Json kShutDown = {
    {"metadata",
     {{"deletionTimestamp", "2026-01-01T00:00:00Z"}, {"deletionGracePeriodSeconds", 0}}}};

Json merged(Json left, const Json& right) {
  if (!right.is_null()) left.merge_patch(right);
  return left;
}
// A pod on a node with a claim's volume and one of its own.
Pod pod(const Json& changes = nullptr) {
  const Json claim_template = {
      {"metadata", {{"labels", {{"app", "web"}}}, {"annotations", {{"note", "n"}}}}},
      {"spec", {{"accessModes", {"ReadWriteOnce"}}, {"storageClassName", "local"}}}};
  const Json by_name = {{"name", "v"}, {"persistentVolumeClaim", {{"claimName", "data"}}}};
  const Json own = {{"name", "scratch"}, {"ephemeral", {{"volumeClaimTemplate", claim_template}}}};
  const Json none = {{"name", "e"}, {"emptyDir", Json::object()}};
  const Json document = {
      {"metadata", {{"name", "web"}, {"namespace", "default"}, {"uid", "pod-uid"}}},
      {"spec", {{"nodeName", "here"}, {"volumes", {by_name, none, own}}}}};
  return Pod::from({Kind::Pod, merged(document, changes)});
}
Json phase(const char* word) { return {{"status", {{"phase", word}}}}; }

Json owner(const char* name, const char* uid, const char* kind = "Pod", bool controls = true) {
  return {{"kind", kind}, {"name", name}, {"uid", uid}, {"controller", controls}};
}
Claim claim(const std::string& name, const std::vector<Json>& owners = {},
            const Json& changes = nullptr) {
  const Json document = {{"metadata",
                          {{"name", name},
                           {"namespace", "default"},
                           {"uid", name + "-uid"},
                           {"ownerReferences", owners}}},
                         {"spec", {{"storageClassName", "local"}}}};
  return Claim::from({Kind::PersistentVolumeClaim, merged(document, changes)});
}
template <class... Objects>
World world_of(const Objects&... objects) {
  World world;
  (world.put(objects), ...);
  return world;
}

}  // namespace

TEST_CASE("a pod that cannot be scheduled says why", "[consumers]") {
  const Node here = {"here", {}};
  const auto refused = place(pod(), World(), here);
  REQUIRE(refused.size() == 1);
  REQUIRE(refused[0].notices.size() == 1);
  const Notice& notice = refused[0].notices[0];
  CHECK(notice.type == Notice::Type::Warning);
  CHECK(notice.reason == "FailedScheduling");
  CHECK(notice.message == "0/1 nodes are available: persistentvolumeclaim \"data\" not found.");
  CHECK(notice.from == "default-scheduler");
  // Pods elsewhere, nowhere, finished or going are not ours to place.
  CHECK(place(pod(), World(), Node{"there", {}}).empty());
  CHECK(place(pod({{"spec", {{"nodeName", nullptr}}}}), World(), here).empty());
  CHECK(place(pod(phase("Succeeded")), World(), here).empty());
  CHECK(place(pod(phase("Failed")), World(), here).empty());
  CHECK(place(pod(kDeleting), World(), here).empty());
}

TEST_CASE("which pods protect a claim", "[consumers]") {
  const Claim data = claim("data");
  const Claim own = claim("web-scratch", {owner("web", "pod-uid")});
  struct Row {
    const char* name;
    Json pod;
    bool protects_data, protects_own;
  };
  const Row rows[] = {
      {"on a node", nullptr, true, true},
      {"Pending, on a node", phase("Pending"), true, true},
      {"finished", phase("Succeeded"), true, true},
      {"failed", phase("Failed"), true, true},
      {"not scheduled", {{"spec", {{"nodeName", nullptr}}}}, false, false},
      {"terminating", kDeleting, true, true},
      {"shut down", kShutDown, true, false},
      {"in another namespace", {{"metadata", {{"namespace", "far"}}}}, false, false},
      {"a later pod of the name", {{"metadata", {{"uid", "later"}}}}, true, false},
      {"without these volumes", {{"spec", {{"volumes", Json::array()}}}}, false, false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Pod it = pod(row.pod);
    CHECK(it.protects(data.metadata) == row.protects_data);
    CHECK(it.protects(own.metadata) == row.protects_own);
    CHECK_FALSE(it.protects(claim("other").metadata));
    // Whose finalizer then goes, once deletion was asked for.
    const Json ending =
        merged(kDeleting, {{"metadata", {{"finalizers", {"kubernetes.io/pvc-protection"}}}}});
    for (const auto& [name, owners, is_protected] :
         {std::tuple("data", std::vector<Json>(), row.protects_data),
          std::tuple("web-scratch", std::vector{owner("web", "pod-uid")}, row.protects_own)}) {
      const Claim deleted = claim(name, owners, ending);
      CHECK(protection_ends(deleted, world_of(deleted, it)) == !is_protected);
    }
  }
  // Somebody else's claim of the name that the pod's own would have.
  CHECK_FALSE(pod().protects(claim("web-scratch").metadata));
  CHECK_FALSE(
      pod().protects(claim("web-scratch", {owner("web", "pod-uid", "Pod", false)}).metadata));
}

TEST_CASE("an attachment protects its claim, too", "[consumers]") {
  const Claim deleted =
      claim("data", {},
            merged(kDeleting, {{"metadata", {{"finalizers", {"kubernetes.io/pvc-protection"}}}}}));
  Attachment attachment{
      .metadata = {}, .volume = "pv", .name_space = "default", .claim = "data", .node = "here"};
  attachment.metadata.name = "it";
  CHECK_FALSE(protection_ends(deleted, world_of(deleted, attachment)));
  attachment.claim = "other";
  CHECK(protection_ends(deleted, world_of(deleted, attachment)));
}

TEST_CASE("a pod's own claims", "[ephemeral]") {
  const EphemeralStep step = step_ephemeral(pod(), World());
  CHECK(step.notices.empty());
  REQUIRE(step.claims.size() == 1);
  CHECK(step.claims[0].document ==
        Json{{"apiVersion", "v1"},
             {"kind", "PersistentVolumeClaim"},
             {"metadata",
              {{"name", "web-scratch"},
               {"namespace", "default"},
               {"labels", {{"app", "web"}}},
               {"annotations", {{"note", "n"}}},
               {"ownerReferences", Json::array({{{"apiVersion", "v1"},
                                                 {"kind", "Pod"},
                                                 {"name", "web"},
                                                 {"uid", "pod-uid"},
                                                 {"controller", true},
                                                 {"blockOwnerDeletion", true}}})}}},
             {"spec", {{"accessModes", {"ReadWriteOnce"}}, {"storageClassName", "local"}}}});
  // Made once; not for a pod that goes; what was made is the pod's, and protected by it.
  const Claim made = Claim::from(step.claims[0]);
  CHECK(step_ephemeral(pod(), world_of(made)).claims.empty());
  CHECK(step_ephemeral(pod(), world_of(made)).notices.empty());
  CHECK(step_ephemeral(pod(kDeleting), World()).claims.empty());
  CHECK(pod().protects(made.metadata));
  // An unscheduled pod's claims are what it may wait for.
  CHECK(step_ephemeral(pod({{"spec", {{"nodeName", nullptr}}}}), World()).claims.size() == 1);
}

TEST_CASE("a claim of the name that is not the pod's", "[ephemeral]") {
  for (const std::vector<Json>& owners : {std::vector<Json>(),
                                          {owner("web", "earlier-uid")},
                                          {owner("web", "pod-uid", "Pod", false)}}) {
    const auto step = step_ephemeral(pod(), world_of(claim("web-scratch", owners)));
    CHECK(step.claims.empty());
    REQUIRE(step.notices.size() == 1);
    CHECK(step.notices[0].type == Notice::Type::Warning);
    CHECK(step.notices[0].reason == "FailedBinding");
    CHECK(step.notices[0].message ==
          "ephemeral volume scratch: PVC default/web-scratch was not created for pod default/web "
          "(pod is not owner)");
  }
}

TEST_CASE("whose claim goes with its pod", "[ephemeral]") {
  struct Row {
    const char* name;
    std::vector<Json> owners;
    bool is_orphan;  // while the pod "web" with the uid "pod-uid" lives
  };
  const Row rows[] = {
      {"nobody's", {}, false},
      {"a living pod's", {owner("web", "pod-uid")}, false},
      {"an earlier pod's of the name", {owner("web", "earlier")}, true},
      {"a pod's that is gone", {owner("gone", "u")}, true},
      {"of one that is gone and one that lives",
       {owner("gone", "u"), owner("web", "pod-uid")},
       false},
      {"of two that are gone", {owner("gone", "u"), owner("web", "earlier")}, true},
      {"a StatefulSet's", {owner("set", "u", "StatefulSet")}, false},
      {"a pod's that is gone and a set's",
       {owner("gone", "u"), owner("s", "u", "StatefulSet")},
       false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Claim it = claim("web-scratch", row.owners);
    CHECK(is_orphan(it, world_of(it, pod())) == row.is_orphan);
    // Terminating is not gone.
    CHECK(is_orphan(it, world_of(it, pod(kShutDown))) == row.is_orphan);
  }
  // A pod owns in its own namespace alone.
  const Json far = {{"metadata", {{"namespace", "far"}}}};
  CHECK(is_orphan(claim("web-scratch", {owner("web", "pod-uid")}, far), world_of(pod())));
}

}  // namespace claimfs::volumes
