#include <fcntl.h>
#include <linux/falloc.h>

#include "tests/backend_contract/contract.h"
#include "tests/unit/catch.h"

namespace claimfs::tests {

namespace {

std::unique_ptr<File> opened(Volume& volume, Inode& inode, int flags) {
  auto file = volume.open(inode, flags);
  REQUIRE(code_of(file) == 0);
  return std::move(*file);
}

Result<off_t> seek(Volume& volume, File& file, off_t offset, int whence) {
  return ask<off_t>([&](auto answer) {
    volume.backend().seek(volume.caller, file, offset, whence, std::move(answer));
  });
}

Result<void> allocate(Volume& volume, File& file, int mode, off_t offset, off_t length) {
  return ask<void>([&](auto answer) {
    volume.backend().allocate(volume.caller, file, mode, offset, length, std::move(answer));
  });
}

void reads_end_at_the_end(Volume& volume) {
  const Known known = volume.put(volume.root(), "file", "0123456789");
  const auto file = opened(volume, *known.inode, O_RDONLY);
  CHECK(volume.read(*file, 4, 0).value_or("?") == "0123");
  CHECK(volume.read(*file, 100, 8).value_or("?") == "89");
  CHECK(volume.read(*file, 100, 10).value_or("?").empty());
  CHECK(volume.read(*file, 100, 1'000'000).value_or("?").empty());
  CHECK(volume.read(*file, 0, 3).value_or("?").empty());
  const Known empty = volume.put(volume.root(), "empty", "");
  CHECK(volume.text_of(*empty.inode).empty());
}

// Whoever asks may offer memory for the bytes; the answer says where they are.
void reads_may_use_the_callers_room(Volume& volume) {
  std::string text;
  for (int number = 0; text.size() < (3U << 20U) + 5; ++number)
    text += std::to_string(number) + ' ';
  const Known known = volume.put(volume.root(), "file", text);
  const auto file = opened(volume, *known.inode, O_RDWR);
  const auto agrees = [&](std::size_t size, std::size_t offset) {
    constexpr std::size_t kGuard = 64;
    std::string room(size + kGuard, '?');
    bool is_in_room = false;
    Caller caller = volume.caller;
    caller.room = std::as_writable_bytes(std::span(room)).first(size);
    const auto read = ask<std::string>([&](Answer<std::string> answer) {
      volume.backend().read(
          caller, *file, size, static_cast<off_t>(offset),
          [&, answer = std::move(answer)](Result<std::span<const std::byte>> bytes) mutable {
            if (!bytes) return answer.complete(failure(bytes.error()));
            is_in_room = bytes->data() == caller.room.data();
            return answer.complete(
                std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()));
          });
    });
    if (volume.features().reads_into_room && size >= 131'072 && offset == 0) CHECK(is_in_room);
    CHECK(room.substr(size) == std::string(kGuard, '?'));
    return read && *read == text.substr(std::min(offset, text.size()), size);
  };
  const auto all_agree = [&] {
    for (const std::size_t size : {std::size_t{1}, std::size_t{4096}, std::size_t{50'001},
                                   std::size_t{131'072}, std::size_t{1U << 20U}, text.size() + 9})
      for (const std::size_t offset : {std::size_t{0}, std::size_t{77'777}, text.size() - 20'000,
                                       text.size() - 3, text.size() + 8}) {
        CAPTURE(size, offset);
        CHECK(agrees(size, offset));
      }
  };
  all_agree();
  // With what is newer than what was read before, in its middle and behind its end.
  CHECK(volume.write(*file, "ANOTHER", 100'000) == 7U);
  text.replace(100'000, 7, "ANOTHER");
  const std::size_t end = text.size();
  CHECK(volume.write(*file, "end", static_cast<off_t>(end + 70'000)) == 3U);
  text += std::string(70'000, '\0') + "end";
  all_agree();
}

void writes_are_seen_by_all(Volume& volume) {
  const Known known = volume.put(volume.root(), "file", "0123456789");
  const auto writer = opened(volume, *known.inode, O_RDWR);
  const auto reader = opened(volume, *known.inode, O_RDONLY);
  CHECK(volume.write(*writer, "AB", 4) == 2U);
  CHECK(volume.read(*reader, 100, 0).value_or("?") == "0123AB6789");
  CHECK(volume.write(*writer, "tail", 12) == 4U);
  CHECK(volume.read(*reader, 100, 10).value_or("?") == std::string("\0\0tail", 6));
  CHECK(volume.attributes(*known.inode)->size == 16);
  const std::string large(3 << 20, 'x');
  CHECK(volume.write(*writer, large, 0) == large.size());
  CHECK(volume.read(*reader, large.size(), 0).value_or("?") == large);
  for (const bool data_only : {true, false})
    CHECK(ask<void>([&](auto answer) {
      volume.backend().sync(volume.caller, *writer, data_only, std::move(answer));
    }));
  CHECK(ask<void>(
      [&](auto answer) { volume.backend().flush(volume.caller, *writer, std::move(answer)); }));
}

void appends_go_to_the_end(Volume& volume) {
  const Known known = volume.put(volume.root(), "file", "first");
  const auto one = opened(volume, *known.inode, O_WRONLY | O_APPEND);
  const auto two = opened(volume, *known.inode, O_RDWR);
  CHECK(volume.write(*one, "-second", 0, {.append = true}) == 7U);
  CHECK(volume.write(*two, "-third", 0, {.append = true}) == 6U);
  CHECK(volume.write(*one, "F", 0) == 1U);  // appending is said with each write
  CHECK(volume.text_of(*known.inode) == "First-second-third");
}

void truncation_cuts_and_grows(Volume& volume) {
  const Known known = volume.put(volume.root(), "file", "0123456789");
  const auto cut = volume.change(*known.inode, {.size = 4});
  REQUIRE(cut);
  CHECK(cut->size == 4);
  const auto file = opened(volume, *known.inode, O_RDWR);
  const auto grown = volume.change(*known.inode, {.size = 8}, file.get());
  REQUIRE(grown);
  CHECK(grown->size == 8);
  CHECK(volume.text_of(*known.inode) == std::string("0123\0\0\0\0", 8));
  REQUIRE(volume.change(*known.inode, {.size = 0}));
  CHECK(volume.text_of(*known.inode).empty());
}

void holes_are_found(Volume& volume) {
  if (!volume.features().has_holes) return;
  constexpr off_t kFar = 1 << 20;
  const Known known = volume.put(volume.root(), "file", "");
  const auto file = opened(volume, *known.inode, O_RDWR);
  const std::string page(4096, 'p');
  REQUIRE(volume.write(*file, page, kFar) == page.size());
  REQUIRE(volume.change(*known.inode, {.size = 2 * kFar}));
  CHECK(seek(volume, *file, 0, SEEK_DATA).value_or(-1) == kFar);
  CHECK(seek(volume, *file, 0, SEEK_HOLE).value_or(-1) == 0);
  CHECK(seek(volume, *file, kFar, SEEK_HOLE).value_or(-1) == kFar + 4096);
  CHECK(code_of(seek(volume, *file, kFar + 4096, SEEK_DATA)) == ENXIO);
  CHECK(code_of(seek(volume, *file, 2 * kFar, SEEK_HOLE)) == ENXIO);
  CHECK(volume.attributes(*known.inode)->blocks * 512 < kFar);
}

void allocation_reserves_and_punches(Volume& volume) {
  if (!volume.features().has_holes) return;
  const Known known = volume.put(volume.root(), "file", std::string(16384, 'x'));
  const auto file = opened(volume, *known.inode, O_RDWR);
  REQUIRE(allocate(volume, *file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192));
  CHECK(volume.text_of(*known.inode) ==
        std::string(4096, 'x') + std::string(8192, '\0') + std::string(4096, 'x'));
  REQUIRE(allocate(volume, *file, FALLOC_FL_KEEP_SIZE, 0, 65536));
  CHECK(volume.attributes(*known.inode)->size == 16384);
  REQUIRE(allocate(volume, *file, 0, 0, 65536));
  CHECK(volume.attributes(*known.inode)->size == 65536);
  CHECK(code_of(allocate(volume, *file, 0, 0, 0)) == EINVAL);
}

void ranges_are_copied(Volume& volume) {
  if (!volume.features().copies_ranges) return;
  const auto copy = [&](File& from, off_t from_offset, File& to, off_t to_offset,
                        std::size_t length) {
    return ask<std::size_t>([&](auto answer) {
      volume.backend().copy_range(volume.caller, from, from_offset, to, to_offset, length,
                                  std::move(answer));
    });
  };
  const Known source = volume.put(volume.root(), "source", "0123456789");
  const Known target = volume.put(volume.root(), "target", "abcdefghij");
  const auto from = opened(volume, *source.inode, O_RDONLY);
  const auto to = opened(volume, *target.inode, O_RDWR);
  CHECK(copy(*from, 2, *to, 5, 3) == 3U);
  CHECK(volume.text_of(*target.inode) == "abcde234ij");
  CHECK(copy(*from, 8, *to, 10, 100) == 2U);  // short at the source's end
  CHECK(copy(*from, 10, *to, 0, 100) == 0U);
  CHECK(volume.text_of(*target.inode) == "abcde234ij89");
  CHECK(volume.text_of(*source.inode) == "0123456789");
}

void unnamed_files_may_get_a_name(Volume& volume) {
  if (!volume.features().has_unnamed_files) return;
  Result<Created> created = ask<Created>([&](auto answer) {
    volume.backend().create_unnamed(volume.caller, volume.root(), 0600, O_RDWR | O_TMPFILE,
                                    std::move(answer));
  });
  REQUIRE(code_of(created) == 0);
  CHECK(created->entry.attributes.nlink == 0);
  CHECK(volume.write(*created->file, "text", 0) == 4U);
  const auto handle = ask<std::unique_ptr<File>>([&](auto answer) {
    volume.backend().open_directory(volume.caller, volume.root(), std::move(answer));
  });
  CHECK(volume.list(**handle, 0, 100, false)->size() == 2);
  const auto named = volume.link(*created->entry.inode, volume.root(), "named");
  REQUIRE(code_of(named) == 0);
  CHECK(volume.text_of(*named->inode) == "text");
  created->file.reset();
  CHECK(volume.text_of(*named->inode) == "text");
}

constexpr Conformance kConformances[] = {
    {"reads end at the end", reads_end_at_the_end},
    {"reads may use the caller's room", reads_may_use_the_callers_room},
    {"writes are seen by all", writes_are_seen_by_all},
    {"appends go to the end", appends_go_to_the_end},
    {"truncation cuts and grows", truncation_cuts_and_grows},
    {"holes are found", holes_are_found},
    {"allocation reserves and punches", allocation_reserves_and_punches},
    {"ranges are copied", ranges_are_copied},
    {"unnamed files may get a name", unnamed_files_may_get_a_name},
};

}  // namespace

std::span<const Conformance> conformances_of_files() { return kConformances; }

}  // namespace claimfs::tests
