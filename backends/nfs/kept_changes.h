#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "backends/backend.h"
#include "backends/nfs/identity.h"

namespace claimfs::backends::nfs {

// Changes of a file's attributes that need no word of the server's: those that who has just made
// it, on a volume that nobody else changes, makes while it is open. They go there as one, behind
// what was written (`tar x` and `cp -p` set owner, mode and times one by one). Without any I/O; one
// thread at a time.
class KeptChanges {
 public:
  using Clock = std::chrono::steady_clock;
  // From making the file on. What an answer from here says of it is guessed from what it was then.
  static constexpr std::chrono::seconds kWhile{30};

  // The file was made for that caller, and that is what the server said of it.
  void made(const Identity& maker, const Attributes& attributes, Clock::time_point now);
  // Its size was set, so that what it was then says no more what it is; or nobody has it open.
  void keep_no_more() { made_.reset(); }

  // Keeps it, if it is known that the server would do it. False: it has to be asked.
  bool keep(const Identity& who, const AttributeChanges& changes, Clock::time_point now);
  // Something was written after it, which sets the time.
  void wrote();

  // What the file is, but for what was written and what is kept, if the server had been asked at
  // that time: after keep() has been true.
  Attributes guess() const;
  Clock::time_point guess_asked_at() const { return made_->at; }
  // Who was asked at that time may not have known of the changes.
  void lay_over(Attributes& attributes, Clock::time_point asked_at) const;
  // The server was told others since.
  void others_were_set() { sent_ = {}; }

  // Counts what was kept, for who waits until that is settled.
  std::uint64_t last() const { return last_; }
  bool is_settled(std::uint64_t number) const { return settled_ >= number; }
  bool has_any() const { return !is_settled(last_); }

  struct Sending {
    Identity who;
    AttributeChanges changes;
  };
  // What is to be sent now; one at a time. Its end: whether the server has done it.
  std::optional<Sending> next();
  void sent(bool is_done, Clock::time_point now);
  // Meanwhile nothing is to be written, which sets the time after it.
  bool is_sending() const { return sending_ != 0; }

 private:
  struct Made {
    Attributes attributes;
    Clock::time_point at;
  };
  Identity maker_;
  std::optional<Made> made_;
  AttributeChanges kept_;      // not sent
  AttributeChanges sent_;      // all that answers may not show yet,
  Clock::time_point done_at_;  // if who asked did before this
  std::uint64_t last_ = 0;
  std::uint64_t sending_ = 0;  // up to which; 0: none
  std::uint64_t settled_ = 0;
};

}  // namespace claimfs::backends::nfs
