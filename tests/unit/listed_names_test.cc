#include "fs/listed_names.h"

#include "tests/unit/catch.h"

namespace claimfs::fs {
namespace {

using Name = ListedNames::Name;
using namespace std::chrono_literals;

struct Watched {
  ListedNames::Clock::time_point now{};
  ListedNames names{[this] { return now; }};
};

}  // namespace

TEST_CASE("listed names: by which name a file is known", "[listed_names]") {
  Watched on;
  CHECK_FALSE(on.names.name_of(7));
  CHECK(on.names.add(7, 3, "a"));
  CHECK(on.names.name_of(7) == Name{3, "a"});
  CHECK(on.names.name_of(7));  // it stays
  SECTION("the same name again") { CHECK(on.names.add(7, 3, "a")); }
  SECTION("another name of the same file") {
    CHECK_FALSE(on.names.add(7, 3, "b"));
    CHECK_FALSE(on.names.add(7, 4, "a"));
    CHECK(on.names.name_of(7) == Name{3, "a"});
  }
  SECTION("looked up by that name") {
    on.names.looked_up(7, 3, "b");
    on.names.looked_up(7, 4, "a");
    on.names.looked_up(8, 3, "a");
    CHECK(on.names.name_of(7));  // but see below
    on.names.looked_up(7, 3, "a");
    CHECK_FALSE(on.names.name_of(7));
    CHECK(on.names.add(7, 3, "b"));
  }
  SECTION("it stands for something else") {
    CHECK_FALSE(on.names.forget(7));
    CHECK_FALSE(on.names.name_of(7));
  }
  SECTION("it was moved, and found there") {
    on.names.looked_up(7, 3, "b");
    CHECK(on.names.forget(7));
  }
  SECTION("the volume is given up") {
    on.names.clear();
    CHECK_FALSE(on.names.name_of(7));
  }
}

TEST_CASE("listed names: kept for longer than the kernel believes them", "[listed_names]") {
  Watched on;
  CHECK(on.names.add(7, 3, "a"));
  on.now += ListedNames::kKept;
  CHECK(on.names.add(8, 3, "b"));
  CHECK(on.names.name_of(7));
  on.now += 1s;
  CHECK(on.names.add(8, 3, "b"));
  CHECK_FALSE(on.names.name_of(7));
  // Listed again and again it is renewed, and takes no more room for that.
  for (int time = 0; time < 100; ++time) {
    on.now += 1s;
    CHECK(on.names.add(8, 3, "b"));
  }
  on.now += ListedNames::kKept / 2;
  CHECK(on.names.add(9, 3, "c"));
  CHECK(on.names.name_of(8));
}

TEST_CASE("listed names: of too many none is believed", "[listed_names]") {
  Watched on;
  for (std::size_t node = 0; node < ListedNames::kMost; ++node)
    REQUIRE(on.names.add(node, 3, std::to_string(node)));
  CHECK_FALSE(on.names.add(ListedNames::kMost, 3, "one more"));
  CHECK_FALSE(on.names.name_of(ListedNames::kMost));
  CHECK(on.names.add(0, 3, "0"));
  on.now += ListedNames::kKept + 1s;
  CHECK(on.names.add(ListedNames::kMost, 3, "one more"));
  CHECK_FALSE(on.names.name_of(0));
}

}  // namespace claimfs::fs
