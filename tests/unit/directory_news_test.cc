#include "backends/nfs/directory_news.h"

#include "tests/unit/catch.h"

namespace claimfs::backends::nfs {

namespace {

using Before = DirectoryNews::Before;

constexpr DirectoryNews::Clock::time_point kEver{};

// A directory as its server tells of it after so many changes.
Attributes after(long changes) {
  Attributes told;
  told.size = 100 + changes;
  told.mtime = told.ctime = {1'000 + changes, 0};
  return told;
}

Before before(long changes) {
  const Attributes told = after(changes);
  return {.size = static_cast<std::uint64_t>(told.size), .mtime = told.mtime, .ctime = told.ctime};
}

std::optional<off_t> known_size(const DirectoryNews& news) {
  const auto known = news.attributes(kEver);
  return known ? std::optional(known->size) : std::nullopt;
}

}  // namespace

TEST_CASE("a directory's attributes are known after a change that nothing overlapped", "[nfs]") {
  const auto news = std::make_shared<DirectoryNews>();
  CHECK_FALSE(news->attributes(kEver));
  SECTION("one after the other") {
    DirectoryChange(news, "a").ended(before(0), after(1));
    CHECK(known_size(*news) == 101);
    DirectoryChange(news, "b").ended(before(1), after(2));
    CHECK(known_size(*news) == 102);
  }
  SECTION("not while one is under way, nor when its answer tells nothing") {
    DirectoryChange(news, "a").ended(before(0), after(1));
    {
      const DirectoryChange change(news, "b");
      CHECK_FALSE(news->attributes(kEver));
    }
    CHECK_FALSE(news->attributes(kEver));
  }
  SECTION("not by two that overlap, whichever is answered first") {
    DirectoryChange first(news, "a");
    DirectoryChange second(news, "b");
    second.ended(before(1), after(2));
    CHECK_FALSE(news->attributes(kEver));
    first.ended(before(0), after(1));
    CHECK_FALSE(news->attributes(kEver));
    DirectoryChange(news, "c").ended(before(2), after(3));
    CHECK(known_size(*news) == 103);
  }
  SECTION("not by what is older than the caller allows") {
    DirectoryChange(news, "a").ended(before(0), after(1));
    CHECK_FALSE(news->attributes(DirectoryNews::Clock::now()));
  }
}

TEST_CASE("whoever asked while a directory was being changed sees that it has been", "[nfs]") {
  const auto news = std::make_shared<DirectoryNews>();
  const std::uint64_t before = news->changes();
  DirectoryChange change(news, "a");
  const std::uint64_t meanwhile = news->changes();
  CHECK(meanwhile != before);
  change.ended(DirectoryNews::Before{}, after(1));
  CHECK(news->changes() != meanwhile);
}

TEST_CASE("names are known to be absent in a directory that only we have changed", "[nfs]") {
  const auto news = std::make_shared<DirectoryNews>();
  SECTION("nothing is known of one that was found") { CHECK_FALSE(news->is_absent("a")); }
  SECTION("all of one that was made") {
    news->is_new(after(0));
    CHECK(news->is_absent("a"));
    DirectoryChange making(news, "a");
    CHECK_FALSE(news->is_absent("a"));  // it may be there already
    making.ended(before(0), after(1));
    CHECK_FALSE(news->is_absent("a"));
    CHECK(news->is_absent("b"));
    DirectoryChange(news).ended(before(1), after(2));  // something is removed
    CHECK(news->is_absent("b"));
  }
  SECTION("not when the server tells of a change between two of ours") {
    news->is_new(after(0));
    DirectoryChange(news, "a").ended(before(0), after(1));
    DirectoryChange(news, "b").ended(before(2), after(3));
    CHECK_FALSE(news->is_absent("c"));
    DirectoryChange(news, "d").ended(before(3), after(4));
    CHECK_FALSE(news->is_absent("c"));  // once unknown, for ever
  }
  SECTION("not when an answer does not tell") {
    news->is_new(after(0));
    DirectoryChange(news, "a").ended({}, after(1));
    CHECK_FALSE(news->is_absent("c"));
  }
  SECTION("not when two of ours overlapped") {
    news->is_new(after(0));
    DirectoryChange first(news, "a");
    DirectoryChange(news, "b").ended(before(0), after(1));
    first.ended(before(1), after(2));
    CHECK_FALSE(news->is_absent("c"));
  }
  SECTION("not in a large one") {
    news->is_new(after(0));
    long number = 0;
    while (number < 5'000) {
      DirectoryChange(news, std::to_string(number)).ended(before(number), after(number + 1));
      ++number;
    }
    CHECK_FALSE(news->is_absent("c"));
  }
}

}  // namespace claimfs::backends::nfs
