#include "volumes/nfs_options.h"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "volumes/go_text.h"
#include "volumes/nfs_mount_options.h"
#include "volumes/path_template.h"
#include "volumes/provisioners.h"

namespace claimfs::volumes {
namespace {

using Refusal = tl::unexpected<std::string>;

// What the longest path of any system takes, and the longest name of a host.
constexpr std::size_t kLongestPath = 4096;
constexpr std::size_t kLongestServer = 255;

// Where a volume is, and its options in the order in which the last one wins.
struct Location {
  std::string server;
  std::string path;
  std::vector<std::string> options;
};

std::string in_lower_case(std::string text) {
  std::ranges::transform(text, text.begin(),
                         [](unsigned char byte) { return static_cast<char>(std::tolower(byte)); });
  return text;
}

// As the driver's own node plugin answers kubelet.
Refusal invalid_argument(const std::string& why) {
  return Refusal("rpc error: code = InvalidArgument desc = " + why);
}

// Where nothing that a claim's creator wrote leads out of the share.
tl::expected<std::string, std::string> below_share(std::string share, std::string below,
                                                   const StringMap& attributes) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"${pvc.metadata.name}", "csi.storage.k8s.io/pvc/name"},
      {"${pvc.metadata.namespace}", "csi.storage.k8s.io/pvc/namespace"},
      {"${pv.metadata.name}", "csi.storage.k8s.io/pv/name"}};
  for (const auto& [placeholder, key] : kNames) {
    const auto name = attributes.find(std::string(key));
    if (name == attributes.end()) continue;
    for (std::size_t at = 0; (at = below.find(placeholder, at)) != std::string::npos;
         at += name->second.size())
      below.replace(at, placeholder.size(), name->second);
  }
  const auto path = path_below_base(below);
  if (!path) return Refusal("subdir " + go_quoted(below) + ": " + path.error());
  while (share.ends_with('/')) share.pop_back();
  return share + "/" + *path;
}

// The driver's attributes, whose keys may be written in any case.
tl::expected<Location, std::string> location_of(const CsiSource& source,
                                                std::vector<std::string> options) {
  StringMap attributes;
  for (const auto& [key, value] : source.attributes) attributes[in_lower_case(key)] = value;
  const auto attribute = [&](const char* key) {
    const auto found = attributes.find(key);
    return found == attributes.end() ? std::string() : found->second;
  };
  for (const char* key : {"server", "share"})
    if (attribute(key).empty())
      return invalid_argument(std::string(key) + " is a required parameter");
  if (source.read_only) options.emplace_back("ro");
  if (std::string more = attribute("mountoptions"); !more.empty())
    options.push_back(std::move(more));
  std::string path = attribute("share");
  if (const std::string below = attribute("subdir"); !below.empty()) {
    const auto whole = below_share(std::move(path), below, attributes);
    if (!whole) return invalid_argument(whole.error());
    path = *whole;
  }
  return Location{attribute("server"), std::move(path), std::move(options)};
}

tl::expected<Location, std::string> location_of(const Volume& volume) {
  if (const auto* nfs = std::get_if<NfsSource>(&volume.source))
    return Location{nfs->server, nfs->path, volume.mount_options};
  if (const auto* csi = std::get_if<CsiSource>(&volume.source); csi && csi->driver == kNfsCsi)
    return location_of(*csi, volume.mount_options);
  return Refusal("it is not an NFS volume");
}

// An address may stand in brackets, as IPv6 does in "[::1]:/export".
std::string without_brackets(const std::string& server) {
  const bool has_brackets = server.size() > 2 && server.front() == '[' && server.back() == ']';
  return has_brackets ? server.substr(1, server.size() - 2) : server;
}

std::optional<std::string> location_problem(const Location& location) {
  const auto is_strange = [](unsigned char byte) { return byte <= ' ' || byte == 127; };
  if (location.server.empty() || location.server.size() > kLongestServer ||
      std::ranges::any_of(location.server, is_strange) ||
      location.server.find('/') != std::string::npos)
    return "server " + go_quoted(location.server) + " is neither a host name nor an address";
  if (!location.path.starts_with('/') || location.path.size() >= kLongestPath ||
      location.path.find('\0') != std::string::npos)
    return "path " + go_quoted(location.path) + " is not an absolute path";
  return std::nullopt;
}

bool is_exclusive(AccessModes modes) {
  return !modes.empty() &&
         AccessModes{AccessMode::ReadWriteOnce, AccessMode::ReadWriteOncePod}.includes(modes);
}

}  // namespace

bool is_nfs(const Volume& volume) {
  const auto* csi = std::get_if<CsiSource>(&volume.source);
  return std::holds_alternative<NfsSource>(volume.source) || (csi && csi->driver == kNfsCsi);
}

std::optional<NfsSource> nfs_place(const Volume& volume) {
  auto location = location_of(volume);
  if (!location) return std::nullopt;
  location->server = without_brackets(location->server);
  if (location_problem(*location)) return std::nullopt;
  return NfsSource{.server = std::move(location->server), .path = std::move(location->path)};
}

bool is_read_only_nfs(const Volume& volume) {
  const auto* nfs = std::get_if<NfsSource>(&volume.source);
  const auto* csi = std::get_if<CsiSource>(&volume.source);
  if ((nfs && nfs->read_only) || (csi && csi->read_only)) return true;
  const auto location = location_of(volume);
  if (!location) return false;
  bool is_read_only = false;
  for (const std::string& option : split_mount_options(location->options))
    if (option == "ro" || option == "rw") is_read_only = option == "ro";
  return is_read_only;
}

tl::expected<NfsOptions, std::string> nfs_options(const Volume& volume, AccessModes claim_modes,
                                                  const NfsDefaults& defaults) {
  auto location = location_of(volume);
  if (!location) return Refusal(location.error());
  location->server = without_brackets(location->server);
  if (auto problem = location_problem(*location)) return Refusal(std::move(*problem));
  NfsOptions initially;
  initially.server = std::move(location->server);
  initially.path = std::move(location->path);
  initially.connections = defaults.connections;
  NfsMountOptions options(std::move(initially));
  for (const std::string& option : split_mount_options(location->options))
    if (auto refusal = options.take(option)) return Refusal(std::move(*refusal));
  NfsOptions result = options.result(defaults.soft_deadline, is_exclusive(claim_modes));
  result.read_only = is_read_only_nfs(volume);
  return result;
}

}  // namespace claimfs::volumes
