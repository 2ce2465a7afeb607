#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "cli/failure.h"
#include "volumes/object.h"

namespace claimfs::cli {

// Which of the two maps of an object's metadata `label` and `annotate` change.
enum class KeyMap { Labels, Annotations };

// What the arguments KEY=VALUE and KEY- say. Rules and words are kubectl's, which are not the same
// for labels and annotations. Source: kubectl pkg/cmd/label, annotate, util.GetResourcesAndPairs.
class KeyChanges {
 public:
  // Takes the changes from the end of `words`; what stands before them names objects and stays.
  // There must be some, unless files name the objects.
  static Outcome<KeyChanges> take(std::vector<std::string>& words, KeyMap map, bool has_files);

  // What would be changed against the user's will without --overwrite; `error: …`.
  Outcome<void> check_overwrites(const volumes::Object& object) const;

  // The keys to remove that are not there.
  std::vector<std::string> missing(const volumes::Object& object) const;

  // RFC 7386; empty when the object is so already.
  volumes::Json patch(const volumes::Object& object) const;

  // `labeled`, `unlabeled`, `not labeled`, `annotated`.
  std::string deed(const volumes::Object& object, bool overwrites) const;

 private:
  const char* field() const { return map_ == KeyMap::Labels ? "labels" : "annotations"; }

  KeyMap map_ = KeyMap::Labels;
  std::map<std::string, std::string> set_;
  std::vector<std::string> removed_;
};

}  // namespace claimfs::cli
