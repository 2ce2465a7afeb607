#include "volumes/internal_form.h"

#include <array>
#include <cctype>
#include <utility>

#include "volumes/quantity.h"
#include "volumes/unified_diff.h"

namespace claimfs::volumes {
namespace {

using OrderedJson = nlohmann::ordered_json;

// A field's name in manifests and in Kubernetes' structures, and what it holds when it is absent.
struct Field {
  std::string_view written;
  std::string_view name;
  Json absent = nullptr;
};

OrderedJson ordered(const Json& value) { return OrderedJson::parse(value.dump()); }

OrderedJson structure(const Json& value, std::initializer_list<Field> fields) {
  if (!value.is_object()) return nullptr;
  OrderedJson form = OrderedJson::object();
  for (const Field& field : fields) {
    const Json& member = value_at(value, {field.written});
    form[std::string(field.name)] = ordered(member.is_null() ? field.absent : member);
  }
  return form;
}

OrderedJson quantities(const Json& map) {
  if (!map.is_object()) return nullptr;
  OrderedJson form = OrderedJson::object();
  for (const auto& [key, value] : map.items()) {
    const auto quantity = Quantity::from(value);
    form[key] = quantity ? OrderedJson(quantity->text()) : ordered(value);
  }
  return form;
}

// A selector is the one structure that has the names of manifests.
OrderedJson selector_form(const Json& selector) {
  if (!selector.is_object()) return nullptr;
  OrderedJson form = OrderedJson::object();
  const Json& labels = value_at(selector, {"matchLabels"});
  if (labels.is_object() && !labels.empty()) form["matchLabels"] = ordered(labels);
  const Json& expressions = value_at(selector, {"matchExpressions"});
  if (!expressions.is_array() || expressions.empty()) return form;
  form["matchExpressions"] = OrderedJson::array();
  for (const Json& expression : expressions) {
    OrderedJson requirement = {{"key", text_at(expression, "key")},
                               {"operator", text_at(expression, "operator")}};
    const Json& values = value_at(expression, {"values"});
    if (values.is_array() && !values.empty()) requirement["values"] = ordered(values);
    form["matchExpressions"].push_back(std::move(requirement));
  }
  return form;
}

OrderedJson claim_spec_form(const Json& spec) {
  OrderedJson form = structure(spec, {{"accessModes", "AccessModes"},
                                      {"selector", "Selector"},
                                      {"resources", "Resources"},
                                      {"volumeName", "VolumeName", ""},
                                      {"storageClassName", "StorageClassName"},
                                      {"volumeMode", "VolumeMode"},
                                      {"dataSource", "DataSource"},
                                      {"dataSourceRef", "DataSourceRef"},
                                      {"volumeAttributesClassName", "VolumeAttributesClassName"}});
  form["Selector"] = selector_form(value_at(spec, {"selector"}));
  form["Resources"] = {{"Limits", quantities(value_at(spec, {"resources", "limits"}))},
                       {"Requests", quantities(value_at(spec, {"resources", "requests"}))}};
  form["DataSource"] =
      structure(value_at(spec, {"dataSource"}),
                {{"apiGroup", "APIGroup"}, {"kind", "Kind", ""}, {"name", "Name", ""}});
  form["DataSourceRef"] =
      structure(value_at(spec, {"dataSourceRef"}), {{"apiGroup", "APIGroup"},
                                                    {"kind", "Kind", ""},
                                                    {"name", "Name", ""},
                                                    {"namespace", "Namespace"}});
  return form;
}

// `fsType` is `FsType`: good enough for the members of sources that claimfs does not look into.
OrderedJson capitalized(const Json& value) {
  if (!value.is_object()) return ordered(value);
  OrderedJson form = OrderedJson::object();
  for (const auto& [key, member] : value.items()) {
    std::string name = key;
    if (!name.empty()) name.front() = static_cast<char>(std::toupper(name.front()));
    form[name] = capitalized(member);
  }
  return form;
}

OrderedJson secret_form(const Json& csi, std::string_view key) {
  return structure(value_at(csi, {key}), {{"name", "Name", ""}, {"namespace", "Namespace", ""}});
}

OrderedJson csi_form(const Json& csi) {
  OrderedJson form = structure(csi, {{"driver", "Driver", ""},
                                     {"volumeHandle", "VolumeHandle", ""},
                                     {"readOnly", "ReadOnly", false},
                                     {"fsType", "FSType", ""},
                                     {"volumeAttributes", "VolumeAttributes"}});
  if (form.is_null()) return form;
  for (const auto& [key, name] : std::initializer_list<std::pair<const char*, const char*>>{
           {"controllerPublishSecretRef", "ControllerPublishSecretRef"},
           {"nodeStageSecretRef", "NodeStageSecretRef"},
           {"nodePublishSecretRef", "NodePublishSecretRef"},
           {"controllerExpandSecretRef", "ControllerExpandSecretRef"},
           {"nodeExpandSecretRef", "NodeExpandSecretRef"}}) {
    form[name] = secret_form(csi, key);
  }
  return form;
}

// In the order of the structure, which is not that in which sources are validated.
constexpr std::array<std::pair<std::string_view, std::string_view>, 22> kSources = {
    {{"gcePersistentDisk", "GCEPersistentDisk"},
     {"awsElasticBlockStore", "AWSElasticBlockStore"},
     {"hostPath", "HostPath"},
     {"glusterfs", "Glusterfs"},
     {"nfs", "NFS"},
     {"rbd", "RBD"},
     {"quobyte", "Quobyte"},
     {"iscsi", "ISCSI"},
     {"flexVolume", "FlexVolume"},
     {"cinder", "Cinder"},
     {"cephfs", "CephFS"},
     {"fc", "FC"},
     {"flocker", "Flocker"},
     {"azureFile", "AzureFile"},
     {"vsphereVolume", "VsphereVolume"},
     {"azureDisk", "AzureDisk"},
     {"photonPersistentDisk", "PhotonPersistentDisk"},
     {"portworxVolume", "PortworxVolume"},
     {"scaleIO", "ScaleIO"},
     {"local", "Local"},
     {"storageos", "StorageOS"},
     {"csi", "CSI"}}};

OrderedJson source_form(const Json& spec) {
  OrderedJson form = OrderedJson::object();
  for (const auto& [key, name] : kSources) {
    const Json& source = value_at(spec, {key});
    OrderedJson& member = form[std::string(name)];
    if (key == "hostPath") {
      member = structure(source, {{"path", "Path", ""}, {"type", "Type"}});
    } else if (key == "nfs") {
      member = structure(
          source,
          {{"server", "Server", ""}, {"path", "Path", ""}, {"readOnly", "ReadOnly", false}});
    } else if (key == "local") {
      member = structure(source, {{"path", "Path", ""}, {"fsType", "FSType"}});
    } else if (key == "csi") {
      member = csi_form(source);
    } else {
      member = capitalized(source);
    }
  }
  return form;
}

std::string diff_of(const OrderedJson& before, const OrderedJson& after) {
  std::string text = unified_diff(before.dump(1), after.dump(1));
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

Json requirements_form(const Json& requirements) {
  if (!requirements.is_array()) return nullptr;
  Json form = Json::array();
  for (const Json& each : requirements) {
    form.push_back({{"Key", text_at(each, "key")},
                    {"Operator", text_at(each, "operator")},
                    {"Values", value_at(each, {"values"})}});
  }
  return form;
}

}  // namespace

Json node_affinity_form(const Json& affinity) {
  if (!affinity.is_object()) return nullptr;
  const Json& required = value_at(affinity, {"required"});
  if (!required.is_object()) return {{"Required", nullptr}};
  const Json& terms = value_at(required, {"nodeSelectorTerms"});
  Json term_forms = nullptr;
  if (terms.is_array()) {
    term_forms = Json::array();
    for (const Json& term : terms) {
      term_forms.push_back(
          {{"MatchExpressions", requirements_form(value_at(term, {"matchExpressions"}))},
           {"MatchFields", requirements_form(value_at(term, {"matchFields"}))}});
    }
  }
  return {{"Required", {{"NodeSelectorTerms", term_forms}}}};
}

std::string claim_spec_diff(const Json& before, const Json& after) {
  return diff_of(claim_spec_form(before), claim_spec_form(after));
}

std::string volume_source_diff(const Json& before, const Json& after) {
  return diff_of(source_form(before), source_form(after));
}

}  // namespace claimfs::volumes
