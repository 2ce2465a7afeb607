#include "backends/nfs/rpc_stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/catch.h"

namespace claimfs::tests {

using namespace claimfs::backends::nfs;

namespace {

// Words as they stand in a record, most significant byte first.
class Words {
 public:
  Words& operator<<(std::uint32_t word) {
    const std::uint32_t big_endian = ::htonl(word);
    bytes_.append(reinterpret_cast<const char*>(&big_endian), sizeof big_endian);
    return *this;
  }
  Words& operator<<(const std::string& bytes) {  // padded
    bytes_ += bytes;
    bytes_.resize(padded(bytes_.size()));
    return *this;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

constexpr std::uint32_t kLast = 1U << 31U;

std::string record(const Words& words) {
  return (Words() << (kLast | static_cast<std::uint32_t>(words.bytes().size()))).bytes() +
         words.bytes();
}

// An accepted reply, up to its results.
Words accepted(std::uint32_t xid) { return Words() << xid << 1 << 0 << 0 << 0 << 0; }

std::string small_reply(std::uint32_t xid, std::uint32_t result) {
  return record(accepted(xid) << result);
}

std::string read_reply(std::uint32_t xid, const std::string& data, bool has_attributes = true) {
  Words words = accepted(xid) << 0 << (has_attributes ? 1 : 0);
  if (has_attributes) words << std::string(84, 'a');
  const auto size = static_cast<std::uint32_t>(data.size());
  return record(words << size << 1 << size << data);
}

// No byte like its neighbours'.
std::string varied(std::size_t size, unsigned seed) {
  std::string text(size, ' ');
  for (std::size_t at = 0; at < size; ++at)
    text[at] = static_cast<char>('A' + (at * 131 + (at >> 8U) * 7 + seed) % 50);
  return text;
}

// Notes what it is told: the first word of the results, or a READ's data.
class Notes final : public RpcReceiver {
 public:
  struct Told {
    bool is_accepted = false;
    std::uint32_t word = 0;
    std::string data;
    friend bool operator==(const Told&, const Told&) = default;
  };
  void replied(RpcReply& reply) override {
    Told note;
    note.is_accepted = reply.is_accepted;
    if (reply.is_accepted) {
      CHECK(::libnfs_zdr_u_int(&reply.results, &note.word));
      if (reply.data.data()) {
        CHECK(reply.data.data() == reinterpret_cast<std::byte*>(places.at(reply.xid).data()));
        note.data.assign(reinterpret_cast<const char*>(reply.data.data()), reply.data.size());
      }
    }
    CHECK(told.emplace(reply.xid, note).second);
  }
  std::span<std::byte> place_for(std::uint32_t xid) override {
    const auto found = places.find(xid);
    if (found == places.end()) return {};
    return std::as_writable_bytes(std::span(found->second));
  }

  std::map<std::uint32_t, std::string> places;
  std::map<std::uint32_t, Told> told;
};

// A stream, and the server's end of its socket.
struct Ends {
  Ends() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    server = Fd(ends[1]);
    stream.emplace(Fd(ends[0]));
  }
  void say(std::string_view bytes) const {
    REQUIRE(::write(server.get(), bytes.data(), bytes.size()) ==
            static_cast<ssize_t>(bytes.size()));
  }
  // Whole, in pieces no larger than so, each of which is received before the next one is said.
  bool say_in_pieces(std::string_view bytes, std::size_t most, Notes& notes) {
    for (std::size_t at = 0; at < bytes.size(); at += most) {
      say(bytes.substr(at, most));
      if (!stream->receive(notes)) return false;
    }
    return true;
  }
  std::string heard() const {
    std::string all;
    char part[65536];
    for (ssize_t got = 0; (got = ::read(server.get(), part, sizeof part)) > 0;)
      all.append(part, static_cast<std::size_t>(got));
    return all;
  }

  Fd server;
  std::optional<RpcStream> stream;
};

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
  const std::string sent = std::exchange(data, std::string(size, '!'));
  std::string heard = ends.heard();
  bool was_full = false;
  for (int round = 0; round < 1000; ++round) {
    REQUIRE(ends.stream->push_out());
    was_full |= ends.stream->is_full();
    if (!ends.stream->is_full()) break;
    heard += ends.heard();
  }
  heard += ends.heard();
  CHECK(was_full == (size > 500'000));  // more than the socket takes at once
  const Words call = Words() << 0 << 2 << 0 << 0 << 0 << 1 << 28 << 0 << 7 << std::string("claimfs")
                             << 0 << 0 << 0 << 0 << 0 << 5;
  Words first = Words() << 1 << call.bytes();
  Words second = Words() << 2 << call.bytes();
  const std::string expected = record(first) + record(second << sent);
  CHECK(heard.size() == expected.size());
  CHECK((heard == expected));  // too long to be printed
}

TEST_CASE("replies are told whole, however they are cut", "[rpc]") {
  const std::size_t data_size = GENERATE(10U, 16'383U, 40'001U, 300'000U);
  const bool has_place = GENERATE(false, true);
  const bool has_attributes = GENERATE(true, false);
  CAPTURE(data_size, has_place, has_attributes);
  const std::string data = varied(data_size, 1);
  const std::string other = varied(data_size, 2);
  const std::string said = small_reply(1, 11) + read_reply(2, data, has_attributes) +
                           read_reply(3, other, has_attributes) + small_reply(4, 44);
  for (const std::size_t piece : {std::size_t{7}, std::size_t{131}, std::size_t{4096},
                                  std::size_t{65'536}, std::size_t{100'000}}) {
    if (said.size() / piece > 20'000) continue;
    CAPTURE(piece);
    Ends ends;
    Notes notes;
    if (has_place) notes.places = {{2, std::string(data_size, 0)}, {3, std::string(data_size, 0)}};
    REQUIRE(ends.say_in_pieces(said, piece, notes));
    CHECK(notes.told.size() == 4);
    CHECK(notes.told[1].word == 11);
    CHECK(notes.told[4].word == 44);
    for (const auto& [xid, what] : {std::pair(2U, &data), std::pair(3U, &other)}) {
      CHECK(notes.told[xid].is_accepted);
      // A small one may be told from where it was received.
      if (has_place && data_size > 65'536) CHECK_FALSE(notes.told[xid].data.empty());
      if (!notes.told[xid].data.empty()) CHECK((notes.told[xid].data == *what));
    }
  }
}

TEST_CASE("a READ is decoded from wherever its data are", "[rpc]") {
  struct Decoding final : RpcReceiver {
    void replied(RpcReply& reply) override {
      // As procedures.h does, by libnfs.
      is_in_place = reply.data.data() != nullptr;
      results.assign(reply.results.buf, static_cast<std::size_t>(reply.results.size));
    }
    std::span<std::byte> place_for(std::uint32_t) override {
      return std::as_writable_bytes(std::span(place));
    }
    std::string place;
    bool is_in_place = false;
    std::string results;
  };
  const std::string data = varied(200'000, 9);
  struct Row {
    const char* name;
    std::string said;
    std::size_t place_size;
    bool is_in_place;
  };
  const std::string exact = read_reply(1, data);
  // It says of itself that it is longer than its data: what follows is not ours to know.
  const std::string longer = record(Words() << exact.substr(4) << 0 << 0);
  // And of its data that they are longer than it.
  std::string shorter = exact;
  shorter.replace(4 + 24 + 4 + 4 + 84 + 8, 4, (Words() << 300'000).bytes());
  const std::string refused = record(accepted(1) << 13 << 0 << std::string(200'000, 'x'));
  const Row rows[] = {
      {"exact", exact, 200'000, true},
      {"more room than data", exact, 250'000, true},
      {"less room than data", exact, 199'999, false},
      {"no room", exact, 0, false},
      {"a longer record", longer, 250'000, false},
      {"longer data", shorter, 400'000, false},
      {"an error", refused, 250'000, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Ends ends;
    Decoding to;
    to.place.assign(row.place_size, '?');
    for (std::size_t at = 0; at < row.said.size(); at += 50'000) {
      ends.say(std::string_view(row.said).substr(at, 50'000));
      REQUIRE(ends.stream->receive(to));
    }
    CHECK(to.is_in_place == row.is_in_place);
    if (row.is_in_place) {
      CHECK((to.place.starts_with(data)));
      CHECK((to.place.substr(data.size()) == std::string(row.place_size - data.size(), '?')));
    } else {
      CHECK((to.results == row.said.substr(4 + 24)));
      CHECK((to.place == std::string(row.place_size, '?')));
    }
  }
}

TEST_CASE("what nobody wants any more is received and forgotten", "[rpc]") {
  Ends ends;
  Notes notes;
  notes.places[1] = std::string(100'000, 0);
  const std::string said = read_reply(1, varied(100'000, 1)) + small_reply(2, 22);
  REQUIRE(ends.say_in_pieces(said.substr(0, 30'000), 5000, notes));
  std::string left = std::move(notes.places[1]);
  notes.places.clear();  // given up
  const std::string before = left;
  REQUIRE(ends.say_in_pieces(said.substr(30'000), 5000, notes));
  CHECK((left == before));
  CHECK(notes.told.size() == 1);
  CHECK(notes.told[2].word == 22);
}

TEST_CASE("a reply in fragments is put together", "[rpc]") {
  const std::string words = read_reply(1, varied(50'000, 1)).substr(Fragment::kMark);
  std::string said;
  for (const auto& [at, size] :
       {std::pair(0U, 3U), std::pair(3U, 0U), std::pair(3U, 30'000U), std::pair(30'003U, 60'000U)})
    said += (Words() << ((at == 30'003U ? kLast : 0) |
                         static_cast<std::uint32_t>(words.substr(at, size).size())))
                .bytes() +
            words.substr(at, size);
  Ends ends;
  Notes notes;
  notes.places[1] = std::string(50'000, 0);
  REQUIRE(ends.say_in_pieces(said + small_reply(2, 22), 4096, notes));
  CHECK(notes.told[1].is_accepted);
  CHECK(notes.told[2].word == 22);
}

TEST_CASE("a server that refuses a call at the RPC layer says so", "[rpc]") {
  Ends ends;
  Notes notes;
  ends.say(record(Words() << 1 << 1 << 1 << 1 << 5));                 // denied: AUTH_TOOWEAK
  ends.say(record(Words() << 2 << 1 << 0 << 0 << 0 << 2 << 3 << 4));  // of other versions
  ends.say(record(Words() << 3 << 1 << 0 << 6 << 5 << std::string("verif") << 0 << 33));
  REQUIRE(ends.stream->receive(notes));
  CHECK_FALSE(notes.told.at(1).is_accepted);
  CHECK_FALSE(notes.told.at(2).is_accepted);
  CHECK(notes.told.at(3) == Notes::Told{.is_accepted = true, .word = 33, .data = {}});
}

TEST_CASE("what is no RPC breaks the connection", "[rpc]") {
  struct Row {
    const char* name;
    std::string said;
  };
  const Row rows[] = {
      {"a call", record(Words() << 1 << 0 << 2 << 100003 << 3 << 1)},
      {"too long", (Words() << (kLast | 0x7fffffffU)).bytes()},
      {"too long in fragments",
       (Words() << 1'000'000 << std::string(1'000'000, 'x') << 500'000).bytes()},
      {"nothing in it", record(Words())},
      {"no results", record(Words() << 1 << 1 << 0 << 0 << 0)},
      {"a verifier that is too long", record(Words() << 1 << 1 << 0 << 6 << 404 << 0 << 0 << 0)},
      {"a verifier that ends behind it", record(Words() << 1 << 1 << 0 << 6 << 400 << 0 << 0 << 0)},
  };
  for (const Row& row : rows) {
    CAPTURE(row.name);
    Ends ends;
    Notes notes;
    CHECK_FALSE(ends.say_in_pieces(row.said, 60'000, notes));
    CHECK(notes.told.empty());
  }
}

TEST_CASE("the end of a connection is seen from both sides", "[rpc]") {
  Ends ends;
  Notes notes;
  REQUIRE(ends.stream->receive(notes));  // nothing there is no end
  ends.say(small_reply(1, 11));
  ends.server.reset();
  CHECK(ends.stream->send({.caller = &kNobody}, [](ZDR* to) { return encode_word(to, 1); }, {}));
  CHECK_FALSE(ends.stream->push_out());
  CHECK(ends.stream->is_full());
  // What was said before is heard.
  (void)ends.stream->receive(notes);
  CHECK(notes.told[1].word == 11);
  CHECK_FALSE(ends.stream->receive(notes));
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

TEST_CASE("random bytes from a server do no harm", "[rpc]") {
  struct Careless final : RpcReceiver {
    void replied(RpcReply&) override { ++told; }
    std::span<std::byte> place_for(std::uint32_t xid) override {
      return std::as_writable_bytes(std::span(xid % 2 == 0 ? place : nothing));
    }
    std::string place = std::string(60'000, 0);
    std::string nothing;
    int told = 0;
  };
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::minstd_rand random(seed);
  const std::string honest = small_reply(1, 11) + read_reply(2, varied(60'000, 1)) +
                             small_reply(3, 33) + read_reply(4, varied(17'000, 2));
  int told = 0;
  for (int round = 0; round < 300; ++round) {
    Ends ends;
    Careless receiver;
    std::string said = honest;
    const std::size_t changes = 1 + random() % 4;
    for (std::size_t change = 0; change < changes; ++change)
      said[random() % (random() % 2 == 0 ? 200 : said.size())] = static_cast<char>(random());
    for (std::size_t at = 0; at < said.size();) {
      const std::string piece = said.substr(at, 1 + random() % 70'000);
      ends.say(piece);
      at += piece.size();
      if (!ends.stream->receive(receiver)) break;
    }
    told += receiver.told;
  }
  CHECK(told > 0);
}

}  // namespace claimfs::tests
