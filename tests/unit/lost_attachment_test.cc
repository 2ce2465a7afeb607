#include "tests/unit/catch.h"
#include "tests/unit/mounted_tree.h"

namespace claimfs::fs {
namespace {

using tests::code_of;

// A file that answered as a directory would be broken for the kernel for good.
TEST_CASE("a file that is open when its attachment is lost stays a file", "[served_volume]") {
  MountedTree tree;
  tree.add(MountedTree::claim("data"));
  const auto file = tree.create(tree.at({"ns", "data"}), "file").value();
  tree.volumes.front()->lose();
  CHECK(code_of(tree.write(*file.handle, "text", 0)) == EIO);
  const auto seen = tree.ask<NodeAttributes>(
      [&](auto answer) { tree.filesystem.get_attributes(file.node, nullptr, std::move(answer)); });
  REQUIRE(seen);
  CHECK(S_ISREG(seen->attributes.mode));
  CHECK(tree.write(*file.handle, "text", 0) == 4);
}

}  // namespace
}  // namespace claimfs::fs
