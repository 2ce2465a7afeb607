// The patch that an edit sends.

#include "cli/merge_patch.h"

#include <random>

#include "tests/unit/catch.h"

namespace claimfs::cli {
namespace {

using volumes::Json;

// A small document; few keys, so that two of them have much in common.
Json random_value(std::mt19937& random, int depth) {
  switch (random() % (depth > 0 ? 5 : 3)) {
    case 0:
      return random() % 3;
    case 1:
      return std::string(1, static_cast<char>('a' + random() % 3));
    case 2:
      return Json::array({random() % 2});
    default: {
      Json map = Json::object();
      for (unsigned i = random() % 4; i > 0; --i)
        map[std::string(1, static_cast<char>('k' + random() % 4))] =
            random_value(random, depth - 1);
      return map;
    }
  }
}

Json random_map(std::mt19937& random) {
  Json map = Json::object();
  for (const char* key : {"p", "q", "r"}) map[key] = random_value(random, 3);
  if (random() % 2) map.erase("q");
  return map;
}

}  // namespace

TEST_CASE("a merge patch says what changed and nothing else", "[merge-patch]") {
  const Json before = {{"a", 1}, {"b", {{"c", 2}, {"d", 3}}}, {"l", {1, 2}}, {"gone", "x"}};
  const Json after = {{"a", 1}, {"b", {{"c", 2}, {"d", 4}}}, {"l", {1}}, {"new", {{"e", 5}}}};
  CHECK(merge_patch_between(before, after) ==
        Json{{"b", {{"d", 4}}}, {"l", {1}}, {"gone", nullptr}, {"new", {{"e", 5}}}});
  CHECK(merge_patch_between(before, before) == Json::object());
}

TEST_CASE("a merge patch makes the one of the other", "[merge-patch]") {
  const unsigned seed = std::random_device()();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 2000; ++i) {
    const Json before = random_map(random), after = random_map(random);
    const Json patch = merge_patch_between(before, after);
    Json patched = before;
    patched.merge_patch(patch);
    INFO(before << "\n" << after << "\n" << patch);
    REQUIRE(patched == after);
  }
}

}  // namespace claimfs::cli
