// What is filled in, and what is warned of. KUBERNETES.md 6.6, 6.9.

#include "volumes/admission.h"

#include <optional>

#include "tests/unit/sound_objects.h"

namespace claimfs::volumes {

TEST_CASE("what may be created and is worth a warning", "[validation]") {
  const auto affinity = [](const char* key) {
    return spec(
        {{"nodeAffinity",
          {{"required",
            {{"nodeSelectorTerms",
              Json::array({{{"matchExpressions",
                             Json::array({{{"key", "zone"}, {"operator", "Exists"}},
                                          {{"key", key}, {"operator", "Exists"}}})}}})}}}}}});
  };
  const auto topology = [](const char* key) {
    return Json{
        {"allowedTopologies", Json::array({{{"matchLabelExpressions",
                                             Json::array({{{"key", key}, {"values", {"a"}}}})}}})}};
  };
  const std::string class_annotation =
      "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; use "
      "\"storageClassName\" attribute instead";
  const std::string options_annotation =
      "metadata.annotations[volume.beta.kubernetes.io/mount-options]: deprecated since v1.31; use "
      "\"mountOptions\" attribute instead";
  const std::string recycle =
      "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the "
      "recommended approach is to use dynamic provisioning.";
  const std::string node_label =
      "spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[1].key: ";
  struct Case {
    Object object;
    std::vector<std::string> warnings;
  };
  const Case cases[] = {
      {volume({}), {}},
      {volume(spec({{"persistentVolumeReclaimPolicy", "Recycle"}})), {recycle}},
      {volume(annotated("volume.beta.kubernetes.io/storage-class", "")), {class_annotation}},
      {volume(annotated("volume.beta.kubernetes.io/mount-options", "ro")), {options_annotation}},
      {volume(affinity("kubernetes.io/os")), {}},
      {volume(affinity("beta.kubernetes.io/os")),
       {node_label +
        "beta.kubernetes.io/os is deprecated since v1.14; use \"kubernetes.io/os\" instead"}},
      {volume(affinity("beta.kubernetes.io/arch")),
       {node_label +
        "beta.kubernetes.io/arch is deprecated since v1.14; use \"kubernetes.io/arch\" instead"}},
      {volume(affinity("failure-domain.beta.kubernetes.io/zone")),
       {node_label + "failure-domain.beta.kubernetes.io/zone is deprecated since v1.17; use "
                     "\"topology.kubernetes.io/zone\" instead"}},
      {volume(affinity("failure-domain.beta.kubernetes.io/region")),
       {node_label + "failure-domain.beta.kubernetes.io/region is deprecated since v1.17; use "
                     "\"topology.kubernetes.io/region\" instead"}},
      {volume(affinity("beta.kubernetes.io/instance-type")),
       {node_label + "beta.kubernetes.io/instance-type is deprecated since v1.17; use "
                     "\"node.kubernetes.io/instance-type\" instead"}},
      {volume(spec({{"hostPath", nullptr}, {"cephfs", {{"path", "/"}}}})),
       {"spec.cephfs: deprecated in v1.28, non-functional in v1.31+"}},
      {volume(spec({{"hostPath", nullptr}, {"storageos", {{"volumeName", "v"}}}})),
       {"spec.storageOS: deprecated in v1.22, non-functional in v1.25+"}},
      // In Kubernetes' order.
      {volume({{"metadata",
                {{"annotations",
                  {{"volume.beta.kubernetes.io/mount-options", "ro"},
                   {"volume.beta.kubernetes.io/storage-class", "x"}}}}},
               {"spec", {{"persistentVolumeReclaimPolicy", "Recycle"}}}}),
       {class_annotation, options_annotation, recycle}},
      {claim({}), {}},
      {claim(annotated("volume.beta.kubernetes.io/storage-class", "x")), {class_annotation}},
      // A claim is never mounted with options.
      {claim(annotated("volume.beta.kubernetes.io/mount-options", "ro")), {}},
      {claim(spec({{"resources",
                    {{"requests", {{"storage", "100m"}}}, {"limits", {{"storage", "1.1Gi"}}}}}})),
       {"spec.resources.requests[storage]: fractional byte value \"100m\" is invalid, must be an "
        "integer",
        "spec.resources.limits[storage]: fractional byte value \"1181116006400m\" is invalid, must "
        "be an integer"}},
      {storage_class({}), {}},
      {storage_class(topology("topology.kubernetes.io/zone")), {}},
      {storage_class(topology("failure-domain.beta.kubernetes.io/zone")),
       {"allowedTopologies[0].matchLabelExpressions[0]: deprecated since v1.17; use "
        "\"topology.kubernetes.io/zone\" instead"}},
      {pod({}), {}},
      {pod(spec(
           {{"volumes",
             Json::array(
                 {{{"name", "v"},
                   {"ephemeral",
                    {{"volumeClaimTemplate",
                      {{"spec", {{"resources", {{"requests", {{"storage", "1.5"}}}}}}}}}}}}})}})),
       {"spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources.requests[storage]: "
        "fractional "
        "byte value \"1500m\" is invalid, must be an integer"}},
  };
  for (const Case& each : cases) {
    INFO(each.object.document.dump());
    CHECK(creation_warnings(each.object) == each.warnings);
  }
}

TEST_CASE("a claim's two data sources say the same", "[admission]") {
  const Json other = {{"kind", "PersistentVolumeClaim"}, {"name", "c"}};
  const Json snapshot = {
      {"apiGroup", "snapshot.storage.k8s.io"}, {"kind", "VolumeSnapshot"}, {"name", "s"}};
  const Json cup = {{"apiGroup", "example.com"}, {"kind", "Cup"}, {"name", "c"}};
  const auto elsewhere = [](Json source) {
    source["namespace"] = "elsewhere";
    return source;
  };
  const auto source = [](const Json& value) { return claim(spec({{"dataSource", value}})); };
  const auto reference = [](const Json& value) { return claim(spec({{"dataSourceRef", value}})); };
  const auto both = [](const Json& one, const Json& two) {
    return claim(spec({{"dataSource", one}, {"dataSourceRef", two}}));
  };
  struct Case {
    Object given, settled;
    std::optional<Object> before = std::nullopt;
  };
  const Case cases[] = {
      {claim({}), claim({})},
      {source(other), both(other, other)},
      {reference(other), both(other, other)},
      {source(snapshot), both(snapshot, snapshot)},
      {reference(cup), both(cup, cup)},
      {both(other, cup), both(other, cup)},
      {source(cup), claim({})},
      {reference(elsewhere(other)), claim({})},
      // What is there already stays: an old client that says only one of them is understood.
      {source(cup), both(cup, cup), both(cup, cup)},
      {source(cup), claim({}), claim({})},
      {reference(elsewhere(other)), reference(elsewhere(other)), reference(elsewhere(other))},
  };
  for (const Case& each : cases) {
    INFO(each.given.document.dump());
    Object object = each.given;
    settle_data_sources(object, each.before ? &*each.before : nullptr);
    CHECK(object.document == each.settled.document);
  }
}

}  // namespace claimfs::volumes
