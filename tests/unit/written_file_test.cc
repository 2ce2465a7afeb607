#include "backends/nfs/written_file.h"

#include <sys/stat.h>

#include "backends/nfs/inode.h"
#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

TEST_CASE("an answer that is older than what the server has taken in is put right", "[nfs]") {
  if (!can_run()) return;
  using nfs::Clock;
  const NfsServer server;
  Volume volume(backend_on(server.options()), {});
  const Known known = volume.put(volume.root(), "file", "");
  const auto mounted = nfs::mount_export(server.options(), Clock::now() + std::chrono::seconds(10));
  REQUIRE(mounted);
  const auto session = std::make_shared<nfs::Session>(mounted->connection, 1);
  const auto shared = std::make_shared<nfs::WrittenVolume>(session, 1U << 20U, std::nullopt);
  const auto file = std::make_shared<nfs::WrittenFile>(
      shared, static_cast<nfs::NfsInode&>(*known.inode).handle());
  const auto size_told = [&](off_t size, Clock::time_point asked_at) {
    Attributes attributes;
    attributes.size = size;
    file->correct(attributes, asked_at);
    return attributes.size;
  };

  const Clock::time_point before = Clock::now();
  const auto ticket = std::make_shared<nfs::Ticket>();
  auto cursor = file->open();
  const std::string text = "hello";
  REQUIRE(ask<std::size_t>([&](Answer<std::size_t> answer) {
    Reservation none;
    file->write(ticket, std::as_bytes(std::span(text)), {.offset = 0}, {.reserved = none}, cursor,
                answer);
  }));
  CHECK(size_told(0, before) == 5);  // held here
  REQUIRE(ask<void>([&](auto answer) { file->flush(ticket, &cursor, std::move(answer)); }));
  const Clock::time_point after = Clock::now();
  CHECK(size_told(0, before) == 5);  // asked for before the server had it
  CHECK(size_told(7, before) == 7);
  CHECK(size_told(0, after) == 0);  // somebody else has truncated it
  file->size_was_set(2, std::nullopt);
  CHECK(size_told(0, before) == 2);

  Attributes set_id;
  set_id.mode = S_IFREG | S_ISUID | 0755;
  CHECK_FALSE(file->may_have_set_id());
  file->correct(set_id, Clock::now());
  CHECK(file->may_have_set_id());
  size_told(0, before);  // an older word on the mode does not count
  CHECK(file->may_have_set_id());
  session->stop();
}

}  // namespace claimfs::tests
