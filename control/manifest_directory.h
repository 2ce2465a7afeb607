#pragma once

#include <functional>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "control/api.h"
#include "control/event_recorder.h"
#include "volumes/object.h"

namespace claimfs::control {

// What a manifest file says.
struct ParsedManifest {
  std::vector<volumes::Object> objects;
  std::vector<std::string> complaints;  // `FILE:LINE: what`; not empty: the file changes nothing
};
// Reads a manifest's text; the file's name is for complaints.
using ManifestParser =
    std::function<ParsedManifest(std::string_view text, const std::string& file)>;

// Watched directories whose *.yaml, *.yml and *.json files are desired state: what appears in them
// is applied, what changes is updated, what disappears is deleted with all protection. A file that
// does not parse changes nothing; its last good version stays. Which file an object came from is
// its annotation `claimfs.io/manifest`, so that what disappeared while nobody watched is noticed
// too.
class ManifestDirectories {
 public:
  static constexpr std::string_view kAnnotation = "claimfs.io/manifest";

  // `report` is told every complaint, once while it lasts. It and `parse` are called by the thread
  // that calls sync().
  using Report = std::function<void(const std::string& complaint)>;
  ManifestDirectories(std::vector<std::string> directories, store::Store& store, Api& api,
                      ManifestParser parse, Report report);

  // Makes the store say what the directories say now.
  void sync();

  // Syncs at every change until it is asked to stop.
  void run(std::stop_token stop);

 private:
  struct Declared {
    volumes::Object object;
    std::string file;
  };
  struct Contents {
    std::map<volumes::ObjectKey, Declared> objects;
    std::set<std::string> readable;  // files that parsed
    std::set<std::string> present;   // files that are there, good or bad
    std::set<std::string> complaints;
    bool is_complete = true;  // every directory could be listed
  };

  Contents read() const;
  void read_file(const std::string& file, Contents& contents) const;
  void apply(const Contents& contents, std::set<std::string>& complaints);
  void remove_what_went(const Contents& contents, std::set<std::string>& complaints);
  void complain(std::set<std::string> complaints);

  std::vector<std::string> directories_;
  store::Store& store_;
  Api& api_;
  ManifestParser parse_;
  Report report_;
  std::set<std::string> reported_;
};

}  // namespace claimfs::control
