#include "fs/filesystem.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>

#include "tests/unit/catch.h"
#include "tests/unit/mounted_tree.h"

namespace claimfs::fs {

namespace {

using tests::code_of;
using tests::MemoryBackend;

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
               })->node;
    listing = tree.open_directory(root).value();
  }

  MountedTree tree;
  MemoryBackend& memory;
  NodeId name_space = 0;
  NodeId root = 0;
  NodeId directory = 0;
  NodeId file = 0;
  NodeId link = 0;
  Handle* handle = nullptr;
  Handle* listing = nullptr;
};

backends::RangeLock range(short type, std::uint64_t owner) {
  backends::RangeLock lock;
  lock.type = type;
  lock.end = 99;
  lock.owner = owner;
  return lock;
}

struct Operation {
  const char* name;
  int (*run)(Furnished& on);  // the errno of its answer
  bool asks_backend = true;
};

template <class T, class Call>
int code(Furnished& on, Call&& call) {
  return code_of(on.tree.ask<T>(std::forward<Call>(call)));
}

const Operation kOperations[] = {
    {"lookup", [](Furnished& on) { return code_of(on.tree.lookup(on.root, "file")); }},
    {"lookup of a directory", [](Furnished& on) { return code_of(on.tree.lookup(on.root, "directory")); }},
    {"lookup of a claim", [](Furnished& on) { return code_of(on.tree.lookup(on.name_space, "data")); }, false},
    {"lookup in the tree", [](Furnished& on) { return code_of(on.tree.lookup(kRootNode, "ns")); }, false},
    {"getattr",
     [](Furnished& on) {
       return code<NodeAttributes>(
           on, [&](auto answer) { on.tree.filesystem.get_attributes(on.file, on.handle, std::move(answer)); });
     }},
    {"setattr",
     [](Furnished& on) {
       return code<NodeAttributes>(on, [&](auto answer) {
         on.tree.filesystem.set_attributes(on.tree.caller, on.file, nullptr, {.mode = 0600}, std::move(answer));
       });
     }},
    {"statfs",
     [](Furnished& on) {
       return code<backends::FileSystemState>(
           on, [&](auto answer) { on.tree.filesystem.file_system_state(on.file, std::move(answer)); });
     }},
    {"mknod",
     [](Furnished& on) {
       return code<EntryReply>(on, [&](auto answer) {
         on.tree.filesystem.make_node(on.tree.caller, on.root, "fifo", S_IFIFO | 0600, 0, std::move(answer));
       });
     }},
    {"mkdir", [](Furnished& on) { return code_of(on.tree.make_directory(on.root, "new")); }},
    {"symlink",
     [](Furnished& on) {
       return code<EntryReply>(on, [&](auto answer) {
         on.tree.filesystem.make_symlink(on.tree.caller, on.root, "new", "x", std::move(answer));
       });
     }},
    {"link",
     [](Furnished& on) {
       return code<EntryReply>(
           on, [&](auto answer) { on.tree.filesystem.link(on.file, on.directory, "second", std::move(answer)); });
     }},
    {"unlink",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) { on.tree.filesystem.unlink(on.root, "file", std::move(answer)); });
     }},
    {"rmdir",
     [](Furnished& on) {
       return code<void>(
           on, [&](auto answer) { on.tree.filesystem.remove_directory(on.root, "directory", std::move(answer)); });
     }},
    {"rename",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.rename(on.root, "file", on.directory, "moved", 0, std::move(answer));
       });
     }},
    {"readlink",
     [](Furnished& on) {
       return code<std::string>(on, [&](auto answer) { on.tree.filesystem.read_link(on.link, std::move(answer)); });
     }},
    {"open", [](Furnished& on) { return code_of(on.tree.open(on.file, O_RDONLY)); }},
    {"open to write", [](Furnished& on) { return code_of(on.tree.open(on.file, O_WRONLY)); }},
    {"open and truncate", [](Furnished& on) { return code_of(on.tree.open(on.file, O_RDWR | O_TRUNC)); }},
    {"create", [](Furnished& on) { return code_of(on.tree.create(on.directory, "new")); }},
    {"create and truncate",
     [](Furnished& on) { return code_of(on.tree.create(on.directory, "new", O_RDWR | O_TRUNC)); }},
    {"tmpfile",
     [](Furnished& on) {
       return code<CreateReply>(on, [&](auto answer) {
         on.tree.filesystem.create_unnamed(on.tree.caller, on.root, 0600, O_RDWR, std::move(answer));
       });
     }},
    {"read", [](Furnished& on) { return code_of(on.tree.read(*on.handle)); }},
    {"write", [](Furnished& on) { return code_of(on.tree.write(*on.handle, "more", 4)); }},
    {"flush",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) { on.tree.filesystem.flush(*on.handle, 1, std::move(answer)); });
     }},
    {"fsync",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) { on.tree.filesystem.sync(*on.handle, false, std::move(answer)); });
     }},
    {"fallocate",
     [](Furnished& on) {
       return code<void>(
           on, [&](auto answer) { on.tree.filesystem.allocate(*on.handle, 0, 0, 4096, std::move(answer)); });
     }},
    {"lseek",
     [](Furnished& on) {
       return code<off_t>(
           on, [&](auto answer) { on.tree.filesystem.seek(*on.handle, 0, SEEK_DATA, std::move(answer)); });
     }},
    {"copy_file_range",
     [](Furnished& on) {
       return code<std::size_t>(on, [&](auto answer) {
         on.tree.filesystem.copy_range(*on.handle, 0, *on.handle, 10, 4, std::move(answer));
       });
     }},
    {"opendir", [](Furnished& on) { return code_of(on.tree.open_directory(on.directory)); }},
    {"readdir",
     [](Furnished& on) {
       WrittenNames writer(false);
       return code_of(on.tree.list(*on.listing, writer));
     }},
    {"readdirplus",
     [](Furnished& on) {
       WrittenNames writer(true);
       return code_of(on.tree.list(*on.listing, writer));
     }},
    {"readdirplus without room for all",
     [](Furnished& on) {
       WrittenNames writer(true, 4);
       return code_of(on.tree.list(*on.listing, writer));
     }},
    {"fsyncdir",
     [](Furnished& on) {
       return code<void>(
           on, [&](auto answer) { on.tree.filesystem.sync_directory(*on.listing, true, std::move(answer)); });
     }},
    {"setxattr",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.set_xattr(on.tree.caller, on.file, "user.a", "v", 0, [](gid_t) { return true; },
                                      std::move(answer));
       });
     }},
    {"setxattr of an ACL by somebody",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.set_xattr(Caller{.uid = 5}, on.file, "system.posix_acl_access", "v", 0,
                                      [](gid_t) { return false; }, std::move(answer));
       });
     }},
    {"listxattr",
     [](Furnished& on) {
       return code<std::string>(on,
                                [&](auto answer) { on.tree.filesystem.list_xattrs(on.file, std::move(answer)); });
     }},
    {"getxattr of what is used", [](Furnished& on) { return code_of(on.tree.xattr(on.root, "user.claimfs.used")); }},
    {"getlk",
     [](Furnished& on) {
       return code<backends::RangeLock>(
           on, [&](auto answer) { on.tree.filesystem.test_lock(on.file, range(F_WRLCK, 1), std::move(answer)); });
     }},
    {"setlk",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.set_lock(*on.handle, range(F_WRLCK, 1), false, std::make_shared<NoInterruption>(),
                                     std::move(answer));
       });
     }},
    {"setlk to unlock",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.set_lock(*on.handle, range(F_UNLCK, 1), false, std::make_shared<NoInterruption>(),
                                     std::move(answer));
       });
     }},
    {"flock",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.flock(*on.handle, LOCK_EX, std::make_shared<NoInterruption>(), std::move(answer));
       });
     }},
};

