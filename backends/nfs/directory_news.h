#pragma once

#include <nfsc/libnfs.h>

#include <nfsc/libnfs-raw-nfs.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <utility>

#include "backends/backend.h"
#include "backends/nfs/change_stamp.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

// What is known of a directory by the answers to our own changes of it, which tell what it was
// before and is after (RFC 1813 2.6, weak cache consistency). Nobody has to be asked
// * for its attributes, which the kernel wants after every change in it: right after a change, if
//   no other one of ours was under way;
// * for a name that is not there, in a directory that was made by us in a volume that nobody else
//   changes: as long as the answers show that nobody did;
// * for what a name stands for, in such a volume: the same.
// An answer is believed for as long as the kernel believes what it is told. Thread-safe.
class DirectoryNews {
 public:
  using Clock = std::chrono::steady_clock;
  using Before = ChangeStamp;

  // The directory was just made, with nothing in it.
  void is_new(const Attributes& attributes);

  // What it is now, if that is known by an answer that came after `since`.
  std::optional<Attributes> attributes(Clock::time_point since) const;
  // `longest`: in a directory that was made longer ago than that nothing is.
  bool is_absent(std::string_view name, Clock::duration longest) const;
  // From when on nobody else has changed what is in it, as an answer has just shown.
  std::optional<Clock::time_point> unchanged_since() const;
  // What it is, by an answer that is no change's. `changes` and the time are from before it was
  // asked for.
  void saw(const Attributes& attributes, std::uint64_t changes, Clock::time_point asked_at);
  // How many changes have begun or ended: while this stays, what was asked for is not older than
  // any.
  std::uint64_t changes() const;
  // The same, where none is under way.
  std::optional<std::uint64_t> changes_at_rest() const;

 private:
  friend class DirectoryChange;
  std::uint64_t begin(std::string_view new_name);
  void end(std::uint64_t change, const std::optional<Before>& before,
           const std::optional<Attributes>& after);

  struct State {
    std::uint64_t changes = 0;
    std::uint32_t under_way = 0;
    std::optional<Attributes> attributes;  // after the change of this number
    std::uint64_t told_by = 0;
    Clock::time_point told_at{};
    Clock::time_point unchanged_since{};  // with what `attributes` says
    Clock::time_point made_at{};
    // All names, by their hashes, and those of some that have gone; absent when not all are known.
    std::unique_ptr<std::unordered_set<std::uint64_t>> names;
  };
  Guarded<State> state_;
};

// A change of a directory by us, from before it is asked for. ended() comes before whoever waits
// for it is answered; without that nothing is known of what it did.
class DirectoryChange {
 public:
  // `new_name` will be there.
  explicit DirectoryChange(std::shared_ptr<DirectoryNews> news, std::string_view new_name = {})
      : news_(std::move(news)), number_(news_->begin(new_name)) {}
  DirectoryChange(DirectoryChange&& other) noexcept = default;
  DirectoryChange& operator=(DirectoryChange&&) = delete;
  ~DirectoryChange() { ended({}, {}); }

  void ended(const std::optional<DirectoryNews::Before>& before,
             const std::optional<Attributes>& after) {
    if (const auto news = std::exchange(news_, nullptr)) news->end(number_, before, after);
  }

 private:
  std::shared_ptr<DirectoryNews> news_;
  std::uint64_t number_ = 0;
};

}  // namespace claimfs::backends::nfs
