#include "backends/nfs/ahead_piece.h"

#include <algorithm>
#include <cerrno>

namespace claimfs::backends::nfs {

namespace {

// Where they are, or there, where they may be already.
std::span<const std::byte> put(std::span<const std::byte> data, std::span<std::byte> there) {
  if (there.empty() || there.data() == data.data()) return data;
  std::ranges::copy(data, there.begin());
  return there.first(data.size());
}

}  // namespace

bool AheadMemory::reserve(std::size_t bytes) {
  if (reserved_.fetch_add(bytes) + bytes <= kMostBytes) return true;
  give_back(bytes);
  return false;
}

AheadPiece::AheadPiece(const Part& part, std::shared_ptr<Ticket> ticket, std::uint64_t writes,
                       std::shared_ptr<AheadMemory> memory)
    : part_(part), ticket_(std::move(ticket)), writes_(writes), memory_(std::move(memory)) {}

AheadPiece::~AheadPiece() {
  if (own_) memory_->blocks().give_back(std::move(own_));
  memory_->give_back(part_.size);
}

bool AheadPiece::is_here() const {
  std::scoped_lock lock(mutex_);
  return state_ == State::Here;
}

bool AheadPiece::has_failed() const {
  std::scoped_lock lock(mutex_);
  return state_ == State::Failed;
}

bool AheadPiece::is_good_for(std::size_t wanted) const {
  return (got_ >= wanted || is_end_) && (!must_be_ || stamp_ == must_be_);
}

void AheadPiece::must_be(const ChangeStamp& stamp) {
  std::scoped_lock lock(mutex_);
  must_be_ = stamp;
}

void AheadPiece::take(const Wanted& wanted, Answer<std::span<const std::byte>> answer) {
  std::span<const std::byte> data;
  bool is_good = false;
  {
    std::scoped_lock lock(mutex_);
    if (state_ == State::Asked) {
      taker_.reset(new Taker{wanted, std::move(answer)});
      return;
    }
    is_good = state_ == State::Here && is_good_for(wanted.size);
    if (is_good) data = std::span(own_.get(), std::min(got_, wanted.size));
  }
  if (!is_good) return answer.refuse(EAGAIN);
  answer.complete(put(data, wanted.room));
}

std::span<std::byte> AheadPiece::place() {
  std::scoped_lock lock(mutex_);
  if (place_.empty() && taker_ && taker_->wanted.room.size() >= part_.size)
    place_ = taker_->wanted.room.first(part_.size);
  return place_.empty() ? own_place() : place_;
}

std::span<std::byte> AheadPiece::own_place() {
  if (!own_) own_ = memory_->blocks().take();
  place_ = std::span(own_.get(), part_.size);
  return place_;
}

void AheadPiece::came(const Came& what) {
  std::unique_ptr<Taker> taker;
  bool is_good = false;
  {
    std::scoped_lock lock(mutex_);
    got_ = what.data.size();
    is_end_ = what.is_end;
    stamp_ = what.stamp;
    state_ = State::Here;
    taker = std::exchange(taker_, nullptr);
    if (taker)
      is_good = is_good_for(taker->wanted.size);
    else
      put(what.data, own_place());
  }
  if (!taker) return;
  if (!is_good) return taker->answer.refuse(EAGAIN);
  const Wanted& wanted = taker->wanted;
  taker->answer.complete(
      put(what.data.first(std::min(what.data.size(), wanted.size)), wanted.room));
}

void AheadPiece::failed(int error) {
  std::unique_ptr<Taker> taker;
  {
    std::scoped_lock lock(mutex_);
    state_ = State::Failed;
    taker = std::exchange(taker_, nullptr);
  }
  if (taker) taker->answer.refuse(error == EINTR ? EINTR : EAGAIN);
}

}  // namespace claimfs::backends::nfs
