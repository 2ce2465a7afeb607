// What is told of data that its server has not taken when a volume is left.

#include <fcntl.h>

#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

namespace {

volumes::NfsOptions soon_given_up(const NfsServer& server) {
  volumes::NfsOptions options = server.options();
  options.hard = false;
  options.soft_deadline = std::chrono::milliseconds(300);
  return options;
}

}  // namespace

TEST_CASE("data that is lost when a volume is left is told of", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Incidents incidents;
  Volume volume(backend_on(soon_given_up(server), incidents.report()), {});
  auto first = volume.create(volume.root(), "first", O_RDWR | O_EXCL);
  auto second = volume.create(volume.root(), "second", O_RDWR | O_EXCL);
  REQUIRE(first);
  REQUIRE(second);
  REQUIRE(volume.write(*first->file, "12345", 0) == 5U);
  REQUIRE(volume.write(*second->file, "1234567", 0) == 7U);
  SECTION("the server has taken it") {
    volume.backend().stop();
    CHECK(incidents.told().empty());
    CHECK(std::filesystem::file_size(server.directory() + "/second") == 7);
  }
  SECTION("the server does not answer") {
    server.freeze();
    volume.backend().stop();
    server.thaw();
    REQUIRE(incidents.told().size() == 1);
    CHECK(incidents.told().front().is_loss);
    CHECK(incidents.told().front().message ==
          "nfs: server 127.0.0.1: 12 written bytes of 2 files are lost, the server has not taken "
          "them: Connection timed out");
  }
  SECTION("the file is not there any more") {
    std::filesystem::remove(server.directory() + "/first");
    server.kill();  // it would keep a descriptor
    server.start();
    volume.backend().stop();
    REQUIRE(incidents.told().size() == 1);
    CHECK(incidents.told().front().message ==
          "nfs: server 127.0.0.1: 5 written bytes of 1 file are lost, the server has not taken "
          "them: Stale file handle");
  }
  SECTION("somebody was told of it already") {
    std::filesystem::remove(server.directory() + "/first");
    server.kill();
    server.start();
    CHECK(code_of(ask<void>([&](auto answer) {
            volume.backend().flush({}, *first->file, std::move(answer));
          })) == ESTALE);
    volume.backend().stop();
    CHECK(incidents.told().empty());
  }
}

TEST_CASE("attributes that are lost when a volume is left are told of", "[nfs][kept]") {
  if (!can_run()) return;
  NfsServer server;
  Incidents incidents;
  volumes::NfsOptions options = soon_given_up(server);
  options.exclusive = true;
  Volume volume(backend_on(options, incidents.report()), {});
  auto made = volume.create(volume.root(), "file", O_RDWR | O_EXCL);
  REQUIRE(made);
  REQUIRE(volume.change(*made->known.inode, {.mode = 0640}));
  std::string why;
  SECTION("the server does not answer") {
    server.freeze();
    volume.backend().stop();
    server.thaw();
    why = "Connection timed out";
  }
  SECTION("the file is not there any more, and nobody has closed it") {
    std::filesystem::remove(server.directory() + "/file");
    server.kill();
    server.start();
    made->file.reset();
    volume.backend().stop();
    why = "Stale file handle";
  }
  REQUIRE(incidents.told().size() == 1);
  CHECK(incidents.told().front().is_loss);
  CHECK(incidents.told().front().message ==
        "nfs: server 127.0.0.1: owner, rights or times of 1 file are lost, the server has not "
        "taken them: " +
            why);
}

}  // namespace claimfs::tests
