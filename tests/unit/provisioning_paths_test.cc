// Paths that are made of what users write, and whether a provisioner acts at all.
// KUBERNETES.md 7.1, 7.3.

#include "tests/unit/catch.h"
#include "volumes/path_template.h"
#include "volumes/provisioning.h"

namespace claimfs::volumes {
namespace {

constexpr const char* kSafe = "{{ .PVC.Namespace }}/{{ .PVC.Name }}/";

Claim claim(const Json& changes = nullptr) {
  Json document = {{"metadata",
                    {{"name", "data"},
                     {"namespace", "shop"},
                     {"uid", "c1"},
                     {"annotations", {{"volume.kubernetes.io/selected-node", "here"}}}}},
                   {"spec",
                    {{"accessModes", {"ReadWriteOnce"}},
                     {"storageClassName", "c"},
                     {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return Claim::from({Kind::PersistentVolumeClaim, document});
}
StorageClass storage_class(const char* provisioner, const Json& parameters,
                           const Json& changes = nullptr) {
  Json document = {
      {"metadata", {{"name", "c"}}}, {"provisioner", provisioner}, {"parameters", parameters}};
  if (!changes.is_null()) document.merge_patch(changes);
  return StorageClass::from({Kind::StorageClass, document});
}
StorageClass local_path(const Json& parameters = Json::object(), const Json& changes = nullptr) {
  return storage_class("rancher.io/local-path", parameters, changes);
}
std::string below(const Claim& claim, const StorageClass& it) {
  const auto plan = plan_provisioning(claim, it, "/srv/claims");
  return plan ? plan->below : "refused: " + plan.error();
}
Json labelled(const std::string& value) { return {{"metadata", {{"labels", {{"dir", value}}}}}}; }
Json annotated(const char* key, const Json& value) {
  return {{"metadata", {{"annotations", {{key, value}}}}}};
}

}  // namespace

TEST_CASE("local-path: what it refuses", "[provisioning]") {
  const auto refusal = [](const Json& changes, const StorageClass& it = local_path()) {
    return below(claim(changes), it);
  };
  const std::string modes =
      "refused: NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes";
  for (const Json& words :
       {Json{"ReadWriteMany"}, Json{"ReadOnlyMany"}, Json{"ReadWriteOnce", "ReadOnlyMany"}})
    CHECK(refusal({{"spec", {{"accessModes", words}}}}) == modes);
  CHECK(refusal({{"spec", {{"accessModes", {"ReadWriteOncePod"}}}}}) == "pvc-c1_shop_data");
  for (const Json& node : {Json(), Json("")})
    CHECK(refusal(annotated("volume.kubernetes.io/selected-node", node)) ==
          "refused: configuration error, no node was specified");
  CHECK(refusal(nullptr, local_path({{"nodePath", "/"}})).ends_with("the root of everything"));
  CHECK(refusal(nullptr, local_path({{"nodePath", "x"}})).ends_with("is not an absolute path"));
  CHECK(refusal(annotated("volumeType", "tape")) ==
        "refused: \"tape\" is not a recognised volume type");
}

TEST_CASE("local-path: patterns", "[provisioning]") {
  struct Row {
    std::string pattern;
    const char* below;  // null: refused
  };
  const Row rows[] = {
      {"", "pvc-c1_shop_data"},
      {kSafe + std::string("{{ .PVName }}"), "shop/data/pvc-c1"},
      {kSafe + std::string("{{.PVName}}"), "shop/data/pvc-c1"},
      {kSafe + std::string("{{ .PVC.ObjectMeta.Name }}"), "shop/data/data"},
      {kSafe + std::string("{{ .PVC.Labels.dir }}"), "shop/data/web"},
      {kSafe + std::string("{{ index .PVC.Labels \"dir\" }}"), "shop/data/web"},
      {kSafe + std::string("{{ .PVC.Labels.none }}"), "shop/data"},
      {kSafe + std::string("../x"), nullptr},
      {kSafe + std::string("{{ .PVC.Spec }}"), nullptr},
      {kSafe + std::string("{{ .PVName"), nullptr},
      {"{{ .PVName }}", nullptr},
      {"{{ .PVC.Namespace }}/x", nullptr},
      {"x/" + std::string(kSafe), nullptr},
  };
  for (const Row& row : rows) {
    INFO(row.pattern);
    const std::string path =
        below(claim(labelled("web")), local_path({{"pathPattern", row.pattern}}));
    CHECK((row.below ? path == row.below : path.starts_with("refused: ")));
  }
  const Json unsafe = {{"pathPattern", "{{ .PVName }}"}, {"allowUnsafePathPattern", "true"}};
  CHECK(below(claim(), local_path(unsafe)) == "pvc-c1");
  // Unsafe is about whose directory it is, and not about leaving the base.
  const Json leaving = {{"pathPattern", "../{{ .PVName }}"}, {"allowUnsafePathPattern", "true"}};
  CHECK(below(claim(), local_path(leaving)).starts_with("refused: "));
}

TEST_CASE("local-path: which kind of volume, and where", "[provisioning]") {
  const auto spec = [](const Json& of_claim, const StorageClass& it) {
    const auto plan = plan_provisioning(claim(of_claim), it, "/srv/claims");
    REQUIRE(plan);
    return plan->volume.document["spec"];
  };
  const Json local = {{"path", "/opt/local-path-provisioner/pvc-c1_shop_data"}};
  CHECK(spec(annotated("volumeType", "local"), local_path())["local"] == local);
  const StorageClass prefers_local = local_path({}, annotated("defaultVolumeType", "local"));
  CHECK(spec(nullptr, prefers_local)["local"] == local);
  CHECK(spec(annotated("volumeType", "hostPath"), prefers_local).contains("hostPath"));
  const Json moved = spec(nullptr, local_path({{"nodePath", "/a"}, {"nodeAffinityKey", "k"}}));
  CHECK(text_at(moved, {"hostPath", "path"}) == "/a/pvc-c1_shop_data");
  const Json& term = value_at(moved, {"nodeAffinity", "required", "nodeSelectorTerms"}).at(0);
  CHECK(term["matchExpressions"][0]["key"] == "k");
}

TEST_CASE("no label leads out of the base", "[provisioning]") {
  struct Row {
    std::string label;
    std::string below;  // of a pattern that is the label alone; empty: refused
  };
  const std::string nul("a\0b", 3);
  const Row rows[] = {
      {"web", "web"},
      {"a/b", "a/b"},
      {"/a/", "a"},
      {"/etc", "etc"},
      {"...", "..."},
      {"..a", "..a"},
      {std::string(255, 'x'), std::string(255, 'x')},
      {"", "shop-data-pvc-c1"},
      {"/", ""},
      {"//", ""},
      {".", ""},
      {"..", ""},
      {"../../etc", ""},
      {"a/../../etc", ""},
      {"a/..", ""},
      {"/..", ""},
      {"a//b", ""},
      {"./a", ""},
      {nul, ""},
      {std::string(256, 'x'), ""},
      {std::string(5000, 'x'), ""},
  };
  for (const Row& row : rows) {
    INFO(row.label);
    const StorageClass alone =
        storage_class("k8s-sigs.io/nfs-subdir-external-provisioner",
                      {{"server", "s"}, {"path", "/e"}, {"pathPattern", "${.PVC.labels.dir}"}});
    const std::string path = below(claim(labelled(row.label)), alone);
    CHECK((row.below.empty() ? path.starts_with("refused: ") : path == row.below));
    // In the middle, and for the others: whatever is made is below, component by component.
    const StorageClass inside =
        storage_class("k8s-sigs.io/nfs-subdir-external-provisioner",
                      {{"server", "s"}, {"path", "/e"}, {"pathPattern", "a/${.PVC.labels.dir}/b"}});
    const StorageClass local =
        local_path({{"pathPattern", kSafe + std::string("{{ .PVC.Labels.dir }}")}});
    for (const StorageClass& it : {alone, inside, local}) {
      const std::string made = below(claim(labelled(row.label)), it);
      if (made.starts_with("refused: ")) continue;
      CHECK_FALSE(made.starts_with("/"));
      CHECK(made.size() <= 3072);
      CHECK(("/" + made + "/").find("/../") == std::string::npos);
      CHECK(("/" + made + "/").find("/./") == std::string::npos);
      CHECK(made.find('\0') == std::string::npos);
    }
  }
  // Names that an import brought unchecked.
  for (const char* name : {"..", "../../etc", "a/../../b"}) {
    INFO(name);
    const Claim hostile = claim({{"metadata", {{"name", name}}}});
    const Json share = {{"server", "s"}, {"share", "/e"}, {"subDir", "${pvc.metadata.name}"}};
    CHECK(below(hostile, storage_class("nfs.csi.k8s.io", share)).starts_with("refused: "));
    CHECK(
        below(hostile, storage_class("claimfs.io/host-path", {{"subDir", "${pvc.metadata.name}"}}))
            .starts_with("refused: "));
  }
}

TEST_CASE("paths below a base: lengths", "[provisioning]") {
  CHECK(path_below_base(std::string(255, 'x')));
  CHECK_FALSE(path_below_base(std::string(256, 'x')));
  std::string deep;
  while (deep.size() + 2 <= 3072) deep += "x/";
  CHECK(path_below_base(deep));
  CHECK_FALSE(path_below_base(deep + "x"));
}

TEST_CASE("values are not looked into for more placeholders", "[provisioning]") {
  const Claim tricky = claim(labelled("${.PVC.name}"));
  CHECK(fill_in("${.PVC.labels.dir}", TemplateStyle::NfsSubdir, tricky, "pv").value() ==
        "${.PVC.name}");
  for (const TemplateStyle style :
       {TemplateStyle::Csi, TemplateStyle::NfsSubdir, TemplateStyle::LocalPath})
    CHECK(fill_in("plain $ { } text", style, tricky, "pv").value() == "plain $ { } text");
  CHECK_FALSE(fill_in("${.PVC.labels.}", TemplateStyle::NfsSubdir, tricky, "pv"));
  CHECK_FALSE(fill_in("${}", TemplateStyle::Csi, tricky, "pv"));
  CHECK_FALSE(fill_in("${.PVC.name}", TemplateStyle::Csi, tricky, "pv"));
}

TEST_CASE("whether a provisioner of ours acts", "[provisioning]") {
  const char* const ours = "claimfs.io/host-path";
  const Json asked = annotated("volume.kubernetes.io/storage-provisioner", ours);
  struct Row {
    const char* name;
    Json claim;
    bool acts, acts_when_waiting;
  };
  const Row rows[] = {
      {"asked, a node selected", nullptr, true, true},
      {"no node", annotated("volume.kubernetes.io/selected-node", nullptr), true, false},
      {"not asked", annotated("volume.kubernetes.io/storage-provisioner", nullptr), false, false},
      {"another asked", annotated("volume.kubernetes.io/storage-provisioner", "x.io/y"), false,
       false},
      {"names a volume", {{"spec", {{"volumeName", "pv"}}}}, false, false},
      {"was bound", annotated("pv.kubernetes.io/bind-completed", "yes"), false, false},
      {"is being deleted",
       {{"metadata", {{"deletionTimestamp", "2026-01-01T00:00:00Z"}}}},
       false,
       false},
      {"no class", {{"spec", {{"storageClassName", nullptr}}}}, false, false},
      {"the class \"\"", {{"spec", {{"storageClassName", ""}}}}, false, false},
      {"a class that is gone", {{"spec", {{"storageClassName", "gone"}}}}, false, false},
  };
  for (const Row& row : rows) {
    for (const bool waits : {false, true}) {
      INFO(row.name << (waits ? ", waiting" : ""));
      Json changes = asked;
      if (!row.claim.is_null()) changes.update(row.claim, /*merge_objects=*/true);
      const Claim it = claim(changes);
      World world;
      world.put(
          storage_class(ours, Json::object(),
                        {{"volumeBindingMode", waits ? "WaitForFirstConsumer" : "Immediate"}}));
      const StorageClass* acting = wants_provisioning(it, world);
      CHECK((acting != nullptr) == (waits ? row.acts_when_waiting : row.acts));
      // 7.1: a volume of the name means that it was done.
      world.put(Volume::from({Kind::PersistentVolume, {{"metadata", {{"name", "pvc-c1"}}}}}));
      CHECK_FALSE(wants_provisioning(it, world));
    }
  }
  World foreign;
  foreign.put(storage_class("x.io/y", Json::object()));
  CHECK_FALSE(wants_provisioning(
      claim(annotated("volume.kubernetes.io/storage-provisioner", "x.io/y")), foreign));
}

TEST_CASE("what is told of provisioning", "[provisioning]") {
  const StorageClass it = storage_class("claimfs.io/host-path", Json::object());
  const Notice begins = provisioning_begins(claim(), it);
  CHECK(begins.reason == "Provisioning");
  CHECK(begins.message == "External provisioner is provisioning volume for claim \"shop/data\"");
  CHECK(begins.from == "claimfs.io/host-path");
  CHECK(provisioning_succeeded(claim(), it).reason == "ProvisioningSucceeded");
  const Notice failed = provisioning_failed(claim(), it, "why");
  CHECK(failed.type == Notice::Type::Warning);
  CHECK(failed.reason == "ProvisioningFailed");
  CHECK(failed.message == "failed to provision volume with StorageClass \"c\": why");
}

}  // namespace claimfs::volumes
