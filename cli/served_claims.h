#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cli/capacity.h"
#include "config/config.h"
#include "control/bound_claims.h"
#include "control/event_recorder.h"
#include "fs/tree.h"
#include "volumes/nfs_options.h"

namespace claimfs::cli {

// The volumes that a mount serves, made from the claims that are bound. A claim that stays keeps
// its volume, whatever else of it changes. Used by one thread at a time.
class ServedClaims {
 public:
  // As fs::ServedVolume::Attach, with Attachment::backing.
  using Attach =
      std::function<Result<void>(const fs::ServedClaim&, bool writes, const std::string* consumer,
                                 std::vector<std::string> backing)>;

  ServedClaims(std::string node, std::map<std::string, std::string> node_labels, bool is_read_only,
               control::EventRecorder& events, CapacityRules capacity, volumes::NfsDefaults nfs,
               Attach attach);

  // The tree's new content; remembers it. New volumes have had a look at their root.
  fs::Tree::Claims update(const std::vector<control::BoundClaim>& bound);

  // The mount has ended: nobody waits for a backend any more.
  void abandon();

  // The volume of a claim, by the claim's uid; also of one that has left the tree, as long as the
  // kernel holds something of it. Null when this mount has nothing of it.
  std::shared_ptr<fs::ServedVolume> find(const std::string& claim_uid) const;

 private:
  std::shared_ptr<fs::ServedVolume> make(const control::BoundClaim& bound,
                                         fs::ServedClaim claim) const;

  std::string node_;
  volumes::StringMap node_labels_;
  bool is_read_only_;
  control::EventRecorder& events_;
  CapacityRules capacity_;
  volumes::NfsDefaults nfs_;
  Attach attach_;
  // By the uids of claim and volume: a name may come back as something else.
  std::map<std::pair<std::string, std::string>, std::shared_ptr<fs::ServedVolume>> served_;
  std::map<std::string, std::weak_ptr<fs::ServedVolume>> gone_;  // by the claim's uid
};

}  // namespace claimfs::cli
