#pragma once

#include <set>
#include <string>
#include <vector>

#include "volumes/world.h"

namespace claimfs::control {

// What the controller has to look at: whatever changed, and whatever that may be a reason for. So
// that one more claim among ten thousand costs one look, not ten thousand.
class Agenda {
 public:
  using ClaimName = volumes::World::ClaimName;

  // The object is about to change, or has changed: both, because what it referred to before matters
  // as much as what it refers to now.
  void touch(const volumes::World& world, const volumes::ObjectKey& key);
  // Everything.
  void fill(const volumes::World& world);
  // Everything that waits for something, whose events are told again from time to time.
  void fill_restless(const volumes::World& world);

  bool is_empty() const;
  std::vector<ClaimName> take_pods();
  std::vector<std::string> take_volumes();
  // In the order in which they were made, which is the order in which they are served.
  std::vector<ClaimName> take_claims(const volumes::World& world);

 private:
  void touch_claim(const volumes::World& world, const ClaimName& name);

  std::set<ClaimName> pods_;
  std::set<std::string> volumes_;
  std::set<ClaimName> claims_;
  std::set<std::string> classes_with_room_;  // a volume of theirs has become free
};

}  // namespace claimfs::control
