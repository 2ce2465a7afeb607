#include "backends/nfs/directory_news.h"

#include "tests/unit/catch.h"

namespace claimfs::backends::nfs {

namespace {

using Before = DirectoryNews::Before;

constexpr DirectoryNews::Clock::time_point kEver{};
constexpr DirectoryNews::Clock::duration kLongest = std::chrono::seconds(30);

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

TEST_CASE("since when only we have changed a directory", "[nfs]") {
  const auto news = std::make_shared<DirectoryNews>();
  CHECK_FALSE(news->unchanged_since());
  DirectoryChange(news, "a").ended(before(0), after(1));
  const auto since = news->unchanged_since();
  REQUIRE(since);
  const auto now = DirectoryNews::Clock::now();
  SECTION("since the first of our changes that nothing came between") {
    DirectoryChange(news, "b").ended(before(1), after(2));
    DirectoryChange(news).ended(before(2), after(3));
    CHECK(news->unchanged_since() == since);
  }
  SECTION("while one is under way, which whoever began it knows") {
    const DirectoryChange change(news, "b");
    CHECK(news->unchanged_since() == since);
  }
  SECTION("not across a change of somebody else") {
    DirectoryChange(news, "b").ended(before(2), after(3));
    CHECK(news->unchanged_since() >= now);
  }
  SECTION("not across one that nobody knows the answer of") {
    { const DirectoryChange change(news, "b"); }
    CHECK_FALSE(news->unchanged_since());
    DirectoryChange(news, "c").ended(before(2), after(3));
    CHECK(news->unchanged_since() >= now);
  }
  SECTION("not across two that overlapped") {
    DirectoryChange first(news, "b");
    DirectoryChange(news, "c").ended(before(1), after(2));
    first.ended(before(2), after(3));
    CHECK(news->unchanged_since() == since);  // as it was shown before them
    DirectoryChange(news, "d").ended(before(3), after(4));
    CHECK(news->unchanged_since() >= now);
  }
  SECTION("as a listing says") {
    news->saw(after(1), news->changes(), now);
    CHECK(news->unchanged_since() == since);
    news->saw(after(2), news->changes(), now);
    CHECK(news->unchanged_since() >= now);
  }
  SECTION("but not one that was overtaken, or long on its way") {
    const std::uint64_t asked = news->changes();
    DirectoryChange(news, "b").ended(before(1), after(2));
    news->saw(after(5), asked, now);
    CHECK(news->unchanged_since() == since);
    news->saw(after(2), news->changes(), now - std::chrono::seconds(2));
    CHECK_FALSE(news->unchanged_since());
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
  SECTION("nothing is known of one that was found") { CHECK_FALSE(news->is_absent("a", kLongest)); }
  SECTION("all of one that was made") {
    news->is_new(after(0));
    CHECK(news->is_absent("a", kLongest));
    DirectoryChange making(news, "a");
    CHECK_FALSE(news->is_absent("a", kLongest));  // it may be there already
    making.ended(before(0), after(1));
    CHECK_FALSE(news->is_absent("a", kLongest));
    CHECK(news->is_absent("b", kLongest));
    DirectoryChange(news).ended(before(1), after(2));  // something is removed
    CHECK(news->is_absent("b", kLongest));
  }
  SECTION("not when the server tells of a change between two of ours") {
    news->is_new(after(0));
    DirectoryChange(news, "a").ended(before(0), after(1));
    DirectoryChange(news, "b").ended(before(2), after(3));
    CHECK_FALSE(news->is_absent("c", kLongest));
    DirectoryChange(news, "d").ended(before(3), after(4));
    CHECK_FALSE(news->is_absent("c", kLongest));  // once unknown, for ever
  }
  SECTION("for so long at most") {
    news->is_new(after(0));
    CHECK_FALSE(news->is_absent("a", DirectoryNews::Clock::duration::zero()));
  }
  SECTION("not when a listing tells of one") {
    news->is_new(after(0));
    news->saw(after(0), news->changes(), DirectoryNews::Clock::now());
    CHECK(news->is_absent("a", kLongest));
    news->saw(after(1), news->changes(), DirectoryNews::Clock::now());
    CHECK_FALSE(news->is_absent("a", kLongest));
  }
  SECTION("not when an answer does not tell") {
    news->is_new(after(0));
    DirectoryChange(news, "a").ended({}, after(1));
    CHECK_FALSE(news->is_absent("c", kLongest));
  }
  SECTION("not when two of ours overlapped") {
    news->is_new(after(0));
    DirectoryChange first(news, "a");
    DirectoryChange(news, "b").ended(before(0), after(1));
    first.ended(before(1), after(2));
    CHECK_FALSE(news->is_absent("c", kLongest));
  }
  SECTION("not in a large one") {
    news->is_new(after(0));
    long number = 0;
    while (number < 5'000) {
      DirectoryChange(news, std::to_string(number)).ended(before(number), after(number + 1));
      ++number;
    }
    CHECK_FALSE(news->is_absent("c", kLongest));
  }
}

}  // namespace claimfs::backends::nfs
