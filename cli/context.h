#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/failure.h"
#include "config/config.h"
#include "control/api.h"
#include "control/controller.h"
#include "store/store.h"

namespace claimfs::cli {

// What may stand before or after every verb. Absent: the environment says, then the configuration
// file.
struct GlobalFlags {
  std::optional<std::string> config_file;
  std::optional<std::string> state;
  std::optional<std::string> store;
  std::optional<std::string> node;
};

// The configuration, with environment and flags laid over it. A missing default file is an empty
// one.
Outcome<config::Config> load_config(const GlobalFlags& flags);
// Which file that is.
std::string config_file_of(const GlobalFlags& flags);

// The node that this process is of.
volumes::Node node_of(const config::Config& config);

// What NFS volumes are mounted with where they do not say it.
volumes::NfsDefaults nfs_defaults(const config::Config& config);

// What the controller is told of it. `node`: whose pods are first consumers here.
control::ControllerSettings controller_settings(const config::Config& config, bool with_node);

// The file that holds the store.
Outcome<std::string> database_path(const config::Config& config);

Outcome<std::unique_ptr<store::Store>> open_store(const config::Config& config);

// What a verb works with.
struct Context {
  config::Config config;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<control::Api> api;

  static Outcome<Context> open(const GlobalFlags& flags);
};

}  // namespace claimfs::cli
