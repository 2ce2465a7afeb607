#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/claim_users.h"
#include "store/store.h"
#include "volumes/attachment.h"
#include "volumes/metadata.h"
#include "volumes/mount_record.h"

namespace claimfs::cli {

// One who holds a claim, in words; what does not apply is empty.
struct ClaimHolder {
  std::string node;
  std::string pod;  // NAMESPACE/NAME; the uid of a pod that the store does not know
  std::string pid;
  std::string command;
  std::string use;      // "working directory", "held by claimfs attach"
  std::string what;     // of which file, or at which mount point
  bool is_pod = false;  // a Pod that refers to the claim, not a process
  // A path in the claim is for those only who may look at the process; a mount point is not in it.
  bool is_path_in_claim = false;
};

// `node-a pid 123 (bash) working directory`, without a path in the claim.
std::string text_of(const ClaimHolder& holder);

// Who holds claims: Pods, attachments, and what uses the mounts of this machine. Looks at the store
// and into /proc once, when it is made or first asked about a mount; for one question, or several
// at a time.
class ClaimHolders {
 public:
  static Result<ClaimHolders> look(store::Store& store);

  std::vector<ClaimHolder> of(const volumes::Metadata& claim);
  // Nodes that have it attached, sorted.
  std::vector<std::string> nodes_of(const volumes::Metadata& claim) const;

 private:
  void add_pods(const volumes::Metadata& claim, std::vector<ClaimHolder>& holders) const;
  void add_attachments(const volumes::Metadata& claim, std::vector<ClaimHolder>& holders) const;
  void add_users(const volumes::Metadata& claim, std::vector<ClaimHolder>& holders);

  std::vector<volumes::Object> pods_;
  std::vector<volumes::Attachment> attachments_;
  std::map<std::string, volumes::MountRecord> mounts_here_;  // by the record's name
  std::map<std::string, std::string> pod_names_;             // by uid
  std::map<std::string, MountUses> uses_;                    // by mount point
};

// What one look says of a claim, in one line: "node-a,node-b", and the first twenty holders,
// separated by "; ". Empty: nobody.
std::string nodes_text(store::Store& store, const volumes::Metadata& claim);
std::string holders_text(store::Store& store, const volumes::Metadata& claim);

}  // namespace claimfs::cli
