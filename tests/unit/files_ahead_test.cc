// What was asked for ahead, and when it may be told.

#include "backends/nfs/files_ahead.h"

#include <string>
#include <vector>

#include "tests/unit/catch.h"
#include "tests/unit/nfs_handles.h"

namespace claimfs::tests {

using backends::Attributes;
using backends::nfs::AheadMemory;
using backends::nfs::AheadPiece;
using backends::nfs::FileAhead;
using backends::nfs::FilesAhead;
using backends::nfs::Identity;
using backends::nfs::stamp_of;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t kSize = 512U << 10U;
constexpr std::uint64_t kFileSize = 100 * kSize;

Attributes state(std::uint64_t size, time_t changed) {
  Attributes told;
  told.size = static_cast<off_t>(size);
  told.mtime = told.ctime = {changed, 0};
  return told;
}

// What became of a request.
struct Answered {
  bool is_over = false;
  int error = 0;
  std::string data;
  const void* at = nullptr;
};

void take(AheadPiece& piece, Answered& answered, AheadPiece::Wanted wanted = {.size = kSize}) {
  piece.take(wanted, [&answered](Result<std::span<const std::byte>> read) {
    answered.is_over = true;
    if (!read) {
      answered.error = read.error().code;
      return true;
    }
    answered.at = read->data();
    answered.data.assign(reinterpret_cast<const char*>(read->data()), read->size());
    return true;
  });
}

// A reader in order of a server that is far off.
struct Far {
  std::shared_ptr<FilesAhead> all = std::make_shared<FilesAhead>(1U << 20U);
  std::shared_ptr<FileAhead> file;
  std::vector<std::shared_ptr<AheadPiece>> asked;  // in order
  std::uint64_t next = 0;

  explicit Far(std::uint64_t size = kFileSize) : file(all->add(handle("file"), size)) {
    while (asked.empty()) read_from_server();
  }
  // One more reader of a volume.
  explicit Far(std::shared_ptr<FilesAhead> of)
      : all(std::move(of)), file(all->add(handle("file"), kFileSize)) {}
  void read_from_server() {
    CHECK_FALSE(read());
    file->answered(milliseconds(5));
  }
  std::shared_ptr<AheadPiece> read(std::uint64_t writes = 0, std::size_t size = kSize) {
    const Identity opener;
    auto reading =
        file->read({.offset = next++ * kSize, .size = size, .writes = writes, .opener = opener});
    asked.insert(asked.end(), reading.to_ask.begin(), reading.to_ask.end());
    return reading.found;
  }
  void come(AheadPiece& piece, char what, time_t changed = 1) const {
    const std::string data(piece.part().size, what);
    piece.came({.data = std::as_bytes(std::span(data)),
                .is_end = piece.part().offset + piece.part().size >= kFileSize,
                .stamp = stamp_of(state(kFileSize, changed))});
  }
  bool is_given_up(std::size_t at) const { return asked.at(at)->ticket()->is_given_up.load(); }
};

}  // namespace

TEST_CASE("ahead: what is here is told at once, what is not when it has come", "[read_ahead]") {
  Far far;
  CHECK(far.asked[0]->part().size == kSize);
  far.come(*far.asked[0], 'a');
  Answered first;
  take(*far.read(), first);
  CHECK(first.data == std::string(kSize, 'a'));
  const auto second = far.read();
  REQUIRE(second == far.asked[1]);
  Answered later;
  take(*second, later);
  CHECK_FALSE(later.is_over);
  far.come(*second, 'b');
  CHECK(later.data == std::string(kSize, 'b'));
}

TEST_CASE("ahead: data are received where who has taken them wants them", "[read_ahead]") {
  Far far;
  std::vector<std::byte> room(kSize);
  const auto piece = far.read();
  Answered answered;
  take(*piece, answered, {.size = kSize, .room = room});
  CHECK(piece->place().data() == room.data());
  CHECK(piece->place().size() == kSize);
  std::ranges::fill(room, std::byte{'c'});
  piece->came({.data = room, .is_end = false, .stamp = {}});
  CHECK(answered.at == room.data());
  CHECK(answered.data == std::string(kSize, 'c'));

  SECTION("but where they had begun to come before") {
    const auto next = far.read();
    const auto place = next->place();
    Answered moved;
    take(*next, moved, {.size = kSize, .room = room});
    CHECK(next->place().data() == place.data());
    std::ranges::fill(place, std::byte{'d'});
    next->came({.data = place, .is_end = false, .stamp = {}});
    CHECK(moved.at == room.data());
    CHECK(moved.data == std::string(kSize, 'd'));
  }
}

TEST_CASE("ahead: what the kernel is told of the file decides what counts", "[read_ahead]") {
  struct Row {
    const char* name;
    time_t read_at;               // the change that the data are of
    std::vector<time_t> told;     // what the kernel is told before it asks
    std::vector<time_t> later{};  // and when it has asked
    int error = 0;
  };
  const std::vector<Row> rows = {
      {"nothing", 1, {}},
      {"the same", 1, {1, 1}},
      {"another", 1, {2}, {}, EAGAIN},
      {"newer data", 2, {2}},
      {"the last counts", 2, {1, 2}},
      {"after it has asked the data are as new as any", 1, {}, {2}},
  };
  for (const Row& row : rows)
    for (const bool is_here : {true, false}) {
      INFO(row.name << (is_here ? ", here" : ", on its way"));
      Far far;
      if (is_here) far.come(*far.asked[0], 'a', row.read_at);
      for (const time_t told : row.told) far.all->told(handle("file"), state(kFileSize, told));
      far.all->told(handle("other"), state(1, 9));
      const auto piece = far.read();
      REQUIRE(piece);
      for (const time_t told : row.later) far.all->told(handle("file"), state(kFileSize, told));
      Answered answered;
      take(*piece, answered);
      if (!is_here) far.come(*piece, 'a', row.read_at);
      CHECK(answered.is_over);
      CHECK(answered.error == row.error);
    }
}

