#include "volumes/schema.h"

#include <span>
#include <vector>

namespace claimfs::volumes {
namespace {

enum class Type {
  String,
  Boolean,
  Integer,
  Quantity,
  StringMap,
  StringList,
  QuantityMap,
  Map,
  MapList,
  Anything
};

struct Field {
  std::string_view name;
  Type type;
  std::span<const Field> members = {};  // of a Map, or of each item of a MapList; empty: any
};

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
                               {"ownerReferences", Type::MapList},
                               {"managedFields", Type::MapList}};

constexpr Field kReference[] = {{"apiVersion", Type::String}, {"kind", Type::String},
                                {"namespace", Type::String},  {"name", Type::String},
                                {"uid", Type::String},        {"resourceVersion", Type::String},
                                {"fieldPath", Type::String}};
constexpr Field kHostPath[] = {{"path", Type::String}, {"type", Type::String}};
constexpr Field kLocal[] = {{"path", Type::String}, {"fsType", Type::String}};
constexpr Field kNfs[] = {
    {"server", Type::String}, {"path", Type::String}, {"readOnly", Type::Boolean}};
constexpr Field kCsi[] = {{"driver", Type::String},
                          {"volumeHandle", Type::String},
                          {"readOnly", Type::Boolean},
                          {"fsType", Type::String},
                          {"volumeAttributes", Type::StringMap},
                          {"controllerPublishSecretRef", Type::Map},
                          {"nodeStageSecretRef", Type::Map},
                          {"nodePublishSecretRef", Type::Map},
                          {"controllerExpandSecretRef", Type::Map},
                          {"nodeExpandSecretRef", Type::Map}};
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

constexpr Field kStorageClass[] = {
    {"apiVersion", Type::String},        {"kind", Type::String},
    {"metadata", Type::Map, kMetadata},  {"provisioner", Type::String},
    {"parameters", Type::StringMap},     {"reclaimPolicy", Type::String},
    {"mountOptions", Type::StringList},  {"allowVolumeExpansion", Type::Boolean},
    {"volumeBindingMode", Type::String}, {"allowedTopologies", Type::MapList}};

// What storage needs of a Pod; the rest of its large specification is kept and not looked at.
constexpr Field kPod[] = {{"apiVersion", Type::String},
                          {"kind", Type::String},
                          {"metadata", Type::Map, kMetadata},
                          {"spec", Type::Map},
                          {"status", Type::Map}};
constexpr Field kOther[] = {{"metadata", Type::Map, kMetadata}};

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
    case Type::Quantity:
      return value.is_string() || value.is_number();
    case Type::StringMap:
      return is_map_of_strings(value, false);
    case Type::QuantityMap:
      return is_map_of_strings(value, true);
    case Type::StringList:
      return is_list_of(value, &Json::is_string);
    case Type::Map:
      return value.is_object();
    case Type::MapList:
      return is_list_of(value, &Json::is_object);
    case Type::Anything:
      return true;
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
    case Type::Quantity:
      return "a quantity";
    case Type::StringMap:
      return "a map of strings (quote numbers and booleans)";
    case Type::QuantityMap:
      return "a map of quantities";
    case Type::StringList:
      return "a list of strings";
    case Type::Map:
      return "a map";
    case Type::MapList:
      return "a list of maps";
    case Type::Anything:
      break;
  }
  return "";
}

void check(const Json& map, std::span<const Field> fields, const std::string& path,
           FieldErrors& errors) {
  for (const auto& [key, value] : map.items()) {
    const std::string where = path.empty() ? key : path + "." + key;
    const Field* field = nullptr;
    for (const Field& each : fields) {
      if (each.name == key) field = &each;
    }
    if (!field) {
      errors.plain(where, "strict decoding error: unknown field \"" + where + "\"");
    } else if (value.is_null()) {
      continue;  // the same as absent
    } else if (!has_type(value, field->type)) {
      errors.plain(where, where + ": must be " + std::string(wanted(field->type)));
    } else if (!field->members.empty() && field->type == Type::Map) {
      check(value, field->members, where, errors);
    } else if (!field->members.empty()) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        check(value[i], field->members, where + "[" + std::to_string(i) + "]", errors);
      }
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
      break;
  }
  return {};
}

}  // namespace

void check_schema(const Object& object, FieldErrors& errors) {
  if (!object.document.is_object()) return errors.plain("", "the document must be a map");
  if (const auto fields = fields_of(object.kind); !fields.empty())
    return check(object.document, fields, "", errors);
  if (const Json& metadata = value_at(object.document, {"metadata"}); metadata.is_object()) {
    check(metadata, kOther[0].members, "metadata", errors);
  }
}

}  // namespace claimfs::volumes
