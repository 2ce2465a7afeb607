#include "control/attachments.h"

#include <random>

#include "tests/backend_contract/ask.h"
#include "tests/unit/mounts_of_one_store.h"

namespace claimfs::control {
namespace {

using tests::code_of;

const Json kOnce = {"ReadWriteOnce"};
const Json kOnePod = {"ReadWriteOncePod"};
const Json kMany = {"ReadWriteMany"};
const Json kWriterOrReaders = {"ReadWriteOnce", "ReadOnlyMany"};
using Nodes = std::set<std::string>;

std::chrono::milliseconds since(SteadyClock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(SteadyClock::now() - start);
}

}  // namespace

TEST_CASE("attachments: an idle holder gives way at once", "[attachments]") {
  SharedStore shared;
  shared.add("data", kOnce);
  OneMount a(shared, "node-a"), b(shared, "node-b"), c(shared, "node-c");
  OneMount* const mounts[] = {&a, &b, &c, &a};
  for (OneMount* mount : mounts) {
    const auto start = SteadyClock::now();
    CHECK(mount->code("data") == 0);
    CHECK(since(start) < Attachments::kPatience);
    REQUIRE(shared.attachments().size() == 1);
    CHECK(shared.attachments().front().mount == mount->name);
    CHECK_FALSE(shared.attachments().front().read_only);
    CHECK(shared.attachments().front().claim_uid == "uid-data");
  }
  CHECK(shared.events().empty());
  CHECK_FALSE(a.has_lost("data"));
}

TEST_CASE("attachments: a holder in use is waited for, and named", "[attachments]") {
  SharedStore shared;
  shared.add("data", kOnce);
  OneMount a(shared, "node-a"), b(shared, "node-b");
  REQUIRE(a.use("data"));
  auto start = SteadyClock::now();
  const auto refused = b.attach("data");
  CHECK(code_of(refused) == EBUSY);
  CHECK(refused.error().message().find("attached to node-a: pid 7 (postgres) open") !=
        std::string::npos);
  CHECK(since(start) >= Attachments::kPatience - 50ms);
  CHECK(shared.events() == std::multiset<std::string>{"FailedAttachVolume"});
  // Who asks again right away is not made to wait as long.
  start = SteadyClock::now();
  CHECK(b.code("data") == EBUSY);
  CHECK(since(start) < Attachments::kPatience / 2);
  CHECK(shared.events().size() == 1);
  // The first who is let in is let in, whatever was said a moment ago.
  a.let_go("data");
  CHECK(b.code("data") == 0);
  CHECK(shared.nodes_at("pv-data") == Nodes{"node-b"});
}

TEST_CASE("attachments: a use that ends within the second is enough", "[attachments]") {
  SharedStore shared;
  shared.add("data", kOnce);
  OneMount a(shared, "node-a"), b(shared, "node-b");
  REQUIRE(a.use("data"));
  std::jthread ending([&a] {
    std::this_thread::sleep_for(300ms);
    a.let_go("data");
  });
  CHECK(b.code("data") == 0);
  CHECK(shared.nodes_at("pv-data") == Nodes{"node-b"});
}

TEST_CASE("attachments: where everybody may, nobody asks", "[attachments]") {
  SharedStore shared;
  shared.add("data", kMany);
  OneMount a(shared, "node-a"), b(shared, "node-b");
  REQUIRE(a.use("data"));
  REQUIRE(b.use("data"));
  CHECK(shared.nodes_at("pv-data") == Nodes{"node-a", "node-b"});
}

TEST_CASE("attachments: many read, or one writes", "[attachments]") {
  SharedStore shared;
  shared.add("data", kWriterOrReaders);
  OneMount a(shared, "node-a"), b(shared, "node-b"), c(shared, "node-c");
  REQUIRE(a.use("data", false));
  REQUIRE(b.attach("data", false));
  REQUIRE(c.attach("data", false));
  CHECK(shared.nodes_at("pv-data") == Nodes{"node-a", "node-b", "node-c"});
  // The readers are idle: the writer is upgraded, and alone.
  REQUIRE(a.attach("data", true));
  CHECK(shared.nodes_at("pv-data") == Nodes{"node-a"});
  CHECK_FALSE(shared.attachments().front().read_only);
  // A read by the same mount leaves it a writer.
  REQUIRE(a.attach("data", false));
  CHECK_FALSE(shared.attachments().front().read_only);
  CHECK(b.code("data", false) == EBUSY);
  a.let_go("data");
  CHECK(b.code("data", false) == 0);
  CHECK(shared.nodes_at("pv-data") == Nodes{"node-b"});
  CHECK(shared.attachments().front().read_only);
  // A reader in use is in a writer's way.
  b.hold("data");
  CHECK(a.code("data", false) == 0);
  CHECK(a.code("data", true) == EBUSY);
  CHECK(shared.nodes_at("pv-data") == Nodes{"node-a", "node-b"});
}

TEST_CASE("attachments: one consumer, until it ends", "[attachments]") {
  SharedStore shared;
  shared.add("data", kOnePod);
  OneMount a(shared, "node-a"), b(shared, "node-b");
  REQUIRE(a.attach("data"));  // a look: nobody's yet
  CHECK(shared.attachments().front().consumer.empty());
  a.hold("data");
  CHECK(a.code("data", true, "pod-1") == 0);
  CHECK(shared.attachments().front().consumer == "pod-1");
  CHECK(a.code("data", true, "pod-1") == 0);
  CHECK(a.code("data", true, "") == 0);
  CHECK(shared.attachments().front().consumer == "pod-1");
  CHECK(a.code("data", true, "pod-2") == EBUSY);
  CHECK(shared.events() == std::multiset<std::string>{"FailedMount"});
  CHECK(b.code("data", true, "pod-2") == EBUSY);
  CHECK(b.code("data", true, "") == EBUSY);
  a.ended_consumers.with([](auto& ended) { ended.insert("pod-1"); });
  CHECK(a.code("data", true, "pod-2") == 0);
  CHECK(shared.attachments().front().consumer == "pod-2");
  CHECK(a.code("data", true, "pod-1") == EBUSY);
  a.let_go("data");
  CHECK(b.code("data", true, "pod-1") == 0);
  CHECK(shared.nodes_at("pv-data") == Nodes{"node-b"});
}

TEST_CASE("attachments: what claimfs attach holds is not asked for", "[attachments]") {
  SharedStore shared;
  shared.add("data", kOnce);
  OneMount held(shared, "node-a", false), a(shared, "node-a"), b(shared, "node-b");
  REQUIRE(held.attach("data"));
  CHECK(shared.attachments().front().is_held());
  const auto start = SteadyClock::now();
  const auto refused = b.attach("data");
  CHECK(code_of(refused) == EBUSY);
  CHECK(since(start) < Attachments::kPatience / 2);
  CHECK(refused.error().message().find("node-a (claimfs attach)") != std::string::npos);
  // On its own node it is in nobody's way.
  CHECK(a.code("data") == 0);
  CHECK(shared.attachments().size() == 2);
  // Held again: once.
  CHECK(held.code("data") == 0);
  CHECK(shared.attachments().size() == 2);
  REQUIRE(shared.store->remove({Kind::Attachment, "", "pv-data@node-a"}, ""));
  CHECK(b.code("data") == 0);
  CHECK(shared.nodes_at("pv-data") == Nodes{"node-b"});
}

TEST_CASE("attachments: a pod holds its claim for its node", "[attachments]") {
  SharedStore shared;
  shared.add("data", kOnce);
  const Json pod = {{"apiVersion", "v1"},
                    {"kind", "Pod"},
                    {"metadata", {{"name", "web-0"}, {"namespace", "default"}, {"uid", "u"}}},
                    {"spec",
                     {{"nodeName", "node-a"},
                      {"volumes", {{{"persistentVolumeClaim", {{"claimName", "data"}}}}}}}}};
  shared.put(Kind::Pod, pod);
  OneMount a(shared, "node-a"), b(shared, "node-b");
  const auto start = SteadyClock::now();
  const auto refused = b.attach("data");
  CHECK(code_of(refused) == EBUSY);
  CHECK(since(start) < Attachments::kPatience / 2);
  CHECK(refused.error().message().find("pod web-0 on node-a") != std::string::npos);
  CHECK(a.code("data") == 0);
  REQUIRE(shared.store->remove({Kind::Pod, "default", "web-0"}, ""));
  CHECK(comes_true([&] { return b.code("data") == 0; }));
}

TEST_CASE("attachments: what is not bound, or going, is refused", "[attachments]") {
  SharedStore shared;
  shared.add("data", kOnce);
  OneMount a(shared, "node-a"), held(shared, "node-b", false);
  CHECK(a.code("nothing") == EBUSY);
  shared.mark_deleted("data");
  CHECK(comes_true([&] { return held.code("data") == EBUSY; }));
  CHECK(shared.attachments().empty());
}

TEST_CASE("attachments: directories that are one exclude each other", "[attachments]") {
  SharedStore shared;
  shared.add("data", kOnce, "/srv/data");
  shared.add("inside", kMany, "/srv/data/inside");
  OneMount a(shared, "node-a"), b(shared, "node-b");
  REQUIRE(a.use("data", true, {"1:5", "1:2"}));
  CHECK(code_of(b.attach("inside", true, "", {"1:9", "1:5", "1:2"})) == EBUSY);
  CHECK(shared.attachments().size() == 1);
  CHECK(code_of(a.attach("inside", true, "", {"1:9", "1:5", "1:2"})) == 0);
  CHECK(shared.attachments().size() == 2);
}

// At no time are two nodes attached that exclude each other, whoever was first; and nobody is
// refused for longer than others use it.
TEST_CASE("attachments: three nodes race, many times", "[attachments]") {
  SharedStore shared;
  const bool is_one_directory = GENERATE(false, true);
  shared.add("data", kOnce, "/srv/data");
  shared.add("same", kMany, "/srv/data");
  const std::vector<std::string> backing{"1:5", "1:2"};
  OneMount a(shared, "node-a"), b(shared, "node-b"), c(shared, "node-c");
  OneMount* const mounts[] = {&a, &b, &c};
  std::atomic<int> writers{0}, overlaps{0}, successes{0}, others{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    // One of them comes by the other volume, that everybody may have.
    const std::string claim = is_one_directory && i == 1 ? "same" : "data";
    threads.emplace_back([&, i, claim] {
      std::mt19937 random(static_cast<unsigned>(i));
      for (int round = 0; round < 60; ++round) {
        const auto used = mounts[i]->use(claim, true, backing);
        if (!used) {
          if (used.error().code != EBUSY) ++others;
          continue;
        }
        ++successes;
        if (++writers > 1) ++overlaps;
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
        --writers;
        mounts[i]->let_go(claim);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(overlaps == 0);
  CHECK(others == 0);
  CHECK(successes > 90);
  CHECK(a.errors + b.errors + c.errors == 0);
}

}  // namespace claimfs::control
