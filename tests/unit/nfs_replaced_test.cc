// Exports that another directory has taken the place of: the same paths, by other handles.

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <filesystem>
#include <future>
#include <thread>

#include "backends/nfs/remount.h"
#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

namespace {

void replace(NfsServer& server) {
  server.kill();
  server.replace_directory();
  server.start();
}

}  // namespace

TEST_CASE("an export that was replaced on its server is found again", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Incidents incidents;
  Volume volume(backend_on(server.options(), incidents.report()), {});
  Inode& root = volume.root();
  const Known file = volume.put(root, "file", "text");
  const auto directory = volume.make_directory(root, "directory");
  REQUIRE(directory);
  const auto opened = volume.open(*file.inode, O_RDWR);
  REQUIRE(opened);
  const auto before = volume.attributes(root);
  REQUIRE(before);
  replace(server);

  SECTION("paths lead to what is there now, and what was open is stale") {
    CHECK(code_of(volume.attributes(*file.inode)) == ESTALE);
    CHECK(incidents.told().empty());  // that alone says nothing of the export
    const auto found = volume.lookup(root, "file");
    REQUIRE(found);
    CHECK(found->inode != file.inode);
    CHECK(volume.text_of(*found->inode) == "text");
    CHECK(code_of(volume.read(**opened, 10, 0)) == ESTALE);
    CHECK(code_of(volume.lookup(*directory->inode, "x")) == ESTALE);
    CHECK(volume.put(root, "made", "new").inode != nullptr);
    CHECK(std::filesystem::exists(server.directory() + "/made"));
    CHECK(volume.rename(root, "made", root, "renamed"));
    CHECK(volume.unlink(root, "renamed"));
    const auto listed = ask<std::unique_ptr<File>>(
        [&](auto answer) { volume.backend().open_directory({}, root, std::move(answer)); });
    REQUIRE(listed);
    CHECK(volume.list(**listed, 0, 100, true)->size() == 4U);
    CHECK(ask<FileSystemState>(
        [&](auto answer) { volume.backend().file_system_state({}, std::move(answer)); }));
    const auto now = volume.attributes(root);
    REQUIRE(now);
    CHECK(now->ino != before->ino);
    CHECK(volume.backend().probe()->ino == now->ino);

    CHECK(comes_true([&] { return incidents.told().size() == 1; }));
    CHECK_FALSE(incidents.told().front().is_loss);
    CHECK(incidents.told().front().message ==
          "nfs: the export 127.0.0.1:" + server.directory() +
              " was replaced on its server: what was open is stale, paths lead to what is there "
              "now");

    replace(server);
    CHECK(comes_true([&] { return volume.lookup(root, "file").has_value(); }));
    CHECK(comes_true([&] { return incidents.told().size() == 2; }));
  }
  SECTION("by whoever comes, at the same time") {
    std::vector<std::future<int>> codes;
    codes.reserve(16);
    for (int number = 0; number < 16; ++number)
      codes.push_back(std::async(std::launch::async, [&] {
        return code_of(ask<Entry>(
            [&](auto answer) { volume.backend().lookup({}, root, "file", std::move(answer)); }));
      }));
    for (auto& code : codes) CHECK(code.get() == 0);
    CHECK(comes_true([&] { return incidents.told().size() == 1; }));
  }
}

TEST_CASE("an export that is gone is stale until there is one again", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Incidents incidents;
  Volume volume(backend_on(server.options(), incidents.report()), {});
  volume.put(volume.root(), "file", "text");
  const std::string aside = server.directory() + ".aside";
  server.kill();
  std::filesystem::copy(server.directory(), aside);
  std::filesystem::remove_all(server.directory());
  std::filesystem::create_directory(server.directory());  // or the server does not start
  server.start();
  std::filesystem::remove_all(server.directory());
  // What mountd says of it is not what this is about.
  CHECK(code_of(volume.lookup(volume.root(), "file")) != 0);
  CHECK(code_of(volume.lookup(volume.root(), "file")) != 0);
  server.kill();
  std::filesystem::rename(aside, server.directory());
  server.start();
  CHECK(comes_true([&] { return volume.lookup(volume.root(), "file").has_value(); }));
}

namespace {

// Takes connections to a port of 127.0.0.1 and says nothing, until it goes.
class Swallowing {
 public:
  Swallowing() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(socket_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(socket_.get(), 100) == 0);
    REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port_ = ntohs(address.sin_port);
  }
  std::uint16_t port() const { return port_; }

 private:
  Fd socket_;
  std::uint16_t port_ = 0;
};

}  // namespace

TEST_CASE("who waits for a root that is looked for has a deadline, and can be interrupted",
          "[nfs]") {
  if (!can_run()) return;
  using nfs::Clock;
  NfsServer server;
  const auto mounted = nfs::mount_export(server.options(), Clock::now() + std::chrono::seconds(10));
  REQUIRE(mounted);
  nfs::Session session(mounted->connection, 1);
  replace(server);
  volumes::NfsOptions unanswered = server.options();
  auto mountd = std::make_unique<Swallowing>();
  unanswered.mount_port = mountd->port();
  nfs::Remount remount(unanswered, mounted->found.root, session, [](const nfs::Export&) {});

  const auto ask_for_root = [&](const std::shared_ptr<nfs::Ticket>& ticket) {
    auto promise = std::make_shared<std::promise<int>>();
    session.submit(nfs::make_call<nfs::GetAttributes>(
        ticket, [root = mounted->found.root](GETATTR3args& to) { to.object = root.raw(); },
        [promise](const Result<GETATTR3res*>& reply, bool) {
          promise->set_value(code_of(reply));
        }));
    return promise->get_future();
  };
  auto late = std::make_shared<nfs::Ticket>();
  late->deadline = Clock::now() + std::chrono::milliseconds(300);
  CHECK(ask_for_root(late).get() == ETIMEDOUT);

  auto given_up = std::make_shared<nfs::Ticket>();
  auto interrupted = ask_for_root(given_up);
  CHECK(interrupted.wait_for(std::chrono::milliseconds(200)) == std::future_status::timeout);
  given_up->is_given_up = true;
  CHECK(interrupted.get() == EINTR);

  auto patient = ask_for_root(std::make_shared<nfs::Ticket>());
  mountd.reset();
  CHECK(patient.get() == ESTALE);  // nobody has found it
  session.stop();
}

}  // namespace claimfs::tests
