#pragma once

#include "tests/unit/catch.h"
#include "tests/unit/mounted_tree.h"

namespace claimfs::fs {

// A claim with one of everything, known to the kernel, the file open.
struct Furnished {
  Furnished() : memory(tree.add(MountedTree::claim("data"))) {
    name_space = tree.at({"ns"});
    root = tree.at({"ns", "data"});
    directory = tree.make_directory(root, "directory").value();
    const auto made = tree.create(root, "file").value();
    file = made.node;
    handle = made.handle;
    REQUIRE(tree.write(*handle, "text", 0));
    link = tree.ask<EntryReply>([&](auto answer) {
                 tree.filesystem.make_symlink(tree.caller, root, "link", "file", std::move(answer));
               })
               ->node;
    listing = tree.open_directory(root).value();
  }

  MountedTree tree;
  tests::MemoryBackend& memory;
  NodeId name_space = 0;
  NodeId root = 0;
  NodeId directory = 0;
  NodeId file = 0;
  NodeId link = 0;
  Handle* handle = nullptr;
  Handle* listing = nullptr;
};

inline backends::RangeLock range(short type, std::uint64_t owner) {
  backends::RangeLock lock;
  lock.type = type;
  lock.end = 99;
  lock.owner = owner;
  return lock;
}

// The errno of a call's answer; 0 for success.
template <class T, class Call>
int code(Furnished& on, Call&& call) {
  return tests::code_of(on.tree.ask<T>(std::forward<Call>(call)));
}

inline void check_nothing_is_left(Furnished& on) {
  on.memory.settle();
  on.tree.forget_all();
  CHECK(on.tree.filesystem.nodes().size() == 1);
  CHECK(on.tree.filesystem.open_handles() == 0);
  CHECK(on.tree.volumes.front()->open_handles.load() == 0);
  on.memory.settle();
  CHECK(tests::MemoryBackend::living_files() == 0);
}

}  // namespace claimfs::fs
