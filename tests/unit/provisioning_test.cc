// What our provisioners make of a claim: the directory, and the volume that shows it.
// KUBERNETES.md 7.1, 7.3.

#include "volumes/provisioning.h"

#include "tests/unit/catch.h"

namespace claimfs::volumes {
namespace {

Json claim_document(const Json& changes = nullptr) {
  Json document = {{"metadata",
                    {{"name", "data"},
                     {"namespace", "shop"},
                     {"uid", "c1"},
                     {"resourceVersion", "7"},
                     {"annotations", {{"volume.kubernetes.io/selected-node", "here"}}}}},
                   {"spec",
                    {{"accessModes", {"ReadWriteOnce"}},
                     {"storageClassName", "c"},
                     {"resources", {{"requests", {{"storage", "1500Mi"}}}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return document;
}
Claim claim(const Json& changes = nullptr) {
  return Claim::from({Kind::PersistentVolumeClaim, claim_document(changes)});
}

StorageClass storage_class(const char* provisioner, const Json& parameters = nullptr,
                           const Json& changes = nullptr) {
  Json document = {{"metadata", {{"name", "c"}}}, {"provisioner", provisioner}};
  if (!parameters.is_null()) document["parameters"] = parameters;
  if (!changes.is_null()) document.merge_patch(changes);
  return StorageClass::from({Kind::StorageClass, document});
}

tl::expected<ProvisioningPlan, std::string> planned(const StorageClass& it,
                                                    const Json& changes = nullptr) {
  return plan_provisioning(claim(changes), it, "/srv/claims");
}
std::string refusal(const StorageClass& it, const Json& changes = nullptr) {
  const auto plan = planned(it, changes);
  return plan ? "no refusal" : plan.error();
}
// The directory as a path.
std::string directory(const StorageClass& it, const Json& changes = nullptr) {
  const auto plan = planned(it, changes);
  return plan ? plan->server + ":" + plan->base + "|" + plan->below : "refused: " + plan.error();
}

Json merged(Json left, const Json& right) {
  left.merge_patch(right);
  return left;
}

constexpr const char* kHostPath = "claimfs.io/host-path";
constexpr const char* kNfs = "claimfs.io/nfs";
constexpr const char* kLocalPath = "rancher.io/local-path";
constexpr const char* kSubdir = "k8s-sigs.io/nfs-subdir-external-provisioner";
constexpr const char* kCsi = "nfs.csi.k8s.io";
const Json kShare = {{"server", "s"}, {"share", "/export"}};
const Json kExport = {{"server", "s"}, {"path", "/export"}};

struct Provisioner {
  const char* name;
  Json parameters;  // the least that it wants
  Json source;      // of the volume
  std::string directory;
  Json annotations;
};
const Provisioner kProvisioners[] = {
    {kHostPath,
     nullptr,
     {{"hostPath", {{"path", "/srv/claims/pvc-c1"}, {"type", "Directory"}}}},
     ":/srv/claims|pvc-c1",
     {{"claimfs.io/base-directory", "/srv/claims"}}},
    {kNfs,
     kShare,
     {{"nfs", {{"server", "s"}, {"path", "/export/pvc-c1"}}}},
     "s:/export|pvc-c1",
     {{"claimfs.io/base-directory", "/export"}}},
    {kLocalPath,
     nullptr,
     {{"hostPath",
       {{"path", "/opt/local-path-provisioner/pvc-c1_shop_data"}, {"type", "DirectoryOrCreate"}}},
      {"nodeAffinity",
       {{"required",
         {{"nodeSelectorTerms",
           Json::array({{{"matchExpressions", Json::array({{{"key", "kubernetes.io/hostname"},
                                                            {"operator", "In"},
                                                            {"values", {"here"}}}})}}})}}}}}},
     ":/opt/local-path-provisioner|pvc-c1_shop_data",
     {{"claimfs.io/base-directory", "/opt/local-path-provisioner"},
      {"local.path.provisioner/selected-node", "here"}}},
    {kSubdir,
     kExport,
     {{"nfs", {{"server", "s"}, {"path", "/export/shop-data-pvc-c1"}}}},
     "s:/export|shop-data-pvc-c1",
     {{"claimfs.io/base-directory", "/export"}, {"claimfs.io/on-delete", "archive"}}},
    {kCsi,
     kShare,
     {{"csi",
       {{"driver", "nfs.csi.k8s.io"},
        {"volumeHandle", "s#export#pvc-c1#c1#"},
        {"volumeAttributes", {{"server", "s"}, {"share", "/export"}, {"subdir", "pvc-c1"}}}}}},
     "s:/export|pvc-c1",
     {{"claimfs.io/base-directory", "/export"}}},
};

}  // namespace

TEST_CASE("the whole volume that each provisioner makes", "[provisioning]") {
  for (const Provisioner& each : kProvisioners) {
    for (const char* policy : {"", "Delete", "Retain"}) {
      INFO(each.name << " " << policy);
      Json changes = Json::object();
      if (*policy) changes["reclaimPolicy"] = policy;
      const StorageClass it = storage_class(each.name, each.parameters, changes);
      const auto plan = planned(it);
      REQUIRE(plan);
      CHECK(directory(it) == each.directory);
      CHECK(plan->mode == (each.name == std::string(kCsi) ? 0 : 0777));
      const bool is_retained = std::string(policy) == "Retain";
      Json finalizers = {"external-provisioner.volume.kubernetes.io/finalizer",
                         "kubernetes.io/pv-protection"};
      if (is_retained) finalizers.erase(0);
      const Json expected = {
          {"apiVersion", "v1"},
          {"kind", "PersistentVolume"},
          {"metadata",
           {{"name", "pvc-c1"},
            {"annotations",
             merged({{"pv.kubernetes.io/provisioned-by", each.name}}, each.annotations)},
            {"finalizers", finalizers}}},
          {"spec", merged({{"capacity", {{"storage", "1500Mi"}}},
                           {"accessModes", {"ReadWriteOnce"}},
                           {"persistentVolumeReclaimPolicy", is_retained ? "Retain" : "Delete"},
                           {"storageClassName", "c"},
                           {"volumeMode", "Filesystem"},
                           {"claimRef",
                            {{"apiVersion", "v1"},
                             {"kind", "PersistentVolumeClaim"},
                             {"namespace", "shop"},
                             {"name", "data"},
                             {"uid", "c1"},
                             {"resourceVersion", "7"}}}},
                          each.source)},
          {"status", {{"phase", "Pending"}}}};
      CHECK(plan->volume.document == expected);
      // 7.1: the claim is bound to it by its reservation.
      CHECK(Volume::from(plan->volume).refers_to(claim().metadata));
    }
  }
}

TEST_CASE("what every provisioner refuses, and what it takes over", "[provisioning]") {
  for (const Provisioner& each : kProvisioners) {
    INFO(each.name);
    const StorageClass it = storage_class(each.name, each.parameters);
    CHECK(refusal(it, {{"spec", {{"selector", {{"matchLabels", {{"a", "b"}}}}}}}}) ==
          (each.name == std::string(kLocalPath) ? "claim.Spec.Selector is not supported"
                                                : "claim Selector is not supported"));
    // "non-nil": an empty one is one.
    CHECK(refusal(it, {{"spec", {{"selector", Json::object()}}}}).ends_with("is not supported"));
    CHECK(refusal(it, {{"spec", {{"volumeMode", "Block"}}}}) ==
          std::string(each.name) + " does not support block volume provisioning");
    CHECK(refusal(it, {{"spec", {{"dataSource", {{"kind", "VolumeSnapshot"}, {"name", "s"}}}}}}) ==
          std::string(each.name) + " does not make volumes from a data source");
    for (const char* uid : {"", "../x", "a/b", "A B", ".."})
      CHECK(refusal(it, {{"metadata", {{"uid", uid}}}})
                .starts_with("the claim's uid makes no name of a volume: "));

    const StorageClass with_options =
        storage_class(each.name, each.parameters, {{"mountOptions", {"ro", "hard"}}});
    if (each.name == std::string(kHostPath)) {
      CHECK(refusal(with_options) ==
            "mount options are not supported for volumes of " + std::string(kHostPath));
    } else {
      const auto plan = planned(with_options);
      REQUIRE(plan);
      CHECK(plan->volume.document["spec"]["mountOptions"] == Json{"ro", "hard"});
    }
  }
  // Sizes as they were asked for, modes as they stand.
  const auto plan = planned(storage_class(kHostPath),
                            {{"spec",
                              {{"accessModes", {"ReadWriteMany", "ReadOnlyMany"}},
                               {"resources", {{"requests", {{"storage", "1234567"}}}}}}}});
  REQUIRE(plan);
  const Json& spec = plan->volume.document["spec"];
  CHECK(text_at(spec, {"capacity", "storage"}) == "1234567");
  CHECK(spec["accessModes"] == Json{"ReadWriteMany", "ReadOnlyMany"});
}

TEST_CASE("claimfs.io/host-path: its parameters", "[provisioning]") {
  const auto with = [](const Json& parameters) { return storage_class(kHostPath, parameters); };
  CHECK(directory(with({{"root", "/a/b"}})) == ":/a/b|pvc-c1");
  CHECK(directory(with({{"root", "/a/b//"}})) == ":/a/b|pvc-c1");
  CHECK(directory(with({{"subDir", "${pvc.metadata.namespace}/${pvc.metadata.name}"}})) ==
        ":/srv/claims|shop/data");
  CHECK(refusal(with({{"root", "a"}})) == "parameter \"root\": \"a\" is not an absolute path");
  CHECK(refusal(with({{"root", ""}})) == "parameter \"root\": \"\" is not an absolute path");
  CHECK(refusal(with({{"root", "/a/../b"}})) ==
        "parameter \"root\": \"/a/../b\" must not contain '..'");
  CHECK(refusal(with({{"root", "/a/.."}})) ==
        "parameter \"root\": \"/a/..\" must not contain '..'");
  for (const char* root : {"/", "//"})
    CHECK(refusal(with({{"root", root}})).ends_with(" is the root of everything"));
  CHECK(refusal(with({{"Root", "/a"}})) == "invalid parameter \"Root\" in storage class");

  for (const char* mode : {"0770", "770", "1777"}) {
    const auto plan = planned(with({{"mode", mode}}));
    REQUIRE(plan);
    CHECK(plan->mode == std::stoul(mode, nullptr, 8));
  }
  for (const char* mode : {"8", "rwx", "0x1ff", "77777", "777 "}) {
    INFO(mode);
    CHECK(refusal(with({{"mode", mode}})).starts_with("invalid mode "));
  }

  const auto on_delete = [&](const char* word) {
    const auto plan = planned(with({{"onDelete", word}}));
    return plan
               ? text_at(plan->volume.document, {"metadata", "annotations", "claimfs.io/on-delete"})
               : plan.error();
  };
  CHECK(on_delete("delete").empty());
  CHECK(on_delete("").empty());  // as the refusal says
  CHECK(on_delete("retain") == "retain");
  CHECK(on_delete("archive") == "archive");
  CHECK(on_delete("delte") ==
        "invalid value \"delte\" for onDelete, supported values are [\"\" delete retain archive]");
}

TEST_CASE("NFS: a sub-directory of a share", "[provisioning]") {
  for (const char* name : {kNfs, kCsi}) {
    INFO(name);
    const auto with = [name](const Json& parameters) {
      return storage_class(name, merged(kShare, parameters));
    };
    CHECK(refusal(with({{"server", nullptr}})) == "server is a required parameter");
    CHECK(refusal(with({{"share", nullptr}})) == "share is a required parameter");
    CHECK(refusal(with({{"share", "export"}})) ==
          "parameter \"share\": \"export\" is not an absolute path");
    // Keys in any case; an unknown one is named as it was written.
    CHECK(directory(with({{"share", nullptr}, {"SHARE", "/other"}})) == "s:/other|pvc-c1");
    CHECK(refusal(with({{"subPath", "x"}})) == "invalid parameter \"subPath\" in storage class");
    CHECK(directory(with({{"subDir",
                           "${pvc.metadata.namespace}-${pvc.metadata.name}/"
                           "${pv.metadata.name}"}})) == "s:/export|shop-data/pvc-c1");
    CHECK(refusal(with({{"subDir", "${pvc.metadata.uid}"}})).ends_with("which is not known"));
    CHECK(directory(with({{"share", "/"}})) == "s:/|pvc-c1");
    const auto mode_of = [&](const Json& permissions) {
      const auto plan = planned(with({{"mountPermissions", permissions}}));
      REQUIRE(plan);
      return plan->mode;
    };
    CHECK(mode_of("0700") == 0700);
    // 7.3: csi-driver-nfs sets none.
    for (const Json& none : {Json(), Json(""), Json("0"), Json("0000")})
      CHECK(mode_of(none) == (name == std::string(kCsi) ? 0 : 0777));
    CHECK(refusal(with({{"onDelete", "keep"}})).starts_with("invalid value \"keep\""));
    const auto retained = planned(with({{"onDelete", "retain"}}));
    REQUIRE(retained);
    CHECK(text_at(retained->volume.document, {"metadata", "annotations", "claimfs.io/on-delete"}) ==
          "retain");
  }
  // onDelete is frozen into the handle.
  const auto handle = [](const Json& parameters) {
    const auto plan = planned(storage_class(kCsi, merged(kShare, parameters)));
    REQUIRE(plan);
    return text_at(plan->volume.document, {"spec", "csi", "volumeHandle"});
  };
  CHECK(handle({{"onDelete", "archive"}}) == "s#export#pvc-c1#c1#archive");
  CHECK(handle({{"share", "/a/b/"}, {"subDir", "x/y"}}) == "s#a/b#x/y#c1#");
  CHECK(handle({{"share", "/"}}) == "s##pvc-c1#c1#");
}

TEST_CASE("nfs-subdir: its directory, and what is done with it", "[provisioning]") {
  const auto with = [](const Json& parameters) {
    return storage_class(kSubdir, merged(kExport, parameters));
  };
  const auto pattern = [&](const char* text, const Json& changes = nullptr) {
    return directory(with({{"pathPattern", text}}), changes);
  };
  CHECK(refusal(with({{"server", nullptr}})).starts_with("the class does not say where"));
  CHECK(refusal(with({{"path", "export"}})).ends_with("is not an absolute path"));
  CHECK(pattern("${.PVC.namespace}/${.PVC.name}") == "s:/export|shop/data");
  CHECK(pattern("${.PVC.labels.app}/x", {{"metadata", {{"labels", {{"app", "web"}}}}}}) ==
        "s:/export|web/x");
  CHECK(pattern("${.PVC.annotations.a.io/dir}",
                {{"metadata", {{"annotations", {{"a.io/dir", "d"}}}}}}) == "s:/export|d");
  // What is missing is empty, and what is empty is the default.
  CHECK(pattern("${.PVC.labels.app}") == "s:/export|shop-data-pvc-c1");
  CHECK(pattern("") == "s:/export|shop-data-pvc-c1");
  CHECK(pattern("x${.PVC.labels.app}") == "s:/export|x");

  struct Row {
    Json parameters;
    const char* on_delete;
  };
  const Row rows[] = {
      {nullptr, "archive"},
      {{{"archiveOnDelete", "true"}}, "archive"},
      {{{"archiveOnDelete", "false"}}, ""},
      {{{"archiveOnDelete", "0"}}, ""},
      {{{"onDelete", "delete"}}, ""},
      {{{"onDelete", "retain"}}, "retain"},
      {{{"onDelete", "delete"}, {"archiveOnDelete", "true"}}, ""},
      {{{"onDelete", "keep"}}, "archive"},
      {{{"onDelete", "keep"}, {"archiveOnDelete", "false"}}, ""},
      {{{"onDelete", ""}, {"archiveOnDelete", "false"}}, ""},
  };
  for (const Row& row : rows) {
    INFO(row.parameters.dump());
    const auto plan = planned(with(row.parameters.is_null() ? Json::object() : row.parameters));
    REQUIRE(plan);
    CHECK(text_at(plan->volume.document, {"metadata", "annotations", "claimfs.io/on-delete"}) ==
          row.on_delete);
  }
  CHECK(refusal(with({{"archiveOnDelete", "maybe"}})) ==
        "archiveOnDelete: \"maybe\" is neither true nor false");
}

}  // namespace claimfs::volumes
