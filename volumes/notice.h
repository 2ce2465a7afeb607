#pragma once

#include <string>

#include "volumes/object.h"

namespace claimfs::volumes {

struct Claim;
struct Pod;
struct Volume;

// An event to be recorded. The recorder folds repetitions into one with a count.
struct Notice {
  enum class Type { Normal, Warning };
  ObjectKey about;
  std::string uid;
  Type type = Type::Normal;
  std::string reason;
  std::string message;
  std::string from = {};  // the component that tells it; empty: the recorder's own

  bool operator==(const Notice&) const = default;
};

Notice notice(const Claim& claim, Notice::Type type, std::string reason, std::string message);
Notice notice(const Volume& volume, Notice::Type type, std::string reason, std::string message);
Notice notice(const Pod& pod, Notice::Type type, std::string reason, std::string message);

// As Go's %q quotes a name, which holds nothing that would have to be escaped.
std::string in_quotes(const std::string& name);

}  // namespace claimfs::volumes
