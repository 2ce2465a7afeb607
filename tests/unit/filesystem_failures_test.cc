#include "fs/filesystem.h"

#include <fcntl.h>
#include <linux/falloc.h>
#include <sys/file.h>

#include "tests/unit/furnished_tree.h"

namespace claimfs::fs {

namespace {

using tests::code_of;

struct Operation {
  const char* name;
  int (*run)(Furnished& on);  // the errno of its answer
  bool asks_backend = true;
};

const Operation kOperations[] = {
    {"lookup", [](Furnished& on) { return code_of(on.tree.lookup(on.root, "file")); }},
    {"lookup of a directory",
     [](Furnished& on) { return code_of(on.tree.lookup(on.root, "directory")); }},
    {"lookup of a claim",
     [](Furnished& on) { return code_of(on.tree.lookup(on.name_space, "data")); }, false},
    {"lookup in the tree", [](Furnished& on) { return code_of(on.tree.lookup(kRootNode, "ns")); },
     false},
    {"getattr",
     [](Furnished& on) {
       return code<NodeAttributes>(on, [&](auto answer) {
         on.tree.filesystem.get_attributes(on.tree.caller, on.file, on.handle, std::move(answer));
       });
     }},
    {"setattr",
     [](Furnished& on) {
       return code<NodeAttributes>(on, [&](auto answer) {
         on.tree.filesystem.set_attributes(on.tree.caller, on.file, nullptr, {.mode = 0600},
                                           std::move(answer));
       });
     }},
    {"statfs",
     [](Furnished& on) {
       return code<backends::FileSystemState>(on, [&](auto answer) {
         on.tree.filesystem.file_system_state(on.tree.caller, on.file, std::move(answer));
       });
     }},
    {"mknod",
     [](Furnished& on) {
       return code<EntryReply>(on, [&](auto answer) {
         on.tree.filesystem.make_node(on.tree.caller, on.root, "fifo", S_IFIFO | 0600, 0,
                                      std::move(answer));
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
       return code<EntryReply>(on, [&](auto answer) {
         on.tree.filesystem.link(on.tree.caller, on.file, on.directory, "second",
                                 std::move(answer));
       });
     }},
    {"unlink",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.unlink(on.tree.caller, on.root, "file", std::move(answer));
       });
     }},
    {"rmdir",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.remove_directory(on.tree.caller, on.root, "directory",
                                             std::move(answer));
       });
     }},
    {"rename",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.rename(on.tree.caller, on.root, "file", on.directory, "moved", 0,
                                   std::move(answer));
       });
     }},
    {"readlink",
     [](Furnished& on) {
       return code<std::string>(on, [&](auto answer) {
         on.tree.filesystem.read_link(on.tree.caller, on.link, std::move(answer));
       });
     }},
    {"open", [](Furnished& on) { return code_of(on.tree.open(on.file, O_RDONLY)); }},
    {"open to write", [](Furnished& on) { return code_of(on.tree.open(on.file, O_WRONLY)); }},
    {"open and truncate",
     [](Furnished& on) { return code_of(on.tree.open(on.file, O_RDWR | O_TRUNC)); }},
    {"create", [](Furnished& on) { return code_of(on.tree.create(on.directory, "new")); }},
    {"create and truncate",
     [](Furnished& on) { return code_of(on.tree.create(on.directory, "new", O_RDWR | O_TRUNC)); }},
    {"tmpfile",
     [](Furnished& on) {
       return code<CreateReply>(on, [&](auto answer) {
         on.tree.filesystem.create_unnamed(on.tree.caller, on.root, 0600, O_RDWR,
                                           std::move(answer));
       });
     }},
    {"read", [](Furnished& on) { return code_of(on.tree.read(*on.handle)); }},
    {"write", [](Furnished& on) { return code_of(on.tree.write(*on.handle, "more", 4)); }},
    {"flush",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.flush(on.tree.caller, *on.handle, 1, std::move(answer));
       });
     }},
    {"fsync",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.sync(on.tree.caller, *on.handle, false, std::move(answer));
       });
     }},
    {"fallocate",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.allocate(on.tree.caller, *on.handle, 0, 0, 4096, std::move(answer));
       });
     }},
    {"lseek",
     [](Furnished& on) {
       return code<off_t>(on, [&](auto answer) {
         on.tree.filesystem.seek(on.tree.caller, *on.handle, 0, SEEK_DATA, std::move(answer));
       });
     }},
    {"copy_file_range",
     [](Furnished& on) {
       return code<std::size_t>(on, [&](auto answer) {
         on.tree.filesystem.copy_range(on.tree.caller, *on.handle, 0, *on.handle, 10, 4,
                                       std::move(answer));
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
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.sync_directory(on.tree.caller, *on.listing, true, std::move(answer));
       });
     }},
    {"setxattr",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.set_xattr(
             on.tree.caller, on.file, "user.a", "v", 0, [](gid_t) { return true; },
             std::move(answer));
       });
     }},
    {"setxattr of an ACL by somebody",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.set_xattr(
             Caller{.uid = 5}, on.file, "system.posix_acl_access", "v", 0,
             [](gid_t) { return false; }, std::move(answer));
       });
     }},
    {"listxattr",
     [](Furnished& on) {
       return code<std::string>(on, [&](auto answer) {
         on.tree.filesystem.list_xattrs(
             on.tree.caller, on.file, [] { return true; }, std::move(answer));
       });
     }},
    {"getxattr of what is used",
     [](Furnished& on) { return code_of(on.tree.xattr(on.root, "user.claimfs.used")); }},
    {"getlk",
     [](Furnished& on) {
       return code<backends::RangeLock>(on, [&](auto answer) {
         on.tree.filesystem.test_lock(on.file, range(F_WRLCK, 1), std::move(answer));
       });
     }},
    {"setlk",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.set_lock(*on.handle, range(F_WRLCK, 1), false,
                                     std::make_shared<NoInterruption>(), std::move(answer));
       });
     }},
    {"setlk to unlock",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.set_lock(*on.handle, range(F_UNLCK, 1), false,
                                     std::make_shared<NoInterruption>(), std::move(answer));
       });
     }},
    {"flock",
     [](Furnished& on) {
       return code<void>(on, [&](auto answer) {
         on.tree.filesystem.flock(*on.handle, LOCK_EX, std::make_shared<NoInterruption>(),
                                  std::move(answer));
       });
     }},
};

