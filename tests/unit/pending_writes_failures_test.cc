#include <cerrno>
#include <string>
#include <vector>

#include "backends/nfs/pending_writes.h"
#include "tests/unit/catch.h"
#include "tests/unit/sent_writes.h"

namespace claimfs::backends::nfs {

using namespace tests;

TEST_CASE("the server takes less than it was sent", "[nfs]") {
  struct Row {
    const char* name;
    std::uint64_t count;
    std::string again;
    int error;
  };
  for (const Row& row : {
           Row{.name = "all", .count = 6, .again = "", .error = 0},
           Row{.name = "a part: the rest is sent again", .count = 2, .again = "2:cdef", .error = 0},
           Row{.name = "nothing: it would never end", .count = 0, .again = "", .error = EIO},
           Row{.name = "more: it is lying", .count = 7, .again = "", .error = EIO},
       }) {
    INFO(row.name);
    PendingWrites writes = writes_of(kWriteSize);
    auto cursor = writes.errors().open();
    write(writes, 0, "abcdef");
    writes.push();
    const auto sent = send_one(writes);
    writes.written(sent->number, {.count = row.count, .is_stable = false, .verifier = kBefore});
    CHECK(text_of(send_all(writes)) == row.again);
    CHECK(writes.errors().tell(cursor) == row.error);
    CHECK(writes.is_sound());
  }
}

TEST_CASE("a failed piece is dropped, and what is newer stays", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  auto cursor = writes.errors().open();
  write(writes, 0, "abcdefgh");
  const auto token = writes.flush();
  const auto sent = send_one(writes);
  write(writes, 4, "XY");
  writes.write_failed(sent->number, ENOSPC);
  CHECK(writes.is_stable(token));
  CHECK(writes.errors().tell(cursor) == ENOSPC);
  CHECK(seen(writes, 0, 8) == "....XY..");

  const auto again = writes.flush();
  const auto rest = send_one(writes);
  writes.written(rest->number, {.count = 2, .is_stable = false, .verifier = kBefore});
  REQUIRE(writes.next_commit());
  writes.commit_failed(EIO);
  CHECK(writes.is_stable(again));
  CHECK(writes.is_empty());
  CHECK(writes.errors().tell(cursor) == EIO);
  CHECK(writes.errors().tell(cursor) == 0);
}

TEST_CASE("after an error writes are sent through until one has succeeded", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  CHECK_FALSE(writes.writes_through());
  write(writes, 0, "abcdefghijklmnop");
  const auto sent = send_all(writes);
  writes.write_failed(sent[0].number, EDQUOT);
  CHECK(writes.writes_through());
  answer(writes, sent[1]);  // was sent before the error was known
  CHECK(writes.writes_through());
  write(writes, 30, "a");
  const auto token = writes.flush();
  answer(writes, *send_one(writes));
  CHECK_FALSE(writes.writes_through());
  CHECK(writes.next_commit());
  writes.committed(kBefore);
  CHECK(writes.is_stable(token));
}

TEST_CASE("every open is told of an error once", "[nfs]") {
  WriteErrors errors;
  auto first = errors.open(), second = errors.open();
  CHECK(errors.tell(first) == 0);
  errors.happened(EIO, 4);
  CHECK(errors.has_untold());
  auto early = errors.open();  // nobody has been told yet: it is told
  CHECK(errors.tell(early) == EIO);
  CHECK_FALSE(errors.has_untold());
  errors.happened(EDQUOT, 10);
  auto third = errors.open();
  errors.happened(ENOSPC, 20);
  CHECK(errors.untold_bytes() == 30);
  CHECK(errors.tell(first) == ENOSPC);  // the latest
  CHECK_FALSE(errors.has_untold());
  CHECK(errors.untold_bytes() == 0);
  auto fourth = errors.open();
  CHECK(errors.tell(first) == 0);
  CHECK(errors.tell(second) == ENOSPC);
  CHECK(errors.tell(second) == 0);
  CHECK(errors.tell(third) == ENOSPC);
  CHECK(errors.tell(fourth) == 0);  // came after somebody was told
  errors.happened(EFBIG, 1);
  CHECK(errors.tell(fourth) == EFBIG);
  CHECK(errors.tell(first) == EFBIG);
}

TEST_CASE("a truncation drops what is behind it, when it has succeeded", "[nfs]") {
  struct Row {
    const char* name;
    PendingWrites::Truncation how;
    std::uint64_t size;
    std::string seen;
    std::string sent;
  };
  for (const Row& row : {
           Row{.name = "within",
          .how = PendingWrites::Truncation::Done,
          .size = 4,
          .seen = "a..d............",
          .sent = "3:d"},
           Row{.name = "through a piece",
           .how = PendingWrites::Truncation::Done,
           .size = 11,
           .seen = "a..d......kl....",
           .sent = "3:d 10:k"},
           Row{.name = "at its end",
           .how = PendingWrites::Truncation::Done,
           .size = 12,
           .seen = "a..d......kl....",
           .sent = "3:d 10:kl"},
           Row{.name = "failed",
           .how = PendingWrites::Truncation::Failed,
           .size = 0,
           .seen = "a..d......kl....",
           .sent = "3:d 10:kl"},
       }) {
    INFO(row.name);
    PendingWrites writes = writes_of(kWriteSize);
    write(writes, 0, "a");
    writes.push();
    answer(writes, *send_one(writes));
    write(writes, 3, "d");
    write(writes, 10, "kl");
    writes.begin_truncation(row.size);
    CHECK(writes.truncation_may_go());
    CHECK(writes.size(0) == 12);
    writes.end_truncation(row.how);
    CHECK(seen(writes, 0, 16) ==
          row.seen.substr(0, row.how == PendingWrites::Truncation::Done ? row.size : 16) +
              (row.how == PendingWrites::Truncation::Done ? std::string(16 - row.size, '.') : ""));
    writes.push();
    CHECK(text_of(send_all(writes)) == row.sent);
    CHECK(writes.is_sound());
  }
}

TEST_CASE("a truncation and WRITEs behind it are not in flight at once", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  write(writes, 0, "abcdefghijklmnopqrst");
  const auto sent = send_all(writes);
  REQUIRE(text_of(sent) == "0:abcdefgh 8:ijklmnop");
  writes.begin_truncation(10);
  const auto token = writes.flush();
  CHECK_FALSE(send_one(writes));  // "qrst" waits
  CHECK_FALSE(writes.truncation_may_go());
  answer(writes, sent[1]);
  CHECK(writes.truncation_may_go());  // "a" to "h" are in nobody's way
  answer(writes, sent[0]);
  SECTION("it fails: everything is sent") {
    writes.end_truncation(PendingWrites::Truncation::Failed);
    CHECK(text_of(send_all(writes)) == "16:qrst");
  }
  SECTION("it succeeds: a lost piece is sent as far as it is") {
    writes.end_truncation(PendingWrites::Truncation::Done);
    CHECK_FALSE(send_one(writes));
    CHECK(writes.size(10) == 10);
    REQUIRE(writes.next_commit());
    writes.committed(kAfter);
    const auto again = send_all(writes);
    CHECK(text_of(again) == "0:abcdefgh 8:ij");
    for (const Sent& one : again) answer(writes, one, kAfter);
    REQUIRE(writes.next_commit());
    writes.committed(kAfter);
    CHECK(writes.is_stable(token));
  }
}

}  // namespace claimfs::backends::nfs
