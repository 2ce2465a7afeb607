// Sizes that are set while data is on its way.

#include <fcntl.h>

#include <fstream>
#include <random>

#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

namespace {

AttributeChanges size_of(off_t size) {
  AttributeChanges changes;
  changes.size = size;
  return changes;
}

std::string on_disk(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST_CASE("sizes that are set between writes are as on any filesystem", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  volumes::NfsOptions options = server.options();
  options.write_size = 4096;  // several WRITEs are in flight
  Volume volume(backend_on(options), {});
  auto created = volume.create(volume.root(), "file", O_RDWR | O_EXCL);
  REQUIRE(created);
  File& file = *created->file;
  const unsigned seed = Catch::rngSeed();
  CAPTURE(seed);
  std::mt19937 random(seed);
  std::string model;
  for (int step = 0; step < 600; ++step) {
    CAPTURE(step);
    const std::size_t place = random() % 40'000;
    switch (random() % 8) {
      case 0:
      case 1:
      case 2: {
        const std::string text(1 + random() % 9'000, static_cast<char>('a' + step % 26));
        REQUIRE(volume.write(file, text, static_cast<off_t>(place)) == text.size());
        if (model.size() < place + text.size()) model.resize(place + text.size());
        model.replace(place, text.size(), text);
        break;
      }
      case 3:
      case 4: {
        const auto set = volume.change(*created->known.inode, size_of(static_cast<off_t>(place)),
                                       random() % 2 == 0 ? &file : nullptr);
        REQUIRE(set);
        REQUIRE(set->size == static_cast<off_t>(place));
        model.resize(place);
        break;
      }
      case 5:
        REQUIRE(volume.attributes(*created->known.inode)->size == static_cast<off_t>(model.size()));
        break;
      case 6: {
        const auto read = volume.read(file, 9'000, static_cast<off_t>(place));
        REQUIRE(read);
        REQUIRE((*read == (place < model.size() ? model.substr(place, 9'000) : "")));
        break;
      }
      default:
        if (random() % 4 == 0)
          REQUIRE(ask<void>(
              [&](auto answer) { volume.backend().sync({}, file, false, std::move(answer)); }));
    }
  }
  REQUIRE(ask<void>([&](auto answer) { volume.backend().flush({}, file, std::move(answer)); }));
  CHECK((on_disk(server.directory() + "/file") == model));
}

TEST_CASE("data that is cut off before it was sent is never sent", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  Incidents incidents;
  Volume volume(backend_on(server.options(), incidents.report()), {});
  auto created = volume.create(volume.root(), "file", O_RDWR | O_EXCL);
  REQUIRE(created);
  File& file = *created->file;
  REQUIRE(volume.write(file, "kept", 0) == 4U);
  REQUIRE(volume.write(file, "cut off", 4) == 7U);
  SECTION("the rest is") {
    CHECK(volume.change(*created->known.inode, size_of(4), &file)->size == 4);
    CHECK(volume.read(file, 100, 0).value_or("?") == "kept");
    CHECK(ask<void>([&](auto answer) { volume.backend().flush({}, file, std::move(answer)); }));
    CHECK(on_disk(server.directory() + "/file") == "kept");
  }
  SECTION("nothing is left of it to lose") {
    CHECK(volume.change(*created->known.inode, size_of(0), &file)->size == 0);
    std::filesystem::remove(server.directory() + "/file");
    server.kill();  // it would keep a descriptor
    server.start();
    volume.backend().stop();
    CHECK(incidents.told().empty());
  }
  SECTION("unless the size could not be set") {
    std::filesystem::remove(server.directory() + "/file");
    server.kill();
    server.start();
    CHECK(code_of(volume.change(*created->known.inode, size_of(0), &file)) == ESTALE);
    volume.backend().stop();
    REQUIRE(incidents.told().size() == 1);
    CHECK(incidents.told().front().message.find("11 written bytes of 1 file") != std::string::npos);
  }
}

TEST_CASE("who sets a size behind data in flight is let go in time", "[nfs]") {
  if (!can_run()) return;
  NfsServer server;
  volumes::NfsOptions options = server.options();
  options.write_size = 4096;
  options.hard = false;
  options.soft_deadline = std::chrono::milliseconds(500);
  Volume volume(backend_on(options), {});
  auto created = volume.create(volume.root(), "file", O_RDWR | O_EXCL);
  REQUIRE(created);
  server.freeze();
  REQUIRE(volume.write(*created->file, std::string(8192, 'x'), 0) == 8192U);  // sent
  CHECK(code_of(volume.change(*created->known.inode, size_of(0), created->file.get())) ==
        ETIMEDOUT);
  CHECK(code_of(volume.change(*created->known.inode, size_of(10), created->file.get())) ==
        ETIMEDOUT);
  server.thaw();
  // What was given up may still be done by the server, for a moment.
  CHECK(comes_true([&] {
    return volume.change(*created->known.inode, size_of(3), created->file.get()) &&
           volume.write(*created->file, "abc", 0) && ask<void>([&](auto answer) {
             volume.backend().flush({}, *created->file, std::move(answer));
           }) &&
           on_disk(server.directory() + "/file") == "abc";
  }));
}

}  // namespace claimfs::tests
