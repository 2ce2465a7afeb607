#include "cli/failure.h"

#include <cerrno>

namespace claimfs::cli {

Failure failure_of(const control::Refusal& refusal) {
  using Reason = control::Refusal::Reason;
  const auto from_server = [&refusal](const char* reason) {
    return "Error from server (" + std::string(reason) + "): " + refusal.message;
  };
  switch (refusal.reason) {
    case Reason::Invalid:
      return {ExitStatus::InvalidManifest, refusal.message};
    case Reason::AlreadyExists:
      return {ExitStatus::Failed, from_server("AlreadyExists")};
    case Reason::NotFound:
      return {ExitStatus::Failed, from_server("NotFound")};
    case Reason::Conflict:
      return {ExitStatus::Failed, from_server("Conflict")};
    case Reason::Forbidden:
      return {ExitStatus::Failed, from_server("Forbidden")};
    case Reason::Unreachable:
      return {ExitStatus::Unreachable, refusal.message};
  }
  return {ExitStatus::Failed, refusal.message};
}

Failure failure_of(const Error& error) {
  const bool not_permitted = error.code == EACCES || error.code == EPERM;
  return {not_permitted ? ExitStatus::NotPermitted : ExitStatus::Unreachable,
          error.message() + (not_permitted ? ": the store belongs to root, try sudo" : "")};
}

}  // namespace claimfs::cli
