#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/result.h"
#include "store/store.h"
#include "volumes/object.h"

namespace claimfs::cli {

// What describe needs beside the object itself.
struct Surroundings {
  std::vector<volumes::Object> events;  // all that there are
  std::vector<volumes::Object> pods;
  std::int64_t now = 0;
  // Who uses a claim beside the Pods that refer to it, a line each. Absent: nobody.
  std::function<std::vector<std::string>(const volumes::Object& claim)> other_users = {};
};

// Asks other_users() only about what is described, so not before that; `store` outlives it.
Result<Surroundings> surroundings_of(store::Store& store, std::int64_t now);

// The text of `kubectl describe`; behind the Pods of `Used By` stand a claim's other users. Source:
// KUBERNETES.md 8.2 to 8.4.
std::string describe(const volumes::Object& object, const Surroundings& surroundings);

}  // namespace claimfs::cli
