#include "base/result.h"

#include <cerrno>
#include <cstring>

namespace claimfs {

std::string Error::message() const {
  if (code == 0) return context;
  char buffer[128];
  const char* reason = strerror_r(code, buffer, sizeof buffer);
  return context.empty() ? std::string(reason) : context + ": " + reason;
}

tl::unexpected<Error> failure_from_errno() { return failure(errno); }

tl::unexpected<Error> failure_from_errno(std::string what) {
  const int code = errno;
  return failure(code, std::move(what));
}

}  // namespace claimfs
