#include "backends/nfs/next_directories.h"

#include <string>

#include "tests/unit/catch.h"
#include "tests/unit/nfs_handles.h"

namespace claimfs::backends::nfs {
namespace {

using tests::handle;

struct Watched {
  NextDirectories next;

  void list(const std::vector<std::string>& names) {
    std::vector<FileHandle> directories;
    for (const std::string& name : names) directories.push_back(handle(name));
    next.listed(directories);
  }
  std::string open(const std::string& name) {
    std::string worth_it;
    for (const FileHandle& one : next.opened(handle(name))) worth_it += one.bytes();
    return worth_it;
  }
};

}  // namespace

TEST_CASE("next directories: those behind the second that is opened in turn", "[nfs][next]") {
  Watched on;
  on.list({"a", "b", "c", "d", "e", "f"});
  CHECK(on.open("a").empty());
  CHECK(on.open("b") == "cd");
  CHECK(on.open("c") == "e");  // each once
  CHECK(on.open("d") == "f");
  CHECK(on.open("e").empty());
  CHECK(on.open("f").empty());
  CHECK(on.open("a").empty());  // from the beginning
  CHECK(on.open("b") == "cd");
}

TEST_CASE("next directories: what lies between does not matter", "[nfs][next]") {
  Watched on;
  on.list({"a", "b", "c", "d"});
  on.open("a");
  on.list({"x", "y"});
  on.open("x");
  CHECK(on.open("y").empty());
  CHECK(on.open("b") == "cd");
}

TEST_CASE("next directories: in another order than the listing's there are none", "[nfs][next]") {
  Watched on;
  on.list({"a", "b", "c", "d", "e"});
  for (const char* name : {"e", "d", "c", "b", "a"}) CHECK(on.open(name).empty());
  CHECK(on.open("unknown").empty());
  on.list({"alone"});
  CHECK(on.open("alone").empty());
}

TEST_CASE("next directories: wrong guesses are given up, and tried again now and then",
          "[nfs][next]") {
  Watched on;
  const auto guesses = [&on] {
    on.list({"a", "b", "c", "d"});
    on.open("a");
    return on.open("b") == "cd";
  };
  CHECK(guesses());
  for (int time = 0; time < 8; ++time) on.next.was_wrong();
  int tries = 0;
  constexpr int kTimes = 320;
  for (int time = 0; time < kTimes; ++time) tries += guesses();
  CHECK(tries > 0);
  CHECK(tries <= kTimes / 32);
  on.next.was_right();
  CHECK(guesses());
}

TEST_CASE("next directories: of too many all are forgotten", "[nfs][next]") {
  Watched on;
  on.list({"a", "b", "c"});
  std::vector<std::string> many;
  for (std::size_t number = 0; number < NextDirectories::kMost; ++number)
    many.push_back(std::to_string(number));
  on.list(many);
  on.open("a");
  CHECK(on.open("b").empty());
  on.open("0");
  CHECK(on.open("1") == "23");
}

}  // namespace claimfs::backends::nfs
