#pragma once

#include <vector>

#include "cli/failure.h"

namespace claimfs::cli {

// What went wrong with some of the objects that a verb works on, while it goes on with the others.
class Failures {
 public:
  void add(Failure failure) { failures_.push_back(std::move(failure)); }

  // Tells all on stderr and returns what to exit with; Done when nothing went wrong.
  ExitStatus say() const;

 private:
  std::vector<Failure> failures_;
};

// The worse of two: a manifest that has to be corrected says more than an object that is there
// already.
ExitStatus worse(ExitStatus left, ExitStatus right);

}  // namespace claimfs::cli
