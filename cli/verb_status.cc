#include <fstream>
#include <iostream>
#include <sstream>

#include "cli/mount_point.h"
#include "cli/state_page.h"
#include "cli/verbs.h"
#include "cli/version.h"

namespace claimfs::cli {
namespace {

std::vector<std::string> mounts_here() {
  std::vector<std::string> mounts;
  for (const MountEntry& entry : mounts_of_process("self")) {
    if (entry.type == "fuse.claimfs" && entry.root == "/") mounts.push_back(entry.mount_point);
  }
  return mounts;
}

}  // namespace

Outcome<ExitStatus> status(Context& context, const std::string& output) {
  if (!output.empty() && output != "json")
    return fail(ExitStatus::Usage, "error: status prints text or -o json");
  const auto counts = count_objects(*context.store);
  if (!counts) return tl::unexpected(failure_of(counts.error()));
  const auto controller = context.store->holder_of("controller");
  if (!controller) return tl::unexpected(failure_of(controller.error()));
  const auto mounts = mounts_here();
  if (output == "json") {
    const volumes::Json document = {
        {"version", version_text().substr(0, version_text().size() - 1)},
        {"node", context.config.node},
        {"store", context.config.store},
        {"state", context.config.state},
        {"controller", *controller},
        {"mounts", mounts},
        {"volumes", counts->volumes},
        {"claims", counts->claims},
        {"storageClasses", counts->classes},
        {"pods", counts->pods},
        {"attachments", counts->attachments},
        {"reclaiming", counts->reclaims}};
    std::cout << document.dump(4) << "\n";
    return ExitStatus::Done;
  }
  std::cout << "node: " << context.config.node << "\nstore: " << context.config.store
            << "\nstate: " << context.config.state
            << "\ncontroller: " << (controller->empty() ? "<none>" : *controller) << "\n"
            << counts_text(*counts);
  std::cout << "mounts:" << (mounts.empty() ? " <none>" : "") << "\n";
  for (const std::string& mount : mounts) std::cout << "  " << mount << "\n";
  return ExitStatus::Done;
}

}  // namespace claimfs::cli
