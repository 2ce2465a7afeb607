#include "cli/spare_memory.h"

#include "tests/unit/catch.h"

namespace claimfs::cli {

TEST_CASE("memory is given back when most of what needed it has gone", "[spare_memory]") {
  constexpr std::size_t kMany = SpareMemory::kMany;
  int given_back = 0;
  SpareMemory memory([&] { ++given_back; });
  const auto look = [&](std::size_t inodes) {
    memory.look(inodes);
    return given_back;
  };
  CHECK(look(0) == 0);
  CHECK(look(4 * kMany) == 0);      // it grows
  CHECK(look(2 * kMany + 1) == 0);  // more than half is there still
  CHECK(look(2 * kMany) == 1);
  CHECK(look(2 * kMany) == 1);  // once
  CHECK(look(kMany) == 2);
  CHECK(look(0) == 3);
  CHECK(look(kMany - 1) == 3);
  CHECK(look(0) == 3);  // too few
}

}  // namespace claimfs::cli