constexpr int kUnusual = EXFULL;  // an errno that nobody makes up

}  // namespace

TEST_CASE("each failure of a backend is answered once and leaves nothing behind", "[fs]") {
  for (const bool later : {false, true}) {
    for (const Operation& operation : kOperations) {
      int failing = 1;
      for (bool is_past_the_last = false; !is_past_the_last; ++failing) {
        Furnished on;
        if (later) on.memory.answer_later();
        INFO(operation.name << ", call " << failing << " fails"
                            << (later ? ", answered later" : ""));
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
      for (const auto& [node, count] : on.tree.lookups)
        lookups[node] = on.tree.filesystem.nodes().find(node)->lookups;
      on.tree.drops_replies = true;
      on.tree.answers = 0;
      CHECK(operation.run(on) == 0);
      on.memory.settle();
      CHECK(on.tree.answers == 1);
      on.tree.drops_replies = false;
      CHECK(on.tree.filesystem.nodes().size() == nodes);
      CHECK(on.tree.filesystem.open_handles() == handles);
      for (const auto& [node, count] : lookups)
        CHECK(on.tree.filesystem.nodes().find(node)->lookups == count);
      check_nothing_is_left(on);
    }
  }
}

TEST_CASE("unknown nodes are stale, whatever is asked of them", "[fs]") {
  Furnished on;
  for (NodeId* node : {&on.root, &on.file, &on.directory, &on.link}) *node = 1'000'000;
  for (const Operation& operation : kOperations) {
    const std::string name = operation.name;
    const bool is_by_handle = name.starts_with("read") || name == "write" || name == "flush" ||
                              name == "fsync" || name == "fallocate" || name == "lseek" ||
                              name == "copy_file_range" || name == "fsyncdir" ||
                              name.starts_with("setlk") || name == "flock";
    if ((is_by_handle && name != "readlink") || !operation.asks_backend) continue;
    INFO(name);
    on.tree.answers = 0;
    CHECK(operation.run(on) == ESTALE);
    CHECK(on.tree.answers == 1);
  }
  check_nothing_is_left(on);
}

}  // namespace claimfs::fs