void check_nothing_is_left(Furnished& on) {
  on.memory.settle();
  on.tree.forget_all();
  CHECK(on.tree.filesystem.nodes().size() == 1);
  CHECK(on.tree.filesystem.open_handles() == 0);
  CHECK(on.tree.volumes.front()->open_handles.load() == 0);
  on.memory.settle();
  CHECK(MemoryBackend::living_files() == 0);
}

constexpr int kUnusual = EXFULL;  // an errno that nobody makes up

}  // namespace

TEST_CASE("each failure of a backend is answered once and leaves nothing behind", "[fs]") {
  for (const bool later : {false, true}) {
    for (const Operation& operation : kOperations) {
      int failing = 1;
      for (bool is_past_the_last = false; !is_past_the_last; ++failing) {
        Furnished on;
        if (later) on.memory.answer_later();
        INFO(operation.name << ", call " << failing << " fails" << (later ? ", answered later" : ""));
        on.memory.reset_calls();
        on.memory.fail_call(failing, kUnusual);
        on.tree.answers = 0;
        const int answered = operation.run(on);
        on.memory.settle();
        CHECK(on.tree.answers == 1);
        is_past_the_last = on.memory.calls() < failing;
        CHECK(answered == (is_past_the_last ? 0 : kUnusual));
        check_nothing_is_left(on);
        REQUIRE(failing < 10);
      }
      CHECK((failing > 2) == operation.asks_backend);
    }
  }
}

TEST_CASE("what a dropped reply counted is undone", "[fs]") {
  for (const bool later : {false, true}) {
    for (const Operation& operation : kOperations) {
      Furnished on;
      if (later) on.memory.answer_later();
      INFO(operation.name << (later ? ", answered later" : ""));
      const std::size_t nodes = on.tree.filesystem.nodes().size();
      const std::uint64_t handles = on.tree.filesystem.open_handles();
      std::map<NodeId, std::uint64_t> lookups;
      for (const auto& [node, count] : on.tree.lookups) lookups[node] = on.tree.filesystem.nodes().find(node)->lookups;
      on.tree.drops_replies = true;
      on.tree.answers = 0;
      CHECK(operation.run(on) == 0);
      on.memory.settle();
      CHECK(on.tree.answers == 1);
      on.tree.drops_replies = false;
      CHECK(on.tree.filesystem.nodes().size() == nodes);
      CHECK(on.tree.filesystem.open_handles() == handles);
      for (const auto& [node, count] : lookups) CHECK(on.tree.filesystem.nodes().find(node)->lookups == count);
      check_nothing_is_left(on);
    }
  }
}

