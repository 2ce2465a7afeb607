#include "fs/listing_habits.h"

#include "tests/unit/catch.h"

namespace claimfs::fs {
namespace {

// Lists a directory, then looks at some of its entries; says whether attributes came with it.
bool list(ListingHabits& habits, pid_t thread, std::uint64_t directory, int looks) {
  const bool with_attributes = habits.wants_attributes(thread, directory);
  if (!with_attributes)
    for (int look = 0; look < looks; ++look) habits.saw_lookup(thread, directory);
  return with_attributes;
}

}  // namespace

TEST_CASE("who only names gets names", "[listing_habits]") {
  ListingHabits habits;
  for (std::uint64_t directory = 10; directory < 100; ++directory)
    CHECK_FALSE(list(habits, 7, directory, 1));
}

TEST_CASE("who looks at what he lists gets it with the listing, and is asked again",
          "[listing_habits]") {
  ListingHabits habits;
  int without = 0;
  for (std::uint64_t directory = 10; directory < 110; ++directory)
    without += list(habits, 7, directory, 50) ? 0 : 1;
  CHECK(without == 4);
  // A change of habit is noticed.
  int with = 0;
  for (std::uint64_t directory = 10; directory < 110; ++directory)
    with += list(habits, 7, directory, 0) ? 1 : 0;
  CHECK(with <= 32);
  CHECK_FALSE(list(habits, 7, 1, 0));
}

TEST_CASE("one thread's look-ups say nothing of another's", "[listing_habits]") {
  ListingHabits habits;
  CHECK_FALSE(list(habits, 7, 10, 0));
  for (int look = 0; look < 50; ++look) {
    habits.saw_lookup(8, 10);  // another thread
    habits.saw_lookup(7, 11);  // elsewhere
  }
  CHECK_FALSE(list(habits, 7, 10, 50));
  CHECK_FALSE(list(habits, 7 + 256, 10, 0));  // the same place in the table
  CHECK_FALSE(list(habits, 7, 10, 0));
}

}  // namespace claimfs::fs
