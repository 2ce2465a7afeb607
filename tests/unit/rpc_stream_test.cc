#include "backends/nfs/rpc_stream.h"

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "tests/unit/rpc_records.h"

namespace claimfs::tests {

using namespace claimfs::backends::nfs;

namespace {

bool encode_word(ZDR* to, std::uint32_t word) { return ::libnfs_zdr_u_int(to, &word) != 0; }

const Identity kNobody{};

}  // namespace

TEST_CASE("a call is written as RFC 5531 says", "[rpc]") {
  Ends ends;
  Identity caller{.uid = 7, .gid = 8, .group_count = 2};
  caller.groups = {100, 200};
  REQUIRE(ends.stream->send(
      {.xid = 42, .program = 100003, .version = 3, .procedure = 6, .caller = &caller},
      [](ZDR* to) { return encode_word(to, 99); }, {}));
  CHECK(ends.heard().empty());  // with the next push
  REQUIRE(ends.stream->push_out());
  CHECK_FALSE(ends.stream->is_full());
  const Words expected = Words() << 42 << 0 << 2 << 100003 << 3 << 6             // call
                                 << 1 << 36 << 0 << 7 << std::string("claimfs")  // AUTH_UNIX
                                 << 7 << 8 << 2 << 100 << 200 << 0 << 0 << 99;
  CHECK(ends.heard() == record(expected));
}

TEST_CASE("a caller with all groups that a call can name fits", "[rpc]") {
  Ends ends;
  Identity caller{.group_count = Identity::kMostGroups};
  std::iota(caller.groups.begin(), caller.groups.end(), 1U);
  REQUIRE(ends.stream->send({.caller = &caller}, [](ZDR* to) { return encode_word(to, 99); }, {}));
  REQUIRE(ends.stream->push_out());
  const std::string heard = ends.heard();
  CHECK(heard.size() == Fragment::kMark + kMostOfCall + 4);
  CHECK(heard.ends_with((Words() << 15 << 16 << 0 << 0 << 99).bytes()));
}

TEST_CASE("what cannot be encoded is not sent, and harms nothing", "[rpc]") {
  Ends ends;
  CHECK_FALSE(ends.stream->send({.caller = &kNobody}, [](ZDR*) { return false; }, {}));
  REQUIRE(ends.stream->push_out());
  CHECK(ends.heard().empty());
  std::string long_name(100'000, 'x');
  char* name = long_name.data();
  CHECK_FALSE(ends.stream->send(
      {.caller = &kNobody},
      [&](ZDR* to) { return ::libnfs_zdr_string(to, &name, UINT32_MAX) != 0; }, {}));
  REQUIRE(ends.stream->push_out());
  CHECK(ends.heard().empty());
}

TEST_CASE("data go out behind the call as they were when it was sent", "[rpc]") {
  const std::size_t size = GENERATE(1U, 1000U, 16'384U, 16'385U, 1U << 20U);
  CAPTURE(size);
  Ends ends;
  // What is before it, and waits for the push.
  const auto word = [](ZDR* to) { return encode_word(to, 5); };
  REQUIRE(ends.stream->send({.xid = 1, .caller = &kNobody}, word, {}));
  std::string data = varied(size, 3);
  REQUIRE(ends.stream->send({.xid = 2, .caller = &kNobody}, word, std::as_bytes(std::span(data))));
  CHECK(ends.stream->is_full() == (size > 500'000));  // more than the socket takes at once
  const std::string sent = std::exchange(data, std::string(size, '!'));
  std::string heard = ends.heard();
  for (int round = 0; round < 1000; ++round) {
    REQUIRE(ends.stream->push_out());
    if (!ends.stream->is_full()) break;
    heard += ends.heard();
  }
  heard += ends.heard();
  const Words call = Words() << 0 << 2 << 0 << 0 << 0 << 1 << 28 << 0 << 7 << std::string("claimfs")
                             << 0 << 0 << 0 << 0 << 0 << 5;
  Words first = Words() << 1 << call.bytes();
  Words second = Words() << 2 << call.bytes();
  const std::string expected = record(first) + record(second << sent);
  CHECK(heard.size() == expected.size());
  CHECK((heard == expected));  // too long to be printed
}

TEST_CASE("the end of a connection is seen from both sides", "[rpc]") {
  struct Hearing final : RpcReceiver {
    void replied(RpcReply& reply) override { xids.push_back(reply.xid); }
    std::span<std::byte> place_for(std::uint32_t) override { return {}; }
    std::vector<std::uint32_t> xids;
  };
  Ends ends;
  Hearing receiver;
  REQUIRE(ends.stream->receive(receiver));  // nothing there is no end
  ends.say(small_reply(1, 11));
  ends.server.reset();
  CHECK(ends.stream->send({.caller = &kNobody}, [](ZDR* to) { return encode_word(to, 1); }, {}));
  CHECK_FALSE(ends.stream->push_out());
  CHECK(ends.stream->is_full());
  // What was said before is heard.
  (void)ends.stream->receive(receiver);
  CHECK(receiver.xids == std::vector<std::uint32_t>{1});
  CHECK_FALSE(ends.stream->receive(receiver));
}

TEST_CASE("a receiver may send while it is told", "[rpc]") {
  struct Asking final : RpcReceiver {
    void replied(RpcReply& reply) override {
      REQUIRE(stream->send({.xid = reply.xid + 1, .caller = &kNobody},
                           [](ZDR* to) { return encode_word(to, 1); }, {}));
    }
    std::span<std::byte> place_for(std::uint32_t) override { return {}; }
    RpcStream* stream = nullptr;
  };
  Ends ends;
  Asking asking;
  asking.stream = &*ends.stream;
  std::string said;
  for (std::uint32_t xid = 0; xid < 500; ++xid) said += small_reply(xid, 1);
  ends.say(said);
  REQUIRE(ends.stream->receive(asking));
  REQUIRE(ends.stream->push_out());
  const std::string heard = ends.heard();
  CHECK(heard.size() % 500 == 0);
  CHECK_FALSE(heard.empty());
}

}  // namespace claimfs::tests
