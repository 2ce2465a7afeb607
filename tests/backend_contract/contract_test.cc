#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "backends/caller_identity.h"
#include "backends/host_path.h"
#include "backends/nfs.h"
#include "tests/backend_contract/contract.h"
#include "tests/backend_contract/memory_backend.h"
#include "tests/unit/catch.h"
#include "tests/unit/nfs_server.h"
#include "tests/unit/scratch.h"

namespace claimfs::tests {

namespace {

// A directory that goes with its test.
struct TemporaryDirectory {
  TemporaryDirectory() { REQUIRE(::mkdtemp(path.data())); }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  std::string path = tests::scratch("contract");
};

// Each conformance on a volume of its own.
void conform(const std::function<void(const Conformance&)>& on_new_volume) {
  for (const auto part : {conformances_of_names(), conformances_of_files(),
                          conformances_of_attributes(), conformances_of_locks()}) {
    for (const Conformance& conformance : part) {
      DYNAMIC_SECTION(conformance.name) { on_new_volume(conformance); }
    }
  }
}

}  // namespace

TEST_CASE("the backend contract holds in memory", "[contract]") {
  conform([](const Conformance& conformance) {
    {
      Volume volume(std::make_unique<MemoryBackend>(), {.reads_into_room = false});
      conformance.holds(volume);
    }
    CHECK(MemoryBackend::living_nodes() == 0);
    CHECK(MemoryBackend::living_files() == 0);
  });
}

TEST_CASE("the backend contract holds in memory, answered later", "[contract]") {
  conform([](const Conformance& conformance) {
    auto memory = std::make_unique<MemoryBackend>();
    memory->answer_later();
    Volume volume(std::move(memory), {.reads_into_room = false});
    conformance.holds(volume);
  });
}

TEST_CASE("the backend contract holds on a host directory", "[contract]") {
  prepare_process_for_callers();
  Features features;
  features.gives_ownership = ::geteuid() == 0;
  conform([&](const Conformance& conformance) {
    const TemporaryDirectory directory;
    Volume volume(
        make_host_path_backend({.path = directory.path, .type = "Directory", .is_local = false}),
        features);
    conformance.holds(volume);
  });
}

TEST_CASE("the backend contract holds on an NFS server", "[contract][nfs]") {
  if (!NfsServer::can_run()) {
    WARN("skipped: this needs root, nfs-ganesha and nfs-ganesha-vfs");
    return;
  }
  Features features;
  features.has_xattrs = false;
  features.has_exchange = false;
  features.has_unnamed_files = false;
  features.has_holes = false;
  features.copies_ranges = false;
  features.keeps_closed_files = false;
  features.sets_times_of_symlinks = false;  // asked to, this server says that it has, and has not
  const bool is_exclusive = GENERATE(false, true);
  CAPTURE(is_exclusive);
  conform([&](const Conformance& conformance) {
    const NfsServer server;
    volumes::NfsOptions options = server.options();
    options.exclusive = is_exclusive;
    options.local_locks = true;
    Volume volume(make_nfs_backend(std::move(options), {}), features);
    conformance.holds(volume);
  });
}

}  // namespace claimfs::tests
