#include "tests/unit/catch.h"
#include "tests/unit/mounted_tree.h"

namespace claimfs::fs {
namespace {

using tests::code_of;

TEST_CASE("a use that has lost its attachment begins anew, for all that it needs",
          "[served_volume]") {
  ServedClaim claim = MountedTree::claim("data");
  std::vector<std::string> asked;
  ServedVolume* lost_meanwhile = nullptr;
  const auto attach = [&](const ServedClaim&, bool writes,
                          const std::string* consumer) -> Result<void> {
    asked.push_back(std::string(writes ? "write" : "read") + (consumer ? " for one" : ""));
    if (lost_meanwhile) lost_meanwhile->lose();
    return {};
  };
  const auto volume_of = [&](const ServedClaim& served) {
    return ServedVolume(served, std::make_unique<tests::MemoryBackend>(), nullptr, attach);
  };
  SECTION("a writer is a reader again") {
    claim.is_for_one_writer = true;
    ServedVolume volume = volume_of(claim);
    CHECK(volume.use(Access::Change));
    CHECK(volume.use(Access::Change));
    volume.lose();
    CHECK(volume.use(Access::Read));
    CHECK(volume.use(Access::Change));
    CHECK(asked == std::vector<std::string>{"write", "read", "write"});
  }
  SECTION("the one consumer has to ask again") {
    claim.is_for_one_consumer = true;
    ServedVolume volume = volume_of(claim);
    const backends::Caller us{.pid = ::getpid()};
    CHECK(volume.use(Access::Read, us));
    volume.lose();
    CHECK(volume.use(Access::Look, us));
    CHECK(volume.use(Access::Read, us));
    CHECK(asked == std::vector<std::string>{"write for one", "write", "write for one"});
  }
  SECTION("passthrough is noted again") {
    ServedVolume volume = volume_of(claim);
    CHECK(volume.use());
    int told = 0;
    const auto note = [&]() -> Result<void> { return ++told, Result<void>(); };
    CHECK(volume.may_be_passing(note));
    CHECK(volume.may_be_passing(note));
    CHECK(told == 1);
    volume.lose();
    CHECK(volume.use());
    CHECK(volume.may_be_passing(note));
    CHECK(told == 2);
  }
  SECTION("passthrough is not noted for an attachment that goes meanwhile") {
    ServedVolume volume = volume_of(claim);
    CHECK(volume.use());
    CHECK_FALSE(
        volume.may_be_passing([&]() -> Result<void> { return volume.lose(), Result<void>(); }));
  }
  SECTION("while it is being let in: it is not") {
    ServedVolume volume = volume_of(claim);
    lost_meanwhile = &volume;
    CHECK(code_of(volume.use()) == EBUSY);
    CHECK_FALSE(volume.is_in_use());
    lost_meanwhile = nullptr;
    CHECK(volume.use());
  }
}

// A file that answered as a directory would be broken for the kernel for good.
TEST_CASE("a file that is open when its attachment is lost stays a file", "[served_volume]") {
  MountedTree tree;
  tree.add(MountedTree::claim("data"));
  const auto file = tree.create(tree.at({"ns", "data"}), "file").value();
  tree.volumes.front()->lose();
  CHECK(code_of(tree.write(*file.handle, "text", 0)) == EIO);
  const auto seen = tree.ask<NodeAttributes>([&](auto answer) {
    tree.filesystem.get_attributes(tree.caller, file.node, nullptr, std::move(answer));
  });
  REQUIRE(seen);
  CHECK(S_ISREG(seen->attributes.mode));
  CHECK(tree.write(*file.handle, "text", 0) == 4);
}

}  // namespace
}  // namespace claimfs::fs
