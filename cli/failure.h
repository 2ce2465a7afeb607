#pragma once

#include <string>
#include <utility>

#include <tl/expected.hpp>

#include "base/result.h"
#include "control/api.h"

namespace claimfs::cli {

// What the process exits with. [contract] Source: DESIGN.md 9.
enum class ExitStatus {
  Done = 0,
  Failed = 1,
  Usage = 64,
  InvalidManifest = 65,
  Unreachable = 69,
  InUse = 75,
  NotPermitted = 77,
  InvalidConfiguration = 78
};

// Why a verb did not do its work: what to exit with, and what to tell.
struct Failure {
  ExitStatus status = ExitStatus::Failed;
  std::string message;
};

template <class T>
using Outcome = tl::expected<T, Failure>;

inline tl::unexpected<Failure> fail(ExitStatus status, std::string message) {
  return tl::unexpected(Failure{status, std::move(message)});
}

// A refusal as kubectl prints it: `Error from server (NotFound): …`.
Failure failure_of(const control::Refusal& refusal);

// An error of the store: not permitted, or not reachable.
Failure failure_of(const Error& error);

}  // namespace claimfs::cli
