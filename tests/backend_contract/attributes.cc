#include <fcntl.h>
#include <sys/xattr.h>

#include <ctime>

#include "tests/backend_contract/contract.h"
#include "tests/unit/catch.h"

namespace claimfs::tests {

namespace {

Result<void> set_xattr(Volume& volume, Inode& inode, std::string_view name, std::string_view value,
                       int flags = 0) {
  return ask<void>([&](auto answer) {
    volume.backend().set_xattr(volume.caller, inode, name, value, flags, true, std::move(answer));
  });
}

Result<std::string> get_xattr(Volume& volume, Inode& inode, std::string_view name) {
  return ask<std::string>([&](auto answer) {
    volume.backend().get_xattr(volume.caller, inode, name, std::move(answer));
  });
}

void times_are_kept_to_the_nanosecond(Volume& volume) {
  const Known file = volume.put(volume.root(), "file", "");
  AttributeChanges both;
  both.atime = AttributeChanges::Time{.now = false, .value = {1'111'111'111, 123'456'789}};
  both.mtime = AttributeChanges::Time{.now = false, .value = {1'222'222'222, 987'654'321}};
  const auto set = volume.change(*file.inode, both);
  REQUIRE(set);
  for (const Attributes& told : {*set, *volume.attributes(*file.inode)}) {
    CHECK(told.atime.tv_sec == 1'111'111'111);
    CHECK(told.atime.tv_nsec == 123'456'789);
    CHECK(told.mtime.tv_sec == 1'222'222'222);
    CHECK(told.mtime.tv_nsec == 987'654'321);
  }
  AttributeChanges one;
  one.mtime = AttributeChanges::Time{.now = true, .value = {}};
  const auto touched = volume.change(*file.inode, one);
  REQUIRE(touched);
  CHECK(touched->atime.tv_nsec == 123'456'789);
  CHECK(touched->mtime.tv_sec >= std::time(nullptr) - 60);
  CHECK(touched->ctime.tv_sec >= std::time(nullptr) - 60);
}

void modes_are_kept(Volume& volume) {
  const Known file = volume.put(volume.root(), "file", "");
  const auto changed = volume.change(*file.inode, {.mode = 01750});
  REQUIRE(changed);
  CHECK(changed->mode == (S_IFREG | 01750));
  CHECK(volume.attributes(*file.inode)->mode == (S_IFREG | 01750));
  const auto fifo = volume.make_node(volume.root(), "fifo", S_IFIFO | 0600);
  REQUIRE(fifo);
  CHECK(fifo->attributes.mode == (S_IFIFO | 0600));
}

void what_is_created_is_the_callers(Volume& volume) {
  if (!volume.features().gives_ownership) return;
  REQUIRE(volume.change(volume.root(), {.mode = 0777}));
  volume.caller = Caller{.uid = 1234, .gid = 2345, .umask = 027};
  const auto file = volume.create(volume.root(), "file", O_RDWR | O_EXCL, 0666);
  const auto directory = volume.make_directory(volume.root(), "directory", 0777);
  const auto link = volume.make_symlink(volume.root(), "link", "x");
  const auto fifo = volume.make_node(volume.root(), "fifo", S_IFIFO | 0666);
  REQUIRE((file && directory && link && fifo));
  for (const Known& made : {file->known, *directory, *link, *fifo}) {
    CHECK(made.attributes.uid == 1234);
    CHECK(made.attributes.gid == 2345);
  }
  CHECK((file->known.attributes.mode & 07777) == 0640);
  CHECK((directory->attributes.mode & 07777) == 0750);
  CHECK((fifo->attributes.mode & 07777) == 0640);
  // Another caller next, on the same thread.
  volume.caller = Caller{.uid = 3456, .gid = 4567, .umask = 0};
  const auto other = volume.create(volume.root(), "other", O_RDWR | O_EXCL, 0666);
  REQUIRE(other);
  CHECK(other->known.attributes.uid == 3456);
  CHECK((other->known.attributes.mode & 07777) == 0666);
  // A set-gid directory gives its group.
  volume.caller = Caller{};
  REQUIRE(volume.change(*directory->inode, {.mode = 02777}));
  volume.caller = Caller{.uid = 3456, .gid = 4567, .umask = 0};
  const auto below = volume.create(*directory->inode, "below", O_RDWR | O_EXCL, 0666);
  const auto directory_below = volume.make_directory(*directory->inode, "directory", 0755);
  REQUIRE((below && directory_below));
  CHECK(below->known.attributes.uid == 3456);
  CHECK(below->known.attributes.gid == 2345);
  CHECK(directory_below->attributes.gid == 2345);
  CHECK((directory_below->attributes.mode & S_ISGID) != 0);
}

void owners_are_changed(Volume& volume) {
  if (!volume.features().gives_ownership) return;
  const Known file = volume.put(volume.root(), "file", "");
  REQUIRE(volume.change(*file.inode, {.mode = 06755}));
  const auto owned = volume.change(*file.inode, {.uid = 77, .gid = 88});
  REQUIRE(owned);
  CHECK(owned->uid == 77);
  CHECK(owned->gid == 88);
  CHECK((owned->mode & 07777) == 0755);  // a new owner's file is nobody's set-id program
  const auto group = volume.change(*file.inode, {.gid = 99});
  REQUIRE(group);
  CHECK(group->uid == 77);
  CHECK(group->gid == 99);
}

void set_id_bits_go_with_a_write(Volume& volume) {
  if (!volume.features().gives_ownership) return;
  const Known file = volume.put(volume.root(), "file", "0123456789");
  const auto writer = volume.open(*file.inode, O_RDWR);
  REQUIRE(writer);
  REQUIRE(volume.change(*file.inode, {.mode = 06755}));
  REQUIRE(volume.write(**writer, "a", 0, {.kill_set_id = true}));
  CHECK((volume.attributes(*file.inode)->mode & 07777) == 0755);
  REQUIRE(volume.change(*file.inode, {.mode = 06755}));
  const auto cut = volume.change(*file.inode, {.size = 5, .kill_set_id = true});
  REQUIRE(cut);
  CHECK((cut->mode & 07777) == 0755);
}

void xattrs_are_kept(Volume& volume) {
  if (!volume.features().has_xattrs) return;
  const Known file = volume.put(volume.root(), "file", "");
  Inode& inode = *file.inode;
  const std::string binary("a\0b\xff", 4);
  const std::string large(2000, 'v');
  CHECK(code_of(get_xattr(volume, inode, "user.absent")) == ENODATA);
  REQUIRE(code_of(set_xattr(volume, inode, "user.binary", binary)) == 0);
  REQUIRE(set_xattr(volume, inode, "user.large", large));
  REQUIRE(set_xattr(volume, inode, "user.empty", ""));
  CHECK(get_xattr(volume, inode, "user.binary").value_or("?") == binary);
  CHECK(get_xattr(volume, inode, "user.large").value_or("?") == large);
  CHECK(get_xattr(volume, inode, "user.empty").value_or("?").empty());
  CHECK(code_of(set_xattr(volume, inode, "user.binary", "x", XATTR_CREATE)) == EEXIST);
  CHECK(code_of(set_xattr(volume, inode, "user.absent", "x", XATTR_REPLACE)) == ENODATA);
  CHECK(set_xattr(volume, inode, "user.binary", "replaced", XATTR_REPLACE));
  CHECK(get_xattr(volume, inode, "user.binary").value_or("?") == "replaced");
  const auto remove = [&](std::string_view name) {
    return ask<void>([&](auto answer) {
      volume.backend().remove_xattr(volume.caller, inode, name, std::move(answer));
    });
  };
  CHECK(remove("user.large"));
  CHECK(code_of(remove("user.large")) == ENODATA);
  const auto names = ask<std::string>(
      [&](auto answer) { volume.backend().list_xattrs(volume.caller, inode, std::move(answer)); });
  REQUIRE(names);
  CHECK(names->find(std::string("user.binary\0", 12)) != std::string::npos);
  CHECK(names->find(std::string("user.empty\0", 11)) != std::string::npos);
  CHECK(names->find("user.large") == std::string::npos);
}

void space_is_told(Volume& volume) {
  const auto state = ask<FileSystemState>(
      [&](auto answer) { volume.backend().file_system_state(volume.caller, std::move(answer)); });
  REQUIRE(state);
  CHECK(state->block_size > 0);
  CHECK(state->blocks > 0);
  CHECK(state->blocks_free <= state->blocks);
  CHECK(state->blocks_available <= state->blocks_free);
  CHECK(state->name_max >= 255);
  const Result<Attributes> root = volume.backend().probe();
  REQUIRE(root);
  CHECK(S_ISDIR(root->mode));
  CHECK(root->ino == volume.attributes(volume.root())->ino);
}

constexpr Conformance kConformances[] = {
    {"times are kept to the nanosecond", times_are_kept_to_the_nanosecond},
    {"modes are kept", modes_are_kept},
    {"what is created is the caller's", what_is_created_is_the_callers},
    {"owners are changed", owners_are_changed},
    {"set-id bits go with a write", set_id_bits_go_with_a_write},
    {"extended attributes are kept", xattrs_are_kept},
    {"space is told", space_is_told},
};

}  // namespace

std::span<const Conformance> conformances_of_attributes() { return kConformances; }

}  // namespace claimfs::tests
