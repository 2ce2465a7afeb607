#pragma once

#include <string>
#include <vector>

#include "tests/unit/catch.h"
#include "volumes/validation.h"

namespace claimfs::volumes {

// Objects that nothing is wrong with, and the changes that make it otherwise (a merge patch).

inline Object volume(const Json& changes) {
  Json document = {{"apiVersion", "v1"},
                   {"kind", "PersistentVolume"},
                   {"metadata", {{"name", "pv"}}},
                   {"spec",
                    {{"capacity", {{"storage", "1Gi"}}},
                     {"accessModes", {"ReadWriteOnce"}},
                     {"persistentVolumeReclaimPolicy", "Retain"},
                     {"volumeMode", "Filesystem"},
                     {"hostPath", {{"path", "/data"}, {"type", ""}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return {Kind::PersistentVolume, document};
}

inline Object claim(const Json& changes) {
  Json document = {{"apiVersion", "v1"},
                   {"kind", "PersistentVolumeClaim"},
                   {"metadata", {{"name", "data"}, {"namespace", "default"}}},
                   {"spec",
                    {{"accessModes", {"ReadWriteOnce"}},
                     {"volumeMode", "Filesystem"},
                     {"resources", {{"requests", {{"storage", "1Gi"}}}}}}},
                   {"status", {{"phase", "Pending"}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return {Kind::PersistentVolumeClaim, document};
}

inline Object storage_class(const Json& changes) {
  Json document = {{"apiVersion", "storage.k8s.io/v1"}, {"kind", "StorageClass"},
                   {"metadata", {{"name", "fast"}}},    {"provisioner", "example.com/fast"},
                   {"reclaimPolicy", "Delete"},         {"volumeBindingMode", "Immediate"}};
  if (!changes.is_null()) document.merge_patch(changes);
  return {Kind::StorageClass, document};
}

inline Json spec(const Json& changes) { return {{"spec", changes}}; }
inline Json annotated(const char* key, const char* value) {
  return {{"metadata", {{"annotations", {{key, value}}}}}};
}

inline Object pod(const Json& changes) {
  Json document = {
      {"apiVersion", "v1"},
      {"kind", "Pod"},
      {"metadata", {{"name", "web"}, {"namespace", "default"}}},
      {"spec",
       {{"containers", Json::array({{{"name", "c"}, {"image", "i"}}})},
        {"volumes",
         Json::array({{{"name", "data"}, {"persistentVolumeClaim", {{"claimName", "data"}}}}})}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return {Kind::Pod, document};
}

inline Json metadata(const Json& changes) { return {{"metadata", changes}}; }

struct Row {
  Json changes;
  std::vector<std::string> messages;
};

template <class Make>
void check_new(Make make, const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    INFO(row.changes.dump());
    CHECK(messages_of(validate_new(make(row.changes))) == row.messages);
  }
}

struct Update {
  Object before, after;
  std::vector<std::string> messages;
};

inline void check_updates(const std::vector<Update>& rows) {
  for (const Update& row : rows) {
    INFO(row.before.document.dump() << " to " << row.after.document.dump());
    CHECK(messages_of(validate_update(row.before, row.after)) == row.messages);
  }
}

// Nulls included, which take away what an object would have.
inline Json merged(Json one, const Json& other) {
  if (!other.is_null()) one.update(other, /*merge_objects=*/true);
  return one;
}

inline const std::string kSubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
inline const std::string kLabel =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
inline const std::string kLabelWord =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
inline const std::string kLabelValue =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
inline const std::string kModes =
    R"(supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")";

}  // namespace claimfs::volumes
