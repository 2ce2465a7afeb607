#pragma once

#include <chrono>
#include <functional>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/guarded.h"
#include "base/result.h"
#include "control/event_recorder.h"
#include "control/mirror.h"
#include "store/store.h"
#include "volumes/use_rules.h"

namespace claimfs::control {

// Asks for claims on behalf of one mount, or of `claimfs attach`: writes the Attachment when the
// access modes admit the use, and where others stand in the way asks them to give way, and waits a
// moment for it. The store's compare-and-swap is what makes a decision true; this only makes it.
//
// turn() belongs to the thread of the mirror; attach() to all others.
class Attachments {
 public:
  struct Asker {
    std::string node;
    std::string mount;  // the MountRecord's name; empty: attachments are held until detached
  };
  // Tries whether a consumer of this mount has ended its use of a claim. May take a while; `answer`
  // is called from any thread.
  using EndConsumer = std::function<void(const std::string& claim_uid, const std::string& consumer,
                                         std::function<void(bool)> answer)>;

  Attachments(store::Store& store, EventRecorder& events, Asker asker, EndConsumer end_consumer);

  struct Wanted {
    std::string name_space;
    std::string claim;
    std::string uid;  // empty: whichever claim has the name
    bool writes = false;
    std::string consumer = {};              // as Attachment::consumer
    std::vector<std::string> backing = {};  // as Attachment::backing
  };
  // Waits until the claim is attached for this use, or why it is not is clear: EBUSY with the
  // holders in the context. Needs another thread that takes turns.
  Result<void> attach(Wanted wanted);
  // Does not wait: the answer comes from turn().
  std::future<Result<void>> ask(Wanted wanted);

  // Does what there is to do. Returns how long it may be until the next turn if nothing changes.
  std::chrono::milliseconds turn(Mirror& mirror);
  // Called when there is something to do for turn(). Set before the first attach().
  void set_wake(std::function<void()> wake);

  // Called by turn() for each attachment that is made, before whoever asked for it is answered. Set
  // by the thread of turn().
  using Attached = std::function<void(const std::string& attachment, const std::string& claim_uid)>;
  void set_attached(Attached attached) { attached_ = std::move(attached); }

  // How long somebody who stands in the way has time to give way.
  static constexpr std::chrono::milliseconds kPatience{1000};

 private:
  using Clock = std::chrono::steady_clock;
  struct Request {
    Wanted wanted;
    std::promise<Result<void>> answer;
    Clock::time_point deadline;
    std::map<std::string, std::string> asked;  // attachment to the word that asked it
  };
  // Shared with answers that may come when this is gone.
  struct Bell {
    Guarded<std::function<void()>> wake;
    Guarded<std::map<std::string, bool>> asked_consumers;  // attachment to "has ended"
    void ring();
  };

  bool serve(Mirror& mirror, Request& request);
  bool refuse(Request& request, const volumes::Claim& claim, const volumes::InTheWay& holders);
  void ask_to_give_way(Mirror& mirror, Request& request, const volumes::Attachment& holder);
  Result<void> write(Mirror& mirror, const Request& request, volumes::Claim claim);
  Result<void> undo(const volumes::ObjectKey& key, const std::optional<volumes::Object>& before);
  bool has_been_outrun(const volumes::World& world, const volumes::Claim& claim,
                       const Request& request, const std::string& version) const;
  std::string own_name(const std::string& volume) const;

  store::Store& store_;
  EventRecorder& events_;
  const Asker asker_;
  const EndConsumer end_consumer_;
  Attached attached_;
  Guarded<std::vector<std::unique_ptr<Request>>> inbox_;
  const std::shared_ptr<Bell> bell_ = std::make_shared<Bell>();
  std::vector<std::unique_ptr<Request>> waiting_;
  // Claims that were refused a moment ago: who asks again meanwhile is not made to wait again.
  std::map<std::string, Clock::time_point> refused_until_;
};

}  // namespace claimfs::control
