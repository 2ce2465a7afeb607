#include "cli/context.h"

#include <cerrno>
#include <cstdlib>

#include "backends/nfs.h"
#include "store/sqlite_store.h"
#include "volumes/names.h"

namespace claimfs::cli {
namespace {

constexpr const char* kDefaultConfig = "/etc/claimfs/claimfs.yaml";
constexpr std::string_view kSqlite = "sqlite";
constexpr std::string_view kSqliteScheme = "sqlite://";

std::optional<std::string> from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value && *value ? std::optional<std::string>(value) : std::nullopt;
}

// Lays over `setting` what was said more urgently.
void overlay(std::string& setting, const std::optional<std::string>& flag, const char* variable) {
  if (flag) {
    setting = *flag;
  } else if (const auto value = from_environment(variable)) {
    setting = *value;
  }
}

}  // namespace

std::string config_file_of(const GlobalFlags& flags) {
  return flags.config_file.value_or(from_environment("CLAIMFS_CONFIG").value_or(kDefaultConfig));
}

Outcome<config::Config> load_config(const GlobalFlags& flags) {
  const std::string file = config_file_of(flags);
  const bool is_default = !flags.config_file && !from_environment("CLAIMFS_CONFIG");
  auto loaded = config::load(file);
  if (!loaded && loaded.error().code == ENOENT && is_default) loaded = config::parse("", file);
  if (!loaded) {
    const Error& error = loaded.error();
    const bool not_permitted = error.code == EACCES || error.code == EPERM;
    // The complaints of a file that was read are whole lines already.
    return fail(not_permitted ? ExitStatus::NotPermitted : ExitStatus::InvalidConfiguration,
                error.code == EINVAL ? error.context : error.message());
  }
  config::Config config = std::move(*loaded);
  overlay(config.state, flags.state, "CLAIMFS_STATE");
  overlay(config.store, flags.store, "CLAIMFS_STORE");
  overlay(config.node, flags.node, "CLAIMFS_NODE");
  if (!config.state.starts_with('/')) {
    return fail(ExitStatus::InvalidConfiguration,
                "the state directory \"" + config.state + "\" must be an absolute path");
  }
  if (const auto problem = volumes::dns_subdomain_problem(config.node)) {
    return fail(ExitStatus::InvalidConfiguration,
                "the node name \"" + config.node + "\" is invalid: " + *problem);
  }
  return config;
}

volumes::Node node_of(const config::Config& config) {
  return {.name = config.node, .labels = {config.node_labels.begin(), config.node_labels.end()}};
}

volumes::NfsDefaults nfs_defaults(const config::Config& config) {
  return {.soft_deadline = config.nfs_soft_deadline, .connections = config.nfs_connections};
}

control::ControllerSettings controller_settings(const config::Config& config, bool with_node) {
  control::ControllerSettings settings{
      .host_path_roots = config.host_path_roots,
      .default_root = config.state + "/volumes",
      .node = std::nullopt,
      .nfs = {.make_ground = backends::make_nfs_ground, .defaults = nfs_defaults(config)}};
  if (with_node) settings.node = node_of(config);
  return settings;
}

Outcome<std::string> database_path(const config::Config& config) {
  if (config.store == kSqlite) return config.state + "/store.sqlite";
  if (config.store.starts_with(kSqliteScheme)) {
    const std::string path = config.store.substr(kSqliteScheme.size());
    if (path.starts_with('/') && path.size() > 1) return path;
  }
  return fail(
      ExitStatus::InvalidConfiguration,
      "store \"" + config.store +
          "\" is not served: say `sqlite` or `sqlite:///PATH` (etcd is not in this version)");
}

Outcome<std::unique_ptr<store::Store>> open_store(const config::Config& config) {
  const auto path = database_path(config);
  if (!path) return tl::unexpected(path.error());
  auto store = store::open_sqlite_store(*path);
  if (!store) return tl::unexpected(failure_of(store.error()));
  return std::move(*store);
}

Outcome<Context> Context::open(const GlobalFlags& flags) {
  auto config = load_config(flags);
  if (!config) return tl::unexpected(config.error());
  auto store = open_store(*config);
  if (!store) return tl::unexpected(store.error());
  Context context{std::move(*config), std::move(*store), nullptr};
  context.api = std::make_unique<control::Api>(*context.store, control::system_clock());
  return context;
}

}  // namespace claimfs::cli
