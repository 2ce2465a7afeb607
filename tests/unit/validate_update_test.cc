// What may change, and in which words the rest is refused. KUBERNETES.md 6.7, 6.8.

#include "volumes/validation.h"

#include "tests/unit/sound_objects.h"

namespace claimfs::volumes {

TEST_CASE("an update of a volume", "[validation]") {
  const Json csi = {{"hostPath", nullptr}, {"csi", {{"driver", "d"}, {"volumeHandle", "h"}}}};
  Json with_secret = csi;
  with_secret["csi"]["controllerExpandSecretRef"] = {{"name", "s"}, {"namespace", "n"}};
  Json with_class = csi;
  with_class["volumeAttributesClassName"] = "gold";
  const std::string moved =
      "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after "
      "creation\n";
  check_updates({
      {volume({}), volume(spec({{"capacity", {{"storage", "2Gi"}}}})), {}},
      {volume({}), volume(spec({{"accessModes", {"ReadWriteMany"}}})), {}},
      {volume({}), volume(spec({{"persistentVolumeReclaimPolicy", "Delete"}})), {}},
      {volume({}), volume(spec({{"storageClassName", "other"}})), {}},
      {volume({}), volume(spec({{"mountOptions", {"ro"}}})), {}},
      {volume({}), volume(spec({{"claimRef", {{"name", "c"}, {"namespace", "n"}}}})), {}},
      {volume({}),
       volume(spec({{"hostPath", {{"path", "/other"}}}})),
       {moved + "@@ -2,7 +2,7 @@\n"
                "  \"GCEPersistentDisk\": null,\n"
                "  \"AWSElasticBlockStore\": null,\n"
                "  \"HostPath\": {\n"
                "-  \"Path\": \"/data\",\n"
                "+  \"Path\": \"/other\",\n"
                "   \"Type\": \"\"\n"
                "  },\n"
                "  \"Glusterfs\": null,"}},
      {volume({}),
       volume(spec({{"volumeMode", "Block"}})),
       {"volumeMode: Invalid value: \"Block\": field is immutable"}},
      // The secret for growing may come later, and not change.
      {volume(spec(csi)), volume(spec(with_secret)), {}},
      {volume(spec(with_secret)),
       volume(spec(csi)),
       {moved + "@@ -29,10 +29,7 @@\n"
                "   \"ControllerPublishSecretRef\": null,\n"
                "   \"NodeStageSecretRef\": null,\n"
                "   \"NodePublishSecretRef\": null,\n"
                "-  \"ControllerExpandSecretRef\": {\n"
                "-   \"Name\": \"s\",\n"
                "-   \"Namespace\": \"n\"\n"
                "-  },\n"
                "+  \"ControllerExpandSecretRef\": null,\n"
                "   \"NodeExpandSecretRef\": null\n"
                "  }\n"
                " }"}},
      {volume(spec(csi)), volume(spec(with_class)), {}},
      {volume(spec(with_class)),
       volume(spec(csi)),
       {"spec.volumeAttributesClassName: Forbidden: update from non-nil value to nil is "
        "forbidden"}},
      // What is wrong with the object comes before what is wrong with its change.
      {volume({}),
       volume(spec({{"accessModes", nullptr}, {"volumeMode", "Tape"}})),
       {"spec.accessModes: Required value",
        "spec.volumeMode: Unsupported value: \"Tape\": supported values: \"Block\", "
        "\"Filesystem\"",
        "volumeMode: Invalid value: \"Tape\": field is immutable"}},
  });
}

TEST_CASE("an update of a volume: its nodes", "[validation]") {
  const auto on = [](const char* key, const Json& values) {
    return volume(spec(
        {{"nodeAffinity",
          {{"required",
            {{"nodeSelectorTerms",
              Json::array({{{"matchExpressions", Json::array({{{"key", key},
                                                               {"operator", "In"},
                                                               {"values", values}}})}}})}}}}}}));
  };
  const auto changed = [](const std::string& key, const std::string& values) {
    return "nodeAffinity: Invalid value: "
           "{\"Required\":{\"NodeSelectorTerms\":[{\"MatchExpressions\":[{\"Key\":\"" +
           key + "\",\"Operator\":\"In\",\"Values\":" + values +
           "}],\"MatchFields\":null}]}}: field is immutable, except for updating from beta label "
           "to GA";
  };
  check_updates({
      {volume({}), on("zone", {"a"}), {}},
      {on("zone", {"a"}), on("zone", {"a"}), {}},
      {on("zone", {"a"}), on("zone", {"b"}), {changed("zone", "[\"b\"]")}},
      {on("zone", {"a"}),
       volume({}),
       {"nodeAffinity: Invalid value: null: field is immutable, except for updating from beta "
        "label to GA"}},
      {on("failure-domain.beta.kubernetes.io/zone", {"a"}),
       on("topology.kubernetes.io/zone", {"a"}),
       {}},
      {on("topology.kubernetes.io/zone", {"a"}),
       on("failure-domain.beta.kubernetes.io/zone", {"a"}),
       {changed("failure-domain.beta.kubernetes.io/zone", "[\"a\"]")}},
      {on("zone", {"beta.kubernetes.io/os"}),
       on("zone", {"kubernetes.io"}),
       {changed("zone", "[\"kubernetes.io\"]")}},
      // What was never valid may stay.
      {on("zone", {"-"}), on("zone", {"-"}), {}},
  });
}

TEST_CASE("an update of a storage class", "[validation]") {
  check_updates({
      {storage_class({}), storage_class({{"allowVolumeExpansion", true}}), {}},
      {storage_class({}), storage_class({{"mountOptions", {"ro"}}}), {}},
      {storage_class({}),
       storage_class({{"allowedTopologies",
                       Json::array({{{"matchLabelExpressions",
                                      Json::array({{{"key", "k"}, {"values", {"v"}}}})}}})}}),
       {}},
      {storage_class({}),
       storage_class(annotated("storageclass.kubernetes.io/is-default-class", "true")),
       {}},
      {storage_class({{"parameters", {{"a", "1"}}}}),
       storage_class({{"parameters", {{"b", "<2>"}, {"a", "1"}}},
                      {"provisioner", "other"},
                      {"reclaimPolicy", "Retain"},
                      {"volumeBindingMode", "WaitForFirstConsumer"}}),
       {"parameters: Invalid value: {\"a\":\"1\",\"b\":\"\\u003c2\\u003e\"}: field is immutable",
        "provisioner: Invalid value: \"other\": field is immutable",
        "reclaimPolicy: Invalid value: \"Retain\": field is immutable",
        "volumeBindingMode: Invalid value: \"WaitForFirstConsumer\": field is immutable"}},
      {storage_class({}),
       storage_class({{"provisioner", nullptr}}),
       {"provisioner: Required value", "provisioner: Invalid value: null: field is immutable"}},
  });
}

TEST_CASE("an imported object of a newer cluster stays changeable", "[validation]") {
  const Json newer = spec({{"futureField", 1}});
  check_updates({
      {claim(newer), claim(merged(newer, metadata({{"labels", {{"k", "v"}}}}))), {}},
      {claim(newer),
       claim(merged(newer, spec({{"otherField", 1}}))),
       {"strict decoding error: unknown field \"spec.otherField\""}},
  });
}

}  // namespace claimfs::volumes
