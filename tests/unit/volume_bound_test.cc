#include "control/volume_bound.h"

#include <thread>

#include "tests/backend_contract/ask.h"
#include "tests/unit/store_fixture.h"

namespace claimfs::control {

namespace {

using backends::SharedBound;
using store::Directory;
using tests::code_of;
using volumes::Kind;

struct Mounts {
  std::unique_ptr<SharedBound> mount(const std::string& uid = "uid-a") {
    leases.push_back(*store->grant_lease());
    return make_volume_bound(*store, *leases.back(), "pv-a", uid);
  }
  std::uint64_t stored() {
    return store->get({Kind::VolumeUsage, "", "pv-a"})->document.at("spec").at("bound");
  }
  Directory directory;
  std::unique_ptr<store::Store> store = *store::open_sqlite_store(directory.database());
  std::vector<std::unique_ptr<store::Lease>> leases;
};

SharedBound::Change plus(std::uint64_t bytes) {
  return [bytes](std::uint64_t bound) { return bound + bytes; };
}

}  // namespace

TEST_CASE("a volume's bound is in the store before it is used", "[capacity]") {
  Mounts mounts;
  const auto bound = mounts.mount();
  CHECK(bound->join().value() == std::nullopt);  // nobody has counted
  CHECK(bound->establish(1000).value() == 1000);
  CHECK(bound->change(plus(500)).value() == 1500);
  CHECK(mounts.stored() == 1500);
  bound->leave(200);
  CHECK(mounts.stored() == 1300);
  CHECK(mounts.mount()->join().value() == 1300U);
}

TEST_CASE("mounts that change a bound at once lose nothing", "[capacity]") {
  Mounts mounts;
  const auto first = mounts.mount();
  const auto second = mounts.mount();
  REQUIRE(first->join());
  REQUIRE(second->join());
  CHECK(first->establish(100).value() == 100);
  CHECK(second->establish(7).value() == 100);  // the first one was quicker
  const auto raise = [](SharedBound& bound) {
    for (int i = 0; i < 100; ++i) (void)bound.change(plus(1)).value();
  };
  std::jthread other([&] { raise(*first); });
  raise(*second);
  other.join();
  CHECK(mounts.stored() == 300);
  // Removed beside us, it comes back as it was last known.
  REQUIRE(mounts.store->remove({Kind::VolumeUsage, "", "pv-a"}, ""));
  CHECK(second->change(plus(0)).value() >= 200);
}

TEST_CASE("only who is alone recounts, and only when nobody else came between", "[capacity]") {
  Mounts mounts;
  const auto first = mounts.mount();
  const auto second = mounts.mount();
  REQUIRE(first->join());
  CHECK(first->establish(1000));
  CHECK(code_of(first->begin_recount()) == 0);
  CHECK(first->change(plus(10)));
  CHECK(code_of(first->end_recount(500)) == 0);
  CHECK(mounts.stored() == 500);
  // Another one that writes.
  CHECK(code_of(first->begin_recount()) == 0);
  REQUIRE(second->join());
  CHECK(second->change(plus(10)));
  CHECK(code_of(first->end_recount(400)) == EBUSY);
  CHECK(mounts.stored() == 510);
  CHECK(code_of(first->begin_recount()) == EBUSY);
  // It has come and gone meanwhile.
  second->leave(0);
  CHECK(code_of(first->begin_recount()) == 0);
  REQUIRE(second->join());
  CHECK(second->change(plus(10)));
  second->leave(0);
  CHECK(first->change(plus(1)));
  CHECK(code_of(first->end_recount(400)) == EBUSY);
  // One that died is no mount any more.
  REQUIRE(second->join());
  CHECK(code_of(first->begin_recount()) == EBUSY);
  mounts.leases[1].reset();
  CHECK(code_of(first->begin_recount()) == 0);
  CHECK(code_of(first->end_recount(400)) == 0);
  CHECK(mounts.stored() == 400);
}

TEST_CASE("a usage goes with its volume, and is no other's of the same name", "[capacity]") {
  Mounts mounts;
  const auto first = mounts.mount("uid-a");
  REQUIRE(first->join());
  CHECK(first->establish(1000));
  CHECK(mounts.mount("uid-b")->join().value() == std::nullopt);
  CHECK(mounts.store->get({Kind::VolumeUsage, "", "pv-a"})->document["spec"]["volumeUID"] ==
        "uid-b");
  const auto is_b = [](const std::string& name, const std::string& uid) {
    return name == "pv-a" && uid == "uid-b";
  };
  REQUIRE(remove_stray_usages(*mounts.store, is_b));
  CHECK(mounts.store->get({Kind::VolumeUsage, "", "pv-a"}));
  REQUIRE(remove_stray_usages(*mounts.store, [](const auto&, const auto&) { return false; }));
  CHECK(code_of(mounts.store->get({Kind::VolumeUsage, "", "pv-a"})) == ENOENT);
}

}  // namespace claimfs::control
