#include <fcntl.h>

#include "tests/unit/catch.h"
#include "tests/unit/mounted_tree.h"

namespace claimfs::fs {

namespace {

using tests::code_of;

int attributes_code(MountedTree& tree, NodeId node) {
  return code_of(tree.ask<NodeAttributes>([&](auto answer) {
    tree.filesystem.get_attributes(tree.caller, node, nullptr, std::move(answer));
  }));
}

int remove_claim(MountedTree& tree, std::string_view name) {
  return code_of(tree.ask<void>([&](auto answer) {
    tree.filesystem.remove_directory(tree.caller, tree.at({"ns"}), name, std::move(answer));
  }));
}

}  // namespace

TEST_CASE("a read-only claim reads, and refuses changes with EROFS", "[claims]") {
  MountedTree tree;
  ServedClaim claim = MountedTree::claim("data");
  tests::MemoryBackend& memory = tree.add(claim);
  const NodeId root = tree.at({"ns", "data"});
  const auto file = tree.create(root, "file").value();
  REQUIRE(tree.write(*file.handle, "text", 0));
  claim.is_read_only = true;
  tree.volumes.front()->update(claim);
  memory.reset_calls();
  Filesystem& fs = tree.filesystem;
  const Caller caller;
  CHECK(code_of(tree.open(file.node, O_RDWR)) == EROFS);
  CHECK(code_of(tree.open(file.node, O_RDONLY | O_TRUNC)) == EROFS);
  CHECK(code_of(tree.create(root, "new")) == EROFS);
  CHECK(code_of(tree.make_directory(root, "new")) == EROFS);
  CHECK(code_of(tree.ask<void>([&](auto answer) {
          fs.unlink(tree.caller, root, "file", std::move(answer));
        })) == EROFS);
  CHECK(code_of(tree.ask<void>([&](auto answer) {
          fs.remove_directory(tree.caller, root, "file", std::move(answer));
        })) == EROFS);
  CHECK(code_of(tree.ask<void>([&](auto answer) {
          fs.rename(tree.caller, root, "file", root, "new", 0, std::move(answer));
        })) == EROFS);
  CHECK(code_of(tree.ask<EntryReply>([&](auto answer) {
          fs.link(tree.caller, file.node, root, "new", std::move(answer));
        })) == EROFS);
  CHECK(code_of(tree.ask<EntryReply>([&](auto answer) {
          fs.make_symlink(caller, root, "new", "x", std::move(answer));
        })) == EROFS);
  CHECK(code_of(tree.ask<EntryReply>([&](auto answer) {
          fs.make_node(caller, root, "new", S_IFIFO, 0, std::move(answer));
        })) == EROFS);
  CHECK(code_of(tree.ask<CreateReply>([&](auto answer) {
          fs.create_unnamed(caller, root, 0600, O_RDWR, std::move(answer));
        })) == EROFS);
  CHECK(code_of(tree.ask<NodeAttributes>([&](auto answer) {
          fs.set_attributes(caller, file.node, nullptr, {.mode = 0600}, std::move(answer));
        })) == EROFS);
  CHECK(code_of(tree.ask<void>([&](auto answer) {
          fs.set_xattr(
              caller, file.node, "user.a", "v", 0, [](gid_t) { return true; }, std::move(answer));
        })) == EROFS);
  CHECK(code_of(tree.ask<void>([&](auto answer) {
          fs.remove_xattr(tree.caller, file.node, "user.a", std::move(answer));
        })) == EROFS);
  CHECK(memory.calls() == 0);  // the backend has not heard of any
  CHECK(tree.open(file.node, O_RDONLY));
  CHECK(tree.lookup(root, "file"));
  CHECK(tree.open_directory(root));
}

TEST_CASE("a Terminating claim begins no new use", "[claims]") {
  MountedTree tree;
  ServedClaim claim = MountedTree::claim("data");
  claim.is_terminating = true;
  SECTION("unused: EBUSY, and nothing is started") {
    tests::MemoryBackend& memory = tree.add(claim);
    const NodeId root = tree.at({"ns", "data"});
    CHECK(code_of(tree.lookup(root, "file")) == EBUSY);
    CHECK(code_of(tree.open_directory(root)) == EBUSY);
    CHECK(code_of(tree.create(root, "file")) == EBUSY);
    CHECK(attributes_code(tree, root) == 0);
    CHECK(memory.calls() == 0);
    CHECK(tree.reported.empty());
    CHECK(tree.xattr(root, "user.claimfs.phase").value_or("?") == "Bound");
    // The claim was deleted and made again with the same name: usable once more.
    tree.volumes.front()->update(MountedTree::claim("data"));
    CHECK(code_of(tree.lookup(root, "file")) == ENOENT);
  }
  SECTION("in use: goes on") {
    tree.add(MountedTree::claim("data"));
    const NodeId root = tree.at({"ns", "data"});
    REQUIRE(tree.create(root, "file"));
    tree.volumes.front()->update(claim);
    CHECK(tree.lookup(root, "file"));
    CHECK(tree.create(root, "another"));
  }
}

TEST_CASE("a volume that cannot be mounted answers EIO and is reported once", "[claims]") {
  for (const int failing : {1, 2}) {  // start(), and its root
    INFO("call " << failing);
    MountedTree tree;
    tests::MemoryBackend& memory = tree.add(MountedTree::claim("data"));
    const NodeId root = tree.at({"ns", "data"});
    for (int attempt = 0; attempt < 3; ++attempt) {
      memory.fail_call(failing, EXFULL);
      CHECK((attempt == 1 ? code_of(tree.open_directory(root))
                          : code_of(tree.lookup(root, "file"))) == EIO);
      CHECK_FALSE(tree.volumes.front()->is_in_use());
    }
    REQUIRE(tree.reported.size() == 1);
    CHECK(tree.reported.front().find("data: ") == 0);
    memory.fail_call(failing, EUCLEAN);  // for another reason: another report
    CHECK(code_of(tree.lookup(root, "file")) == EIO);
    CHECK(tree.reported.size() == 2);
    CHECK(attributes_code(tree, root) == 0);
    // Tried again with each use, and good at last.
    CHECK(code_of(tree.lookup(root, "file")) == ENOENT);
    CHECK(tree.volumes.front()->is_in_use());
    tree.forget_all();
    CHECK(tree.filesystem.nodes().size() == 1);
  }
}

TEST_CASE("a claim's root tells of the claim in extended attributes", "[claims]") {
  std::string attached_to, used_by;
  Effects effects;
  effects.attached_to = [&](const ServedClaim& claim) { return claim.name + attached_to; };
  effects.used_by = [&](const ServedClaim&) { return used_by; };
  MountedTree tree(std::move(effects));
  tests::MemoryBackend& memory = tree.add(MountedTree::claim("data"));
  const NodeId root = tree.at({"ns", "data"});
  struct Row {
    const char* name;
    const char* value;
  };
  const auto check = [&](std::initializer_list<Row> rows) {
    for (const Row& row : rows) {
      INFO(row.name);
      CHECK(tree.xattr(root, std::string("user.claimfs.") + row.name).value_or("none") ==
            row.value);
    }
  };
  check({{.name = "phase", .value = "Bound"},
         {.name = "volume", .value = "pv-data"},
         {.name = "capacity", .value = "1Mi"},
         {.name = "accessModes", .value = "RWO"},
         {.name = "storageClass", .value = "fast"},
         {.name = "reclaimPolicy", .value = "Retain"},
         {.name = "attachedTo", .value = "data"},
         {.name = "usedBy", .value = "<none>"}});
  CHECK(memory.calls() == 0);  // telling these uses nothing
  CHECK_FALSE(tree.volumes.front()->is_in_use());
  const auto file = tree.create(root, "file").value();
  attached_to = ":node-a,node-b";
  used_by = "node-a pid 7 (bash) open";
  check({{.name = "attachedTo", .value = "data:node-a,node-b"},
         {.name = "usedBy", .value = "node-a pid 7 (bash) open"},
         {.name = "used", .value = "409600"}});
  CHECK(code_of(tree.xattr(root, "user.claimfs.absent")) == ENODATA);
  CHECK(code_of(tree.xattr(file.node, "user.claimfs.phase")) == ENODATA);
  CHECK(code_of(tree.xattr(tree.at({"ns"}), "user.claimfs.phase")) == ENODATA);
  const auto set = [&](NodeId node, std::string_view name) {
    return code_of(tree.ask<void>([&](auto answer) {
      tree.filesystem.set_xattr(
          tree.caller, node, name, "v", 0, [](gid_t) { return true; }, std::move(answer));
    }));
  };
  CHECK(set(root, "user.claimfs.phase") == EPERM);
  CHECK(set(root, "user.claimfs.new") == EPERM);
  CHECK(set(root, "user.other") == 0);
  CHECK(code_of(tree.ask<void>([&](auto answer) {
          tree.filesystem.remove_xattr(tree.caller, root, "user.claimfs.phase", std::move(answer));
        })) == EPERM);
  const auto names = [&](bool may_administer) {
    const auto listed = tree.ask<std::string>([&](auto answer) {
      tree.filesystem.list_xattrs(
          tree.caller, root, [may_administer] { return may_administer; }, std::move(answer));
    });
    return listed.value_or("?");
  };
  // Not listed, so that copies do not carry them away.
  CHECK(names(true) == std::string("user.other\0", 11));
  // Trusted attributes are the administrators' alone.
  CHECK(set(root, "trusted.secret") == 0);
  CHECK(names(false) == std::string("user.other\0", 11));
  CHECK(names(true).find("trusted.secret") != std::string::npos);
}

TEST_CASE("df of a claim is its capacity", "[claims]") {
  MountedTree tree;
  tree.add(MountedTree::claim("small"));  // 256 blocks; 100 are used
  ServedClaim large = MountedTree::claim("large");
  large.capacity_bytes = std::uint64_t{1} << 40;  // more than the backing filesystem has
  tree.add(large);
  const auto state_of = [&](NodeId node) {
    return tree
        .ask<backends::FileSystemState>([&](auto answer) {
          tree.filesystem.file_system_state(tree.caller, node, std::move(answer));
        })
        .value();
  };
  const auto small = state_of(tree.at({"ns", "small"}));
  CHECK(small.blocks * small.block_size == 1 << 20);
  CHECK(small.blocks_available == 156);
  const auto roomy = state_of(tree.at({"ns", "large"}));
  CHECK(roomy.blocks * roomy.block_size == std::uint64_t{1} << 40);
  CHECK(roomy.blocks_available == 900);
  const auto sum = state_of(kRootNode);
  CHECK(sum.blocks == small.blocks + roomy.blocks);
}

TEST_CASE("rmdir of a claim deletes it when it is unused and empty", "[claims]") {
  int deleted = 0;
  bool is_used = false;
  Result<void> verdict;
  Effects effects;
  effects.delete_claim = [&](const ServedClaim& claim) -> Result<void> {
    CHECK(claim.name == "data");
    ++deleted;
    return verdict;
  };
  effects.is_used_by_processes = [&](const ServedClaim&) { return is_used; };
  MountedTree tree(effects);
  tests::MemoryBackend& memory = tree.add(MountedTree::claim("data"));
  ServedClaim block = MountedTree::claim("disk");
  block.is_block = true;
  tree.add(block);
  SECTION("empty and unused") {
    CHECK(remove_claim(tree, "data") == 0);
    CHECK(deleted == 1);
  }
  SECTION("not empty") {
    const auto file = tree.create(tree.at({"ns", "data"}), "file").value();
    tree.release(file.handle);
    CHECK(remove_claim(tree, "data") == ENOTEMPTY);
    CHECK(deleted == 0);
  }
  SECTION("something is open") {
    Handle* handle = tree.open_directory(tree.at({"ns", "data"})).value();
    CHECK(remove_claim(tree, "data") == EBUSY);
    CHECK(deleted == 0);
    tree.release(handle);
    CHECK(remove_claim(tree, "data") == 0);
  }
  SECTION("a process stands in it") {
    is_used = true;
    CHECK(remove_claim(tree, "data") == EBUSY);
    CHECK(deleted == 0);
  }
  SECTION("somebody else uses it") {
    verdict = failure(EBUSY);
    CHECK(remove_claim(tree, "data") == EBUSY);
  }
  SECTION("a Block claim is no directory") { CHECK(remove_claim(tree, "disk") == ENOTDIR); }
  SECTION("its backend fails") {
    CHECK(tree.lookup(tree.at({"ns", "data"}), "x").error().code == ENOENT);
    for (const int failing : {1, 2}) {
      memory.fail_call(failing, EXFULL);
      tree.answers = 0;
      CHECK(remove_claim(tree, "data") == EXFULL);
    }
    CHECK(deleted == 0);
  }
  tree.forget_all();
  CHECK(tests::MemoryBackend::living_files() == 0);
}

}  // namespace claimfs::fs
