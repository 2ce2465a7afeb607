#include "backends/nfs/known_names.h"

#include "tests/unit/catch.h"

namespace claimfs::backends::nfs {
namespace {

using namespace std::chrono_literals;

FileHandle handle(const std::string& bytes) {
  std::string own = bytes;
  nfs_fh3 raw{};
  raw.data.data_len = static_cast<unsigned>(own.size());
  raw.data.data_val = own.data();
  return FileHandle(raw);
}

struct Watched {
  KnownNames::Clock::time_point now{};
  KnownNames names{[this] { return now; }};

  void learn(const std::string& directory, const std::string& name, const std::string& file) {
    names.learn(handle(directory), name,
                {.handle = handle(file), .attributes = {}, .asked_at = now});
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

TEST_CASE("known names: of too many the oldest go", "[nfs][known_names]") {
  Watched on;
  for (std::size_t number = 0; number <= KnownNames::kMost; ++number)
    on.learn("d", std::to_string(number), "1");
  CHECK(on.find("d", "0").empty());
  CHECK(on.find("d", "1") == "1");
  CHECK(on.find("d", std::to_string(KnownNames::kMost)) == "1");
}

}  // namespace claimfs::backends::nfs
