// What may change in a claim, and in which words the rest is refused. KUBERNETES.md 6.8.

#include "volumes/validation.h"

#include "tests/unit/sound_objects.h"

namespace claimfs::volumes {

namespace {

// Bound, with 1Gi of it there.
Object bound(Json changes) {
  Json all = {{"spec", {{"volumeName", "pv"}, {"storageClassName", "fast"}}},
              {"status", {{"phase", "Bound"}, {"capacity", {{"storage", "1Gi"}}}}}};
  if (!changes.is_null()) all.merge_patch(changes);
  return claim(all);
}

Json request(const char* size) {
  return spec({{"resources", {{"requests", {{"storage", size}}}}}});
}

const std::string kImmutable =
    "spec: Forbidden: spec is immutable after creation except resources.requests and "
    "volumeAttributesClassName for bound claims\n";

// The printed spec of a claim, with other lines in the place of some.
std::string claim_diff(const std::string& heading, const std::vector<std::string>& lines) {
  std::string text = kImmutable + heading;
  for (const std::string& line : lines) text += "\n" + line;
  return text;
}

}  // namespace

TEST_CASE("an update of a claim: what may change", "[validation]") {
  const std::string shrunk =
      "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity";
  check_updates({
      {claim({}), claim({}), {}},
      {claim({}), claim(spec({{"volumeName", "pv"}})), {}},
      {claim({}), claim(spec({{"storageClassName", "fast"}})), {}},
      {claim({}), claim(metadata({{"labels", {{"k", "v"}}}})), {}},
      {claim({}), claim(request("1024Mi")), {}},
      {bound({}), bound(request("2Gi")), {}},
      {bound(request("3Gi")), bound(request("2Gi")), {}},
      {bound(request("3Gi")), bound(request("1Gi")), {shrunk}},
      {bound(request("3Gi")), bound(request("500Mi")), {shrunk}},
      {bound({}), bound(spec({{"volumeAttributesClassName", "gold"}})), {}},
      {bound(spec({{"volumeAttributesClassName", "gold"}})),
       bound(spec({{"volumeAttributesClassName", "silver"}})),
       {}},
      {bound(spec({{"volumeAttributesClassName", "gold"}})),
       bound(spec({{"volumeAttributesClassName", ""}})),
       {"spec.volumeAttributesClassName: Forbidden: update from non-nil value to an empty string "
        "is forbidden"}},
  });
}

TEST_CASE("an update of a claim: what may not, and the difference that is shown", "[validation]") {
  const std::string modes = " {\n  \"AccessModes\": [\n   \"ReadWriteOnce\"\n  ],";
  check_updates({
      {claim({}),
       claim(request("2Gi")),
       {claim_diff("@@ -6,7 +6,7 @@",
                   {"  \"Resources\": {", "   \"Limits\": null,", "   \"Requests\": {",
                    "-   \"storage\": \"1Gi\"", "+   \"storage\": \"2Gi\"", "   }", "  },",
                    "  \"VolumeName\": \"\","})}},
      {claim({}),
       claim(spec({{"volumeAttributesClassName", "gold"}})),
       {claim_diff("@@ -14,5 +14,5 @@",
                   {"  \"VolumeMode\": \"Filesystem\",", "  \"DataSource\": null,",
                    "  \"DataSourceRef\": null,", "- \"VolumeAttributesClassName\": null",
                    "+ \"VolumeAttributesClassName\": \"gold\"", " }"})}},
      {bound({}),
       bound(spec({{"volumeName", "other"}, {"storageClassName", nullptr}})),
       {claim_diff("@@ -9,8 +9,8 @@",
                   {"    \"storage\": \"1Gi\"", "   }", "  },", "- \"VolumeName\": \"pv\",",
                    "- \"StorageClassName\": \"fast\",", "+ \"VolumeName\": \"other\",",
                    "+ \"StorageClassName\": null,", "  \"VolumeMode\": \"Filesystem\",",
                    "  \"DataSource\": null,", "  \"DataSourceRef\": null,"})}},
      {bound({}),
       bound(spec({{"accessModes", {"ReadWriteMany"}}})),
       {claim_diff("@@ -1,6 +1,6 @@",
                   {" {", "  \"AccessModes\": [", "-  \"ReadWriteOnce\"", "+  \"ReadWriteMany\"",
                    "  ],", "  \"Selector\": null,", "  \"Resources\": {"})}},
      {bound({}),
       bound(spec({{"selector", {{"matchLabels", {{"k", "v"}}}}}})),
       {claim_diff("@@ -2,7 +2,11 @@",
                   {"  \"AccessModes\": [", "   \"ReadWriteOnce\"", "  ],", "- \"Selector\": null,",
                    "+ \"Selector\": {", "+  \"matchLabels\": {", "+   \"k\": \"v\"", "+  }",
                    "+ },", "  \"Resources\": {", "   \"Limits\": null,", "   \"Requests\": {"})}},
      {bound({}),
       bound(spec({{"dataSource", {{"kind", "PersistentVolumeClaim"}, {"name", "c"}}},
                   {"dataSourceRef", {{"kind", "PersistentVolumeClaim"}, {"name", "c"}}}})),
       {claim_diff(
           "@@ -12,7 +12,16 @@",
           {"  \"VolumeName\": \"pv\",", "  \"StorageClassName\": \"fast\",",
            "  \"VolumeMode\": \"Filesystem\",", "- \"DataSource\": null,",
            "- \"DataSourceRef\": null,", "+ \"DataSource\": {", "+  \"APIGroup\": null,",
            "+  \"Kind\": \"PersistentVolumeClaim\",", "+  \"Name\": \"c\"", "+ },",
            "+ \"DataSourceRef\": {", "+  \"APIGroup\": null,",
            "+  \"Kind\": \"PersistentVolumeClaim\",", "+  \"Name\": \"c\",",
            "+  \"Namespace\": null", "+ },", "  \"VolumeAttributesClassName\": null", " }"})}},
      // Everything at once, in Kubernetes' order; a request that may change is not shown.
      {bound(merged(request("3Gi"), spec({{"volumeAttributesClassName", "gold"}}))),
       bound(merged(request("1Gi"),
                    {{"spec", {{"volumeAttributesClassName", nullptr}, {"volumeMode", "Block"}}},
                     {"metadata", {{"labels", {{"k", "-"}}}}}})),
       {"metadata.labels: Invalid value: \"-\": " + kLabelValue,
        claim_diff("@@ -11,8 +11,8 @@",
                   {"  },", "  \"VolumeName\": \"pv\",", "  \"StorageClassName\": \"fast\",",
                    "- \"VolumeMode\": \"Filesystem\",", "+ \"VolumeMode\": \"Block\",",
                    "  \"DataSource\": null,", "  \"DataSourceRef\": null,",
                    "- \"VolumeAttributesClassName\": \"gold\"",
                    "+ \"VolumeAttributesClassName\": null", " }"}),
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
        "volumeMode: Invalid value: \"Block\": field is immutable",
        "spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is "
        "forbidden"}},
  });
}

TEST_CASE("an update of a claim: the class in the annotation", "[validation]") {
  const char* const key = "volume.beta.kubernetes.io/storage-class";
  const Json old_class = annotated(key, "slow");
  const auto refused = [&key](const std::string& value) {
    return "metadata.annotations." + std::string(key) + ": Invalid value: \"" + value +
           "\": field is immutable";
  };
  const std::string difference =
      claim_diff("@@ -10,7 +10,7 @@",
                 {"   }", "  },", "  \"VolumeName\": \"\",", "- \"StorageClassName\": null,",
                  "+ \"StorageClassName\": \"fast\",", "  \"VolumeMode\": \"Filesystem\",",
                  "  \"DataSource\": null,", "  \"DataSourceRef\": null,"});
  check_updates({
      {claim(old_class), claim(old_class), {}},
      {claim(old_class), claim({}), {refused("")}},
      {claim({}), claim(old_class), {refused("slow")}},
      {claim(old_class), claim(annotated(key, "fast")), {refused("fast")}},
      // It may move into the field, with or without what it was.
      {claim(old_class), claim(spec({{"storageClassName", "slow"}})), {}},
      {claim(old_class), claim(merged(old_class, spec({{"storageClassName", "slow"}}))), {}},
      {claim(old_class),
       claim(merged(old_class, spec({{"storageClassName", "fast"}}))),
       {difference}},
  });
}

TEST_CASE("an update of a claim: what was never valid may stay", "[validation]") {
  const Json old_selector =
      spec({{"selector",
             {{"matchExpressions",
               Json::array({{{"key", "k"}, {"operator", "In"}, {"values", {"-"}}}})}}}});
  const Json cup = {{"apiGroup", "Example"}, {"kind", "Cup"}, {"name", "c"}};
  const Json old_source = spec({{"dataSource", cup}, {"dataSourceRef", cup}});
  check_updates(
      {{claim(old_selector), claim(old_selector), {}}, {claim(old_source), claim(old_source), {}}});
}

TEST_CASE("an update of metadata", "[validation]") {
  const Json ids = {{"name", "data"},
                    {"namespace", "default"},
                    {"uid", "u"},
                    {"creationTimestamp", "2026-11-23T07:37:29Z"}};
  const Json deleting = merged(ids, {{"deletionTimestamp", "2026-11-23T07:38:00Z"},
                                     {"deletionGracePeriodSeconds", 0},
                                     {"finalizers", {"kubernetes.io/pvc-protection"}}});
  const auto changed = [](const Json& from, const Json& changes) {
    return claim(metadata(merged(from, changes)));
  };
  check_updates({
      {changed(ids, {}),
       changed(ids, {{"name", "other"},
                     {"namespace", "elsewhere"},
                     {"uid", "v"},
                     {"creationTimestamp", "2026-11-23T07:00:00Z"},
                     {"deletionTimestamp", "2026-11-23T07:38:00Z"},
                     {"deletionGracePeriodSeconds", 30}}),
       {"metadata.name: Invalid value: \"other\": field is immutable",
        "metadata.namespace: Invalid value: \"elsewhere\": field is immutable",
        "metadata.uid: Invalid value: \"v\": field is immutable",
        "metadata.creationTimestamp: Invalid value: \"2026-11-23T07:00:00Z\": field is immutable",
        "metadata.deletionTimestamp: Invalid value: \"2026-11-23T07:38:00Z\": field is immutable",
        "metadata.deletionGracePeriodSeconds: Invalid value: 30: field is immutable"}},
      {changed(deleting, {}),
       changed(deleting, {{"deletionTimestamp", nullptr}}),
       {"metadata.deletionTimestamp: Invalid value: null: field is immutable"}},
      // Finalizers come and go until it is deleted, and only go then.
      {changed(ids, {}), changed(ids, {{"finalizers", {"a/b"}}}), {}},
      {changed(deleting, {}), changed(deleting, {{"finalizers", nullptr}}), {}},
      {changed(deleting, {}),
       changed(deleting, {{"finalizers", {"z/z", "kubernetes.io/pvc-protection", "a/b", "z/z"}}}),
       {"metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
        "deleted, found new finalizers []string{\"a/b\", \"z/z\"}"}},
      // What is wrong with the metadata itself comes first, and the spec last.
      {changed(deleting, {}),
       claim(
           {{"metadata",
             merged(deleting, {{"labels", {{"k", "-"}}}, {"uid", "v"}, {"finalizers", {"a b/c"}}})},
            {"spec", {{"accessModes", {"ReadWriteOnce", "x"}}}}}),
       {"metadata.labels: Invalid value: \"-\": " + kLabelValue,
        "metadata.finalizers: Invalid value: \"a b/c\": prefix part " + kSubdomain,
        "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being "
        "deleted, found new finalizers []string{\"a b/c\"}",
        "metadata.uid: Invalid value: \"v\": field is immutable",
        "spec.accessModes: Unsupported value: \"x\": " + kModes,
        claim_diff("@@ -1,6 +1,7 @@",
                   {" {", "  \"AccessModes\": [", "-  \"ReadWriteOnce\"", "+  \"ReadWriteOnce\",",
                    "+  \"x\"", "  ],", "  \"Selector\": null,", "  \"Resources\": {"})}},
  });
}

TEST_CASE("a claim grows where its class lets it", "[validation]") {
  const StorageClass fixed = StorageClass::from(storage_class({{"metadata", {{"name", "fixed"}}}}));
  const StorageClass growing = StorageClass::from(
      storage_class({{"metadata", {{"name", "growing"}}}, {"allowVolumeExpansion", true}}));
  const std::vector<StorageClass> classes = {fixed, growing};
  const auto of_class = [](const Json& name, const char* size) {
    return bound(merged(request(size), spec({{"storageClassName", name}})));
  };
  const std::string no_class =
      "only dynamically provisioned pvc can be resized and the storageclass that provisions the "
      "pvc must support resize";
  const auto refusal = [&classes](const Object& before, const Object& after) {
    return growth_refusal(before, after, classes);
  };
  CHECK(refusal(of_class("growing", "1Gi"), of_class("growing", "2Gi")).empty());
  CHECK(refusal(of_class("fixed", "1Gi"), of_class("fixed", "2Gi")) == no_class);
  CHECK(refusal(of_class("fixed", "2Gi"), of_class("fixed", "1Gi")).empty());
  CHECK(refusal(of_class("fixed", "1Gi"), of_class("fixed", "1024Mi")).empty());
  CHECK(refusal(of_class("unknown", "1Gi"), of_class("unknown", "2Gi")) == no_class);
  CHECK(refusal(of_class("", "1Gi"), of_class("", "2Gi")) == no_class);
  CHECK(refusal(of_class(nullptr, "1Gi"), of_class("growing", "2Gi")) == no_class);
  // The annotation wins over the field.
  const auto of_annotation = [](const char* name, const char* size) {
    return bound(merged(merged(request(size), spec({{"storageClassName", "fixed"}})),
                        annotated("volume.beta.kubernetes.io/storage-class", name)));
  };
  CHECK(refusal(of_annotation("growing", "1Gi"), of_annotation("growing", "2Gi")).empty());
  CHECK(refusal(claim(request("1Gi")), claim(request("2Gi"))) ==
        "Only bound persistent volume claims can be expanded");
  CHECK(refusal(volume({}), volume(spec({{"capacity", {{"storage", "2Gi"}}}}))).empty());
}

}  // namespace claimfs::volumes
