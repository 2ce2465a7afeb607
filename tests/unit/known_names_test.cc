#include "backends/nfs/known_names.h"

#include <sys/stat.h>

#include "tests/unit/catch.h"
#include "tests/unit/nfs_handles.h"

namespace claimfs::backends::nfs {
namespace {

using namespace std::chrono_literals;

using tests::handle;
constexpr auto kLongest = 30s;

struct Watched {
  KnownNames::Clock::time_point now{};
  KnownNames names{kLongest, [this] { return now; }};

  void learn(const std::string& directory, const std::string& name, const std::string& file,
             mode_t mode = S_IFREG) {
    names.learn(handle(directory), name,
                {.handle = handle(file), .attributes = {.mode = mode}, .asked_at = now});
  }
  std::string find(const std::string& directory, const std::string& name) const {
    const auto known = names.find(handle(directory), name);
    return known ? std::string(known->handle.bytes()) : "";
  }
};

}  // namespace

TEST_CASE("known names: as the server said last", "[nfs][known_names]") {
  Watched on;
  on.learn("d", "a", "1");
  on.learn("d", "b", "2");
  on.learn("e", "a", "3");
  CHECK(on.find("d", "a") == "1");
  CHECK(on.find("d", "b") == "2");
  CHECK(on.find("e", "a") == "3");
  CHECK(on.find("e", "b").empty());
  on.learn("d", "a", "4");
  CHECK(on.find("d", "a") == "4");
  on.names.forget(handle("d"), "a");
  CHECK(on.find("d", "a").empty());
  CHECK(on.find("e", "a") == "3");
  on.names.forget_all();
  CHECK(on.find("e", "a").empty());
}

TEST_CASE("known names: for as long as the kernel believes a name", "[nfs][known_names]") {
  Watched on;
  on.learn("d", "a", "1");
  on.now += KnownNames::kTrusted;
  CHECK(on.find("d", "a") == "1");
  on.now += 1ms;
  CHECK(on.find("d", "a").empty());
  on.learn("d", "a", "1");
  CHECK(on.find("d", "a") == "1");
}

TEST_CASE("known names: for longer where nobody else has changed any", "[nfs][known_names]") {
  Watched on;
  const auto asked_at = on.now;
  on.learn("d", "a", "1");
  on.learn("d", "directory", "2", S_IFDIR);
  const auto is_known = [&on](const char* name, KnownNames::Clock::time_point unchanged_since) {
    return on.names.find(handle("d"), name, unchanged_since).has_value();
  };
  on.now += KnownNames::kTrusted + 1ms;
  CHECK(on.find("d", "a").empty());
  CHECK(is_known("a", asked_at));
  CHECK_FALSE(is_known("a", asked_at + 1ms));
  CHECK_FALSE(is_known("directory", asked_at));
  on.now = asked_at + kLongest;
  CHECK(is_known("a", asked_at));
  on.now += 1ms;
  CHECK_FALSE(is_known("a", asked_at));
}

TEST_CASE("known names: what is learned again is not old", "[nfs][known_names]") {
  Watched on;
  on.learn("d", "again", "1");
  for (std::size_t number = 0; number < KnownNames::kMost; ++number) {
    on.learn("d", std::to_string(number), "1");
    if (number % 100 == 0) on.learn("d", "again", "2");
  }
  CHECK(on.find("d", "again") == "2");
  for (std::size_t number = 0; number < 3 * KnownNames::kMost; ++number) {
    on.names.forget(handle("d"), "again");
    on.learn("d", "again", "3");
  }
  CHECK(on.find("d", "again") == "3");
}

TEST_CASE("known names: of too many the oldest go", "[nfs][known_names]") {
  Watched on;
  constexpr std::size_t kCount = 2 * KnownNames::kMost;
  for (std::size_t number = 0; number < kCount; ++number)
    on.learn("d", std::to_string(number), "1");
  const auto known_between = [&on](std::size_t begin, std::size_t end) {
    std::size_t known = 0;
    for (; begin < end; ++begin) known += on.find("d", std::to_string(begin)) == "1";
    return known;
  };
  constexpr std::size_t kPart = KnownNames::kMost / 8;
  CHECK(known_between(kCount - kPart, kCount) > kPart * 99 / 100);
  CHECK(known_between(0, kPart) < kPart / 8);
  CHECK(known_between(0, kCount) <= KnownNames::kMost);
}

}  // namespace claimfs::backends::nfs
