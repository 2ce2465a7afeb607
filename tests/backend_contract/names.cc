#include <dirent.h>
#include <fcntl.h>

#include <algorithm>
#include <set>

#include "tests/backend_contract/contract.h"
#include "tests/unit/catch.h"

namespace claimfs::tests {

namespace {

bool is_same(const Known& left, const Known& right) {
  return left.inode->key() == right.inode->key() && left.attributes.ino == right.attributes.ino;
}

void look_up_finds_what_was_made(Volume& volume) {
  CHECK(code_of(volume.lookup(volume.root(), "absent")) == ENOENT);
  const Known file = volume.put(volume.root(), "file", "text");
  const auto directory = volume.make_directory(volume.root(), "directory");
  REQUIRE(directory);
  const Known below = volume.put(*directory->inode, "below", "");
  const auto found = volume.lookup(volume.root(), "file");
  REQUIRE(found);
  CHECK(is_same(*found, file));
  CHECK(found->attributes.size == 4);
  CHECK(S_ISREG(found->attributes.mode));
  CHECK(volume.lookup(volume.root(), "directory")->attributes.nlink >= 2);
  CHECK(is_same(*volume.lookup(*directory->inode, "below"), below));
  CHECK(below.inode->key() != file.inode->key());
  CHECK(below.attributes.device == file.attributes.device);
  CHECK(code_of(volume.lookup(*file.inode, "below")) == ENOTDIR);
}

void creation_is_exclusive(Volume& volume) {
  const Known there = volume.put(volume.root(), "there", "untouched");
  CHECK(code_of(volume.create(volume.root(), "there", O_RDWR | O_EXCL)) == EEXIST);
  // Without O_EXCL the kernel looks again, and opens what it finds.
  CHECK(code_of(volume.create(volume.root(), "there", O_RDWR)) == ESTALE);
  CHECK(code_of(volume.create(volume.root(), "there", O_RDWR | O_TRUNC)) == ESTALE);
  CHECK(volume.text_of(*there.inode) == "untouched");
  REQUIRE(volume.make_symlink(volume.root(), "link", "target"));
  CHECK(code_of(volume.create(volume.root(), "link", O_RDWR)) == ESTALE);
  CHECK(code_of(volume.lookup(volume.root(), "target")) == ENOENT);
  CHECK(code_of(volume.make_directory(volume.root(), "there")) == EEXIST);
  CHECK(code_of(volume.make_node(volume.root(), "there", S_IFIFO | 0600)) == EEXIST);
  CHECK(code_of(volume.make_symlink(volume.root(), "there", "x")) == EEXIST);
}

// More files than a backend keeps open at once.
void use_many_others(Volume& volume) {
  constexpr int kMany = 4200;
  const auto others = volume.make_directory(volume.root(), "others");
  REQUIRE(others);
  for (int number = 0; number < kMany; ++number)
    REQUIRE(volume.attributes(*volume.put(*others->inode, std::to_string(number), "").inode));
}

void unlinked_files_stay_readable(Volume& volume) {
  auto created = volume.create(volume.root(), "file", O_RDWR | O_EXCL);
  REQUIRE(created);
  Inode& inode = *created->known.inode;
  REQUIRE(volume.write(*created->file, "still here", 0) == 10U);
  REQUIRE(volume.unlink(volume.root(), "file"));
  CHECK(code_of(volume.lookup(volume.root(), "file")) == ENOENT);
  CHECK(volume.read(*created->file, 100, 0).value_or("") == "still here");
  const auto left = volume.attributes(inode);
  REQUIRE(left);
  CHECK(left->nlink == 0);
  CHECK(left->size == 10);
  created->file.reset();
  use_many_others(volume);
  CHECK(volume.text_of(inode) == "still here");
  CHECK(code_of(volume.change(inode, {.size = 5})) == 0);
  CHECK(volume.text_of(inode) == "still");
  CHECK(code_of(volume.unlink(volume.root(), "file")) == ENOENT);
}

void replaced_files_stay_readable(Volume& volume) {
  const Known old = volume.put(volume.root(), "old", "old text");
  const Known young = volume.put(volume.root(), "young", "new text");
  std::unique_ptr<File> open;
  if (!volume.features().keeps_closed_files) open = std::move(*volume.open(*old.inode, O_RDONLY));
  REQUIRE(volume.rename(volume.root(), "young", volume.root(), "old"));
  CHECK(volume.text_of(*old.inode) == "old text");
  CHECK(volume.text_of(*young.inode) == "new text");
  CHECK(is_same(*volume.lookup(volume.root(), "old"), young));
}

void removed_directories_stay_reachable_and_empty(Volume& volume) {
  const auto directory = volume.make_directory(volume.root(), "directory");
  REQUIRE(directory);
  volume.put(*directory->inode, "file", "");
  CHECK(code_of(volume.remove_directory(volume.root(), "directory")) == ENOTEMPTY);
  REQUIRE(volume.unlink(*directory->inode, "file"));
  CHECK(code_of(volume.remove_directory(*directory->inode, "absent")) == ENOENT);
  REQUIRE(volume.remove_directory(volume.root(), "directory"));
  CHECK(volume.attributes(*directory->inode));
  CHECK(code_of(volume.create(*directory->inode, "late", O_RDWR)) == ENOENT);
  volume.put(volume.root(), "file", "");
  CHECK(code_of(volume.remove_directory(volume.root(), "file")) == ENOTDIR);
  CHECK(code_of(volume.unlink(volume.root(), "directory")) == ENOENT);
  REQUIRE(volume.make_directory(volume.root(), "another"));
  CHECK(code_of(volume.unlink(volume.root(), "another")) == EISDIR);
}

void rename_moves(Volume& volume) {
  const Known file = volume.put(volume.root(), "file", "text");
  const auto directory = volume.make_directory(volume.root(), "directory");
  const auto other = volume.make_directory(volume.root(), "other");
  REQUIRE((directory && other));
  REQUIRE(volume.rename(volume.root(), "file", *directory->inode, "moved"));
  CHECK(code_of(volume.lookup(volume.root(), "file")) == ENOENT);
  CHECK(is_same(*volume.lookup(*directory->inode, "moved"), file));
  CHECK(volume.text_of(*file.inode) == "text");  // by its first inode
  CHECK(code_of(volume.rename(volume.root(), "other", volume.root(), "directory")) == ENOTEMPTY);
  CHECK(code_of(volume.rename(volume.root(), "directory", *directory->inode, "inside")) == EINVAL);
  CHECK(code_of(volume.rename(volume.root(), "absent", volume.root(), "x")) == ENOENT);
  CHECK(code_of(volume.rename(*directory->inode, "moved", volume.root(), "other")) == EISDIR);
  volume.put(volume.root(), "plain", "");
  CHECK(code_of(volume.rename(volume.root(), "other", volume.root(), "plain")) == ENOTDIR);
  CHECK(volume.rename(volume.root(), "directory", volume.root(), "other"));  // over an empty one
  CHECK(is_same(*volume.lookup(volume.root(), "other"), *directory));
}

void rename_flags_are_kept(Volume& volume) {
  if (!volume.features().has_exchange) return;
  const Known a = volume.put(volume.root(), "a", "a");
  const Known b = volume.put(volume.root(), "b", "b");
  CHECK(code_of(volume.rename(volume.root(), "a", volume.root(), "b", RENAME_NOREPLACE)) == EEXIST);
  CHECK(volume.text_of(*volume.lookup(volume.root(), "b")->inode) == "b");
  CHECK(volume.rename(volume.root(), "a", volume.root(), "c", RENAME_NOREPLACE));
  CHECK(is_same(*volume.lookup(volume.root(), "c"), a));
  CHECK(code_of(volume.rename(volume.root(), "c", volume.root(), "absent", RENAME_EXCHANGE)) ==
        ENOENT);
  REQUIRE(volume.rename(volume.root(), "c", volume.root(), "b", RENAME_EXCHANGE));
  CHECK(is_same(*volume.lookup(volume.root(), "b"), a));
  CHECK(is_same(*volume.lookup(volume.root(), "c"), b));
  const auto directory = volume.make_directory(volume.root(), "directory");
  REQUIRE(volume.rename(volume.root(), "directory", volume.root(), "b", RENAME_EXCHANGE));
  CHECK(is_same(*volume.lookup(volume.root(), "b"), *directory));
  CHECK(code_of(volume.rename(volume.root(), "b", volume.root(), "c",
                              RENAME_NOREPLACE | RENAME_EXCHANGE)) == EINVAL);
}

void links_share_one_file(Volume& volume) {
  const Known file = volume.put(volume.root(), "file", "text");
  const auto directory = volume.make_directory(volume.root(), "directory");
  REQUIRE(directory);
  const auto linked = volume.link(*file.inode, *directory->inode, "second");
  REQUIRE(linked);
  CHECK(is_same(*linked, file));
  CHECK(linked->attributes.nlink == 2);
  CHECK(code_of(volume.link(*file.inode, volume.root(), "file")) == EEXIST);
  CHECK(code_of(volume.link(*directory->inode, volume.root(), "third")) == EPERM);
  REQUIRE(volume.unlink(volume.root(), "file"));
  CHECK(volume.attributes(*file.inode)->nlink == 1);
  CHECK(volume.text_of(*volume.lookup(*directory->inode, "second")->inode) == "text");
}

void symlinks_are_never_followed(Volume& volume) {
  const Known target = volume.put(volume.root(), "target", "target");
  REQUIRE(volume.change(*target.inode, {.mode = 0640}));
  const auto directory = volume.make_directory(volume.root(), "directory");
  const auto link = volume.make_symlink(volume.root(), "link", "target");
  const auto out = volume.make_symlink(volume.root(), "out", "/etc");
  const auto way = volume.make_symlink(volume.root(), "way", "directory");
  REQUIRE((directory && link && out && way));
  CHECK(S_ISLNK(link->attributes.mode));
  CHECK(link->attributes.size == 6);
  CHECK(volume.read_link(*link->inode).value_or("") == "target");
  CHECK(code_of(volume.read_link(*target.inode)) == EINVAL);
  CHECK(is_same(*volume.lookup(volume.root(), "link"), *link));
  CHECK(code_of(volume.lookup(*out->inode, "passwd")) == ENOTDIR);
  CHECK(code_of(volume.create(*way->inode, "inside", O_RDWR)) == ENOTDIR);
  const auto directory_opened = ask<std::unique_ptr<File>>([&](auto answer) {
    volume.backend().open_directory(volume.caller, *way->inode, std::move(answer));
  });
  CHECK(code_of(directory_opened) == ENOTDIR);
  // Whatever changing a link answers, its target stays.
  (void)volume.change(*link->inode, {.mode = 0777});
  AttributeChanges times;
  times.mtime = AttributeChanges::Time{.now = false, .value = {1000, 5}};
  CHECK(volume.change(*link->inode, times));
  if (volume.features().sets_times_of_symlinks)
    CHECK(volume.attributes(*link->inode)->mtime.tv_sec == 1000);
  CHECK((volume.attributes(*target.inode)->mode & 07777) == 0640);
  CHECK(volume.attributes(*target.inode)->mtime.tv_sec != 1000);
  const auto second = volume.link(*link->inode, volume.root(), "second");
  REQUIRE(second);
  CHECK(is_same(*second, *link));
  REQUIRE(volume.unlink(volume.root(), "link"));
  CHECK(volume.text_of(*target.inode) == "target");
  REQUIRE(volume.rename(volume.root(), "target", volume.root(),
                        "way"));  // replaces the link, not what it names
  CHECK(code_of(volume.lookup(*directory->inode, "target")) == ENOENT);
}

void names_have_255_bytes(Volume& volume) {
  const std::string longest(255, 'n');
  const std::string longer(256, 'n');
  const Known file = volume.put(volume.root(), longest, "text");
  CHECK(is_same(*volume.lookup(volume.root(), longest), file));
  CHECK(code_of(volume.lookup(volume.root(), longer)) == ENAMETOOLONG);
  CHECK(code_of(volume.create(volume.root(), longer, O_RDWR)) == ENAMETOOLONG);
  CHECK(code_of(volume.make_directory(volume.root(), longer)) == ENAMETOOLONG);
  CHECK(code_of(volume.make_symlink(volume.root(), longer, "x")) == ENAMETOOLONG);
  CHECK(code_of(volume.make_node(volume.root(), longer, S_IFREG | 0600)) == ENAMETOOLONG);
  CHECK(code_of(volume.link(*file.inode, volume.root(), longer)) == ENAMETOOLONG);
  CHECK(code_of(volume.rename(volume.root(), longest, volume.root(), longer)) == ENAMETOOLONG);
  CHECK(code_of(volume.unlink(volume.root(), longer)) == ENAMETOOLONG);
  CHECK(volume.lookup(volume.root(), longest));
  std::string all_bytes;
  for (int byte = 1; byte < 256; ++byte)
    if (byte != '/') all_bytes += static_cast<char>(byte);
  volume.put(volume.root(), all_bytes, "");
  CHECK(volume.lookup(volume.root(), all_bytes));
}

std::unique_ptr<File> opened_directory(Volume& volume, Inode& inode) {
  auto opened = ask<std::unique_ptr<File>>([&](auto answer) {
    volume.backend().open_directory(volume.caller, inode, std::move(answer));
  });
  REQUIRE(opened);
  return std::move(*opened);
}

void listings_are_complete(Volume& volume) {
  const Known file = volume.put(volume.root(), "file", "");
  const auto directory = volume.make_directory(volume.root(), "directory");
  const auto link = volume.make_symlink(volume.root(), "link", "x");
  REQUIRE((directory && link));
  const auto handle = opened_directory(volume, volume.root());
  for (const bool with_attributes : {false, true}) {
    const auto listed = volume.list(*handle, 0, 100, with_attributes);
    REQUIRE(listed);
    std::map<std::string, Volume::Listed> by_name;
    for (const auto& entry : *listed) CHECK(by_name.emplace(entry.name, entry).second);
    CHECK(by_name.size() == 5);
    CHECK(by_name.contains("."));
    CHECK(by_name.contains(".."));
    CHECK(by_name["file"].ino == file.attributes.ino);
    CHECK(by_name["file"].type == DT_REG);
    CHECK(by_name["directory"].type == DT_DIR);
    CHECK(by_name["link"].type == DT_LNK);
    CHECK(by_name["link"].key == (with_attributes ? link->inode->key() : ""));
    CHECK(by_name["."].key.empty());
  }
  // What has come since the first reading is seen by beginning anew.
  volume.put(volume.root(), "late", "");
  const auto again = volume.list(*handle, 0, 100, false);
  REQUIRE(again);
  CHECK(again->size() == 6);
}

void cursors_outlive_changes(Volume& volume) {
  constexpr int kStaying = 400;
  const auto staying = [](int number) { return "staying-" + std::to_string(number); };
  const auto going = [](int number) { return "going-" + std::to_string(number); };
  for (int number = 0; number < kStaying; ++number) {
    volume.put(volume.root(), staying(number), "");
    volume.put(volume.root(), going(number), "");
  }
  const auto handle = opened_directory(volume, volume.root());
  std::map<std::string, int> seen;
  std::uint64_t cursor = 0;
  int round = 0;
  while (true) {
    const auto listed = volume.list(*handle, cursor, 7, round % 2 == 1);
    REQUIRE(listed);
    if (listed->empty()) break;
    for (const auto& entry : *listed) ++seen[entry.name];
    cursor = listed->back().next;
    // Others come and go meanwhile.
    for (int step = 0; step < 2 && round < kStaying / 2; ++step) {
      const int number = (round * 2 + step) * 13 % kStaying;
      (void)volume.unlink(volume.root(), going(number));
      (void)volume.create(volume.root(),
                          "coming-" + std::to_string(round) + "-" + std::to_string(step), O_RDWR);
    }
    REQUIRE(++round < 10'000);
  }
  for (int number = 0; number < kStaying; ++number) {
    INFO(staying(number));
    CHECK(seen[staying(number)] == 1);
  }
  CHECK(std::ranges::all_of(seen, [](const auto& name) { return name.second <= 1; }));
  // A cursor from the middle continues behind its name, for another reader too.
  const auto all = volume.list(*handle, 0, 10'000, false);
  REQUIRE(all);
  const auto another = opened_directory(volume, volume.root());
  const auto rest = volume.list(*another, (*all)[100].next, 10'000, false);
  REQUIRE(rest);
  REQUIRE(rest->size() == all->size() - 101);
  CHECK(rest->front().name == (*all)[101].name);
}

constexpr Conformance kConformances[] = {
    {"look-up finds what was made", look_up_finds_what_was_made},
    {"creation is exclusive", creation_is_exclusive},
    {"unlinked files stay readable", unlinked_files_stay_readable},
    {"replaced files stay readable", replaced_files_stay_readable},
    {"removed directories stay reachable and empty", removed_directories_stay_reachable_and_empty},
    {"rename moves", rename_moves},
    {"rename flags are kept", rename_flags_are_kept},
    {"links share one file", links_share_one_file},
    {"symlinks are never followed", symlinks_are_never_followed},
    {"names have 255 bytes", names_have_255_bytes},
    {"listings are complete", listings_are_complete},
    {"cursors outlive changes", cursors_outlive_changes},
};

}  // namespace

std::span<const Conformance> conformances_of_names() { return kConformances; }

}  // namespace claimfs::tests
