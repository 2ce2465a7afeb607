#include "backends/nfs/recent_changes.h"

#include <string>

#include "tests/unit/catch.h"
#include "tests/unit/nfs_handles.h"

namespace claimfs::backends::nfs {

using tests::handle;

TEST_CASE("recent changes: of the file, and since then", "[nfs][recent_changes]") {
  RecentChanges changes;
  const auto before = RecentChanges::Clock::now();
  CHECK_FALSE(changes.is_changed_since(handle("a"), before));
  changes.note(handle("a"));
  CHECK(changes.is_changed_since(handle("a"), before));
  CHECK_FALSE(changes.is_changed_since(handle("b"), before));
  const auto after = RecentChanges::Clock::now() + std::chrono::nanoseconds(1);
  CHECK_FALSE(changes.is_changed_since(handle("a"), after));
  // Many others do not hide it, nor are it.
  for (std::size_t number = 0; number + 1 < RecentChanges::kMost; ++number)
    changes.note(handle("other " + std::to_string(number)));
  CHECK(changes.is_changed_since(handle("a"), before));
  CHECK_FALSE(changes.is_changed_since(handle("b"), before));
}

TEST_CASE("recent changes: of too many all may be changed", "[nfs][recent_changes]") {
  RecentChanges changes;
  const auto before = RecentChanges::Clock::now();
  for (std::size_t number = 0; number <= RecentChanges::kMost; ++number)
    changes.note(handle(std::to_string(number)));
  CHECK(changes.is_changed_since(handle("0"), before));
  CHECK(changes.is_changed_since(handle("none of them"), before));
  const auto after = RecentChanges::Clock::now() + std::chrono::nanoseconds(1);
  CHECK_FALSE(changes.is_changed_since(handle("none of them"), after));
  changes.note(handle("none of them"));
  CHECK(changes.is_changed_since(handle("none of them"), after));
}

}  // namespace claimfs::backends::nfs
