#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "control/mirror.h"
#include "store/store.h"

namespace claimfs::control {

// Gives up what one mount has of the claims when somebody waits for it: another mount that asks for
// the attachment, or the claim's deletion. Whether the mount still uses it is proven by the kernel
// (DESIGN.md 6); this carries the questions and the answers through the store.
//
// turn(), touched() and attached() belong to the thread of the mirror.
class Releases {
 public:
  // What this mount's filesystem does for it. All are called by turn().
  struct Filesystem {
    // Tries to prove that nothing of the claim is used through this mount, and keeps everybody out
    // from then on, `for_good` or until let_in(). Returns at once; `answer` may come from another
    // thread.
    std::function<void(const std::string& claim_uid, bool for_good,
                       std::function<void(bool)> answer)>
        prove_unused;
    // The attachment of what has been proven unused is gone.
    std::function<void(const std::string& claim_uid)> let_in;
    // The attachment was taken away: uses have to ask anew.
    std::function<void(const std::string& claim_uid)> lose;
    // Who uses it, for people.
    std::function<std::string(const std::string& name_space, const std::string& claim)> users;
  };

  Releases(store::Store& store, std::string mount, Filesystem filesystem);

  // Tells of a change in the mirror, as Mirror::Touched.
  void touched(const volumes::ObjectKey& key);

  // This mount has got it: even if it is taken away before the next turn, that is told.
  void attached(const std::string& attachment, const std::string& claim_uid) {
    own_[attachment] = claim_uid;
  }

  std::chrono::milliseconds turn(Mirror& mirror);
  void set_wake(std::function<void()> wake);

  // For how long somebody who asked is taken to wait.
  static constexpr std::chrono::milliseconds kPatience{1000};

 private:
  using Clock = std::chrono::steady_clock;
  // A question to the filesystem, asked again until it is answered as wanted.
  struct Question {
    Clock::time_point next{};
    bool is_asked = false;
  };
  struct Recall : Question {
    std::string word;
    Clock::time_point until{};
    bool has_answered = false;
  };
  struct Answered {
    std::string attachment;  // empty: a deletion
    std::string claim_uid;
    bool is_unused = false;
  };
  struct Bell {
    Guarded<std::function<void()>> wake;
    Guarded<std::vector<Answered>> answers;
    void ring();
  };

  void look_at_attachment(const Mirror& mirror, const std::string& name);
  void look_at_claims(const Mirror& mirror);
  void carry_out(Mirror& mirror, const Answered& answer);
  void drop_attachment(Mirror& mirror, const std::string& name);
  void answer_in_use(Mirror& mirror, const std::string& name, Recall& recall);
  void ask(Question& question, const std::string& attachment, const std::string& claim_uid);
  void publish(Mirror& mirror);

  store::Store& store_;
  const std::string mount_;
  const Filesystem filesystem_;
  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();

  std::set<std::string> changed_attachments_;
  bool has_changed_claims_ = true;
  std::map<std::string, std::string> own_;     // attachment to the claim's uid
  std::map<std::string, Recall> recalls_;      // by attachment
  std::map<std::string, Question> deletions_;  // by the claim's uid
  std::set<std::string> released_;             // uids
  bool is_published_ = true;
};

}  // namespace claimfs::control
