#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "cli/manifest_files.h"
#include "control/manifest_directory.h"
#include "tests/unit/store_fixture.h"

// A manifest directory and the store behind it.
namespace claimfs::control {

using Strings = std::vector<std::string>;

inline std::string volume(const std::string& name, const std::string& size = "1Gi") {
  return "apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: " + name +
         "}\nspec:\n  capacity: {storage: " + size +
         "}\n  accessModes: [ReadWriteOnce]\n  hostPath: {path: /data}\n";
}
inline std::string claim(const std::string& name) {
  return "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: " + name +
         "}\nspec:\n  accessModes: [ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n";
}

class Manifests {
 public:
  // `at` is how the directory is called: "/" behind it should not matter, nor what kind it is.
  explicit Manifests(const std::string& at = "manifests") : at_(directory_.path(at)) {
    std::filesystem::create_directory(directory_.path("manifests"));
    anew();
  }

  std::string path(const std::string& name = "") const {
    return directory_.path("manifests") + (name.empty() ? "" : "/" + name);
  }
  std::string beside(const std::string& name) const { return directory_.path(name); }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name)) << text;
  }
  void remove(const std::string& name) { std::filesystem::remove(path(name)); }
  void rename(const std::string& from, const std::string& to) {
    std::filesystem::rename(path(from), path(to));
  }

  void sync() { directories_->sync(); }
  // As after a restart: nothing is remembered but what the store has.
  void anew() {
    parsed.clear();
    directories_ = std::make_unique<ManifestDirectories>(
        Strings{at_}, *store_, api_,
        [this, parse = cli::manifest_parser()](std::string_view text, const std::string& file) {
          parsed.push_back(std::filesystem::path(file).filename());
          return parse(text, file);
        },
        [this](const std::string& complaint) { complaints.push_back(complaint); });
  }
  void sync_anew() {
    anew();
    sync();
  }
  // Syncs by itself, until the thread goes.
  std::jthread run() {
    return std::jthread([this](const std::stop_token& stop) { directories_->run(stop); });
  }

  // "pv a 1Gi", "pvc default/b", in the store's order; Terminating ones in brackets.
  Strings stored() const {
    Strings all;
    const auto volumes = store_->list(volumes::Kind::PersistentVolume).value();
    for (const auto& object : volumes.objects) {
      all.push_back(
          shown(object, "pv " + object.name() + " " +
                            volumes::text_at(object.document, {"spec", "capacity", "storage"})));
    }
    const auto claims = store_->list(volumes::Kind::PersistentVolumeClaim).value();
    for (const auto& object : claims.objects)
      all.push_back(shown(object, "pvc " + object.name_space() + "/" + object.name()));
    return all;
  }
  // How many changes the store has seen.
  store::Version version() const {
    return store_->list(volumes::Kind::PersistentVolume).value().version;
  }
  volumes::Object object(const std::string& name) const {
    return store_->get({volumes::Kind::PersistentVolume, "", name}).value();
  }
  // Which manifest it came from.
  std::string file_of(const std::string& name) const {
    return std::filesystem::path(volumes::text_at(object(name).document,
                                                  {"metadata", "annotations", kManifestAnnotation}))
        .filename();
  }
  // The one complaint since the last look.
  std::string complaint() {
    REQUIRE(complaints.size() == 1);
    std::string only = complaints.front();
    complaints.clear();
    return only;
  }

  Strings complaints;
  Strings parsed;  // the files that were parsed
  Api& api() { return api_; }
  store::Store& store() { return *store_; }

 private:
  static std::string shown(const volumes::Object& object, const std::string& text) {
    return object.is_deleting() ? "(" + text + ")" : text;
  }

  store::Directory directory_;
  std::string at_;
  std::unique_ptr<store::Store> store_ = store::open_sqlite_store(directory_.database()).value();
  Api api_{*store_, system_clock()};
  std::unique_ptr<ManifestDirectories> directories_;
};

}  // namespace claimfs::control
