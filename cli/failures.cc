#include "cli/failures.h"

#include <iostream>

namespace claimfs::cli {

ExitStatus Failures::say() const {
  constexpr std::string_view kError = "error: ";
  ExitStatus status = ExitStatus::Done;
  for (const Failure& failure : failures_) {
    std::string_view message = failure.message;
    // kubectl says "error: " before a mistake that stands alone, not before one of several.
    if (failures_.size() > 1 && message.starts_with(kError)) message.remove_prefix(kError.size());
    std::cerr << message << "\n";
    status = worse(status, failure.status);
  }
  return status;
}

ExitStatus worse(ExitStatus left, ExitStatus right) {
  if (left == ExitStatus::Done || left == ExitStatus::Failed)
    return right == ExitStatus::Done ? left : right;
  return left;
}

}  // namespace claimfs::cli
