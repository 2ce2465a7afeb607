#include "backends/nfs/kept_changes.h"

#include <sys/stat.h>

#include <ctime>
#include <utility>

namespace claimfs::backends::nfs {

namespace {

// Set-id bits and the sticky one are the server's to give, and go by rules of its own.
constexpr mode_t kSpecial = S_ISUID | S_ISGID | S_ISVTX;

bool is_server_time(const std::optional<AttributeChanges::Time>& time) { return time && time->now; }

void lay(const AttributeChanges& changes, Attributes& over) {
  if (changes.mode) over.mode = (over.mode & S_IFMT) | (*changes.mode & 07777);
  if (changes.uid) over.uid = *changes.uid;
  if (changes.gid) over.gid = *changes.gid;
  if (changes.atime) over.atime = changes.atime->value;
  if (changes.mtime) over.mtime = changes.mtime->value;
}

void add(const AttributeChanges& changes, AttributeChanges& to) {
  if (changes.mode) to.mode = changes.mode;
  if (changes.uid) to.uid = changes.uid;
  if (changes.gid) to.gid = changes.gid;
  if (changes.atime) to.atime = changes.atime;
  if (changes.mtime) to.mtime = changes.mtime;
}

}  // namespace

void KeptChanges::made(const Identity& maker, const Attributes& attributes, Clock::time_point now) {
  // The server takes the caller for who he is, and not for nobody: what an owner may do he may, and
  // root may do all.
  const bool is_his = attributes.uid == maker.uid;
  if (!is_his || (attributes.mode & kSpecial) != 0) return;
  maker_ = maker;
  made_ = Made{attributes, now};
}

bool KeptChanges::keep(const Identity& who, const AttributeChanges& changes,
                       Clock::time_point now) {
  if (!made_ || now - made_->at > kWhile || !is_same(who, maker_)) return false;
  if (changes.size || is_server_time(changes.atime) || is_server_time(changes.mtime)) return false;
  if (changes.mode && (*changes.mode & kSpecial) != 0) return false;
  constexpr uid_t kRoot = 0;
  if ((changes.uid || changes.gid) && maker_.uid != kRoot) return false;
  add(changes, kept_);
  ++last_;
  return true;
}

void KeptChanges::wrote() {
  kept_.mtime.reset();
  sent_.mtime.reset();
}

Attributes KeptChanges::guess() const {
  Attributes attributes = made_->attributes;
  ::clock_gettime(CLOCK_REALTIME, &attributes.ctime);
  attributes.is_guess = true;
  return attributes;
}

void KeptChanges::lay_over(Attributes& attributes, Clock::time_point asked_at) const {
  if (asked_at <= done_at_) lay(sent_, attributes);
  lay(kept_, attributes);
}

std::optional<KeptChanges::Sending> KeptChanges::next() {
  if (sending_ != 0 || !has_any()) return std::nullopt;
  sending_ = last_;
  done_at_ = Clock::time_point::max();
  const AttributeChanges now = std::exchange(kept_, {});
  add(now, sent_);
  return Sending{maker_, now};
}

void KeptChanges::sent(bool is_done, Clock::time_point now) {
  settled_ = std::exchange(sending_, 0);
  done_at_ = now;
  if (!is_done) sent_ = {};
}

}  // namespace claimfs::backends::nfs