TEST_CASE("a lock whose grant was dropped is free again", "[fs]") {
  Furnished on;
  const auto set = [&](std::uint64_t owner) {
    return code<void>(on, [&](auto answer) {
      on.tree.filesystem.set_lock(*on.handle, range(F_WRLCK, owner), false, std::make_shared<NoInterruption>(),
                                  std::move(answer));
    });
  };
  on.tree.drops_replies = true;
  CHECK(set(1) == 0);
  on.tree.drops_replies = false;
  CHECK(set(2) == 0);
  CHECK(set(1) == EAGAIN);
  const auto holder = on.tree.ask<backends::RangeLock>(
      [&](auto answer) { on.tree.filesystem.test_lock(on.file, range(F_WRLCK, 1), std::move(answer)); });
  CHECK(holder->owner == 2);
  // close(2) by its owner lets go; another's close does not.
  const auto flush = [&](std::uint64_t owner) {
    CHECK(code<void>(on, [&](auto answer) { on.tree.filesystem.flush(*on.handle, owner, std::move(answer)); }) == 0);
  };
  flush(1);
  CHECK(set(1) == EAGAIN);
  flush(2);
  CHECK(set(1) == 0);
  // The last close of the open file lets go of what no close has named.
  on.tree.release(on.handle);
  on.handle = on.tree.open(on.file, O_RDWR).value();
  CHECK(set(2) == 0);
  check_nothing_is_left(on);
}

TEST_CASE("unknown nodes are stale, whatever is asked of them", "[fs]") {
  Furnished on;
  for (NodeId* node : {&on.root, &on.file, &on.directory, &on.link}) *node = 1'000'000;
  for (const Operation& operation : kOperations) {
    const std::string name = operation.name;
    const bool is_by_handle = name.starts_with("read") || name == "write" || name == "flush" || name == "fsync" ||
                              name == "fallocate" || name == "lseek" || name == "copy_file_range" ||
                              name == "fsyncdir" || name.starts_with("setlk") || name == "flock";
    if ((is_by_handle && name != "readlink") || !operation.asks_backend) continue;
    INFO(name);
    on.tree.answers = 0;
    CHECK(operation.run(on) == ESTALE);
    CHECK(on.tree.answers == 1);
  }
  check_nothing_is_left(on);
}

TEST_CASE("a new file's contents are where they belong", "[fs]") {
  Furnished on;
  CHECK(on.tree.read(*on.handle).value_or("?") == "text");
  Handle* appending = on.tree.open(on.file, O_WRONLY | O_APPEND).value();
  CHECK(on.tree.write(*appending, "-end", 0) == 4U);
  CHECK(on.tree.read(*on.handle).value_or("?") == "text-end");
  REQUIRE(on.tree.open(on.file, O_WRONLY | O_TRUNC));
  CHECK(on.tree.read(*on.handle).value_or("?").empty());
  // A listing's counts are the kernel's: one for each name that it was given with its node.
  WrittenNames writer(true, 4);
  REQUIRE(on.tree.list(*on.listing, writer));
  REQUIRE(writer.names.size() == 4);
  std::vector<std::string> seen;
  std::uint64_t cursor = 0;
  while (true) {
    WrittenNames part(true, 2);
    REQUIRE(on.tree.list(*on.listing, part, cursor));
    if (part.names.empty()) break;
    for (const auto& name : part.names) {
      seen.push_back(name.name);
      CHECK((name.node != 0) == (name.name != "." && name.name != ".."));
      if (name.node != 0) CHECK(on.tree.filesystem.nodes().find(name.node)->lookups == on.tree.lookups[name.node]);
    }
    cursor = part.names.back().next;
  }
  CHECK(seen == std::vector<std::string>{".", "..", "directory", "file", "link"});
  check_nothing_is_left(on);
}

TEST_CASE("a removed file stays usable while the kernel knows it", "[fs]") {
  Furnished on;
  REQUIRE(on.tree.ask<void>([&](auto answer) { on.tree.filesystem.unlink(on.root, "file", std::move(answer)); }));
  CHECK(code_of(on.tree.lookup(on.root, "file")) == ENOENT);
  CHECK(on.tree.read(*on.handle).value_or("?") == "text");
  const auto told = on.tree.ask<NodeAttributes>(
      [&](auto answer) { on.tree.filesystem.get_attributes(on.file, nullptr, std::move(answer)); });
  REQUIRE(told);
  CHECK(told->attributes.nlink == 0);
  CHECK(on.tree.open(on.file, O_RDWR));
  check_nothing_is_left(on);
}

}  // namespace claimfs::fs
