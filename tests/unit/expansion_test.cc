// Claims that ask for more than they have. KUBERNETES.md 9.

#include "tests/unit/catch.h"
#include "volumes/lifecycle.h"

namespace claimfs::volumes {
namespace {

Json merged(Json left, const Json& right) {
  if (!right.is_null()) left.merge_patch(right);
  return left;
}
// A bound claim that asks for 2Gi and has 1Gi, its volume, and the class of both.
Json claim_document(const Json& changes) {
  return merged({{"metadata",
                  {{"name", "data"},
                   {"namespace", "default"},
                   {"uid", "claim-uid"},
                   {"annotations", {{"pv.kubernetes.io/bind-completed", "yes"}}}}},
                 {"spec",
                  {{"volumeName", "pv"},
                   {"storageClassName", "c"},
                   {"resources", {{"requests", {{"storage", "2Gi"}}}}}}},
                 {"status", {{"phase", "Bound"}, {"capacity", {{"storage", "1Gi"}}}}}},
                changes);
}
Json volume_document(const Json& source, const Json& changes) {
  Json document = {{"metadata", {{"name", "pv"}}},
                   {"spec",
                    {{"capacity", {{"storage", "1Gi"}}},
                     {"storageClassName", "c"},
                     {"claimRef",
                      {{"apiVersion", "v1"},
                       {"kind", "PersistentVolumeClaim"},
                       {"namespace", "default"},
                       {"name", "data"},
                       {"uid", "claim-uid"}}}}},
                   {"status", {{"phase", "Bound"}}}};
  document["spec"].merge_patch(source);
  return merged(document, changes);
}
World world_of(const Json& claim, const Json& volume, const Json& storage_class) {
  World world;
  world.put(Claim::from({Kind::PersistentVolumeClaim, claim}));
  if (!volume.is_null()) world.put(Volume::from({Kind::PersistentVolume, volume}));
  if (!storage_class.is_null()) world.put(StorageClass::from({Kind::StorageClass, storage_class}));
  return world;
}

const Json kHost = {{"hostPath", {{"path", "/data"}}}};
const Json kNfs = {{"nfs", {{"server", "s"}, {"path", "/e"}}}};
const Json kLocal = {{"local", {{"path", "/data"}}}};
Json csi(const char* driver) { return {{"csi", {{"driver", driver}, {"volumeHandle", "h"}}}}; }
const Json kGrows = {
    {"metadata", {{"name", "c"}}}, {"provisioner", "x.io/y"}, {"allowVolumeExpansion", true}};

// The new size of the volume and of the claim's status, or what is told; "" for nothing.
std::string decided(const Json& claim, const Json& volume, const Json& storage_class = kGrows) {
  const World world = world_of(claim, volume, storage_class);
  const Step step = step_expansion(*world.claim("default", "data"), world);
  if (!step.claim) {
    CHECK_FALSE(step.volume);
    if (step.notices.empty()) return "";
    REQUIRE(step.notices.size() == 1);
    CHECK(step.notices[0].type == Notice::Type::Normal);
    CHECK(step.notices[0].from == "volume_expand");
    return step.notices[0].reason + ": " + step.notices[0].message;
  }
  REQUIRE(step.notices.size() == 1);
  CHECK(step.notices[0].reason == "VolumeResizeSuccessful");
  const Json changed = step.claim->written_into(claim);
  const Json grown = step.volume ? step.volume->written_into(volume) : volume;
  // Nothing else of them is different, and it is done once.
  Json unchanged = changed;
  unchanged["status"]["capacity"] = claim["status"]["capacity"];
  CHECK(unchanged == claim);
  unchanged = grown;
  unchanged["spec"]["capacity"] = volume["spec"]["capacity"];
  CHECK(unchanged == volume);
  const World after = world_of(changed, grown, storage_class);
  const Step second = step_expansion(*after.claim("default", "data"), after);
  CHECK_FALSE(second.volume);
  CHECK_FALSE(second.claim);
  CHECK(second.notices.empty());
  return "volume " + text_at(grown, {"spec", "capacity", "storage"}) + ", claim " +
         text_at(changed, {"status", "capacity", "storage"});
}

const std::string kExternal =
    "ExternalExpanding: waiting for an external controller to expand this PVC";

}  // namespace

TEST_CASE("expansion: which volumes grow", "[expansion]") {
  const Json claim = claim_document(nullptr);
  for (const Json& source : {kHost, kNfs, kLocal, csi("nfs.csi.k8s.io")}) {
    INFO(source.dump());
    const Json volume = volume_document(source, nullptr);
    CHECK(decided(claim, volume) == "volume 2Gi, claim 2Gi");
    // A class that does not allow it, does not say so, or is gone; no class.
    CHECK(decided(claim, volume, merged(kGrows, {{"allowVolumeExpansion", false}})) == kExternal);
    CHECK(decided(claim, volume, merged(kGrows, {{"allowVolumeExpansion", nullptr}})) == kExternal);
    CHECK(decided(claim, volume, nullptr) == kExternal);
    for (const Json& name : {Json(), Json(""), Json("other")})
      CHECK(decided(merged(claim, {{"spec", {{"storageClassName", name}}}}), volume) == kExternal);
  }
  for (const Json& source :
       {csi("ebs.csi.aws.com"), Json{{"gcePersistentDisk", {{"pdName", "d"}}}}, Json::object()})
    CHECK(decided(claim, volume_document(source, nullptr)) == kExternal);
}

TEST_CASE("expansion: which claims ask", "[expansion]") {
  struct Row {
    const char* name;
    Json claim;
    bool asks;
  };
  const auto request = [](const char* size) {
    return Json{{"spec", {{"resources", {{"requests", {{"storage", size}}}}}}}};
  };
  const Row rows[] = {
      {"as it is", nullptr, true},
      {"no more than it has", request("1Gi"), false},
      {"less", request("1Mi"), false},
      {"a byte more", request("1073741825"), true},
      {"the same, in other words", request("1024Mi"), false},
      {"Pending", {{"status", {{"phase", "Pending"}}}}, false},
      {"Lost", {{"status", {{"phase", "Lost"}}}}, false},
      {"not bound yet",
       {{"metadata", {{"annotations", {{"pv.kubernetes.io/bind-completed", nullptr}}}}}},
       false},
      {"without a size to compare with", {{"status", {{"capacity", nullptr}}}}, false},
      {"its volume is gone", {{"spec", {{"volumeName", "gone"}}}}, false},
      {"its volume is another's", {{"metadata", {{"uid", "another-uid"}}}}, false},
      {"in a class that the annotation names",
       {{"metadata", {{"annotations", {{"volume.beta.kubernetes.io/storage-class", "c"}}}}},
        {"spec", {{"storageClassName", "other"}}}},
       true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Json claim = claim_document(row.claim);
    const Json volume = volume_document(kHost, nullptr);
    CHECK(decided(claim, volume).starts_with("volume ") == row.asks);
    CHECK(decided(claim, volume, nullptr) == (row.asks ? kExternal : ""));
  }
}

TEST_CASE("expansion: a volume never shrinks, and sizes stay as they were written", "[expansion]") {
  const auto sized = [](const char* size) {
    return Json{{"spec", {{"capacity", {{"storage", size}}}}}};
  };
  const Json claim = claim_document(nullptr);
  // Somebody had made the volume larger by hand: the claim then has all of it.
  CHECK(decided(claim, volume_document(kHost, sized("5Gi"))) == "volume 5Gi, claim 5Gi");
  CHECK(decided(claim, volume_document(kHost, sized("2Gi"))) == "volume 2Gi, claim 2Gi");
  CHECK(decided(claim_document({{"spec", {{"resources", {{"requests", {{"storage", "1500M"}}}}}}}}),
                volume_document(kHost, nullptr)) == "volume 1500M, claim 1500M");
  // A volume that was smaller than its claim from the start, as reservations may be (1.4).
  const Json small = volume_document(kHost, sized("1Mi"));
  const Json has_less = claim_document({{"status", {{"capacity", {{"storage", "1Mi"}}}}}});
  CHECK(decided(has_less, small) == "volume 2Gi, claim 2Gi");
  CHECK(decided(has_less, small, nullptr) == kExternal);
}

}  // namespace claimfs::volumes
