#pragma once

#include <string>

#include "cli/failure.h"
#include "cli/output.h"
#include "volumes/object.h"

namespace claimfs::cli {

// What a verb says of each object that it has changed: `persistentvolume/x labeled`, or with -o its
// name or the object itself.
class DeedPrinter {
 public:
  static Outcome<DeedPrinter> of(const std::string& output);

  Outcome<void> print(const volumes::Object& object, const std::string& deed);
  // All at once; several objects that are to be shown come as a List.
  Outcome<void> print_list(const std::vector<volumes::Object>& objects) const;

  // With -o, and not only names.
  bool shows_objects() const { return !format_.is_table() && !format_.is_name(); }

 private:
  explicit DeedPrinter(OutputFormat format) : format_(std::move(format)) {}

  OutputFormat format_;
  bool is_begun_ = false;
};

}  // namespace claimfs::cli
