// What is refused, and in which words. KUBERNETES.md 6.3 to 6.9.

#include "volumes/validation.h"

#include "tests/unit/catch.h"
#include "volumes/admission.h"

namespace claimfs::volumes {
namespace {

const std::string kModes =
    R"(supported values: "ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")";
const std::string kSubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

Object volume(const Json& changes) {
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

Object claim(const Json& changes) {
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

Object storage_class(const Json& changes) {
  Json document = {{"apiVersion", "storage.k8s.io/v1"}, {"kind", "StorageClass"},
                   {"metadata", {{"name", "fast"}}},    {"provisioner", "example.com/fast"},
                   {"reclaimPolicy", "Delete"},         {"volumeBindingMode", "Immediate"}};
  if (!changes.is_null()) document.merge_patch(changes);
  return {Kind::StorageClass, document};
}

Json spec(const Json& changes) { return {{"spec", changes}}; }
Json annotated(const char* key, const char* value) {
  return {{"metadata", {{"annotations", {{key, value}}}}}};
}

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

}  // namespace

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
      });
}

TEST_CASE("a new claim: what is wrong", "[validation]") {
  const auto selector = [](const char* op, const Json& values) {
    return spec({{"selector",
                  {{"matchExpressions",
                    Json::array({{{"key", "k"}, {"operator", op}, {"values", values}}})}}}});
  };
  const std::string values = "spec.selector.matchExpressions[0].values: ";
  check_new(claim,
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
                {{{"metadata", {{"labels", {{"a b", "c"}}}}}},
                 {"metadata.labels: Invalid value: \"a b\": name part must consist of alphanumeric "
                  "characters, '-', '_' or '.', and must start and end with an alphanumeric "
                  "character (e.g. "
                  "'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
                  "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"}},
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
      });
}

TEST_CASE("updates: what may change", "[validation]") {
  struct Update {
    Object before, after;
    std::string complaint;  // the beginning of the only one; empty: none
  };
  const Json bound = {{"spec", {{"volumeName", "pv"}}},
                      {"status", {{"phase", "Bound"}, {"capacity", {{"storage", "1Gi"}}}}}};
  const auto of_bound = [&](Json changes) {
    Json all = bound;
    if (!changes.is_null()) all.merge_patch(changes);
    return claim(all);
  };
  const auto request = [](const char* size) {
    return spec({{"resources", {{"requests", {{"storage", size}}}}}});
  };
  const std::string immutable =
      "spec: Forbidden: spec is immutable after creation except resources.requests and "
      "volumeAttributesClassName for bound claims";
  const Update rows[] = {
      {volume({}), volume(spec({{"capacity", {{"storage", "2Gi"}}}})), ""},
      {volume({}), volume(spec({{"accessModes", {"ReadWriteMany"}}})), ""},
      {volume({}), volume(spec({{"persistentVolumeReclaimPolicy", "Delete"}})), ""},
      {volume({}), volume(spec({{"storageClassName", "other"}})), ""},
      {volume({}), volume(spec({{"hostPath", {{"path", "/other"}}}})),
       "spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after "
       "creation"},
      {volume({}), volume(spec({{"volumeMode", "Block"}})),
       "volumeMode: Invalid value: \"Block\": field is immutable"},
      {claim({}), claim(spec({{"volumeName", "pv"}})), ""},
      {claim({}), claim(spec({{"storageClassName", "fast"}})), ""},
      {claim({}), claim(request("2Gi")), immutable},
      {of_bound({}), of_bound(request("2Gi")), ""},
      {of_bound(request("3Gi")), of_bound(request("2Gi")), ""},
      {of_bound(request("3Gi")), of_bound(request("1Gi")),
       "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"},
      {of_bound({}), of_bound(spec({{"volumeName", "other"}})), immutable},
      {of_bound({}), of_bound(spec({{"accessModes", {"ReadWriteMany"}}})), immutable},
      {storage_class({}), storage_class({{"allowVolumeExpansion", true}}), ""},
      {storage_class({}), storage_class({{"provisioner", "other"}}),
       "provisioner: Invalid value: \"other\": field is immutable"},
  };
  for (const Update& row : rows) {
    INFO(row.after.document.dump());
    const auto messages = messages_of(validate_update(row.before, row.after));
    if (row.complaint.empty()) {
      CHECK(messages == std::vector<std::string>{});
    } else {
      REQUIRE(messages.size() == 1);
      CHECK(messages.front().substr(0, row.complaint.size()) == row.complaint);
    }
  }
}

TEST_CASE("what may be created and is worth a warning", "[validation]") {
  CHECK(creation_warnings(volume({})).empty());
  CHECK(creation_warnings(volume(spec({{"persistentVolumeReclaimPolicy", "Recycle"}}))) ==
        std::vector<std::string>{
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
            "Instead, the recommended approach is to use dynamic provisioning."});
  CHECK(creation_warnings(claim(annotated("volume.beta.kubernetes.io/storage-class", "x"))) ==
        std::vector<std::string>{
            "metadata.annotations[volume.beta.kubernetes.io/storage-class]: deprecated since v1.8; "
            "use \"storageClassName\" attribute instead"});
  CHECK(creation_warnings(claim(spec({{"resources", {{"requests", {{"storage", "100m"}}}}}}))) ==
        std::vector<std::string>{"spec.resources.requests[storage]: fractional byte value "
                                 "\"100m\" is invalid, must be an integer"});
}

}  // namespace claimfs::volumes
