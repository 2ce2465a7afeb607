#include <fcntl.h>

#include <algorithm>

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

TEST_CASE("names of files that others may replace are asked for at every use", "[claims]") {
  struct Row {
    std::string name;
    bool is_shared;
    double trust_in_files;
  };
  const auto row = GENERATE(values<Row>({
      {.name = "one node's", .is_shared = false, .trust_in_files = kTrustSeconds},
      {.name = "shared", .is_shared = true, .trust_in_files = 0},
  }));
  INFO(row.name);
  MountedTree tree;
  ServedClaim claim = MountedTree::claim("data");
  claim.is_shared = row.is_shared;
  tree.add(claim);
  const NodeId root = tree.at({"ns", "data"});
  Filesystem& fs = tree.filesystem;
  const auto made = tree.ask<CreateReply>([&](auto answer) {
    fs.create(tree.caller, root, "file", 0644, O_RDWR, false, std::move(answer));
  });
  CHECK(made->entry.trust_name_seconds == row.trust_in_files);
  const auto directory = tree.ask<EntryReply>([&](auto answer) {
    fs.make_directory(tree.caller, root, "directory", 0755, std::move(answer));
  });
  CHECK(directory->trust_name_seconds == kTrustSeconds);
  const auto found = tree.ask<EntryReply>(
      [&](auto answer) { fs.lookup(tree.caller, root, "file", std::move(answer)); });
  CHECK(found->trust_name_seconds == row.trust_in_files);
  CHECK(found->attributes.trust_seconds == kTrustSeconds);
  WrittenNames listing(true);
  REQUIRE(tree.list(*tree.open_directory(root).value(), listing));
  const auto listed = std::ranges::find(listing.names, "file", &WrittenNames::Name::name);
  REQUIRE(listed != listing.names.end());
  CHECK(listed->node == found->node);
  CHECK(listed->trust_name_seconds == kTrustSeconds);  // but see the next test
}

TEST_CASE("names that only we can change, or that show when others do, are kept by the kernel",
          "[claims]") {
  struct Row {
    const char* name;
    bool is_shared;
    time_t changed_seconds_ago;
    bool wants_attributes;
    bool cache_names;
    bool keep_cache;  // what it has, for who wants no more than names
  };
  const auto row = GENERATE(values<Row>({
      {"one node's", false, 10, false, true, true},
      {"by one who wants attributes, which names alone do not bring", false, 10, true, false, true},
      {"changed a moment ago, as may be again within the same tick", false, 0, false, false, false},
      {"with a clock that is wrong", false, -10, false, false, false},
      {"shared", true, 10, false, false, false},
  }));
  INFO(row.name);
  MountedTree tree;
  ServedClaim claim = MountedTree::claim("data");
  claim.is_shared = row.is_shared;
  tree.add(claim);
  const NodeId root = tree.at({"ns", "data"});
  timespec changed{};
  REQUIRE(::clock_gettime(CLOCK_REALTIME, &changed) == 0);
  changed.tv_sec -= row.changed_seconds_ago;
  REQUIRE(tree.ask<NodeAttributes>([&](auto answer) {
    tree.filesystem.set_attributes(tree.caller, root, nullptr,
                                   {.mtime = {{.now = false, .value = changed}}},
                                   std::move(answer));
  }));
  const auto opened = tree.begin_listing(root, row.wants_attributes);
  REQUIRE(opened);
  CHECK(opened->cache_names == row.cache_names);
  CHECK(opened->keep_cache == row.keep_cache);
  CHECK(opened->handle->wants_attributes == row.wants_attributes);
  tree.release(opened->handle);
}

TEST_CASE("what a listing has told of a shared claim is looked up before it is opened",
          "[claims]") {
  MountedTree tree;
  ServedClaim claim = MountedTree::claim("data");
  claim.is_shared = true;
  tests::MemoryBackend& memory = tree.add(claim);
  const NodeId root = tree.at({"ns", "data"});
  const auto make = [&](std::string_view name, std::string_view text) {
    const auto made = tree.create(root, name).value();
    REQUIRE(tree.write(*made.handle, text, 0));
    tree.release(made.handle);
    return made.node;
  };
  const NodeId first = make("file", "first");
  const NodeId second = make("other", "second");
  const auto list = [&] {
    WrittenNames listing(true);
    REQUIRE(tree.list(*tree.open_directory(root).value(), listing));
  };
  const auto text_of = [&](NodeId node) {
    const auto opened = tree.open(node, O_RDONLY);
    return opened ? tree.read(**opened).value() : "";
  };
  // By another mount: what this one's kernel knows stays.
  const auto elsewhere = [&](auto call) {
    REQUIRE(tree.ask<void>([&](auto answer) { call(tree.volumes.front()->root(), answer); }));
  };
  const auto replace = [&](backends::Inode& in, Answer<void>& answer) {
    memory.rename(tree.caller, in, "other", in, "file", 0, std::move(answer));
  };

  SECTION("it is still there") {
    list();
    CHECK(text_of(first) == "first");
    CHECK(text_of(first) == "first");  // asked for again
    elsewhere(replace);
    CHECK(code_of(tree.open(first, O_RDONLY)) == ESTALE);
  }
  SECTION("another file has its name: the kernel is sent to look again") {
    list();
    elsewhere(replace);
    CHECK(code_of(tree.open(first, O_RDONLY)) == ESTALE);
    CHECK(tree.lookup(root, "file").value() == second);
    CHECK(text_of(second) == "second");
  }
  SECTION("it has gone") {
    list();
    elsewhere([&](backends::Inode& in, Answer<void>& answer) {
      memory.unlink(tree.caller, in, "file", std::move(answer));
    });
    CHECK(code_of(tree.open(first, O_RDONLY)) == ESTALE);
  }
  SECTION("it was moved by this mount: found by its new name") {
    list();
    REQUIRE(tree.ask<void>([&](auto answer) {
      tree.filesystem.rename(tree.caller, root, "file", root, "moved", 0, std::move(answer));
    }));
    CHECK(code_of(tree.open(first, O_RDONLY)) == ESTALE);
    CHECK(tree.lookup(root, "moved").value() == first);
    CHECK(text_of(first) == "first");
  }
  SECTION("of two names of a file only one is believed") {
    REQUIRE(tree.ask<EntryReply>([&](auto answer) {
      tree.filesystem.link(tree.caller, first, root, "second name", std::move(answer));
    }));
    WrittenNames listing(true);
    REQUIRE(tree.list(*tree.open_directory(root).value(), listing));
    std::vector<double> trust;
    for (const auto& name : listing.names)
      if (name.node == first) trust.push_back(name.trust_name_seconds);
    std::ranges::sort(trust);
    CHECK(trust == std::vector<double>{0, kTrustSeconds});
  }
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
