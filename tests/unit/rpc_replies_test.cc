#include "backends/nfs/rpc_stream.h"

#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "tests/unit/rpc_records.h"

namespace claimfs::tests {

using namespace claimfs::backends::nfs;

namespace {

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

}  // namespace

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
    said += (Words() << ((at == 30'003U ? kLastFragment : 0) |
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
      {"too long", (Words() << (kLastFragment | 0x7fffffffU)).bytes()},
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
