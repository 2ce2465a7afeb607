// What the kernel is told that it may believe of names.

#include <fcntl.h>
#include <time.h>

#include <algorithm>

#include "tests/unit/catch.h"
#include "tests/unit/mounted_tree.h"

namespace claimfs::fs {

using tests::code_of;

TEST_CASE("names of files that others may replace are asked for at every use", "[trust]") {
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
          "[trust]") {
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
  // The first one that only names is told them; what the kernel has from before may be anything.
  const auto told = tree.begin_listing(root, false);
  REQUIRE(told);
  CHECK_FALSE(told->keep_cache);
  tree.release(told->handle);
  const auto opened = tree.begin_listing(root, row.wants_attributes);
  REQUIRE(opened);
  CHECK(opened->cache_names == row.cache_names);
  CHECK(opened->keep_cache == row.keep_cache);
  CHECK(opened->handle->wants_attributes == row.wants_attributes);
  tree.release(opened->handle);
}

TEST_CASE("what a listing has told of a shared claim is looked up before it is opened", "[trust]") {
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

}  // namespace claimfs::fs
