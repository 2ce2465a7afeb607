#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "control/api.h"
#include "control/batched_store.h"
#include "control/manifest_cache.h"
#include "control/stored_manifests.h"
#include "volumes/object.h"

namespace claimfs::control {

// Watched directories whose *.yaml, *.yml and *.json files are desired state: what appears in them
// is applied, what changes is updated, what disappears is deleted with all protection. A file that
// does not parse changes nothing; its last good version stays. Where two files declare the same,
// the one whose path is lexically first counts. Which file an object came from is its annotation
// `claimfs.io/manifest`, so that what disappeared while nobody watched is noticed too.
//
// Files are read where they have changed, and objects applied where their file has, or the store.
class ManifestDirectories {
 public:
  static constexpr std::string_view kAnnotation = kManifestAnnotation;

  // `report` is told every complaint, once while it lasts. It and `parse` are called by the thread
  // that calls sync() or run().
  using Report = std::function<void(const std::string& complaint)>;
  ManifestDirectories(std::vector<std::string> directories, store::Store& store, Api& api,
                      ManifestParser parse, Report report);

  // Makes the store say what the directories say now.
  void sync();

  // Syncs at every change until it is asked to stop. What disappears is deleted a second later if
  // it has not come back: some editors save by that.
  void run(std::stop_token stop);

 private:
  using Duration = std::chrono::steady_clock::duration;
  using Time = std::chrono::steady_clock::time_point;
  struct Declared {
    DeclaredObject object;
    std::string file;
  };
  // What became of an object when it was last applied.
  struct Attempt {
    DeclaredObject object;
    store::Version version = 0;  // the store's, 0 for none
    std::string refusal;         // empty: it was applied
  };
  struct Waiting {
    volumes::ObjectKey key;
    std::function<void()> do_singly;
  };
  enum class Look { AtFiles, AtStore };  // AtFiles: and at the store

  void sync(Look look, Duration grace);
  bool look_at_files();
  void declare();
  void apply(Look look);
  bool is_due(const volumes::ObjectKey& key, const Declared& declared, Look look) const;
  // Both wait for flush().
  void apply(const volumes::ObjectKey& key);
  void remove(Api& api, const volumes::ObjectKey& key, const std::string& file);
  void flush();
  void note(const volumes::ObjectKey& key, const Answered<Api::Applied>& applied);
  void store_failed(const std::string& why);
  bool has_to_stop() const { return stop_.stop_requested() || !store_failure_.empty(); }
  void remove_what_went(Duration grace);
  // Its file is there, and nobody knows what it says.
  bool is_spared(const std::string& path);
  void complain();

  std::vector<std::string> directories_;
  Api& api_;
  BatchedStore batch_;
  Api batched_api_{batch_, system_clock()};
  std::vector<Waiting> waiting_;  // what is in the batch
  Report report_;
  std::stop_token stop_;

  ManifestCache cache_;
  StoredManifests stored_;
  std::map<volumes::ObjectKey, Declared> declared_;
  std::map<volumes::ObjectKey, Attempt> attempts_;
  std::map<volumes::ObjectKey, Time> undeclared_since_;

  bool is_unfinished_ = true;  // there is something to do though nothing has changed
  bool has_refusals_ = false;
  std::optional<Time> next_removal_;
  Duration look_pause_{};  // how long the files need not be looked at

  std::set<std::string> conflicts_;  // of files with one another
  std::set<std::string> removals_;   // complaints about what would go
  std::string store_failure_;
  std::set<std::string> reported_;
};

}  // namespace claimfs::control
