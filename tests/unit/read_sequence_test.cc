#include "backends/nfs/read_sequence.h"

#include <string>
#include <vector>

#include "tests/unit/catch.h"

namespace claimfs::tests {

using backends::nfs::ReadSequence;
using Found = ReadSequence::Found;
using std::chrono::microseconds;

namespace {

constexpr std::size_t kSize = 512U << 10U;
constexpr int kUntilAsked = ReadSequence::kAnswered;

// Requests by number: of kSize each, unless said otherwise.
struct Reader {
  ReadSequence sequence;

  // What is asked for then: "8-10" are the two requests that begin there.
  std::string read(std::uint64_t number, Found found, std::size_t size = kSize) {
    const auto ahead = sequence.read(number * size, size, found);
    if (ahead.begin == ahead.end) return ahead.goes_on ? "" : "begins";
    CHECK(ahead.goes_on);
    CHECK(ahead.begin % size == 0);
    return std::to_string(ahead.begin / size) + "-" + std::to_string(ahead.end / size);
  }
  // One that the server answers, so much later.
  std::string read_from_server(std::uint64_t number, microseconds after = microseconds(5000),
                               std::size_t size = kSize) {
    std::string asked = read(number, Found::Nothing, size);
    sequence.answered(after);
    return asked;
  }
  void begin() {
    CHECK(read_from_server(0) == "begins");
    for (std::uint64_t number = 1; number < kUntilAsked; ++number)
      CHECK(read_from_server(number).empty());
  }
};

}  // namespace

TEST_CASE("read sequence: more each time that it comes too late, up to a limit", "[read_ahead]") {
  Reader on;
  on.begin();
  CHECK(on.read(8, Found::Nothing) == "9-10");
  CHECK(on.read(9, Found::OnItsWay) == "10-12");
  CHECK(on.read(10, Found::OnItsWay) == "12-15");
  CHECK(on.read(11, Found::Here) == "15-16");
  CHECK(on.read(12, Found::Here) == "16-17");
  CHECK(on.read(13, Found::OnItsWay) == "17-22");
  for (std::uint64_t number = 14; number < 30; ++number)
    CHECK(on.read(number, Found::OnItsWay) ==
          std::to_string(number + 8) + "-" + std::to_string(number + 9));
  static_assert(ReadSequence::kMostAhead == 8 * kSize);
}

TEST_CASE("read sequence: what a server answers at once is not asked for ahead", "[read_ahead]") {
  Reader on;
  for (std::uint64_t number = 0; number < 8; ++number)
    on.read_from_server(number, microseconds(number == 5 ? 900 : 5000));
  for (std::uint64_t number = 8; number < 50; ++number) CHECK(on.read_from_server(number).empty());
  // Each sequence finds out for itself.
  for (std::uint64_t number = 200; number < 208; ++number) on.read_from_server(number);
  CHECK(on.read(208, Found::Nothing) == "209-210");
}

TEST_CASE("read sequence: nothing is asked for that is not read in order", "[read_ahead]") {
  struct Row {
    const char* name;
    std::vector<std::uint64_t> numbers;
    std::size_t size = kSize;
  };
  const std::vector<Row> rows = {
      {"backwards", {90, 87, 84, 81, 78, 75, 72, 69, 66, 63, 60, 57}},
      {"anywhere", {5, 90, 14, 63, 2, 77, 31, 8, 54, 99, 21, 40}},
      {"parts of 2 MiB", {0, 1, 2, 3, 50, 51, 52, 53, 20, 21, 22, 23, 90, 91, 92, 93}},
      {"small", {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, 64U << 10U},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Reader on;
    for (const std::uint64_t number : row.numbers) {
      const std::string asked = on.read_from_server(number, microseconds(5000), row.size);
      CHECK((asked.empty() || asked == "begins"));
    }
  }
}

TEST_CASE("read sequence: neighbours may be served in any order", "[read_ahead]") {
  Reader on;
  for (const std::uint64_t number : {1, 0, 2, 4, 3, 6, 5, 7})
    CHECK(on.read_from_server(number) == (number == 1 ? "begins" : ""));
  CHECK(on.read(9, Found::Nothing) == "10-11");
  CHECK(on.read(8, Found::Nothing).empty());  // nobody had asked for it
  CHECK(on.read(11, Found::Nothing) == "12-13");
  CHECK(on.read(10, Found::Here).empty());
  CHECK(on.read(12, Found::Here) == "13-14");
}

TEST_CASE("read sequence: elsewhere, or where something is missing, it begins again",
          "[read_ahead]") {
  const auto at = [](std::uint64_t number) {
    Reader on;
    on.begin();
    on.read(8, Found::Nothing);
    on.read(9, Found::OnItsWay);  // up to 12
    return on.read(number, Found::Nothing);
  };
  CHECK(at(10) == "begins");
  CHECK(at(30) == "begins");
  CHECK(at(2) == "begins");
}

TEST_CASE("read sequence: what is lost, or was not asked for, is not missed", "[read_ahead]") {
  Reader on;
  on.begin();
  on.read(8, Found::Nothing);
  on.read(9, Found::OnItsWay);
  on.sequence.lost();
  CHECK(on.read(10, Found::Nothing) == "11-12");
  on.sequence.asked_only_to(11 * kSize);
  CHECK(on.read(11, Found::Nothing) == "12-13");
}

TEST_CASE("read sequence: the end of a file is shorter", "[read_ahead]") {
  Reader on;
  on.begin();
  on.read(8, Found::Nothing);
  const auto last = on.sequence.read(9 * kSize, 4096, Found::Here);
  CHECK(last.begin == last.end);
}

}  // namespace claimfs::tests
