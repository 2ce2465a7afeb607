// What manifest directories cost with ten thousand files. Hidden: claimfs_tests
// "[.bench-manifests]"

#include <sys/resource.h>

#include <fstream>
#include <iostream>
#include <thread>

#include "cli/manifest_files.h"
#include "control/manifest_directory.h"
#include "tests/unit/catch.h"
#include "tests/unit/store_fixture.h"

namespace claimfs::control {
namespace {

using std::chrono::steady_clock;

constexpr int kFiles = 10'000;

void write(const std::string& directory, int number) {
  const std::string name = "volume-" + std::to_string(number);
  std::ofstream(directory + "/" + name + ".yaml")
      << "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: " << name
      << "}\nspec:\n  capacity: {storage: 1Gi}\n  accessModes: [ReadWriteOnce]\n"
         "  hostPath: {path: /data}\n";
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

class Stretch {
 public:
  explicit Stretch(std::string name) : name_(std::move(name)) {}
  ~Stretch() {
    const std::chrono::duration<double> wall = steady_clock::now() - start_;
    std::cout << name_ << ": " << wall.count() << " s, CPU " << cpu_seconds() - cpu_ << " s"
              << std::endl;
  }

 private:
  std::string name_;
  steady_clock::time_point start_ = steady_clock::now();
  double cpu_ = cpu_seconds();
};

std::size_t volumes_in(store::Store& store) {
  return store.list(volumes::Kind::PersistentVolume).value().objects.size();
}

void wait_for(store::Store& store, const std::string& name) {
  while (!store.get({volumes::Kind::PersistentVolume, "", name}))
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
}

}  // namespace

TEST_CASE("ten thousand manifests", "[.bench-manifests]") {
  store::Directory place;
  const std::string directory = place.path("manifests");
  std::filesystem::create_directory(directory);
  for (int i = 0; i < kFiles; ++i) write(directory, i);
  auto store = store::open(place);
  Api api(*store, system_clock());
  const auto report = [](const std::string& complaint) { std::cout << complaint << "\n"; };
  ManifestDirectories manifests({directory}, *store, api, cli::manifest_parser(), report);
  {
    const Stretch stretch("first sync");
    manifests.sync();
  }
  REQUIRE(volumes_in(*store) == kFiles);
  {
    const Stretch stretch("sync, nothing to do");
    manifests.sync();
  }
  {
    const Stretch stretch("sync, nothing to do, again");
    manifests.sync();
  }
  write(directory, kFiles);
  {
    const Stretch stretch("sync, one more file");
    manifests.sync();
  }
  {
    const Stretch stretch("first sync after a restart");
    ManifestDirectories({directory}, *store, api, cli::manifest_parser(), report).sync();
  }

  ManifestDirectories watched({directory}, *store, api, cli::manifest_parser(), report);
  std::jthread runner([&watched](const std::stop_token& stop) { watched.run(stop); });
  write(directory, kFiles + 1);
  wait_for(*store, "volume-" + std::to_string(kFiles + 1));
  std::this_thread::sleep_for(std::chrono::seconds(10));
  {
    const Stretch stretch("idle");
    std::this_thread::sleep_for(std::chrono::seconds(30));
  }
  {
    const Stretch stretch("one more file while it runs");
    write(directory, kFiles + 2);
    wait_for(*store, "volume-" + std::to_string(kFiles + 2));
  }
  {
    const Stretch stretch("ten thousand more while it runs");
    for (int i = 0; i < kFiles; ++i) write(directory, kFiles + 3 + i);
    while (volumes_in(*store) < 2 * kFiles + 3)
      std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
}

}  // namespace claimfs::control
