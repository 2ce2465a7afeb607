// What is refused of a new claim and a new storage class, and in which words. KUBERNETES.md 6.6,
// 6.7.

#include "volumes/validation.h"

#include "tests/unit/sound_objects.h"

namespace claimfs::volumes {

TEST_CASE("a new claim: what is wrong", "[validation]") {
  const auto selector = [](const char* op, const Json& values) {
    return spec({{"selector",
                  {{"matchExpressions",
                    Json::array({{{"key", "k"}, {"operator", op}, {"values", values}}})}}}});
  };
  const std::string values = "spec.selector.matchExpressions[0].values: ";
  check_new(
      claim,
      {
          {{}, {}},
          {spec({{"accessModes", nullptr}}),
           {"spec.accessModes: Required value: at least 1 access mode is required"}},
          {spec({{"accessModes", {"RWO"}}}),
           {"spec.accessModes: Unsupported value: \"RWO\": " + kModes}},
          {spec({{"resources", nullptr}}), {"spec.resources[storage]: Required value"}},
          {spec({{"resources", {{"requests", {{"storage", "0"}}}}}}),
           {"spec.resources[storage]: Invalid value: \"0\": must be greater than zero"}},
          {selector("In", Json::array()),
           {values + "Required value: must be specified when `operator` is 'In' or 'NotIn'"}},
          {selector("Exists", {"v"}),
           {values +
            "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'"}},
          {selector("Like", {"v"}),
           {"spec.selector.matchExpressions[0].operator: Invalid value: \"Like\": not a "
            "valid selector "
            "operator"}},
          {spec({{"storageClassName", ""}}), {}},
          {spec({{"volumeName", "what/ever"}}), {}},
          {{{"metadata", {{"namespace", "a.b"}}}},
           {"metadata.namespace: Invalid value: \"a.b\": must not contain dots"}},
          {selector("NotIn", {"v", "a b"}),
           {"spec.selector.matchExpressions[0].values[1]: Invalid value: \"a b\": " + kLabelValue}},
          {selector("Gt", {"1"}),
           {"spec.selector.matchExpressions[0].operator: Invalid value: \"Gt\": not a valid "
            "selector operator"}},
          {selector("DoesNotExist", Json::array()), {}},
          {spec({{"selector", {{"matchLabels", {{"/k", "v"}, {"k", "-"}}}}}}),
           {"spec.selector.matchLabels: Invalid value: \"/k\": prefix part must be non-empty",
            "spec.selector.matchLabels: Invalid value: \"-\": " + kLabelValue}},
          {spec({{"selector", Json::object()}}), {}},
          {spec({{"accessModes", {"ReadWriteOncePod", "ReadOnlyMany"}}}),
           {"spec.accessModes: Forbidden: may not use ReadWriteOncePod with other access "
            "modes"}},
          {spec({{"resources", {{"requests", {{"storage", "-1"}}}}}}),
           {"spec.resources[storage]: Invalid value: \"-1\": must be greater than zero"}},
          {spec({{"resources", {{"requests", {{"storage", nullptr}, {"cpu", "1"}}}}}}),
           {"spec.resources[storage]: Required value"}},
          {spec({{"resources", {{"requests", {{"storage", "100m"}}}}}}), {}},
          {spec({{"storageClassName", "Fast"}}),
           {"spec.storageClassName: Invalid value: \"Fast\": " + kSubdomain}},
          {spec({{"volumeMode", "Tape"}}),
           {"spec.volumeMode: Unsupported value: \"Tape\": supported values: \"Block\", "
            "\"Filesystem\""}},
          {spec({{"volumeAttributesClassName", ""}}), {}},
          {spec({{"volumeAttributesClassName", "Gold"}}),
           {"spec.volumeAttributesClassName: Invalid value: \"Gold\": " + kSubdomain}},
          // All at once, the selector between the modes.
          {{{"spec",
             {{"accessModes", nullptr},
              {"selector", {{"matchLabels", {{"k", "-"}}}}},
              {"resources", nullptr},
              {"storageClassName", "-"},
              {"volumeMode", "Tape"}}}},
           {"spec.accessModes: Required value: at least 1 access mode is required",
            "spec.selector.matchLabels: Invalid value: \"-\": " + kLabelValue,
            "spec.resources[storage]: Required value",
            "spec.storageClassName: Invalid value: \"-\": " + kSubdomain,
            "spec.volumeMode: Unsupported value: \"Tape\": supported values: \"Block\", "
            "\"Filesystem\""}},
      });
}

TEST_CASE("a new claim: what it is filled from", "[validation]") {
  const auto source = [](const Json& value) { return spec({{"dataSource", value}}); };
  const auto reference = [](const Json& value) { return spec({{"dataSourceRef", value}}); };
  const auto both = [](const Json& one, const Json& other) {
    return spec({{"dataSource", one}, {"dataSourceRef", other}});
  };
  const Json claim_source = {{"kind", "PersistentVolumeClaim"}, {"name", "c"}};
  const Json snapshot = {
      {"apiGroup", "snapshot.storage.k8s.io"}, {"kind", "VolumeSnapshot"}, {"name", "s"}};
  const std::string core = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
  check_new(
      claim,
      {
          {source(claim_source), {}},
          {source(snapshot), {}},
          // Dropped without a word.
          {source({{"kind", "Cup"}}), {}},
          {source({{"kind", "PersistentVolumeClaim"}}),
           {"spec.dataSource.name: Required value", "spec.dataSourceRef.name: Required value"}},
          {reference({{"apiGroup", "example.com"}, {"kind", "Cup"}, {"name", "c"}}), {}},
          {reference({{"kind", "Cup"}, {"name", "c"}}),
           {"spec.dataSource: Invalid value: \"Cup\": " + core,
            "spec.dataSourceRef: Invalid value: \"Cup\": " + core}},
          {reference(Json::object()),
           {"spec.dataSource.name: Required value", "spec.dataSource.kind: Required value",
            "spec.dataSource: Invalid value: \"\": " + core,
            "spec.dataSourceRef.name: Required value", "spec.dataSourceRef.kind: Required value",
            "spec.dataSourceRef: Invalid value: \"\": " + core}},
          {reference({{"apiGroup", "Example"}, {"kind", "Cup"}, {"name", "c"}}),
           {"spec.dataSource.apiGroup: Invalid value: \"Example\": " + kSubdomain,
            "spec.dataSourceRef.apiGroup: Invalid value: \"Example\": " + kSubdomain}},
          // Volumes of other namespaces are no feature that is on: the reference is dropped.
          {reference({{"kind", "PersistentVolumeClaim"}, {"name", "c"}, {"namespace", "other"}}),
           {}},
          {both(claim_source, claim_source), {}},
          {both(claim_source, snapshot), {"spec: Invalid value: {}: must match dataSourceRef"}},
      });
}

TEST_CASE("a new storage class: what is wrong", "[validation]") {
  check_new(
      storage_class,
      {
          {{}, {}},
          {{{"provisioner", nullptr}}, {"provisioner: Required value"}},
          {{{"reclaimPolicy", "Recycle"}},
           {"reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", "
            "\"Retain\""}},
          {{{"volumeBindingMode", "Later"}},
           {"volumeBindingMode: Unsupported value: \"Later\": supported values: \"Immediate\", "
            "\"WaitForFirstConsumer\""}},
          {{{"parameters", {{"", "v"}}}},
           {"parameters: Invalid value: \"\": field can not be empty."}},
          {{{"reclaimPolicy", ""}}, {}},
          {{{"volumeBindingMode", ""}},
           {"volumeBindingMode: Unsupported value: \"\": supported values: \"Immediate\", "
            "\"WaitForFirstConsumer\""}},
          {{{"mountOptions", {"what", "ever"}}}, {}},
          {{{"provisioner", "Example.com/Fast"}}, {}},
          {{{"provisioner", "A/B/C"}},
           {"provisioner: Invalid value: \"a/b/c\": a valid label key " + kLabelWord +
            " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"}},
          {{{"provisioner", "fast one"}},
           {"provisioner: Invalid value: \"fast one\": name part " + kLabelWord}},
          // All at once.
          {{{"provisioner", nullptr},
            {"parameters", {{"", "v"}}},
            {"reclaimPolicy", "Recycle"},
            {"volumeBindingMode", "Later"}},
           {"provisioner: Required value",
            "parameters: Invalid value: \"\": field can not be empty.",
            "reclaimPolicy: Unsupported value: \"Recycle\": supported values: \"Delete\", "
            "\"Retain\"",
            "volumeBindingMode: Unsupported value: \"Later\": supported values: \"Immediate\", "
            "\"WaitForFirstConsumer\""}},
      });
}

TEST_CASE("a new storage class: how many parameters", "[validation]") {
  Json parameters = Json::object();
  for (int i = 0; i < 512; ++i) parameters["p" + std::to_string(i)] = "";
  check_new(storage_class, {{{{"parameters", parameters}}, {}}});
  parameters[""] = "";
  check_new(storage_class, {{{{"parameters", parameters}},
                             {"parameters: Too long: may not be more than 512 bytes"}}});
  const std::string most(262'144 - 1, 'x');
  check_new(storage_class, {{{{"parameters", {{"k", most}}}}, {}},
                            {{{"parameters", {{"k", most + "x"}}}},
                             {"parameters: Too long: may not be more than 262144 bytes"}}});
}

TEST_CASE("a new storage class: where its volumes may be", "[validation]") {
  const auto topologies = [](const Json& terms) { return Json{{"allowedTopologies", terms}}; };
  const auto term = [](const Json& expressions) {
    return Json{{"matchLabelExpressions", expressions}};
  };
  const auto zone = [](const Json& values) { return Json{{"key", "zone"}, {"values", values}}; };
  const std::string first = "allowedTopologies[0].matchLabelExpressions[0].";
  check_new(storage_class,
            {
                {topologies(Json::array(
                     {term(Json::array({zone({"a", "b"})})), term(Json::array({zone({"a"})}))})),
                 {}},
                {topologies(Json::array({term(Json::array({zone(Json::array())}))})),
                 {first + "values: Required value"}},
                {topologies(Json::array({term(Json::array({zone({"a", "a"})}))})),
                 {first + "values[1]: Duplicate value: \"a\""}},
                {topologies(Json::array({term(Json::array({{{"key", "/k"}, {"values", {"a"}}}}))})),
                 {first + "key: Invalid value: \"/k\": prefix part must be non-empty"}},
                {topologies(Json::array({term(Json::array({zone({"a"}), zone({"b"})}))})),
                 {"allowedTopologies[0].matchLabelExpressions[1].key: Duplicate value: \"zone\""}},
                // The order of values is none.
                {topologies(Json::array({term(Json::array({zone({"a", "b"})})),
                                         term(Json::array({zone({"b", "a"})}))})),
                 {"allowedTopologies[1].matchLabelExpressions: Duplicate value: \"\""}},
                {topologies(Json::array({term(Json::array())})),
                 {"allowedTopologies[0].matchLabelExpressions: Duplicate value: \"\""}},
            });
}

}  // namespace claimfs::volumes
