#include "volumes/schema.h"

#include <span>
#include <vector>

#include "volumes/go_text.h"
#include "volumes/quantity.h"

namespace claimfs::volumes {
namespace {

enum class Type {
  String,
  Boolean,
  Integer,
  StringMap,
  StringList,
  QuantityMap,
  Map,
  MapList,
  OpenMap,  // fields beside its members are let be
  OpenMapList
};

struct Field {
  std::string_view name;
  Type type;
  std::span<const Field> members = {};  // of a map, or of each item of a list of them; empty: any
};

constexpr Field kOwner[] = {{"apiVersion", Type::String},  {"kind", Type::String},
                            {"name", Type::String},        {"uid", Type::String},
                            {"controller", Type::Boolean}, {"blockOwnerDeletion", Type::Boolean}};
constexpr Field kManager[] = {{"manager", Type::String},    {"operation", Type::String},
                              {"apiVersion", Type::String}, {"time", Type::String},
                              {"fieldsType", Type::String}, {"fieldsV1", Type::Map},
                              {"subresource", Type::String}};

constexpr Field kMetadata[] = {{"name", Type::String},
                               {"generateName", Type::String},
                               {"namespace", Type::String},
                               {"labels", Type::StringMap},
                               {"annotations", Type::StringMap},
                               {"uid", Type::String},
                               {"resourceVersion", Type::String},
                               {"generation", Type::Integer},
                               {"creationTimestamp", Type::String},
                               {"deletionTimestamp", Type::String},
                               {"deletionGracePeriodSeconds", Type::Integer},
                               {"finalizers", Type::StringList},
                               {"selfLink", Type::String},
                               {"ownerReferences", Type::MapList, kOwner},
                               {"managedFields", Type::MapList, kManager}};

constexpr Field kReference[] = {{"apiVersion", Type::String}, {"kind", Type::String},
                                {"namespace", Type::String},  {"name", Type::String},
                                {"uid", Type::String},        {"resourceVersion", Type::String},
                                {"fieldPath", Type::String}};
constexpr Field kHostPath[] = {{"path", Type::String}, {"type", Type::String}};
constexpr Field kLocal[] = {{"path", Type::String}, {"fsType", Type::String}};
constexpr Field kNfs[] = {
    {"server", Type::String}, {"path", Type::String}, {"readOnly", Type::Boolean}};
constexpr Field kSecret[] = {{"name", Type::String}, {"namespace", Type::String}};
constexpr Field kCsi[] = {{"driver", Type::String},
                          {"volumeHandle", Type::String},
                          {"readOnly", Type::Boolean},
                          {"fsType", Type::String},
                          {"volumeAttributes", Type::StringMap},
                          {"controllerPublishSecretRef", Type::Map, kSecret},
                          {"nodeStageSecretRef", Type::Map, kSecret},
                          {"nodePublishSecretRef", Type::Map, kSecret},
                          {"controllerExpandSecretRef", Type::Map, kSecret},
                          {"nodeExpandSecretRef", Type::Map, kSecret}};
constexpr Field kRequirement[] = {
    {"key", Type::String}, {"operator", Type::String}, {"values", Type::StringList}};
constexpr Field kTerm[] = {{"matchExpressions", Type::MapList, kRequirement},
                           {"matchFields", Type::MapList, kRequirement}};
constexpr Field kNodeSelector[] = {{"nodeSelectorTerms", Type::MapList, kTerm}};
constexpr Field kNodeAffinity[] = {{"required", Type::Map, kNodeSelector}};

constexpr Field kVolumeSpec[] = {{"capacity", Type::QuantityMap},
                                 {"accessModes", Type::StringList},
                                 {"claimRef", Type::Map, kReference},
                                 {"persistentVolumeReclaimPolicy", Type::String},
                                 {"storageClassName", Type::String},
                                 {"mountOptions", Type::StringList},
                                 {"volumeMode", Type::String},
                                 {"nodeAffinity", Type::Map, kNodeAffinity},
                                 {"volumeAttributesClassName", Type::String},
                                 {"hostPath", Type::Map, kHostPath},
                                 {"local", Type::Map, kLocal},
                                 {"nfs", Type::Map, kNfs},
                                 {"csi", Type::Map, kCsi},
                                 // Sources that claimfs does not serve: known, and not looked into.
                                 {"gcePersistentDisk", Type::Map},
                                 {"awsElasticBlockStore", Type::Map},
                                 {"glusterfs", Type::Map},
                                 {"flocker", Type::Map},
                                 {"rbd", Type::Map},
                                 {"quobyte", Type::Map},
                                 {"cephfs", Type::Map},
                                 {"iscsi", Type::Map},
                                 {"cinder", Type::Map},
                                 {"fc", Type::Map},
                                 {"azureFile", Type::Map},
                                 {"vsphereVolume", Type::Map},
                                 {"photonPersistentDisk", Type::Map},
                                 {"portworxVolume", Type::Map},
                                 {"azureDisk", Type::Map},
                                 {"scaleIO", Type::Map},
                                 {"storageos", Type::Map},
                                 {"flexVolume", Type::Map}};
constexpr Field kVolume[] = {{"apiVersion", Type::String},
                             {"kind", Type::String},
                             {"metadata", Type::Map, kMetadata},
                             {"spec", Type::Map, kVolumeSpec},
                             {"status", Type::Map}};

constexpr Field kSelector[] = {{"matchLabels", Type::StringMap},
                               {"matchExpressions", Type::MapList, kRequirement}};
constexpr Field kResources[] = {{"requests", Type::QuantityMap}, {"limits", Type::QuantityMap}};
constexpr Field kDataSource[] = {{"apiGroup", Type::String},
                                 {"kind", Type::String},
                                 {"name", Type::String},
                                 {"namespace", Type::String}};
constexpr Field kClaimSpec[] = {
    {"accessModes", Type::StringList},          {"selector", Type::Map, kSelector},
    {"resources", Type::Map, kResources},       {"volumeName", Type::String},
    {"storageClassName", Type::String},         {"volumeMode", Type::String},
    {"dataSource", Type::Map, kDataSource},     {"dataSourceRef", Type::Map, kDataSource},
    {"volumeAttributesClassName", Type::String}};
constexpr Field kClaim[] = {{"apiVersion", Type::String},
                            {"kind", Type::String},
                            {"metadata", Type::Map, kMetadata},
                            {"spec", Type::Map, kClaimSpec},
                            {"status", Type::Map}};

constexpr Field kTopologyRequirement[] = {{"key", Type::String}, {"values", Type::StringList}};
constexpr Field kTopology[] = {{"matchLabelExpressions", Type::MapList, kTopologyRequirement}};
constexpr Field kStorageClass[] = {
    {"apiVersion", Type::String},        {"kind", Type::String},
    {"metadata", Type::Map, kMetadata},  {"provisioner", Type::String},
    {"parameters", Type::StringMap},     {"reclaimPolicy", Type::String},
    {"mountOptions", Type::StringList},  {"allowVolumeExpansion", Type::Boolean},
    {"volumeBindingMode", Type::String}, {"allowedTopologies", Type::MapList, kTopology}};

// What storage needs of a Pod; the rest of its large specification is kept and not looked at.
constexpr Field kClaimSource[] = {{"claimName", Type::String}, {"readOnly", Type::Boolean}};
constexpr Field kTemplate[] = {{"metadata", Type::Map, kMetadata}, {"spec", Type::Map, kClaimSpec}};
constexpr Field kEphemeral[] = {{"volumeClaimTemplate", Type::Map, kTemplate}};
constexpr Field kPodVolume[] = {{"name", Type::String},
                                {"persistentVolumeClaim", Type::Map, kClaimSource},
                                {"ephemeral", Type::Map, kEphemeral}};
constexpr Field kPodSpec[] = {{"nodeName", Type::String},
                              {"volumes", Type::OpenMapList, kPodVolume}};
constexpr Field kPod[] = {{"apiVersion", Type::String},
                          {"kind", Type::String},
                          {"metadata", Type::Map, kMetadata},
                          {"spec", Type::OpenMap, kPodSpec},
                          {"status", Type::Map}};

bool is_list_of(const Json& value, bool (Json::*is_type)() const noexcept) {
  if (!value.is_array()) return false;
  for (const Json& item : value) {
    if (!(item.*is_type)()) return false;
  }
  return true;
}

bool is_map_of_strings(const Json& value, bool numbers_too) {
  if (!value.is_object()) return false;
  for (const Json& member : value) {
    if (!member.is_string() && !(numbers_too && member.is_number())) return false;
  }
  return true;
}

bool has_type(const Json& value, Type type) {
  switch (type) {
    case Type::String:
      return value.is_string();
    case Type::Boolean:
      return value.is_boolean();
    case Type::Integer:
      return value.is_number_integer();
    case Type::StringMap:
      return is_map_of_strings(value, false);
    case Type::QuantityMap:
      return is_map_of_strings(value, true);
    case Type::StringList:
      return is_list_of(value, &Json::is_string);
    case Type::Map:
    case Type::OpenMap:
      return value.is_object();
    case Type::MapList:
    case Type::OpenMapList:
      return is_list_of(value, &Json::is_object);
  }
  return false;
}

std::string_view wanted(Type type) {
  switch (type) {
    case Type::String:
      return "a string (quote it)";
    case Type::Boolean:
      return "true or false";
    case Type::Integer:
      return "an integer";
    case Type::StringMap:
      return "a map of strings (quote numbers and booleans)";
    case Type::QuantityMap:
      return "a map of quantities";
    case Type::StringList:
      return "a list of strings";
    case Type::Map:
    case Type::OpenMap:
      return "a map";
    case Type::MapList:
    case Type::OpenMapList:
      return "a list of maps";
  }
  return "";
}

// What was found, in the order of the document's (sorted) keys.
struct Findings {
  std::vector<std::string> unknown;
  FieldErrors errors;
};

void check_quantities(const Json& map, const std::string& where, Findings& findings) {
  for (const auto& [key, value] : map.items()) {
    const auto quantity = Quantity::parse_value(value);
    if (!quantity) findings.errors.invalid(where + "[" + key + "]", value, quantity.error());
  }
}

void check(const Json& map, std::span<const Field> fields, Type type, const std::string& path,
           Findings& findings) {
  for (const auto& [key, value] : map.items()) {
    const std::string where = path.empty() ? key : path + "." + key;
    const Field* field = nullptr;
    for (const Field& each : fields) {
      if (each.name == key) field = &each;
    }
    if (!field) {
      if (type != Type::OpenMap) findings.unknown.push_back(where);
    } else if (value.is_null()) {
      continue;  // the same as absent
    } else if (!has_type(value, field->type)) {
      findings.errors.plain(where, where + ": must be " + std::string(wanted(field->type)));
    } else if (field->type == Type::QuantityMap) {
      check_quantities(value, where, findings);
    } else if (!field->members.empty() && value.is_object()) {
      check(value, field->members, field->type, where, findings);
    } else if (!field->members.empty()) {
      const Type item = field->type == Type::OpenMapList ? Type::OpenMap : Type::Map;
      for (std::size_t i = 0; i < value.size(); ++i)
        check(value[i], field->members, item, where + "[" + std::to_string(i) + "]", findings);
    }
  }
}

std::span<const Field> fields_of(Kind kind) {
  switch (kind) {
    case Kind::PersistentVolume:
      return kVolume;
    case Kind::PersistentVolumeClaim:
      return kClaim;
    case Kind::StorageClass:
      return kStorageClass;
    case Kind::Pod:
      return kPod;
    case Kind::Event:
    case Kind::Attachment:
    case Kind::Mount:
    case Kind::VolumeUsage:
      break;
  }
  return {};
}

Findings findings_of(const Object& object) {
  Findings findings;
  if (const auto fields = fields_of(object.kind); !fields.empty()) {
    check(object.document, fields, Type::Map, "", findings);
  } else if (const Json& metadata = value_at(object.document, {"metadata"}); metadata.is_object()) {
    check(metadata, kMetadata, Type::Map, "metadata", findings);
  }
  return findings;
}

}  // namespace

void check_schema(const Object& object, const std::set<std::string>& forgiven,
                  FieldErrors& errors) {
  if (!object.document.is_object()) return errors.plain("", "the document must be a map");
  Findings findings = findings_of(object);
  for (FieldError& error : findings.errors.take())
    errors.plain(error.field, std::move(error.message));
  std::erase_if(findings.unknown,
                [&forgiven](const std::string& field) { return forgiven.contains(field); });
  if (findings.unknown.empty()) return;
  std::string list;
  for (const std::string& field : findings.unknown)
    list += (list.empty() ? "unknown field " : ", unknown field ") + go_quoted(field);
  errors.plain(findings.unknown.front(), "strict decoding error: " + list);
}

std::set<std::string> unknown_fields(const Object& object) {
  if (!object.document.is_object()) return {};
  const std::vector<std::string> fields = findings_of(object).unknown;
  return {fields.begin(), fields.end()};
}

}  // namespace claimfs::volumes
