#include "cli/describe_source.h"

#include "volumes/volume.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::text_at;
using volumes::value_at;

std::string line(const std::string& title, const std::string& value) {
  return "    " + title + ":\t" + value + "\n";
}

std::string flag(const Json& value) { return value == Json(true) ? "true" : "false"; }

std::string host_path_lines(const Json& source) {
  const Json& type = value_at(source, {"type"});
  return line("Type", "HostPath (bare host directory volume)") +
         line("Path", text_at(source, "path")) +
         line("HostPathType", type.is_string() ? type.get<std::string>() : "<none>");
}

std::string nfs_lines(const Json& source) {
  return line("Type", "NFS (an NFS mount that lasts the lifetime of a pod)") +
         line("Server", text_at(source, "server")) + line("Path", text_at(source, "path")) +
         line("ReadOnly", flag(value_at(source, {"readOnly"})));
}

std::string local_lines(const Json& source) {
  return line("Type", "LocalVolume (a persistent volume backed by local storage on a node)") +
         line("Path", text_at(source, "path"));
}

std::string csi_lines(const Json& source) {
  std::string text =
      line("Type", "CSI (a Container Storage Interface (CSI) volume source)") +
      line("Driver", text_at(source, "driver")) + line("FSType", text_at(source, "fsType")) +
      line("VolumeHandle", text_at(source, "volumeHandle")) +
      line("ReadOnly", flag(value_at(source, {"readOnly"}))) + "    VolumeAttributes:\t";
  const auto attributes = volumes::string_map(value_at(source, {"volumeAttributes"}));
  if (attributes.empty()) return text + "<none>\n";
  bool is_first = true;
  for (const auto& [key, value] : attributes) {
    text += (is_first ? "      " : "\t      ") + key + "=" + value + "\n";
    is_first = false;
  }
  return text;
}

}  // namespace

std::string source_lines(const Json& spec) {
  for (std::string_view name : volumes::kVolumeSources) {
    const Json& source = value_at(spec, {name});
    if (!source.is_object()) continue;
    if (name == "hostPath") return host_path_lines(source);
    if (name == "nfs") return nfs_lines(source);
    if (name == "local") return local_lines(source);
    if (name == "csi") return csi_lines(source);
    return line("Type", std::string(name) + " (not served by claimfs)");
  }
  return "<unknown>\n";
}

}  // namespace claimfs::cli
