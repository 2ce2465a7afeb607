#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "backends/nfs.h"
#include "base/guarded.h"
#include "tests/backend_contract/contract.h"
#include "tests/unit/catch.h"
#include "tests/unit/nfs_server.h"

namespace claimfs::tests {

// Whether tests that need a server can run; says so when not.
inline bool can_run() {
  if (NfsServer::can_run()) return true;
  WARN("skipped: this needs root, nfs-ganesha and nfs-ganesha-vfs");
  return false;
}

inline std::unique_ptr<Backend> backend_on(const volumes::NfsOptions& options,
                                           ReportIncident report = nullptr) {
  return make_nfs_backend(options, {}, std::move(report));
}

// Keeps what a backend reports.
class Incidents {
 public:
  ReportIncident report() {
    return [this](const Incident& incident) {
      told_.with([&](auto& told) { told.push_back(incident); });
    };
  }
  std::vector<Incident> told() const {
    return told_.with([](const auto& told) { return told; });
  }

 private:
  Guarded<std::vector<Incident>> told_;
};

inline std::size_t names_in(const std::string& directory) {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator(directory), {}));
}

// Waits for it, ten seconds at most.
template <class Condition>
bool comes_true(Condition condition) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

}  // namespace claimfs::tests
