#include "volumes/provisioning.h"

#include <algorithm>
#include <array>

#include "volumes/names.h"
#include "volumes/path_template.h"
#include "volumes/provisioners.h"
#include "volumes/reclaim.h"

namespace claimfs::volumes {
namespace {

using Planned = tl::expected<ProvisioningPlan, std::string>;
using Text = tl::expected<std::string, std::string>;

constexpr const char* kLocalPathBase = "/opt/local-path-provisioner";
constexpr std::string_view kVolumeType = "volumeType";
constexpr std::string_view kDefaultVolumeType = "defaultVolumeType";

tl::unexpected<std::string> refuse(std::string why) {
  return tl::unexpected<std::string>(std::move(why));
}

std::string parameter(const StorageClass& storage_class, std::string_view key,
                      const std::string& otherwise = "") {
  const auto found = storage_class.parameters.find(key);
  return found == storage_class.parameters.end() ? otherwise : found->second;
}

std::string in_lower_case(std::string word) {
  std::ranges::transform(word, word.begin(), [](unsigned char c) { return std::tolower(c); });
  return word;
}

// Parameters whose names nobody knows are refused: a mistyped onDelete would cost data.
std::optional<std::string> unknown_parameter(const StorageClass& storage_class,
                                             std::initializer_list<std::string_view> known,
                                             bool in_any_case = false) {
  for (const auto& [key, value] : storage_class.parameters) {
    if (std::ranges::find(known, in_any_case ? in_lower_case(key) : key) == known.end())
      return "invalid parameter " + in_quotes(key) + " in storage class";
  }
  return std::nullopt;
}

// A base directory or export: absolute, without "..", not the root of everything.
std::optional<std::string> refusal_of_base(const std::string& key, const std::string& path) {
  const std::string what = "parameter " + in_quotes(key) + ": " + in_quotes(path);
  if (!path.starts_with('/')) return what + " is not an absolute path";
  if ((path + "/").find("/../") != std::string::npos) return what + " must not contain '..'";
  if (path.find_first_not_of('/') == std::string::npos) return what + " is the root of everything";
  return std::nullopt;
}

// "delete", "retain" or "archive"; "" is "delete".
Text on_delete_of(const StorageClass& storage_class) {
  const std::string word = parameter(storage_class, "onDelete");
  if (word.empty()) return std::string("delete");
  if (word == "delete" || word == "retain" || word == "archive") return word;
  return refuse("invalid value " + in_quotes(word) +
                " for onDelete, supported values are [\"\" delete retain archive]");
}

// nfs-subdir: onDelete, else archiveOnDelete, which is true when it is absent.
Text nfs_subdir_on_delete(const StorageClass& storage_class) {
  const std::string word = parameter(storage_class, "onDelete");
  if (word == "delete" || word == "retain") return word;
  const std::string archive = parameter(storage_class, "archiveOnDelete", "true");
  constexpr std::array kTrue = {"1", "t", "T", "true", "TRUE", "True"};
  constexpr std::array kFalse = {"0", "f", "F", "false", "FALSE", "False"};
  if (std::ranges::find(kTrue, archive) != kTrue.end()) return std::string("archive");
  if (std::ranges::find(kFalse, archive) != kFalse.end()) return std::string("delete");
  return refuse("archiveOnDelete: " + in_quotes(archive) + " is neither true nor false");
}

tl::expected<unsigned, std::string> mode_of(const StorageClass& storage_class, std::string_view key,
                                            unsigned otherwise) {
  const std::string text = parameter(storage_class, key);
  if (text.empty()) return otherwise;
  std::size_t used = 0;
  unsigned long mode = 0;
  try {
    mode = std::stoul(text, &used, 8);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used != text.size() || mode > 07777)
    return refuse("invalid " + std::string(key) + " " + in_quotes(text) +
                  ": it must be an octal mode such as 0770");
  return mode == 0 ? otherwise : static_cast<unsigned>(mode);
}

// The volume but for its source.
Json volume_document(const Claim& claim, const StorageClass& storage_class) {
  const KindNames& names = names_of(Kind::PersistentVolume);
  Json finalizers = Json::array();
  if (storage_class.reclaim_policy == ReclaimPolicy::Delete)
    finalizers.push_back(kExternalDeletion);
  finalizers.push_back(kVolumeProtection);
  Json spec = {{"capacity", {{"storage", claim.request.text()}}},
               {"accessModes", claim.access_mode_words},
               {"persistentVolumeReclaimPolicy", to_string(storage_class.reclaim_policy)},
               {"storageClassName", storage_class.metadata.name},
               {"volumeMode", to_string(claim.mode)},
               {"claimRef",
                {{"apiVersion", "v1"},
                 {"kind", "PersistentVolumeClaim"},
                 {"namespace", claim.metadata.name_space},
                 {"name", claim.metadata.name},
                 {"uid", claim.metadata.uid},
                 {"resourceVersion", claim.metadata.resource_version}}}};
  if (!storage_class.mount_options.empty()) spec["mountOptions"] = storage_class.mount_options;
  return {{"apiVersion", names.api_version},
          {"kind", names.kind_name},
          {"metadata",
           {{"name", provisioned_name(claim)},
            {"annotations", {{kProvisionedBy, storage_class.provisioner}}},
            {"finalizers", finalizers}}},
          {"spec", spec},
          {"status", {{"phase", "Pending"}}}};
}

ProvisioningPlan started(const Claim& claim, const StorageClass& storage_class, std::string base,
                         std::string below, const std::string& on_delete) {
  ProvisioningPlan plan{.server = "",
                        .base = std::move(base),
                        .below = std::move(below),
                        .volume = {Kind::PersistentVolume, volume_document(claim, storage_class)}};
  while (plan.base.size() > 1 && plan.base.ends_with('/')) plan.base.pop_back();
  Json& annotations = plan.volume.document["metadata"]["annotations"];
  annotations[std::string(kBaseDirectory)] = plan.base;
  if (on_delete != "delete") annotations[std::string(kOnDelete)] = on_delete;
  return plan;
}

Text path_from(const std::string& pattern, TemplateStyle style, const Claim& claim) {
  const auto filled = fill_in(pattern, style, claim, provisioned_name(claim));
  if (!filled) return filled;
  return path_below_base(*filled);
}

Planned plan_host_path(const Claim& claim, const StorageClass& storage_class,
                       const std::string& default_root) {
  if (const auto unknown = unknown_parameter(storage_class, {"root", "subDir", "onDelete", "mode"}))
    return refuse(*unknown);
  const std::string root = parameter(storage_class, "root", default_root);
  if (const auto why = refusal_of_base("root", root)) return refuse(*why);
  if (!storage_class.mount_options.empty()) {
    return refuse("mount options are not supported for volumes of " + std::string(kOurHostPath));
  }
  const auto below = path_from(parameter(storage_class, "subDir", "${pv.metadata.name}"),
                               TemplateStyle::Csi, claim);
  if (!below) return refuse(below.error());
  const auto on_delete = on_delete_of(storage_class);
  if (!on_delete) return refuse(on_delete.error());
  const auto mode = mode_of(storage_class, "mode", 0777);
  if (!mode) return refuse(mode.error());
  ProvisioningPlan plan = started(claim, storage_class, root, *below, *on_delete);
  plan.mode = *mode;
  // A directory that somebody took away is an error, not an empty volume.
  plan.volume.document["spec"]["hostPath"] = {{"path", plan.base + "/" + plan.below},
                                              {"type", "Directory"}};
  return plan;
}

// rancher.io/local-path
Planned plan_local_path(const Claim& claim, const StorageClass& storage_class) {
  const auto is_once = [](const std::string& mode) {
    return mode == "ReadWriteOnce" || mode == "ReadWriteOncePod";
  };
  if (!std::ranges::all_of(claim.access_mode_words, is_once)) {
    return refuse("NodePath only supports ReadWriteOnce and ReadWriteOncePod (1.22+) access modes");
  }
  const auto node = claim.metadata.annotations.find(kSelectedNode);
  if (node == claim.metadata.annotations.end() || node->second.empty())
    return refuse("configuration error, no node was specified");
  const std::string base = parameter(storage_class, "nodePath", kLocalPathBase);
  if (const auto why = refusal_of_base("nodePath", base)) return refuse(*why);

  const std::string safe = "{{ .PVC.Namespace }}/{{ .PVC.Name }}/";
  const std::string pattern = parameter(storage_class, "pathPattern");
  if (!pattern.empty() && !pattern.starts_with(safe) &&
      parameter(storage_class, "allowUnsafePathPattern") != "true") {
    return refuse("pathPattern " + in_quotes(pattern) + " must start with " + in_quotes(safe) +
                  ", or the class must say allowUnsafePathPattern: \"true\"");
  }
  const auto below =
      path_from(pattern.empty() ? "{{ .PVName }}_{{ .PVC.Namespace }}_{{ .PVC.Name }}" : pattern,
                TemplateStyle::LocalPath, claim);
  if (!below) return refuse(below.error());

  const auto annotated = [](const Metadata& metadata, std::string_view key) -> std::string {
    const auto found = metadata.annotations.find(key);
    return found == metadata.annotations.end() ? "" : found->second;
  };
  std::string type = annotated(claim.metadata, kVolumeType);
  if (type.empty()) type = annotated(storage_class.metadata, kDefaultVolumeType);
  if (type.empty()) type = "hostPath";
  if (type != "hostPath" && type != "local")
    return refuse(in_quotes(type) + " is not a recognised volume type");

  ProvisioningPlan plan = started(claim, storage_class, base, *below, "delete");
  Json& document = plan.volume.document;
  const std::string path = plan.base + "/" + plan.below;
  if (type == "local") {
    document["spec"]["local"] = {{"path", path}};
  } else {
    document["spec"]["hostPath"] = {{"path", path}, {"type", "DirectoryOrCreate"}};
  }
  document["metadata"]["annotations"]["local.path.provisioner/selected-node"] = node->second;
  document["spec"]["nodeAffinity"]["required"]["nodeSelectorTerms"] = Json::array(
      {{{"matchExpressions", Json::array({{{"key", parameter(storage_class, "nodeAffinityKey",
                                                             "kubernetes.io/hostname")},
                                           {"operator", "In"},
                                           {"values", Json::array({node->second})}}})}}});
  return plan;
}

// What claimfs.io/nfs and nfs.csi.k8s.io share: a sub-directory of server:share.
Planned plan_share(const Claim& claim, const StorageClass& storage_class) {
  for (const char* key : {"server", "share"}) {
    if (parameter(storage_class, key).empty())
      return refuse(std::string(key) + " is a required parameter");
  }
  const std::string share = parameter(storage_class, "share");
  if (!share.starts_with('/'))
    return refuse("parameter \"share\": " + in_quotes(share) + " is not an absolute path");
  const auto below = path_from(parameter(storage_class, "subdir", "${pv.metadata.name}"),
                               TemplateStyle::Csi, claim);
  if (!below) return refuse(below.error());
  StorageClass words = storage_class;
  words.parameters["onDelete"] = parameter(storage_class, "ondelete");
  const auto on_delete = on_delete_of(words);
  if (!on_delete) return refuse(on_delete.error());
  // csi-driver-nfs sets none of its own accord. 7.3
  const unsigned usual = storage_class.provisioner == kNfsCsi ? 0 : 0777;
  const auto mode = mode_of(storage_class, "mountpermissions", usual);
  if (!mode) return refuse(mode.error());
  ProvisioningPlan plan = started(claim, storage_class, share, *below, *on_delete);
  plan.server = parameter(storage_class, "server");
  plan.mode = *mode;
  return plan;
}

// The keys of csi-driver-nfs' parameters may be written in any case.
StorageClass with_lower_case_keys(StorageClass storage_class) {
  StringMap lower;
  for (const auto& [key, value] : storage_class.parameters) lower[in_lower_case(key)] = value;
  storage_class.parameters = std::move(lower);
  return storage_class;
}

Planned plan_nfs(const Claim& claim, const StorageClass& given) {
  if (const auto unknown =
          unknown_parameter(given, {"server", "share", "subdir", "ondelete", "mountpermissions"},
                            /*in_any_case=*/true))
    return refuse(*unknown);
  const StorageClass storage_class = with_lower_case_keys(given);
  auto plan = plan_share(claim, storage_class);
  if (!plan) return plan;
  const std::string root = plan->base == "/" ? "" : plan->base;
  Json& spec = plan->volume.document["spec"];
  if (given.provisioner == kOurNfs) {
    spec["nfs"] = {{"server", plan->server}, {"path", root + "/" + plan->below}};
    return plan;
  }
  const std::string on_delete = parameter(storage_class, "ondelete", "");
  spec["csi"] = {{"driver", kNfsCsi},
                 {"volumeHandle", plan->server + "#" + plan->base.substr(1) + "#" + plan->below +
                                      "#" + claim.metadata.uid + "#" + on_delete},
                 {"volumeAttributes",
                  {{"server", plan->server}, {"share", plan->base}, {"subdir", plan->below}}}};
  return plan;
}

Planned plan_nfs_subdir(const Claim& claim, const StorageClass& storage_class) {
  // Its server is its deployment's environment, which a cluster keeps and we do not have.
  for (const char* key : {"server", "path"}) {
    if (parameter(storage_class, key).empty()) {
      return refuse(
          "the class does not say where: add the parameters server and path (NFS_SERVER and "
          "NFS_PATH of the provisioner's deployment)");
    }
  }
  const std::string path = parameter(storage_class, "path");
  if (!path.starts_with('/'))
    return refuse("parameter \"path\": " + in_quotes(path) + " is not an absolute path");
  const auto on_delete = nfs_subdir_on_delete(storage_class);
  if (!on_delete) return refuse(on_delete.error());
  const auto filled = fill_in(parameter(storage_class, "pathPattern"), TemplateStyle::NfsSubdir,
                              claim, provisioned_name(claim));
  if (!filled) return refuse(filled.error());
  const auto below =
      path_below_base(filled->empty() ? claim.metadata.name_space + "-" + claim.metadata.name +
                                            "-" + provisioned_name(claim)
                                      : *filled);
  if (!below) return refuse(below.error());
  ProvisioningPlan plan = started(claim, storage_class, path, *below, *on_delete);
  plan.server = parameter(storage_class, "server");
  plan.volume.document["spec"]["nfs"] = {
      {"server", plan.server}, {"path", (plan.base == "/" ? "" : plan.base) + "/" + plan.below}};
  return plan;
}

Notice told(const Claim& claim, const StorageClass& storage_class, Notice::Type type,
            std::string reason, std::string message) {
  Notice event = notice(claim, type, std::move(reason), std::move(message));
  event.from = storage_class.provisioner;
  return event;
}

}  // namespace

const StorageClass* wants_provisioning(const Claim& claim, const World& world) {
  if (!claim.volume_name.empty() || claim.metadata.has_annotation(kBindCompleted) ||
      claim.metadata.is_deleting() || !claim.storage_class)
    return nullptr;
  const StorageClass* storage_class = find_class(world.classes(), *claim.storage_class);
  if (!storage_class || !is_ours(storage_class->provisioner)) return nullptr;
  const auto asked = claim.metadata.annotations.find(kStorageProvisioner);
  if (asked == claim.metadata.annotations.end() || asked->second != storage_class->provisioner)
    return nullptr;
  if (storage_class->waits_for_consumer && !claim.metadata.has_annotation(kSelectedNode))
    return nullptr;
  return world.volume(provisioned_name(claim)) ? nullptr : storage_class;
}

Planned plan_provisioning(const Claim& claim, const StorageClass& storage_class,
                          const std::string& default_root) {
  const std::string& provisioner = storage_class.provisioner;
  // An imported uid can be anything, and becomes a name here.
  if (const auto problem = dns_subdomain_problem(provisioned_name(claim)))
    return refuse("the claim's uid makes no name of a volume: " + *problem);
  if (claim.selector) {
    return refuse(provisioner == kLocalPath ? "claim.Spec.Selector is not supported"
                                            : "claim Selector is not supported");
  }
  if (claim.mode == VolumeMode::Block)
    return refuse(provisioner + " does not support block volume provisioning");
  if (claim.has_data_source)
    return refuse(provisioner + " does not make volumes from a data source");
  if (provisioner == kOurHostPath) return plan_host_path(claim, storage_class, default_root);
  if (provisioner == kLocalPath) return plan_local_path(claim, storage_class);
  if (provisioner == kNfsSubdir) return plan_nfs_subdir(claim, storage_class);
  return plan_nfs(claim, storage_class);
}

Notice provisioning_begins(const Claim& claim, const StorageClass& storage_class) {
  return told(claim, storage_class, Notice::Type::Normal, "Provisioning",
              "External provisioner is provisioning volume for claim " +
                  in_quotes(claim.metadata.name_space + "/" + claim.metadata.name));
}

Notice provisioning_succeeded(const Claim& claim, const StorageClass& storage_class) {
  return told(claim, storage_class, Notice::Type::Normal, "ProvisioningSucceeded",
              "Successfully provisioned volume " + provisioned_name(claim));
}

Notice provisioning_failed(const Claim& claim, const StorageClass& storage_class,
                           const std::string& why) {
  return told(claim, storage_class, Notice::Type::Warning, "ProvisioningFailed",
              "failed to provision volume with StorageClass " +
                  in_quotes(storage_class.metadata.name) + ": " + why);
}

std::string provisioned_name(const Claim& claim) { return "pvc-" + claim.metadata.uid; }

}  // namespace claimfs::volumes
