#pragma once

#include <chrono>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace claimfs::config {

enum class CapacityEnforcement { Auto, Quota, Accounting, None };
enum class LogFormat { Text, Json };

// The daemon's configuration, DESIGN.md 10, with its defaults. Flags and environment have been laid
// over it.
struct Config {
  std::string node;  // never empty after load(): the host name
  std::map<std::string, std::string> node_labels;
  std::string state = "/var/lib/claimfs";
  std::string store = "sqlite";  // "sqlite" (in the state directory), "sqlite:///PATH"; "etcd://…"
                                 // is refused for now
  std::vector<std::string> manifests;
  CapacityEnforcement capacity_enforcement = CapacityEnforcement::Auto;
  std::vector<std::string> host_path_roots = {"/tmp", "/var/lib/claimfs/volumes"};
  std::chrono::milliseconds nfs_soft_deadline{30'000};
  int nfs_connections = 4;
  std::string log_level = "info";
  LogFormat log_format = LogFormat::Text;
  std::string log_file;  // empty: syslog
};

// Reads a configuration file. Errors (code EINVAL) carry every complaint, one a line: `FILE:LINE:
// what, and what to do`. A missing file is ENOENT; whether that matters is the caller's to say.
Result<Config> load(const std::string& path);

// The same from text, for tests.
Result<Config> parse(std::string_view text, const std::string& file_name);

}  // namespace claimfs::config
