// What is refused of a Pod's volumes. KUBERNETES.md 6.6.

#include "volumes/validation.h"

#include "tests/unit/sound_objects.h"

namespace claimfs::volumes {

namespace {

Json with_volumes(const Json& volumes) { return spec({{"volumes", volumes}}); }

Json ephemeral(const Json& claim) {
  return with_volumes(
      Json::array({{{"name", "scratch"}, {"ephemeral", {{"volumeClaimTemplate", claim}}}}}));
}

const Json kTemplateSpec = {{"accessModes", {"ReadWriteOnce"}},
                            {"resources", {{"requests", {{"storage", "1Gi"}}}}}};

}  // namespace

TEST_CASE("a new pod: its volumes", "[validation]") {
  const std::string first = "spec.volumes[0].";
  const Json claim_source = {{"claimName", "data"}};
  check_new(
      pod,
      {
          {{}, {}},
          {spec({{"volumes", nullptr}}), {}},
          {with_volumes(
               Json::array({{{"name", "a"}}, {{"name", "b"}, {"emptyDir", Json::object()}}})),
           {}},
          {with_volumes(Json::array({{{"name", "a"}, {"persistentVolumeClaim", Json::object()}}})),
           {first + "persistentVolumeClaim.claimName: Required value"}},
          // A claim's name is not looked at.
          {with_volumes(
               Json::array({{{"name", "a"}, {"persistentVolumeClaim", {{"claimName", "A B"}}}}})),
           {}},
          {with_volumes(Json::array({{{"persistentVolumeClaim", claim_source}}})),
           {first + "name: Required value"}},
          {with_volumes(Json::array({{{"name", "a.b"}}})),
           {first + "name: Invalid value: \"a.b\": must not contain dots"}},
          {with_volumes(Json::array({{{"name", "a"}}, {{"name", "a"}}})),
           {"spec.volumes[1].name: Duplicate value: \"a\""}},
          // A name that was wrong is not taken.
          {with_volumes(Json::array({{{"name", "a.b"}}, {{"name", "a.b"}}})),
           {first + "name: Invalid value: \"a.b\": must not contain dots",
            "spec.volumes[1].name: Invalid value: \"a.b\": must not contain dots"}},
          {with_volumes(Json::array({{{"name", "a"},
                                      {"persistentVolumeClaim", claim_source},
                                      {"emptyDir", Json::object()},
                                      {"hostPath", {{"path", "/x"}}}}})),
           {first + "hostPath: Forbidden: may not specify more than 1 volume type",
            first + "persistentVolumeClaim: Forbidden: may not specify more than 1 volume type"}},
      });
}

TEST_CASE("a new pod: the claims that are made for it", "[validation]") {
  const std::string path = "spec.volumes[0].ephemeral.volumeClaimTemplate";
  check_new(
      pod, {
               {ephemeral({{"spec", kTemplateSpec}}), {}},
               {ephemeral({{"metadata", {{"labels", {{"k", "v"}}}}}, {"spec", kTemplateSpec}}), {}},
               {ephemeral(nullptr), {path + ": Required value"}},
               {ephemeral({{"spec", Json::object()}}),
                {path + ".spec.accessModes: Required value: at least 1 access mode is required",
                 path + ".spec.resources[storage]: Required value"}},
               {ephemeral({{"spec",
                            {{"accessModes", {"x"}},
                             {"storageClassName", "-"},
                             {"selector", {{"matchLabels", {{"k", "-"}}}}},
                             {"resources", {{"requests", {{"storage", "0"}}}}}}}}),
                {path + ".spec.selector.matchLabels: Invalid value: \"-\": " + kLabelValue,
                 path + ".spec.accessModes: Unsupported value: \"x\": " + kModes,
                 path + ".spec.resources[storage]: Invalid value: \"0\": must be greater than zero",
                 path + ".spec.storageClassName: Invalid value: \"-\": " + kSubdomain}},
               {ephemeral({{"metadata",
                            {{"name", "n"},
                             {"uid", "u"},
                             {"finalizers", {"a/b"}},
                             {"labels", {{"k", "-"}}},
                             {"annotations", {{"a b", ""}}}}},
                           {"spec", kTemplateSpec}}),
                {path + ".metadata.annotations: Invalid value: \"a b\": name part " + kLabelWord,
                 path + ".metadata.labels: Invalid value: \"-\": " + kLabelValue,
                 path + ".metadata.name: Forbidden: cannot be set",
                 path + ".metadata.uID: Forbidden: cannot be set",
                 path + ".metadata.finalizers: Forbidden: cannot be set"}},
               {ephemeral({{"spec", {{"size", "1Gi"}}}}),
                {"strict decoding error: unknown field \"" + path + ".spec.size\""}},
           });
  // The claim is named after both.
  const std::string name(250, 'p');
  Json changes = ephemeral({{"spec", kTemplateSpec}});
  changes["metadata"]["name"] = name;
  check_new(pod, {{changes,
                   {"spec.volumes[0].name: Invalid value: \"scratch\": PVC name \"" + name +
                    "-scratch\": must be no more than 253 characters"}}});
}

TEST_CASE("a new pod: what its containers mount", "[validation]") {
  const auto container = [](const char* key, const Json& list) {
    return spec({{"containers", Json::array({{{"name", "c"}, {"image", "i"}, {key, list}}})}});
  };
  const auto mounts = [&container](const Json& list) { return container("volumeMounts", list); };
  const auto devices = [&container](const Json& list) { return container("volumeDevices", list); };
  const std::string mount = "spec.containers[0].volumeMounts";
  const std::string device = "spec.containers[0].volumeDevices";
  const Json data = {{"name", "data"}, {"mountPath", "/data"}};
  Json scratch = devices(Json::array({{{"name", "scratch"}, {"devicePath", "/dev/x"}}}));
  scratch["spec"]["volumes"] = Json::array({{{"name", "scratch"}, {"emptyDir", Json::object()}}});
  check_new(
      pod,
      {
          {mounts(Json::array({data})), {}},
          {mounts(Json::array({{{"name", "date"}, {"mountPath", "/data"}}})),
           {mount + "[0].name: Not found: \"date\""}},
          {mounts(Json::array({Json::object()})),
           {mount + "[0].name: Required value", mount + "[0].name: Not found: \"\"",
            mount + "[0].mountPath: Required value"}},
          {mounts(Json::array({data, data})),
           {mount + "[1].mountPath: Invalid value: \"/data\": must be unique"}},
          {devices(Json::array({{{"name", "data"}, {"devicePath", "/dev/x"}}})), {}},
          {devices(Json::array({{{"name", "date"}}})),
           {device + "[0].name: Not found: \"date\"", device + "[0].devicePath: Required value"}},
          {scratch,
           {device + "[0].name: Invalid value: \"scratch\": can only use volume source type of "
                     "PersistentVolumeClaim or Ephemeral for block mode"}},
          {spec({{"initContainers",
                  Json::array(
                      {{{"name", "c"},
                        {"volumeMounts", Json::array({{{"name", "x"}, {"mountPath", "/x"}}})}}})}}),
           {"spec.initContainers[0].volumeMounts[0].name: Not found: \"x\""}},
      });
}

TEST_CASE("a pod keeps its volumes", "[validation]") {
  const Object before = pod({});
  CHECK(validate_update(before, pod(spec({{"nodeName", "n1"}}))).empty());
  const auto messages = messages_of(validate_update(before, pod(with_volumes(Json::array()))));
  REQUIRE(messages.size() == 1);
  CHECK(messages.front() ==
        "spec: Forbidden: pod updates may not change fields other than "
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
        "`spec.tolerations` (only additions to existing tolerations),"
        "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously "
        "negative)\n"
        "@@ -1,8 +1 @@\n"
        "-[\n"
        "- {\n"
        "-  \"name\": \"data\",\n"
        "-  \"persistentVolumeClaim\": {\n"
        "-   \"claimName\": \"data\"\n"
        "-  }\n"
        "- }\n"
        "-]\n"
        "+[]");
}

}  // namespace claimfs::volumes
