#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace claimfs::backends::nfs {

// Whether a file is being read from one end to the other, and what is worth asking for before it is
// wanted. The kernel reads ahead by itself, but one window only: it asks for the next when it
// begins to use the last, which a server that is some way off answers too late. More than that is
// asked for here: twice as much each time that it comes too late all the same. Nothing is where the
// server answers at once, since the data are copied once more on this way; nor until so much has
// been read in order that all of it will be wanted. Of one open file; pure.
class ReadSequence {
 public:
  // What is smaller is not the kernel's reading ahead.
  static constexpr std::size_t kLeastBytes = 128U << 10U;
  // As many requests in a row, and alike, as whoever wants a part of a file hardly makes.
  static constexpr int kInOrder = 4;
  // So many were answered, and each took so long at least: several times what copying it takes.
  static constexpr int kAnswered = 8;
  static constexpr std::chrono::microseconds kFar{1000};
  static constexpr std::uint64_t kMostAhead = 4U << 20U;

  // What had been asked for of what a request wants.
  enum class Found { Nothing, OnItsWay, Here };
  struct Ahead {
    // With the requests before; otherwise what was asked for is of no use.
    bool goes_on = false;
    // To be asked for now, in pieces of the request's size.
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
  };

  // A request.
  Ahead read(std::uint64_t offset, std::size_t size, Found found);
  // One for which nothing was found was answered after so long.
  void answered(std::chrono::steady_clock::duration after);
  // Of what read() said last, nothing from there on was asked for.
  void asked_only_to(std::uint64_t end) { asked_to_ = end; }
  // What was asked for is there no more.
  void lost();

 private:
  void begin_at(std::uint64_t end, std::size_t size);
  bool is_worth_it() const {
    return in_order_ >= kInOrder && answered_ >= kAnswered && soonest_ >= kFar;
  }

  std::uint64_t front_ = 0;       // where the request that reached furthest ended
  std::uint64_t asked_from_ = 0;  // what was asked for, of which nothing is missing
  std::uint64_t asked_to_ = 0;
  std::size_t size_ = 0;                           // of the last request
  int in_order_ = 0;                               // requests of that size
  int answered_ = 0;                               // since it began
  std::chrono::steady_clock::duration soonest_{};  // of these
  std::uint64_t pieces_ = 1;                       // to be asked for in front of it
};

}  // namespace claimfs::backends::nfs
