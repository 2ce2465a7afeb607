#include "backends/nfs/pending_writes.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include "tests/unit/catch.h"
#include "tests/unit/sent_writes.h"

namespace claimfs::backends::nfs {

using namespace tests;

TEST_CASE("what is written is gathered into pieces", "[nfs]") {
  struct WriteCall {
    std::uint64_t offset;
    std::string_view text;
  };
  struct Row {
    const char* name;
    std::vector<WriteCall> calls;
    std::string at_once;   // is sent without a flush
    std::string at_flush;  // of the rest
  };
  for (const Row& row : std::vector<Row>{
           {.name = "nothing", .calls = {}, .at_once = "", .at_flush = ""},
           {.name = "one", .calls = {{2, "ab"}}, .at_once = "", .at_flush = "2:ab!"},
           {.name = "in order",
           .calls = {{0, "ab"}, {2, "cd"}, {4, "e"}},
           .at_once = "",
           .at_flush = "0:abcde!"},
           {.name = "backwards",
           .calls = {{4, "e"}, {2, "cd"}, {0, "ab"}},
           .at_once = "",
           .at_flush = "0:abcde!"},
           {.name = "a gap", .calls = {{0, "ab"}, {4, "e"}}, .at_once = "", .at_flush = "0:ab 4:e"},
           {.name = "the gap filled",
           .calls = {{0, "ab"}, {4, "e"}, {2, "cd"}},
           .at_once = "",
           .at_flush = "0:abcde!"},
           {.name = "over the middle",
           .calls = {{0, "abcde"}, {2, "X"}},
           .at_once = "",
           .at_flush = "0:abXde!"},
           {.name = "over the end",
           .calls = {{0, "abc"}, {2, "XYZ"}},
           .at_once = "",
           .at_flush = "0:abXYZ!"},
           {.name = "over the beginning",
           .calls = {{2, "cde"}, {0, "XYZ"}},
           .at_once = "",
           .at_flush = "0:XYZde!"},
           {.name = "over several",
           .calls = {{1, "b"}, {3, "d"}, {5, "f"}, {0, "UVWXY"}},
           .at_once = "",
           .at_flush = "0:UVWXYf!"},
           {.name = "all of it again",
           .calls = {{1, "bcd"}, {1, "XYZ"}},
           .at_once = "",
           .at_flush = "1:XYZ!"},
           {.name = "a full piece goes at once",
           .calls = {{0, "abcdefgh"}},
           .at_once = "0:abcdefgh",
           .at_flush = ""},
           {.name = "when it has become full",
           .calls = {{0, "abcd"}, {4, "efghi"}},
           .at_once = "0:abcdefgh",
           .at_flush = "8:i"},
           {.name = "from behind, too",
           .calls = {{4, "efgh"}, {0, "ab"}, {2, "cd"}},
           .at_once = "0:abcdefgh",
           .at_flush = ""},
           {.name = "pieces are aligned",
           .calls = {{6, "abcdefghijkl"}},
           .at_once = "8:cdefghij",
           .at_flush = "6:ab 16:kl"},
           {.name = "several full ones",
           .calls = {{8, "abcdefghijklmnop"}},
           .at_once = "8:abcdefgh 16:ijklmnop",
           .at_flush = ""},
       }) {
    INFO(row.name);
    PendingWrites writes = writes_of(kWriteSize);
    for (const WriteCall& call : row.calls) write(writes, call.offset, call.text);
    const auto first = send_all(writes);
    CHECK(text_of(first) == row.at_once);
    CHECK(writes.has_resting() == !row.at_flush.empty());
    const auto token = writes.flush();
    const auto rest = send_all(writes);
    CHECK(text_of(rest) == row.at_flush);
    CHECK(writes.is_sound());
    CHECK(writes.is_stable(token) == row.calls.empty());
    for (const Sent& sent : first) answer(writes, sent);
    for (const Sent& sent : rest) answer(writes, sent);
    CHECK(writes.is_sent(token));
    if (writes.next_commit()) writes.committed(kBefore);
    CHECK(writes.is_stable(token));
    CHECK(writes.is_empty());
    CHECK(writes.held_bytes() == 0);
  }
}

TEST_CASE("no two writes of the same bytes are in flight", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  write(writes, 0, "abcdefgh");
  const auto first = send_one(writes);
  REQUIRE(first);
  write(writes, 2, "XY");
  write(writes, 10, "k");
  writes.flush();
  const auto other = send_all(writes);
  CHECK(text_of(other) == "10:k");  // the rest waits
  CHECK(seen(writes, 0, 8) == "abXYefgh");
  answer(writes, *first);
  CHECK(text_of(send_all(writes)) == "2:XY");
}

TEST_CASE("a flush waits for what was written before it, and for no more", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  write(writes, 0, "ab");
  const auto first = writes.flush();
  const auto a = send_one(writes);
  write(writes, 20, "later");
  CHECK_FALSE(send_one(writes));
  answer(writes, *a);  // alone, so it was sent stable
  CHECK(writes.is_stable(first));
  CHECK_FALSE(writes.next_commit());
  CHECK_FALSE(writes.is_empty());

  const auto second = writes.flush();
  write(writes, 40, "much later");  // fills 40 to 48
  const auto both = send_all(writes);
  CHECK(text_of(both) == "20:late 24:r 40:much lat");
  answer(writes, both[0]);
  CHECK_FALSE(writes.next_commit());
  answer(writes, both[1]);
  CHECK(writes.is_sent(second));
  CHECK_FALSE(writes.is_stable(second));
  CHECK(writes.next_commit());  // though the third is in flight
  answer(writes, both[2]);
  CHECK_FALSE(writes.next_commit());  // one at a time
  writes.committed(kBefore);
  CHECK(writes.is_stable(second));
  CHECK_FALSE(writes.is_empty());  // a COMMIT covers what had been answered before it
  writes.commit_soon();
  CHECK(writes.next_commit());
  writes.committed(kBefore);
  CHECK(writes.unsent_bytes() == 2);
}

TEST_CASE("one who writes on and on does not hold up another's flush", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  write(writes, 80, "old");
  const auto token = writes.flush();
  for (int i = 0; i < 10; ++i) write(writes, static_cast<std::uint64_t>(i) * 8, "abcdefgh");
  const auto first = send_one(writes);
  CHECK(first->what == "80:old");  // first, though full pieces stand before it
  answer(writes, *first);
  REQUIRE(writes.next_commit());
  write(writes, 80, "new");
  writes.flush();
  const auto all = send_all(writes);
  CHECK(all.back().what == "80:new");
  for (const Sent& sent : all) answer(writes, sent);
  CHECK_FALSE(writes.is_stable(token));
  writes.committed(kBefore);
  CHECK(writes.is_stable(token));
}

TEST_CASE("what a restart has lost is sent again", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  write(writes, 0, "abcdefgh");
  write(writes, 8, "ijkl");
  const auto token = writes.flush();
  const auto sent = send_all(writes);
  REQUIRE(sent.size() == 2);
  answer(writes, sent[0], kBefore);
  SECTION("as the COMMIT says") {
    answer(writes, sent[1], kBefore);
    REQUIRE(writes.next_commit());
    writes.committed(kAfter);
    CHECK_FALSE(writes.is_stable(token));
    CHECK(seen(writes, 0, 12) == "abcdefghijkl");
    CHECK(text_of(send_all(writes)) == "0:abcdefgh 8:ijkl");
  }
  SECTION("as another WRITE says") {
    answer(writes, sent[1], kAfter);
    const auto again = send_all(writes);
    CHECK(text_of(again) == "0:abcdefgh");
    answer(writes, again[0], kAfter);
    CHECK(writes.next_commit());
    writes.committed(kAfter);
    CHECK(writes.is_stable(token));
  }
  SECTION("but not what was proven before it") {
    writes.commit_soon();
    REQUIRE(writes.next_commit());
    answer(writes, sent[1], kAfter);
    writes.committed(kBefore);  // it was answered before the restart: "a" to "h" are safe
    const auto again = send_all(writes);
    CHECK(text_of(again) == "8:ijkl!");  // cannot know that the COMMIT was the earlier; alone
    answer(writes, again[0], kAfter);
    CHECK(writes.is_stable(token));
  }
  SECTION("without the bytes that newer ones replace") {
    answer(writes, sent[1], kBefore);
    write(writes, 2, "XY");
    writes.push({2, 4});
    const auto newer = send_one(writes);
    REQUIRE(newer->what == "2:XY");
    REQUIRE(writes.next_commit());
    writes.committed(kAfter);
    CHECK(seen(writes, 0, 12) == "abXYefghijkl");
    const auto again = send_all(writes);
    CHECK(text_of(again) == "0:ab 4:efgh 8:ijkl");
    for (const Sent& one : again) answer(writes, one, kAfter);
    // What was flushed is not safe before what replaces it.
    CHECK_FALSE(writes.is_sent(token));
    answer(writes, *newer, kAfter);
    CHECK(writes.next_commit());
    writes.committed(kAfter);
    CHECK(writes.is_stable(token));
  }
  SECTION("and is replaced by a WRITE that hears of it") {
    answer(writes, sent[1], kBefore);
    write(writes, 2, "XY");
    writes.push({2, 4});
    const auto newer = send_one(writes);
    answer(writes, *newer, kAfter);
    CHECK(seen(writes, 0, 12) == "abXYefghijkl");
    CHECK(text_of(send_all(writes)) == "0:ab 4:efgh 8:ijkl");
  }
  SECTION("and twice: then it is sent stable") {
    answer(writes, sent[1], kBefore);
    REQUIRE(writes.next_commit());
    writes.committed(kAfter);
    auto again = send_all(writes);
    for (const Sent& one : again) answer(writes, one, kAfter);
    REQUIRE(writes.next_commit());
    writes.committed(kBefore);
    again = send_all(writes);
    CHECK(text_of(again) == "0:abcdefgh! 8:ijkl!");
    answer(writes, again[0], kBefore);
    answer(writes, again[1], kAfter);
    CHECK(writes.is_stable(token));
    CHECK(writes.is_empty());
  }
}

TEST_CASE("an older version is never sent again over one that is stable", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  write(writes, 0, "abcdefgh");
  answer(writes, *send_one(writes));
  writes.commit_soon();
  REQUIRE(writes.next_commit());
  write(writes, 2, "XY");
  writes.push();
  const auto newer = send_one(writes);
  writes.written(newer->number, {.count = 2, .is_stable = true, .verifier = kAfter});
  writes.committed(kAfter);
  CHECK(text_of(send_all(writes)) == "0:ab 4:efgh");
}

TEST_CASE("what a reader takes from here", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  write(writes, 0, "abcdefgh");
  answer(writes, *send_one(writes));
  writes.commit_soon();
  REQUIRE(writes.next_commit());  // oldest
  write(writes, 1, "BCDEFG");
  writes.push();
  answer(writes, *send_one(writes));  // unstable
  write(writes, 2, "2345");
  writes.push();
  const auto in_flight = send_one(writes);
  write(writes, 3, "XY");
  CHECK(seen(writes, 0, 10) == "aB2XY5Gh..");
  CHECK(writes.overlay({0, 8}).is_complete);
  CHECK(writes.overlay({3, 4}).is_complete);
  CHECK_FALSE(writes.overlay({0, 9}).is_complete);
  CHECK_FALSE(writes.is_sent(ByteRange{0, 4}));
  CHECK(writes.is_sent(ByteRange{0, 2}));
  CHECK(writes.is_sent(ByteRange{6, 9}));

  // Kept over what happens meanwhile.
  const Overlay before = writes.overlay({0, 8});
  answer(writes, *in_flight);
  writes.committed(kBefore);
  writes.begin_truncation(0);
  writes.end_truncation(PendingWrites::Truncation::Done);
  CHECK(writes.overlay({0, 8}).parts.empty());
  std::string contents(8, '.');
  before.lay_over(0, std::as_writable_bytes(std::span(contents)));
  CHECK(contents == "aB2XY5Gh");
  contents = "...";
  before.lay_over(2, std::as_writable_bytes(std::span(contents)));
  CHECK(contents == "2XY");
}

TEST_CASE("what is in flight does not change", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  write(writes, 0, "abcdefgh");
  const auto first = send_one(writes);
  writes.written(first->number, {.count = 4, .is_stable = false, .verifier = kBefore});
  const auto rest = writes.next_write();  // in the same buffer
  REQUIRE(rest);
  writes.commit_soon();
  REQUIRE(writes.next_commit());
  writes.committed(kAfter);
  write(writes, 4, "WXYZ");  // goes on where the lost half ends
  CHECK(seen(writes, 0, 8) == "abcdWXYZ");
  CHECK(std::ranges::equal(rest->data, bytes("efgh")));
}

TEST_CASE("a stream is copied once", "[nfs]") {
  PendingWrites writes = writes_of(64);
  write(writes, 0, std::string(64, 'a'));
  write(writes, 64, "b");
  const auto buffer = writes.overlay({64, 65}).parts.at(0).buffer;
  for (std::uint64_t at = 65; at < 127; ++at) write(writes, at, "b");
  CHECK(writes.overlay({64, 127}).parts.at(0).buffer == buffer);
  CHECK(writes.next_write()->data.size() == 64);
  write(writes, 127, "b");
  CHECK(writes.next_write()->data.data() == buffer->data.get());  // nor when it is sent
}

TEST_CASE("blocks are used again, as many as are wanted", "[nfs]") {
  SpareBuffers spare(16, 1);
  auto one = spare.take(), other = spare.take();
  const std::byte* first = one.get();
  CHECK(first != other.get());
  spare.give_back(std::move(one));
  spare.give_back(std::move(other));  // too many
  CHECK(spare.take().get() == first);
}

TEST_CASE("pushing a range sends no other", "[nfs]") {
  PendingWrites writes = writes_of(kWriteSize);
  write(writes, 0, "a");
  write(writes, 10, "k");
  write(writes, 12, "m");
  writes.push({4, 11});
  CHECK(text_of(send_all(writes)) == "10:k");
  CHECK(writes.has_resting());
}

TEST_CASE("what is held stays in proportion to what was written", "[nfs]") {
  // Each write starts a byte before the last one and leaves a byte of it: a buffer must not stay
  // for that byte.
  PendingWrites writes = writes_of(1 << 20);
  const std::string half(1 << 19, 'x');
  std::uint64_t most = 0;
  for (std::uint64_t i = 0; i < 1000; ++i) write(writes, (1 << 19) - i, half);
  const Overlay overlay = writes.overlay({0, 1 << 20});
  for (const auto& part : overlay.parts) most += part.buffer->capacity;
  CHECK(most <= 3 << 19);
  CHECK(writes.held_bytes() >= (1 << 19) + 999);
}

}  // namespace claimfs::backends::nfs
