#include <dirent.h>
#include <fcntl.h>

#include <set>

#include "tests/unit/catch.h"
#include "tests/unit/mounted_tree.h"

namespace claimfs::fs {

namespace {

using tests::code_of;

std::vector<std::string> sorted_names(MountedTree& tree, NodeId directory) {
  std::vector<std::string> names;
  for (const auto& name : tree.names_in(directory)) names.push_back(name.name);
  std::ranges::sort(names);
  return names;
}

using Names = std::vector<std::string>;

template <class T, class Call>
int code(MountedTree& tree, Call&& call) {
  tree.answers = 0;
  const int answered = code_of(tree.ask<T>(std::forward<Call>(call)));
  CHECK(tree.answers == 1);
  return answered;
}

// Every way to change something in a directory, each refused with the same errno.
void check_changes_are_refused(MountedTree& tree, NodeId directory, const std::string& name,
                               int refusal) {
  Filesystem& fs = tree.filesystem;
  INFO("directory " << directory << ", name " << name);
  CHECK(code<EntryReply>(tree, [&](auto answer) {
          fs.make_node(tree.caller, directory, name, S_IFREG | 0600, 0, std::move(answer));
        }) == refusal);
  CHECK(code<EntryReply>(tree, [&](auto answer) {
          fs.make_directory(tree.caller, directory, name, 0755, std::move(answer));
        }) == refusal);
  CHECK(code<EntryReply>(tree, [&](auto answer) {
          fs.make_symlink(tree.caller, directory, name, "x", std::move(answer));
        }) == refusal);
  CHECK(code<CreateReply>(tree, [&](auto answer) {
          fs.create(tree.caller, directory, name, 0600, O_RDWR, false, std::move(answer));
        }) == refusal);
  CHECK(code<CreateReply>(tree, [&](auto answer) {
          fs.create_unnamed(tree.caller, directory, 0600, O_RDWR, std::move(answer));
        }) == refusal);
  CHECK(code<void>(tree, [&](auto answer) {
          fs.unlink(tree.caller, directory, name, std::move(answer));
        }) == refusal);
  CHECK(code<void>(tree, [&](auto answer) {
          fs.rename(tree.caller, directory, name, directory, "renamed", 0, std::move(answer));
        }) == refusal);
  CHECK(code<NodeAttributes>(tree, [&](auto answer) {
          fs.set_attributes(tree.caller, directory, nullptr, {.mode = 0700}, std::move(answer));
        }) == refusal);
  CHECK(code<void>(tree, [&](auto answer) {
          fs.set_xattr(
              tree.caller, directory, "user.a", "v", 0, [](gid_t) { return true; },
              std::move(answer));
        }) == refusal);
  CHECK(code<void>(tree, [&](auto answer) {
          fs.remove_xattr(tree.caller, directory, "user.a", std::move(answer));
        }) == refusal);
}

}  // namespace

TEST_CASE("the tree lists namespaces, claims and its own state", "[tree]") {
  MountedTree tree;
  tree.add(MountedTree::claim("data"));
  ServedClaim block = MountedTree::claim("disk");
  block.is_block = true;
  tree.add(block);
  ServedClaim far = MountedTree::claim("far");
  far.name_space = "other";
  tree.add(far);
  CHECK(sorted_names(tree, kRootNode) == Names{".", "..", ".claimfs", "ns", "other"});
  CHECK(sorted_names(tree, tree.at({"ns"})) == Names{".", "..", "data", "disk"});
  CHECK(sorted_names(tree, tree.at({"other"})) == Names{".", "..", "far"});
  CHECK(sorted_names(tree, tree.at({".claimfs"})) ==
        Names{".", "..", "claims", "events", "metrics", "status", "version", "volumes"});
  CHECK(sorted_names(tree, tree.at({".claimfs", "volumes"})) ==
        Names{".", "..", "pv-data", "pv-disk", "pv-far"});
  CHECK(sorted_names(tree, tree.at({".claimfs", "claims"})) == Names{".", "..", "ns", "other"});
  CHECK(sorted_names(tree, tree.at({".claimfs", "claims", "ns"})) ==
        Names{".", "..", "data", "pending"});
  for (const auto& name : tree.names_in(tree.at({"ns"}))) {
    if (name.name == "data") CHECK(name.type == DT_DIR);
    if (name.name == "disk") CHECK(name.type == DT_REG);
    CHECK(name.ino != 0);
  }
  // Listing and looking up use no claim.
  for (const auto& volume : tree.volumes) CHECK_FALSE(volume->is_in_use());
  CHECK(code_of(tree.lookup(kRootNode, "absent")) == ENOENT);
  CHECK(code_of(tree.lookup(tree.at({"ns"}), "absent")) == ENOENT);
  CHECK(code_of(tree.lookup(tree.at({".claimfs"}), "absent")) == ENOENT);
  CHECK(code_of(tree.lookup(tree.at({".claimfs", "volumes"}), "absent")) == ENOENT);
  CHECK(code_of(tree.lookup(tree.at({".claimfs", "claims", "ns"}), "absent")) == ENOENT);
  CHECK(code_of(tree.lookup(tree.at({".claimfs", "version"}), "x")) == ENOTDIR);
  tree.forget_all();
  CHECK(tree.filesystem.nodes().size() == 1);
}

TEST_CASE("the numbers of a listing are the numbers of its files", "[tree]") {
  MountedTree tree;
  tree.add(MountedTree::claim("data"));
  std::set<std::uint64_t> numbers;
  for (const NodeId directory :
       {kRootNode, tree.at({"ns"}), tree.at({".claimfs"}), tree.at({".claimfs", "claims"})}) {
    for (const auto& name : tree.names_in(directory)) {
      if (name.name == "." || name.name == "..") continue;
      const auto entry = tree.ask<EntryReply>([&](auto answer) {
        tree.filesystem.lookup(tree.caller, directory, name.name, std::move(answer));
      });
      REQUIRE(entry);
      INFO(name.name);
      CHECK(numbers.insert(entry->attributes.ino).second);
      const auto told = tree.ask<NodeAttributes>([&](auto answer) {
        tree.filesystem.get_attributes(tree.caller, entry->node, nullptr, std::move(answer));
      });
      REQUIRE(told);
      // A claim that nobody has looked at has no number of its own yet.
      if (name.name != "data") CHECK(name.ino == entry->attributes.ino);
      if (name.name != "data") CHECK(told->ino == name.ino);
    }
  }
  const auto again = tree.names_in(tree.at({"ns"}));
  const auto data = std::ranges::find(again, "data", &WrittenNames::Name::name);
  const auto told = tree.ask<NodeAttributes>([&](auto answer) {
    tree.filesystem.get_attributes(tree.caller, tree.at({"ns", "data"}), nullptr,
                                   std::move(answer));
  });
  CHECK(data->ino == told->ino);
}

TEST_CASE("a listing goes on from its cursor while claims come and go", "[tree]") {
  MountedTree tree;
  for (int number = 0; number < 30; ++number)
    tree.add(MountedTree::claim("staying-" + std::to_string(number)));
  Handle* handle = tree.open_directory(tree.at({"ns"})).value();
  std::map<std::string, int> seen;
  std::uint64_t cursor = 0;
  for (int round = 0; round < 100; ++round) {
    WrittenNames writer(false, 3);
    REQUIRE(tree.list(*handle, writer, cursor));
    if (writer.names.empty()) break;
    for (const auto& name : writer.names) ++seen[name.name];
    cursor = writer.names.back().next;
    auto claims = tree.volumes;
    if (round % 2 == 0) {
      claims.push_back(
          std::make_shared<ServedVolume>(MountedTree::claim("coming-" + std::to_string(round)),
                                         std::make_unique<tests::MemoryBackend>(), nullptr));
    }
    tree.filesystem.show(claims);
  }
  for (int number = 0; number < 30; ++number) CHECK(seen["staying-" + std::to_string(number)] == 1);
}

TEST_CASE("state files tell what is known when they are opened", "[tree]") {
  MountedTree tree;
  tree.add(MountedTree::claim("data"));
  const auto text_at = [&](std::initializer_list<std::string_view> path) {
    Handle* handle = tree.open(tree.at(path), O_RDONLY).value();
    const std::string text = tree.read(*handle).value();
    tree.release(handle);
    return text;
  };
  CHECK(text_at({".claimfs", "version"}) == "claimfs 1\n");
  CHECK(text_at({".claimfs", "status"}) == "status\n");
  CHECK(text_at({".claimfs", "events"}) == "events\n");
  CHECK(text_at({".claimfs", "metrics"}) == "metrics\n");
  CHECK(text_at({".claimfs", "claims", "other", "far"}) == "Name: other/far\n");
  const auto link = tree.ask<std::string>([&](auto answer) {
    tree.filesystem.read_link(tree.caller, tree.at({".claimfs", "volumes", "pv-data"}),
                              std::move(answer));
  });
  CHECK(link.value_or("?") == "../../ns/data");
  CHECK(code_of(tree.open(tree.at({".claimfs", "version"}), O_RDWR)) == EPERM);
  CHECK(code_of(tree.open(tree.at({".claimfs", "version"}), O_RDONLY | O_TRUNC)) == EPERM);
  tree.forget_all();
  CHECK(tree.filesystem.open_handles() == 0);
}

TEST_CASE("the tree's own directories refuse every change", "[tree]") {
  MountedTree tree;
  tree.add(MountedTree::claim("data"));
  const NodeId inside = tree.create(tree.at({"ns", "data"}), "file").value().node;
  for (const NodeId directory :
       {kRootNode, tree.at({"ns"}), tree.at({".claimfs"}), tree.at({".claimfs", "volumes"})}) {
    for (const char* name : {"data", "ns", ".claimfs", "new"})
      check_changes_are_refused(tree, directory, name, EPERM);
    // Into and out of a claim as well: EXDEV would make mv copy and delete.
    const NodeId claim = tree.at({"ns", "data"});
    CHECK(code<void>(tree, [&](auto answer) {
            tree.filesystem.rename(tree.caller, claim, "file", directory, "new", 0,
                                   std::move(answer));
          }) == EPERM);
    CHECK(code<void>(tree, [&](auto answer) {
            tree.filesystem.rename(tree.caller, directory, "data", claim, "new", 0,
                                   std::move(answer));
          }) == EPERM);
    CHECK(code<EntryReply>(tree, [&](auto answer) {
            tree.filesystem.link(tree.caller, inside, directory, "new", std::move(answer));
          }) == EPERM);
  }
  CHECK(code<void>(tree, [&](auto answer) {
          tree.filesystem.remove_directory(tree.caller, kRootNode, "ns", std::move(answer));
        }) == EPERM);
}

TEST_CASE("two claims are two filesystems", "[tree]") {
  MountedTree tree;
  tree.add(MountedTree::claim("one"));
  tree.add(MountedTree::claim("two"));
  const NodeId one = tree.at({"ns", "one"});
  const NodeId two = tree.at({"ns", "two"});
  const auto file = tree.create(one, "file").value();
  const auto other = tree.create(two, "other").value();
  CHECK(code<void>(tree, [&](auto answer) {
          tree.filesystem.rename(tree.caller, one, "file", two, "file", 0, std::move(answer));
        }) == EXDEV);
  CHECK(code<EntryReply>(tree, [&](auto answer) {
          tree.filesystem.link(tree.caller, file.node, two, "file", std::move(answer));
        }) == EXDEV);
  CHECK(code<std::size_t>(tree, [&](auto answer) {
          tree.filesystem.copy_range(tree.caller, *file.handle, 0, *other.handle, 0, 10,
                                     std::move(answer));
        }) == EXDEV);
}

TEST_CASE("showing other claims says what went", "[tree]") {
  using Gone = std::vector<std::pair<std::string, std::string>>;
  MountedTree tree;
  tree.add(MountedTree::claim("one"));
  tree.add(MountedTree::claim("two"));
  const NodeId root = tree.at({"ns", "one"});
  const auto file = tree.create(root, "file").value();
  CHECK(tree.filesystem.show({tree.volumes[0], tree.volumes[1]}).empty());
  CHECK(tree.filesystem.show({tree.volumes[1]}) == Gone{{"ns", "one"}});
  // Who has something of it goes on.
  CHECK(tree.write(*file.handle, "text", 0) == 4U);
  CHECK(code_of(tree.lookup(root, "file")) == 0);
  CHECK(code_of(tree.lookup(tree.at({"ns"}), "one")) == ENOENT);
  // The same name with another volume is another claim.
  auto again = std::make_shared<ServedVolume>(MountedTree::claim("two"),
                                              std::make_unique<tests::MemoryBackend>(), nullptr);
  CHECK(tree.filesystem.show({again}) == Gone{{"ns", "two"}});
  const NodeId name_space = tree.at({"ns"});
  CHECK(tree.filesystem.show({}) == Gone{{"ns", ""}, {"ns", "two"}});
  CHECK(code_of(tree.lookup(kRootNode, "ns")) == ENOENT);
  CHECK(code<NodeAttributes>(tree, [&](auto answer) {
          tree.filesystem.get_attributes(tree.caller, name_space, nullptr, std::move(answer));
        }) == ENOENT);
  tree.forget_all();
  CHECK(tree.filesystem.nodes().size() == 1);
}

}  // namespace claimfs::fs
