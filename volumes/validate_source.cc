#include <algorithm>
#include <cctype>
#include <vector>

#include "volumes/kind_validation.h"
#include "volumes/names.h"
#include "volumes/volume.h"

namespace claimfs::volumes {
namespace {

constexpr std::size_t kMaxDriverName = 63;

std::vector<std::string> steps_of(const std::string& path) {
  std::vector<std::string> steps(1);
  for (char c : path) {
    if (c == '/') {
      steps.emplace_back();
    } else {
      steps.back() += c;
    }
  }
  return steps;
}

// Whether a path is `/` once it is cleaned.
bool is_root(const std::string& path) {
  if (!path.starts_with('/')) return false;
  std::size_t depth = 0;
  for (const std::string& step : steps_of(path)) {
    if (step == "..") {
      depth -= depth > 0 ? 1 : 0;
    } else if (!step.empty() && step != ".") {
      ++depth;
    }
  }
  return depth == 0;
}

void validate_path(const std::string& path, const std::string& field, FieldErrors& errors) {
  if (path.empty()) return errors.required(field);
  const std::vector<std::string> steps = steps_of(path);
  if (std::ranges::find(steps, "..") != steps.end())
    errors.invalid(field, path, "must not contain '..'");
}

void validate_host_path(const Json& source, FieldErrors& errors) {
  const std::string path = text_at(source, "path");
  validate_path(path, "spec.hostPath.path", errors);
  if (path.empty()) return;
  const std::string type = text_at(source, "type");
  static const std::initializer_list<std::string_view> kTypes = {
      "",     "BlockDevice",  "CharDevice", "Directory", "DirectoryOrCreate",
      "File", "FileOrCreate", "Socket"};
  if (std::ranges::find(kTypes, type) == kTypes.end())
    errors.unsupported("spec.hostPath.type", type, kTypes);
}

void validate_nfs(const Json& source, FieldErrors& errors) {
  if (text_at(source, "server").empty()) errors.required("spec.nfs.server");
  const std::string path = text_at(source, "path");
  if (path.empty()) errors.required("spec.nfs.path");
  if (!path.starts_with('/')) errors.invalid("spec.nfs.path", path, "must be an absolute path");
}

void validate_local(const Json& spec, FieldErrors& errors) {
  validate_path(text_at(spec, {"local", "path"}), "spec.local.path", errors);
  if (!value_at(spec, {"nodeAffinity"}).is_object())
    errors.required("spec.nodeAffinity", "Local volume requires node affinity");
}

void validate_secret(const Json& reference, const std::string& field, FieldErrors& errors) {
  if (!reference.is_object()) return;
  const std::string name = text_at(reference, "name");
  if (name.empty()) {
    errors.required(field + ".name");
  } else {
    errors.invalid(field + ".name", name, dns_subdomain_problems(name));
  }
  const std::string name_space = text_at(reference, "namespace");
  if (name_space.empty()) {
    errors.required(field + ".namespace");
  } else {
    errors.invalid(field + ".namespace", name_space, dns_label_problems(name_space));
  }
}

void validate_csi(const Json& source, FieldErrors& errors) {
  const std::string driver = text_at(source, "driver");
  if (driver.empty()) errors.required("spec.csi.driver");
  if (driver.size() > kMaxDriverName) errors.too_long("spec.csi.driver", kMaxDriverName);
  std::string lower = driver;
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  errors.invalid("spec.csi.driver", driver, dns_subdomain_problems(lower));
  if (text_at(source, "volumeHandle").empty()) errors.required("spec.csi.volumeHandle");
  // Not the node's staging secret: Kubernetes does not look at it.
  for (const char* key : {"controllerPublishSecretRef", "controllerExpandSecretRef",
                          "nodePublishSecretRef", "nodeExpandSecretRef"}) {
    validate_secret(value_at(source, {key}), "spec.csi." + std::string(key), errors);
  }
}

}  // namespace

void validate_source(const Json& spec, FieldErrors& errors) {
  int count = 0;
  for (std::string_view name : kVolumeSources) {
    const Json& source = value_at(spec, {name});
    if (!source.is_object()) continue;
    if (++count > 1) {
      // Kubernetes lets a flexVolume stand beside another source.
      if (name == "flexVolume") continue;
      errors.forbidden("spec." + std::string(name), "may not specify more than 1 volume type");
    } else if (name == "hostPath") {
      validate_host_path(source, errors);
    } else if (name == "nfs") {
      validate_nfs(source, errors);
    } else if (name == "local") {
      validate_local(spec, errors);
    } else if (name == "csi") {
      validate_csi(source, errors);
    }
  }
  if (count == 0) errors.required("spec", "must specify a volume type");
  if (text_at(spec, "persistentVolumeReclaimPolicy") == "Recycle" &&
      is_root(text_at(spec, {"hostPath", "path"}))) {
    errors.forbidden("spec.persistentVolumeReclaimPolicy",
                     "may not be 'recycle' for a hostPath mount of '/'");
  }
}

}  // namespace claimfs::volumes
