#include "backends/nfs/server_handles.h"

#include <string>

#include "tests/unit/catch.h"
#include "tests/unit/nfs_handles.h"

namespace claimfs::tests {

using backends::nfs::FileHandle;
using backends::nfs::ServerHandles;

namespace {

void change(ServerHandles& handles, const std::string& ours, const std::string& theirs) {
  handles.begin_change(handle(ours));
  handles.end_change(handle(ours), handle(theirs));
}

}  // namespace

TEST_CASE("a file that the server calls otherwise now is the same one here", "[nfs]") {
  ServerHandles handles;
  CHECK(handles.theirs(handle("a")) == handle("a"));
  CHECK(handles.ours(handle("a")) == handle("a"));
  change(handles, "a", "a2");
  CHECK(handles.theirs(handle("a")) == handle("a2"));
  CHECK(handles.ours(handle("a2")) == handle("a"));
  CHECK(handles.theirs(handle("b")) == handle("b"));
  change(handles, "a", "a3");
  CHECK(handles.theirs(handle("a")) == handle("a3"));
  CHECK(handles.ours(handle("a3")) == handle("a"));
  CHECK(handles.ours(handle("a2")) == handle("a2"));  // nobody's any more
  change(handles, "a", "a");                          // it has come back
  CHECK(handles.theirs(handle("a")) == handle("a"));
  CHECK(handles.ours(handle("a3")) == handle("a3"));
  CHECK(handles.ours(handle("a")) == handle("a"));
}

TEST_CASE("what is worth asking again after ESTALE", "[nfs]") {
  ServerHandles handles;
  int asked = 0;
  bool begins = true;
  handles.set_root(handle("root"), [&] {
    ++asked;
    if (begins) handles.begin_change(handle("root"));
    return begins;
  });
  const auto before = handles.changes();
  SECTION("nothing is known of a file") {
    CHECK_FALSE(handles.may_heal(handle("a"), before));
    CHECK(asked == 0);
  }
  SECTION("a file that is just being moved, and has moved") {
    handles.begin_change(handle("a"));
    handles.begin_change(handle("a"));  // twice, even
    CHECK(handles.may_heal(handle("a"), before));
    handles.end_change(handle("a"), handle("a2"));
    CHECK(handles.is_changing(handle("a")));
    handles.end_change(handle("a"), {});
    CHECK_FALSE(handles.is_changing(handle("a")));
    CHECK(handles.theirs(handle("a")) == handle("a2"));
    CHECK(handles.may_heal(handle("a"), before));
    CHECK_FALSE(handles.may_heal(handle("a"), handles.changes()));  // it was asked by the new one
  }
  SECTION("a move that changed nothing") {
    handles.begin_change(handle("a"));
    handles.end_change(handle("a"), handle("a"));
    CHECK(handles.changes() == before);
    CHECK_FALSE(handles.may_heal(handle("a"), before));
  }
  SECTION("the root is looked for once") {
    CHECK(handles.may_heal(handle("root"), before));
    CHECK(handles.may_heal(handle("root"), before));
    CHECK(asked == 1);
    handles.end_change(handle("root"), handle("other"));
    CHECK(handles.may_heal(handle("root"), before));
    CHECK(asked == 1);
    CHECK(handles.may_heal(handle("root"), handles.changes()));  // replaced again
    CHECK(asked == 2);
  }
  SECTION("the root, when it is too early") {
    begins = false;
    CHECK_FALSE(handles.may_heal(handle("root"), before));
    CHECK(asked == 1);
  }
}

TEST_CASE("of many changed handles the oldest are forgotten, and never the root's", "[nfs]") {
  ServerHandles handles;
  handles.set_root(handle("root"), [] { return false; });
  change(handles, "root", "other");
  for (std::size_t number = 0; number <= ServerHandles::kMost; ++number)
    change(handles, "file" + std::to_string(number), "moved" + std::to_string(number));
  CHECK(handles.theirs(handle("file0")) == handle("file0"));
  CHECK(handles.ours(handle("moved0")) == handle("moved0"));
  CHECK(handles.theirs(handle("file1")) == handle("moved1"));
  CHECK(handles.theirs(handle("root")) == handle("other"));
  // One that moves again and again is one.
  for (std::size_t number = 0; number <= ServerHandles::kMost; ++number)
    change(handles, "file2", "moved" + std::to_string(number % 2) + " again");
  CHECK(handles.theirs(handle("file1")) == handle("moved1"));
}

}  // namespace claimfs::tests
