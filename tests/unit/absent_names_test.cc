#include "fs/absent_names.h"

#include <map>
#include <random>
#include <thread>

#include "tests/unit/catch.h"

namespace claimfs::fs {
namespace {

using Name = AbsentNames::Name;

TEST_CASE("absent names: kept until they are there, or dropped", "[absent_names]") {
  AbsentNames names;
  CHECK(names.is_empty());
  CHECK_FALSE(names.add(3, "a"));
  CHECK_FALSE(names.add(3, "b"));
  CHECK_FALSE(names.add(4, "a"));
  CHECK_FALSE(names.add(3, "a"));
  CHECK(names.all() == std::vector<Name>{{3, "a"}, {3, "b"}, {4, "a"}});
  names.remove(3, "a");
  names.remove(3, "never");
  CHECK(names.all() == std::vector<Name>{{3, "b"}, {4, "a"}});
  CHECK(names.take({4, "a"}));
  CHECK_FALSE(names.take({4, "a"}));
  CHECK_FALSE(names.take({3, "a"}));
  // What is absent once more after it was taken is kept again.
  CHECK_FALSE(names.add(4, "a"));
  CHECK(names.take({4, "a"}));
  CHECK_FALSE(names.is_empty());
  names.clear();
  CHECK(names.is_empty());
  CHECK(names.all().empty());
}

TEST_CASE("absent names: a name may have any bytes", "[absent_names]") {
  AbsentNames names;
  const std::string odd("a\0b\xff", 4);
  names.add(0x0102030405060708, odd);
  names.add(0x0102030405060708, "");
  CHECK(names.all() == std::vector<Name>{{0x0102030405060708, odd}, {0x0102030405060708, ""}});
}

TEST_CASE("absent names: of too many the oldest is given back", "[absent_names]") {
  AbsentNames names;
  for (std::size_t i = 0; i < AbsentNames::kMost; ++i)
    REQUIRE_FALSE(names.add(3, "name-" + std::to_string(i)));
  names.remove(3, "name-0");
  CHECK_FALSE(names.add(3, "one more"));
  CHECK_FALSE(names.take_excess());
  CHECK(names.add(3, "another"));
  CHECK(names.add(3, "third"));
  CHECK(names.take_excess() == Name{3, "name-1"});
  CHECK(names.take_excess() == Name{3, "name-2"});
  CHECK_FALSE(names.take_excess());
  CHECK(names.all().size() == AbsentNames::kMost);
}

// Nothing is ever lost between the kernel and this, and nothing grows without end.
TEST_CASE("absent names: random histories against a plain set", "[absent_names]") {
  std::mt19937 random(7);
  AbsentNames names;
  std::map<std::string, bool> there;
  for (int step = 0; step < 200'000; ++step) {
    const std::string name = std::to_string(random() % 100);
    if (random() % 2 == 0) {
      CHECK_FALSE(names.add(3, name));
      there[name] = true;
    } else {
      names.remove(3, name);
      there.erase(name);
    }
    if (step % 10'000 != 0) continue;
    std::map<std::string, bool> all;
    for (const Name& each : names.all()) all[each.name] = true;
    REQUIRE(all == there);
  }
}

TEST_CASE("absent names: many threads", "[absent_names]") {
  AbsentNames names;
  std::vector<std::thread> threads;
  for (std::uint64_t directory = 1; directory <= 4; ++directory) {
    threads.emplace_back([&names, directory] {
      for (int i = 0; i < 2000; ++i) {
        const std::string name = std::to_string(i % 50);
        names.add(directory, name);
        if (i % 3 == 0) names.remove(directory, name);
        if (i % 100 == 0)
          for (const Name& each : names.all()) names.take(each);
      }
      for (int i = 0; i < 50; ++i) names.add(directory, std::to_string(i));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::map<std::uint64_t, int> counts;
  for (const Name& each : names.all()) ++counts[each.directory];
  for (const auto& [directory, count] : counts) CHECK(count <= 50);
}

}  // namespace
}  // namespace claimfs::fs
