#pragma once

#include <cstddef>
#include <span>

namespace claimfs::fs {

// Says to whoever serves a request where its reply's bytes may be put until it is replied to, for
// as long as this thread hands the request to libfuse, which tells nothing of it.
class ReplyRoom {
 public:
  explicit ReplyRoom(std::span<std::byte> room) { here_ = room; }
  ReplyRoom(const ReplyRoom&) = delete;
  ~ReplyRoom() { here_ = {}; }

  // Empty: there is none.
  static std::span<std::byte> of_this_thread() { return here_; }

 private:
  static inline thread_local std::span<std::byte> here_{};
};

}  // namespace claimfs::fs
