// Whatever a manifest or an import holds, validation answers with errors and does not fall over.

#include "tests/unit/sound_objects.h"
#include "volumes/admission.h"

namespace claimfs::volumes {
namespace {

const Json kStrange[] = {nullptr,
                         5,
                         -1.5,
                         true,
                         "",
                         "x",
                         Json::array(),
                         Json::object(),
                         Json::array({1}),
                         Json::array({Json::object()}),
                         {{"a", {{"b", 1}}}}};

// The document with each value in turn, however deep, replaced by something strange.
void replace_each(const Json& document, const Json::json_pointer& at, std::vector<Json>& result) {
  const Json& value = document[at];
  for (const Json& strange : kStrange) {
    result.push_back(document);
    result.back()[at] = strange;
  }
  if (value.is_object()) {
    for (const auto& [key, member] : value.items()) replace_each(document, at / key, result);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.size(); ++i) replace_each(document, at / i, result);
  }
}

Json rich_claim() {
  return claim({{"metadata",
                 {{"labels", {{"k", "v"}}},
                  {"annotations", {{"volume.beta.kubernetes.io/storage-class", "slow"}}},
                  {"deletionTimestamp", "2026-11-23T07:38:00Z"},
                  {"finalizers", {"a/b"}},
                  {"managedFields", Json::array({{{"operation", "Apply"}}})},
                  {"ownerReferences", Json::array({{{"kind", "Job"}, {"controller", true}}})}}},
                {"spec",
                 {{"selector",
                   {{"matchLabels", {{"k", "v"}}},
                    {"matchExpressions",
                     Json::array({{{"key", "k"}, {"operator", "In"}, {"values", {"v"}}}})}}},
                  {"dataSource", {{"kind", "PersistentVolumeClaim"}, {"name", "c"}}},
                  {"dataSourceRef", {{"kind", "Cup"}, {"name", "c"}, {"namespace", "n"}}},
                  {"volumeName", "pv"},
                  {"volumeAttributesClassName", "gold"}}},
                {"status", {{"phase", "Bound"}, {"capacity", {{"storage", "1Gi"}}}}}})
      .document;
}

Json rich_volume() {
  const Json terms = Json::array(
      {{{"matchExpressions", Json::array({{{"key", "k"}, {"operator", "In"}, {"values", {"v"}}}})},
        {"matchFields", Json::array({{{"key", "metadata.name"}, {"operator", "In"}}})}}});
  return volume({{"spec",
                  {{"csi", {{"driver", "d"}, {"controllerExpandSecretRef", {{"name", "s"}}}}},
                   {"nfs", {{"server", "s"}}},
                   {"claimRef", {{"name", "c"}}},
                   {"mountOptions", {"ro"}},
                   {"nodeAffinity", {{"required", {{"nodeSelectorTerms", terms}}}}}}}})
      .document;
}

Json rich_pod() {
  const Json ephemeral = {{"name", "s"},
                          {"ephemeral", {{"volumeClaimTemplate", {{"spec", Json::object()}}}}}};
  return pod({{"spec",
               {{"volumes", Json::array({ephemeral})},
                {"containers",
                 Json::array({{{"volumeMounts", Json::array({{{"name", "s"}}})},
                               {"volumeDevices", Json::array({{{"name", "s"}}})}}})}}}})
      .document;
}

Json rich_class() {
  return storage_class({{"parameters", {{"a", "b"}}},
                        {"allowedTopologies",
                         Json::array({{{"matchLabelExpressions",
                                        Json::array({{{"key", "k"}, {"values", {"v"}}}})}}})}})
      .document;
}

}  // namespace

TEST_CASE("strange objects are refused or stored, and nothing else", "[validation]") {
  const std::pair<Kind, Json> objects[] = {{Kind::PersistentVolume, rich_volume()},
                                           {Kind::PersistentVolumeClaim, rich_claim()},
                                           {Kind::StorageClass, rich_class()},
                                           {Kind::Pod, rich_pod()}};
  for (const auto& [kind, document] : objects) {
    std::vector<Json> strange;
    replace_each(document, Json::json_pointer(), strange);
    const Object sound{kind, document};
    for (const Json& each : strange) {
      INFO(each.dump());
      const Object object{kind, each};
      CHECK_NOTHROW(validate_new(object));
      CHECK_NOTHROW(validate_update(object, sound));
      CHECK_NOTHROW(validate_update(sound, object));
      CHECK_NOTHROW(growth_refusal(object, sound, {}));
      CHECK_NOTHROW(creation_warnings(object));
      if (!decoding_errors(object, nullptr).empty()) continue;
      // What the API does with what could be read.
      CHECK_NOTHROW(admitted({kind, normalized(object)}, {}, "2026-11-23T07:37:29Z", "u"));
    }
  }
}

}  // namespace claimfs::volumes