TEST_CASE("ahead: a server that says nothing of times is not believed when something was told",
          "[read_ahead]") {
  Far far;
  far.all->told(handle("file"), state(kFileSize, 1));
  Answered answered;
  take(*far.read(), answered);
  far.asked[0]->came({.data = std::vector<std::byte>(kSize), .is_end = false, .stamp = {}});
  CHECK(answered.error == EAGAIN);
}

TEST_CASE("ahead: what was asked for before somebody opened the file is dropped", "[read_ahead]") {
  Far far;
  far.come(*far.asked[0], 'a');
  far.all->opened(handle("other"));
  CHECK_FALSE(far.is_given_up(0));
  far.all->opened(handle("file"));
  CHECK(far.is_given_up(0));
  CHECK_FALSE(far.read());
  CHECK(far.asked.size() == 2);  // it goes on
  CHECK(far.read());
}

TEST_CASE("ahead: what we have written to since is not told", "[read_ahead]") {
  Far far;
  CHECK_FALSE(far.read(1));
  far.file->answered(milliseconds(5));
  Far same;
  CHECK(same.read(0));
}

TEST_CASE("ahead: what reaches to the end is shorter than what is wanted", "[read_ahead]") {
  constexpr std::size_t kLast = 5000;
  Far far(9 * kSize + kLast);
  REQUIRE(far.asked.size() == 1);
  CHECK(far.asked[0]->part().size == kLast);
  const auto piece = far.read(0, 8192);
  REQUIRE(piece == far.asked[0]);
  const std::vector<std::byte> data(kLast);
  Answered answered;
  SECTION("it ends there") {
    piece->came({.data = data, .is_end = true, .stamp = {}});
    take(*piece, answered, {.size = 8192});
    CHECK(answered.data.size() == kLast);
  }
  SECTION("it has grown meanwhile") {
    piece->came({.data = data, .is_end = false, .stamp = {}});
    take(*piece, answered, {.size = 8192});
    CHECK(answered.error == EAGAIN);
  }
  far.read();
  CHECK(far.asked.size() == 1);  // behind it there is nothing
}

TEST_CASE("ahead: a server may give less than it has", "[read_ahead]") {
  Far far;
  const auto piece = far.read();
  Answered answered;
  take(*piece, answered);
  piece->came({.data = std::vector<std::byte>(kSize / 2), .is_end = false, .stamp = {}});
  CHECK(answered.error == EAGAIN);
}

TEST_CASE("ahead: failures are whoever asks's own, but interruptions", "[read_ahead]") {
  for (const auto& [error, told] : {std::pair{EIO, EAGAIN}, {ETIMEDOUT, EAGAIN}, {EINTR, EINTR}}) {
    Far far;
    const auto piece = far.read();
    Answered answered;
    take(*piece, answered);
    piece->failed(error);
    CHECK(answered.error == told);
    // Nobody has taken the next one, and nobody is given it.
    far.asked.at(1)->failed(error);
    CHECK_FALSE(far.read());
  }
}

TEST_CASE("ahead: with its last reader all is given up", "[read_ahead]") {
  Far far;
  const auto pieces = far.asked;
  far.file.reset();
  CHECK(far.is_given_up(0));
  far.all->told(handle("file"), state(kFileSize, 2));
}

TEST_CASE("ahead: memory is bound, and comes back", "[read_ahead]") {
  constexpr std::size_t kPiece = 1U << 20U;
  const auto memory = std::make_shared<AheadMemory>(kPiece);
  std::vector<std::shared_ptr<AheadPiece>> pieces;
  const auto add = [&] {
    if (!memory->reserve(kPiece)) return false;
    pieces.push_back(std::make_shared<AheadPiece>(
        AheadPiece::Part{0, kPiece}, std::make_shared<backends::nfs::Ticket>(), 0, memory));
    return true;
  };
  while (add()) REQUIRE(pieces.size() <= AheadMemory::kMostBytes / kPiece);
  CHECK(pieces.size() == AheadMemory::kMostBytes / kPiece);
  pieces.pop_back();
  CHECK(add());
  CHECK_FALSE(add());
}

TEST_CASE("ahead: readers of one volume share what there is of memory", "[read_ahead]") {
  const auto all = std::make_shared<FilesAhead>(1U << 20U);
  std::vector<std::unique_ptr<Far>> readers;
  // Each has one piece in front of it.
  const auto add = [&] {
    readers.push_back(std::make_unique<Far>(all));
    while (readers.back()->next < 9) readers.back()->read_from_server();
    return !readers.back()->asked.empty();
  };
  constexpr std::size_t kMost = AheadMemory::kMostBytes / kSize;
  while (add()) REQUIRE(readers.size() <= kMost);
  CHECK(readers.size() == kMost + 1);
  // Who finds no room reads on, and is served when another has ended.
  Far& last = *readers.back();
  last.read_from_server();
  CHECK(last.asked.empty());
  readers.erase(readers.begin());
  last.read_from_server();
  CHECK(last.asked.size() == 1);
}

TEST_CASE("ahead: requests larger than the server's are left alone", "[read_ahead]") {
  const auto all = std::make_shared<FilesAhead>(kSize / 2);
  const auto file = all->add(handle("file"), kFileSize);
  const Identity opener;
  for (std::uint64_t number = 0; number < 20; ++number) {
    const auto reading =
        file->read({.offset = number * kSize, .size = kSize, .writes = 0, .opener = opener});
    CHECK(reading.to_ask.empty());
    file->answered(milliseconds(5));
  }
}

}  // namespace claimfs::tests
