// What is refused of a new volume, and in which words. KUBERNETES.md 6.4.

#include "volumes/validation.h"

#include "tests/unit/sound_objects.h"

namespace claimfs::volumes {

TEST_CASE("a new volume: what is wrong", "[validation]") {
  check_new(
      volume,
      {
          {{}, {}},
          {spec({{"accessModes", nullptr}}), {"spec.accessModes: Required value"}},
          {spec({{"accessModes", {"x"}}}),
           {"spec.accessModes: Unsupported value: \"x\": " + kModes}},
          {spec({{"accessModes", {"ReadWriteOncePod", "ReadWriteOnce"}}}),
           {"spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"}},
          {spec({{"capacity", nullptr}}),
           {"spec.capacity: Required value",
            "spec.capacity: Unsupported value: null: supported values: \"storage\""}},
          {spec({{"capacity", {{"storage", nullptr}, {"cpu", "1"}}}}),
           {"spec.capacity: Unsupported value: {\"cpu\":\"1\"}: supported values: \"storage\""}},
          {spec({{"capacity", {{"storage", "0"}}}}),
           {"spec.capacity[storage]: Invalid value: \"0\": must be greater than zero"}},
          {spec({{"persistentVolumeReclaimPolicy", "Burn"}}),
           {"spec.persistentVolumeReclaimPolicy: Unsupported value: \"Burn\": supported values: "
            "\"Delete\", \"Recycle\", \"Retain\""}},
          {spec({{"hostPath", nullptr}}), {"spec: Required value: must specify a volume type"}},
          {spec({{"nfs", {{"server", "s"}, {"path", "/p"}}}}),
           {"spec.nfs: Forbidden: may not specify more than 1 volume type"}},
          {spec({{"persistentVolumeReclaimPolicy", "Recycle"}, {"hostPath", {{"path", "//."}}}}),
           {"spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath "
            "mount "
            "of '/'"}},
          {spec({{"storageClassName", "Fast"}}),
           {"spec.storageClassName: Invalid value: \"Fast\": " + kSubdomain}},
          {spec({{"volumeMode", "Tape"}}),
           {"spec.volumeMode: Unsupported value: \"Tape\": supported values: \"Block\", "
            "\"Filesystem\""}},
          {spec({{"volumeAttributesClassName", "gold"}}),
           {"spec.csi: Required value: has to be specified when using volumeAttributesClassName"}},
          {spec({{"nodeAffinity", Json::object()}}),
           {"spec.nodeAffinity.required: Required value: must specify required node constraints"}},
          {annotated("volume.beta.kubernetes.io/mount-options", "ro"),
           {"metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not "
            "specify "
            "mount options for this volume type"}},
          {spec({{"hostPath", {{"path", ""}}}}), {"spec.hostPath.path: Required value"}},
          {spec({{"hostPath", {{"path", "/a/../b"}}}}),
           {"spec.hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"}},
          {spec({{"hostPath", {{"path", "/a..b"}}}}), {}},
          {spec({{"hostPath", {{"path", "relative"}}}}), {}},
          {spec({{"hostPath", {{"type", "Folder"}}}}),
           {"spec.hostPath.type: Unsupported value: \"Folder\": supported values: \"\", "
            "\"BlockDevice\", \"CharDevice\", \"Directory\", \"DirectoryOrCreate\", \"File\", "
            "\"FileOrCreate\", \"Socket\""}},
          {spec({{"hostPath", nullptr}, {"nfs", {{"server", ""}, {"path", ""}}}}),
           {"spec.nfs.server: Required value", "spec.nfs.path: Required value",
            "spec.nfs.path: Invalid value: \"\": must be an absolute path"}},
          {spec({{"hostPath", nullptr}, {"nfs", {{"server", "s"}, {"path", "/a/../b"}}}}), {}},
          {{{"metadata", {{"name", "PV_1"}}}},
           {"metadata.name: Invalid value: \"PV_1\": " + kSubdomain}},
          {{{"metadata", {{"name", nullptr}}}},
           {"metadata.name: Required value: name or generateName is required"}},
          // All at once.
          {spec({{"accessModes", nullptr}, {"hostPath", nullptr}, {"volumeMode", "Tape"}}),
           {"spec.accessModes: Required value", "spec: Required value: must specify a volume type",
            "spec.volumeMode: Unsupported value: \"Tape\": supported values: \"Block\", "
            "\"Filesystem\""}},
          {spec({{"accessModes", {"x", "ReadWriteOnce", "y"}}}),
           {"spec.accessModes: Unsupported value: \"x\": " + kModes,
            "spec.accessModes: Unsupported value: \"y\": " + kModes}},
          // What no mode is does not mix with ReadWriteOncePod.
          {spec({{"accessModes", {"ReadWriteOncePod", "x"}}}),
           {"spec.accessModes: Unsupported value: \"x\": " + kModes}},
          {spec({{"accessModes", {"ReadWriteOncePod"}}}), {}},
          {spec({{"capacity", {{"cpu", "1024Mi"}}}}),
           {"spec.capacity: Unsupported value: {\"cpu\":\"1Gi\",\"storage\":\"1Gi\"}: supported "
            "values: \"storage\""}},
          {spec({{"capacity", {{"storage", "-5"}}}}),
           {"spec.capacity[storage]: Invalid value: -5: must be a valid resource quantity",
            "spec.capacity[storage]: Invalid value: \"-5\": must be greater than zero"}},
          {spec({{"capacity", {{"storage", " 1Gi "}}}}), {}},
          {spec({{"capacity", {{"storage", 1.5}}}}), {}},
          {spec({{"capacity", {{"storage", "800E"}}}}), {}},
          {spec({{"persistentVolumeReclaimPolicy", ""}}), {}},
          {spec({{"persistentVolumeReclaimPolicy", "Recycle"}, {"hostPath", {{"path", "/a/.."}}}}),
           {"spec.hostPath.path: Invalid value: \"/a/..\": must not contain '..'",
            "spec.persistentVolumeReclaimPolicy: Forbidden: may not be 'recycle' for a hostPath "
            "mount of '/'"}},
          {spec({{"persistentVolumeReclaimPolicy", "Recycle"}}), {}},
          {spec({{"hostPath", {{"path", ""}, {"type", "Folder"}}}}),
           {"spec.hostPath.path: Required value"}},
          {spec({{"nfs", {{"server", "s"}, {"path", "/p"}}}, {"csi", {{"driver", "d"}}}}),
           {"spec.nfs: Forbidden: may not specify more than 1 volume type",
            "spec.csi: Forbidden: may not specify more than 1 volume type"}},
          {spec({{"hostPath", nullptr}, {"nfs", {{"server", "s"}, {"path", "p"}}}}),
           {"spec.nfs.path: Invalid value: \"p\": must be an absolute path"}},
          {spec({{"hostPath", nullptr}, {"rbd", {{"image", "i"}}}}), {}},
          // A reference is anybody's to write.
          {spec({{"claimRef", {{"name", "A B"}, {"uid", "?"}}}}), {}},
          {spec({{"mountOptions", {"bad,option", ""}}}), {}},
          {spec({{"hostPath", nullptr},
                 {"nfs", {{"server", "s"}, {"path", "/p"}}},
                 {"mountOptions", {"hard"}}}),
           {}},
      });
}

TEST_CASE("a new volume: mount options in the annotation", "[validation]") {
  const Json annotation = annotated("volume.beta.kubernetes.io/mount-options", "ro");
  const std::vector<std::string> refused = {
      "metadata.annotations.volume.beta.kubernetes.io/mount-options: Forbidden: may not specify "
      "mount options for this volume type"};
  const auto with = [&annotation](const char* source, Json members) {
    Json changes = annotation;
    changes.update(spec({{"hostPath", nullptr}, {source, std::move(members)}}));
    return changes;
  };
  check_new(volume, {
                        {annotation, refused},
                        {with("nfs", {{"server", "s"}, {"path", "/p"}}), {}},
                        {with("rbd", {{"image", "i"}}), {}},
                        {with("csi", {{"driver", "d"}, {"volumeHandle", "h"}}), refused},
                        {with("fc", {{"lun", 1}}), refused},
                    });
}

TEST_CASE("a new volume: its class of attributes", "[validation]") {
  const Json csi = {{"hostPath", nullptr}, {"csi", {{"driver", "d"}, {"volumeHandle", "h"}}}};
  const auto with = [&csi](const char* name) {
    Json changes = csi;
    changes["volumeAttributesClassName"] = name;
    return spec(changes);
  };
  check_new(volume,
            {
                {with("gold"), {}},
                {with(""),
                 {"spec.volumeAttributesClassName: Required value: an empty string is "
                  "disallowed"}},
                {with("Gold"),
                 {"spec.volumeAttributesClassName: Invalid value: \"Gold\": " + kSubdomain}},
                {spec({{"volumeAttributesClassName", ""}}),
                 {"spec.volumeAttributesClassName: Required value: an empty string is "
                  "disallowed",
                  "spec.csi: Required value: has to be specified when using "
                  "volumeAttributesClassName"}},
            });
}

TEST_CASE("a new volume: csi", "[validation]") {
  const auto csi = [](const Json& source) {
    return spec({{"hostPath", nullptr}, {"csi", source}});
  };
  const std::string long_name(64, 'd');
  check_new(
      volume,
      {
          {csi({{"driver", "Driver.example.com"}, {"volumeHandle", "h"}}), {}},
          {csi(Json::object()),
           {"spec.csi.driver: Required value",
            "spec.csi.driver: Invalid value: \"\": " + kSubdomain,
            "spec.csi.volumeHandle: Required value"}},
          {csi({{"driver", long_name}, {"volumeHandle", "h"}}),
           {"spec.csi.driver: Too long: may not be more than 63 bytes"}},
          {csi({{"driver", "d_"}, {"volumeHandle", "h"}}),
           {"spec.csi.driver: Invalid value: \"d_\": " + kSubdomain}},
          {csi({{"driver", "d"},
                {"volumeHandle", "h"},
                {"nodeStageSecretRef", Json::object()},
                {"nodePublishSecretRef", {{"name", "S"}, {"namespace", "a.b"}}},
                {"controllerExpandSecretRef", Json::object()}}),
           {"spec.csi.controllerExpandSecretRef.name: Required value",
            "spec.csi.controllerExpandSecretRef.namespace: Required value",
            "spec.csi.nodePublishSecretRef.name: Invalid value: \"S\": " + kSubdomain,
            "spec.csi.nodePublishSecretRef.namespace: Invalid value: \"a.b\": must not contain "
            "dots"}},
      });
}

TEST_CASE("a new volume: local, and the nodes that have it", "[validation]") {
  const auto local = [](const Json& source, const Json& terms) {
    Json changes = {{"hostPath", nullptr}, {"local", source}};
    if (!terms.is_null()) changes["nodeAffinity"] = {{"required", {{"nodeSelectorTerms", terms}}}};
    return spec(changes);
  };
  const auto requirement = [](const char* key, const char* op, const Json& values) {
    return Json{{"key", key}, {"operator", op}, {"values", values}};
  };
  const auto labelled = [&](const char* key, const char* op, const Json& values) {
    return local(
        {{"path", "/d"}},
        Json::array({{{"matchExpressions", Json::array({requirement(key, op, values)})}}}));
  };
  const auto named = [&](const char* key, const char* op, const Json& values) {
    return local({{"path", "/d"}},
                 Json::array({{{"matchFields", Json::array({requirement(key, op, values)})}}}));
  };
  const std::string terms = "spec.nodeAffinity.required.nodeSelectorTerms";
  const std::string first = terms + "[0].matchExpressions[0].";
  const std::string field = terms + "[0].matchFields[0].";
  check_new(
      volume,
      {
          {labelled("kubernetes.io/hostname", "In", {"n1"}), {}},
          {local({{"path", "/d"}}, {}),
           {"spec.nodeAffinity: Required value: Local volume requires node affinity"}},
          {local(Json::object(), {}),
           {"spec.local.path: Required value",
            "spec.nodeAffinity: Required value: Local volume requires node affinity"}},
          {local({{"path", "/a/../b"}}, Json::array({Json::object()})),
           {"spec.local.path: Invalid value: \"/a/../b\": must not contain '..'"}},
          {local({{"path", "d"}}, Json::array({Json::object()})), {}},
          {local({{"path", "/d"}}, Json::array()),
           {terms + ": Required value: must have at least one node selector term"}},
          {labelled("k", "NotIn", Json::array()),
           {first +
            "values: Required value: must be specified when `operator` is 'In' or 'NotIn'"}},
          {labelled("k", "Exists", {"v"}),
           {first + "values: Forbidden: may not be specified when `operator` is 'Exists' or "
                    "'DoesNotExist'"}},
          {labelled("k", "Gt", {"1", "2"}),
           {first + "values: Required value: must be specified single value when `operator` is "
                    "'Lt' or 'Gt'"}},
          {labelled("k", "Lt", {"1"}), {}},
          {labelled("k", "Like", Json::array()),
           {first + "operator: Invalid value: \"Like\": not a valid selector operator"}},
          {labelled("a b", "In", {"v", "-"}),
           {first + "key: Invalid value: \"a b\": name part " + kLabelWord,
            first + "values[1]: Invalid value: \"-\": " + kLabelValue}},
          {named("metadata.name", "In", {"n1"}), {}},
          {named("metadata.name", "In", {"n1", "N2"}),
           {field + "values: Required value: must be only one value when `operator` is 'In' or "
                    "'NotIn' for node field selector",
            field + "values[1]: Invalid value: \"N2\": " + kSubdomain}},
          {named("metadata.uid", "Exists", Json::array()),
           {field + "operator: Invalid value: \"Exists\": not a valid selector operator",
            field + "key: Invalid value: \"metadata.uid\": not a valid field selector key"}},
      });
}

}  // namespace claimfs::volumes
