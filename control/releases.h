#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
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
// turn() and touched() belong to the thread of the mirror.
class Releases {
 public:
  // What this mount's filesystem does for it. All are called by turn().
  struct Filesystem {
    // Tries to prove that nothing of the claim is used through this mount. `for_good`: once proven,
    // nobody is admitted to it any more. Returns at once; `answer` comes from another thread, and
    // if it is true it returns when the attachment is gone, so that nobody is let in meanwhile.
    // Where there is nobody to be let in, it may also come at once, from turn()'s own thread.
    std::function<void(const std::string& claim_uid, bool for_good,
                       std::function<void(bool)> answer)>
        prove_unused;
    // The attachment was taken away: uses have to ask anew.
    std::function<void(const std::string& claim_uid)> lose;
    // Who uses it, for people.
    std::function<std::string(const std::string& name_space, const std::string& claim)> users;
  };

  Releases(store::Store& store, std::string mount, Filesystem filesystem);

  // Tells of a change in the mirror, as Mirror::Touched.
  void touched(const volumes::ObjectKey& key);

  std::chrono::milliseconds turn(Mirror& mirror);
  void set_wake(std::function<void()> wake);
  // There are no more turns: nobody waits for one any longer.
  void close();

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
    std::shared_ptr<std::promise<void>> carried_out;
  };
  struct Bell {
    Guarded<std::function<void()>> wake;
    Guarded<std::vector<Answered>> answers;
    std::atomic<bool> is_closed{false};
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
