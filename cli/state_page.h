#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "config/config.h"
#include "fs/filesystem.h"
#include "fs/tree.h"
#include "store/store.h"

namespace claimfs::cli {

// What a mount knows of itself, for `.claimfs/status` and `.claimfs/metrics`.
struct MountFacts {
  std::string mount_point;
  std::string node;
  std::string store;
  config::CapacityEnforcement enforcement = config::CapacityEnforcement::Auto;
};

// How many volumes and claims there are in each phase, and how many attachments, pods and classes.
struct ObjectCounts {
  std::map<std::string, int> volumes;
  std::map<std::string, int> claims;
  int classes = 0;
  int pods = 0;
  int attachments = 0;
  std::map<std::string, std::string> reclaims;  // volume: how far its removal has come
};
Result<ObjectCounts> count_objects(store::Store& store);
// Lines of `name value` about them.
std::string counts_text(const ObjectCounts& counts);

// The texts of `.claimfs`. `filesystem` answers null until the mount serves. Everything passed
// outlives the tree.
fs::StateTexts state_texts(store::Store& store, MountFacts facts,
                           std::function<fs::Filesystem*()> filesystem);

}  // namespace claimfs::cli
