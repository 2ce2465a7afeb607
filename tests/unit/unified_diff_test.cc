#include "volumes/unified_diff.h"

#include "tests/unit/catch.h"

namespace claimfs::volumes {

TEST_CASE("differences are shown line by line", "[unified_diff]") {
  struct Case {
    const char* before;
    const char* after;
    const char* shown;
  };
  const Case cases[] = {
      {"a\nb", "a\nb", ""},
      {"a", "b", "@@ -1 +1 @@\n-a\n+b\n"},
      {"a\nb\nc", "a\nc", "@@ -1,3 +1,2 @@\n a\n-b\n c\n"},
      {"a\nc", "a\nb\nc", "@@ -1,2 +1,3 @@\n a\n+b\n c\n"},
      {"1\n2\n3\n4\n5", "1\n2\n3\n4\nx", "@@ -2,4 +2,4 @@\n 2\n 3\n 4\n-5\n+x\n"},
      // Six equal lines between two changes are shown, seven are not.
      {"x\n1\n2\n3\n4\n5\n6\ny", "X\n1\n2\n3\n4\n5\n6\nY",
       "@@ -1,8 +1,8 @@\n-x\n+X\n 1\n 2\n 3\n 4\n 5\n 6\n-y\n+Y\n"},
      {"x\n1\n2\n3\n4\n5\n6\n7\ny", "X\n1\n2\n3\n4\n5\n6\n7\nY",
       "@@ -1,4 +1,4 @@\n-x\n+X\n 1\n 2\n 3\n@@ -6,4 +6,4 @@\n 5\n 6\n 7\n-y\n+Y\n"},
      {"1\n2\n3\n4", "0\n1\n2\n3\n4", "@@ -1,3 +1,4 @@\n+0\n 1\n 2\n 3\n"},
  };
  for (const Case& each : cases) {
    INFO(each.before << " | " << each.after);
    CHECK(unified_diff(each.before, each.after) == each.shown);
  }
}

}  // namespace claimfs::volumes
