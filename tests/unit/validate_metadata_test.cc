// What is refused of any object's metadata and of its form. KUBERNETES.md 6.3, 6.10.

#include "volumes/validation.h"

#include "tests/unit/sound_objects.h"

namespace claimfs::volumes {

TEST_CASE("names", "[validation]") {
  const std::string label = "metadata.namespace: Invalid value: ";
  const std::string long_name(254, 'n'), long_space(64, 'n');
  check_new(
      claim,
      {
          {metadata({{"name", "a.b-c"}, {"namespace", "0-9"}}), {}},
          {metadata({{"name", std::string(253, 'n')}, {"namespace", std::string(63, 'n')}}), {}},
          {metadata({{"name", nullptr}, {"namespace", nullptr}}),
           {"metadata.name: Required value: name or generateName is required",
            "metadata.namespace: Required value"}},
          {metadata({{"name", "My_Claim"}}),
           {"metadata.name: Invalid value: \"My_Claim\": " + kSubdomain}},
          {metadata({{"name", "a..b"}}), {"metadata.name: Invalid value: \"a..b\": " + kSubdomain}},
          {metadata({{"name", long_name}}),
           {"metadata.name: Invalid value: \"" + long_name +
            "\": must be no more than 253 characters"}},
          // Both, where both are so.
          {metadata({{"name", long_name + "_"}}),
           {"metadata.name: Invalid value: \"" + long_name +
                "_\": must be no more than 253 characters",
            "metadata.name: Invalid value: \"" + long_name + "_\": " + kSubdomain}},
          {metadata({{"generateName", "data-"}}), {}},
          {metadata({{"generateName", "Data-"}}),
           {"metadata.generateName: Invalid value: \"Data-\": " + kSubdomain}},
          {metadata({{"namespace", "a.b"}}), {label + "\"a.b\": must not contain dots"}},
          {metadata({{"namespace", "A.b"}}), {label + "\"A.b\": " + kLabel}},
          {metadata({{"namespace", long_space}}),
           {label + "\"" + long_space + "\": must be no more than 63 characters"}},
          {metadata({{"name", "tab\there"}}),
           {R"(metadata.name: Invalid value: "tab\there": )" + kSubdomain}},
      });
  // What belongs to no namespace loses the one that it was given.
  check_new(volume, {{metadata({{"namespace", "A B"}}), {}}});
  check_new(storage_class, {{metadata({{"namespace", "x"}, {"name", "Fast"}}),
                             {"metadata.name: Invalid value: \"Fast\": " + kSubdomain}}});
}

TEST_CASE("labels and annotations", "[validation]") {
  const auto label = [](const std::string& key, const std::string& value) {
    return metadata({{"labels", {{key, value}}}});
  };
  const auto annotation = [](const std::string& key, const std::string& value) {
    return metadata({{"annotations", {{key, value}}}});
  };
  const std::string labels = "metadata.labels: Invalid value: ";
  const std::string long_word(64, 'w'), long_prefix(254, 'p');
  check_new(
      claim,
      {
          {label("example.com/Tier_1", "Gold.1"), {}},
          {label("tier", ""), {}},
          {label(std::string(63, 'k'), std::string(63, 'v')), {}},
          {label("a b", "c"), {labels + "\"a b\": name part " + kLabelWord}},
          {label("", "v"),
           {labels + "\"\": name part must be non-empty",
            labels + "\"\": name part " + kLabelWord}},
          {label("/k", "v"), {labels + "\"/k\": prefix part must be non-empty"}},
          {label("Example.com/k", "v"), {labels + "\"Example.com/k\": prefix part " + kSubdomain}},
          {label("a/b/c", "v"),
           {labels + "\"a/b/c\": a valid label key " + kLabelWord +
            " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"}},
          {label(long_word, "v"),
           {labels + "\"" + long_word + "\": name part must be no more than 63 bytes"}},
          {label(long_prefix + "/k", "v"),
           {labels + "\"" + long_prefix + "/k\": prefix part must be no more than 253 bytes"}},
          {label("k", "-v"), {labels + "\"-v\": " + kLabelValue}},
          {label("k", long_word),
           {labels + "\"" + long_word + "\": must be no more than 63 bytes"}},
          {annotation("Example.COM/k", "any value: {}"), {}},
          {annotation("a b", ""),
           {"metadata.annotations: Invalid value: \"a b\": name part " + kLabelWord}},
          {annotation("k", std::string(262'143, 'x')), {}},
          {annotation("k", std::string(262'144, 'x')),
           {"metadata.annotations: Too long: may not be more than 262144 bytes"}},
      });
}

TEST_CASE("owners, finalizers and managers", "[validation]") {
  const auto owners = [](const Json& list) { return metadata({{"ownerReferences", list}}); };
  const auto owner = [](const char* kind, const char* name) {
    return Json{{"apiVersion", "apps/v1"}, {"kind", kind}, {"name", name}, {"uid", "u"}};
  };
  const auto controller = [&owner](const char* kind, const char* name) {
    Json reference = owner(kind, name);
    reference["controller"] = true;
    return reference;
  };
  const auto finalizers = [](const Json& list) { return metadata({{"finalizers", list}}); };
  const auto managers = [](const Json& list) { return metadata({{"managedFields", list}}); };
  const std::string reference = "metadata.ownerReferences";
  check_new(
      claim,
      {
          {owners(Json::array({controller("StatefulSet", "s"), owner("Job", "j")})), {}},
          {owners(Json::array({Json::object()})),
           {reference + ".apiVersion: Invalid value: \"\": version must not be empty",
            reference + ".kind: Invalid value: \"\": must not be empty",
            reference + ".name: Invalid value: \"\": must not be empty",
            reference + ".uid: Invalid value: \"\": must not be empty"}},
          {owners(Json::array(
               {{{"apiVersion", "a/b/c"}, {"kind", "K"}, {"name", "n"}, {"uid", "u"}}})),
           {reference + ".apiVersion: Invalid value: \"a/b/c\": version must not be empty"}},
          {owners(Json::array({{{"apiVersion", "v1"},
                                {"kind", "Event"},
                                {"name", "e"},
                                {"uid", "u"},
                                {"blockOwnerDeletion", true}}})),
           {reference + ": Invalid value: {\"apiVersion\":\"v1\",\"kind\":\"Event\",\"name\":"
                        "\"e\",\"uid\":\"u\",\"blockOwnerDeletion\":true}: /v1, Kind=Event is "
                        "disallowed from being an owner"}},
          {owners(Json::array({controller("Job", "a"), controller("Job", "b")})),
           {reference +
            ": Invalid value: [{\"apiVersion\":\"apps/v1\",\"kind\":\"Job\",\"name\":\"a\","
            "\"uid\":\"u\",\"controller\":true},{\"apiVersion\":\"apps/v1\",\"kind\":\"Job\","
            "\"name\":\"b\",\"uid\":\"u\",\"controller\":true}]: Only one reference can have "
            "Controller set to true. Found \"true\" in references for Job/a and Job/b"}},
          {finalizers({"kubernetes.io/pvc-protection", "orphan", "kubernetes"}), {}},
          {finalizers({"example.com/"}),
           {"metadata.finalizers: Invalid value: \"example.com/\": name part must be non-empty",
            "metadata.finalizers: Invalid value: \"example.com/\": name part " + kLabelWord}},
          {finalizers({"orphan", "foregroundDeletion", "mine"}),
           {"metadata.finalizers: Invalid value: [\"orphan\",\"foregroundDeletion\",\"mine\"]: "
            "finalizer orphan and foregroundDeletion cannot be both set",
            "metadata.finalizers[2]: Invalid value: \"mine\": name is neither a standard finalizer "
            "name nor is it fully qualified"}},
          {managers(Json::array({{{"operation", "Apply"}, {"fieldsType", "FieldsV1"}},
                                 {{"operation", "Guess"}, {"fieldsType", "Fields"}}})),
           {"metadata.managedFields[1].operation: Invalid value: \"Guess\": must be `Apply` or "
            "`Update`",
            "metadata.managedFields[1].fieldsType: Invalid value: \"Fields\": must be `FieldsV1`"}},
          {metadata({{"generation", -1}}),
           {"metadata.generation: Invalid value: -1: must be greater than or equal to 0"}},
      });
}

TEST_CASE("what is wrong with metadata comes first", "[validation]") {
  const Json changes = {{"metadata",
                         {{"name", "A"},
                          {"namespace", "A"},
                          {"labels", {{"k", "-"}}},
                          {"annotations", {{"a b", ""}}},
                          {"finalizers", {"a b/c"}}}},
                        {"spec", {{"accessModes", nullptr}}}};
  check_new(claim, {{changes,
                     {"metadata.name: Invalid value: \"A\": " + kSubdomain,
                      "metadata.namespace: Invalid value: \"A\": " + kLabel,
                      "metadata.labels: Invalid value: \"-\": " + kLabelValue,
                      "metadata.annotations: Invalid value: \"a b\": name part " + kLabelWord,
                      "metadata.finalizers: Invalid value: \"a b/c\": prefix part " + kSubdomain,
                      "spec.accessModes: Required value: at least 1 access mode is required"}}});
}

TEST_CASE("what the kind does not have, and what has another type", "[validation]") {
  check_new(
      volume,
      {
          {spec({{"hostpath", {{"path", "/x"}}}}),
           {"strict decoding error: unknown field \"spec.hostpath\""}},
          // All of them, and nothing of what else is wrong.
          {{{"spec", {{"zone", 1}, {"accessModes", nullptr}, {"csi", {{"drivers", "d"}}}}},
            {"metadata", {{"nickname", "x"}, {"ownerReferences", Json::array({{{"k", 1}}})}}},
            {"data", Json::object()}},
           {"strict decoding error: unknown field \"data\", unknown field \"metadata.nickname\", "
            "unknown field \"metadata.ownerReferences[0].k\", unknown field \"spec.csi.drivers\", "
            "unknown field \"spec.zone\""}},
          {spec({{"accessModes", "ReadWriteOnce"}}),
           {"spec.accessModes: must be a list of strings"}},
          {spec({{"capacity", {{"storage", "1Gb"}}}}),
           {"spec.capacity[storage]: Invalid value: \"1Gb\": quantities must match the regular "
            "expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"}},
          {spec({{"capacity", {{"storage", "1K"}}}}),
           {"spec.capacity[storage]: Invalid value: \"1K\": unable to parse quantity's suffix"}},
          {spec({{"storageClassName", 5}}), {"spec.storageClassName: must be a string (quote it)"}},
      });
  check_new(
      storage_class,
      {{{{"parameters", {{"archive", true}}}},
        {"parameters: must be a map of strings (quote numbers and booleans)"}},
       {{{"allowedTopologies", Json::array({{{"matchLabelExpressions",
                                              Json::array({{{"key", "k"}, {"value", "v"}}})}}})}},
        {"strict decoding error: unknown field "
         "\"allowedTopologies[0].matchLabelExpressions[0].value\""}}});
  // A Pod is more than its volumes.
  check_new(pod,
            {{spec({{"restartPolicy", "Never"}, {"hostAliases", Json::array()}}), {}},
             {spec({{"volumes", Json::array({{{"name", "v"}, {"somethingNew", 1}}})}}), {}},
             {spec({{"volumes",
                     Json::array({{{"name", "v"}, {"persistentVolumeClaim", {{"claim", "c"}}}}})}}),
              {"strict decoding error: unknown field "
               "\"spec.volumes[0].persistentVolumeClaim.claim\""}}});
}

}  // namespace claimfs::volumes
