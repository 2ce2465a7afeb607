#include "fs/node_table.h"

#include <map>
#include <random>
#include <thread>
#include <vector>

#include "tests/backend_contract/memory_backend.h"
#include "tests/unit/catch.h"

namespace claimfs::fs {

namespace {

struct KeyedInode final : backends::Inode {
  explicit KeyedInode(std::string bytes) : key_bytes(std::move(bytes)) { ++living; }
  ~KeyedInode() override { --living; }
  std::string_view key() const override { return key_bytes; }
  std::string key_bytes;
  static inline std::atomic<int> living{0};
};

std::shared_ptr<ServedVolume> volume(const std::string& name) {
  ServedClaim claim;
  claim.name = name;
  return std::make_shared<ServedVolume>(claim, std::make_unique<tests::MemoryBackend>(), nullptr);
}

std::unique_ptr<backends::Inode> inode(const std::string& key) {
  return std::make_unique<KeyedInode>(key);
}

void forget(NodeTable& nodes, NodeId id, std::uint64_t count) {
  nodes.forget(id, count, [](Node&) {});
}

}  // namespace

TEST_CASE("a node lives from its first look-up to its last forget", "[nodes]") {
  const auto claim = volume("data");
  {
    NodeTable nodes(volume(""));
    const NodeId first = nodes.remember(claim, inode("a")).id;
    CHECK(first != kRootNode);
    CHECK(nodes.find(first)->inode().key() == "a");
    CHECK(nodes.remember(claim, inode("a")).id == first);
    CHECK(KeyedInode::living == 1);  // the known file keeps its first inode
    CHECK(nodes.size() == 2);
    int gone = 0;
    nodes.forget(first, 1, [&](Node&) { ++gone; });
    CHECK(gone == 0);
    nodes.forget(first, 1, [&](Node& node) {
      ++gone;
      CHECK(node.id == first);
      CHECK(nodes.find(first) == nullptr);
    });
    CHECK(gone == 1);
    CHECK(KeyedInode::living == 0);
    CHECK(nodes.find(first) == nullptr);
    CHECK(nodes.remember(claim, inode("a")).id != first);  // an id is never used again
  }
  CHECK(KeyedInode::living == 0);
}

TEST_CASE("the mount's root is never forgotten, unknown nodes are none", "[nodes]") {
  NodeTable nodes(volume(""));
  REQUIRE(nodes.find(kRootNode) != nullptr);
  forget(nodes, kRootNode, 1);
  forget(nodes, kRootNode, 1000);
  CHECK(nodes.find(kRootNode) != nullptr);
  for (const NodeId unknown : {NodeId{0}, NodeId{2}, NodeId{64}, ~NodeId{0}}) {
    CHECK(nodes.find(unknown) == nullptr);
    forget(nodes, unknown, 1);
  }
  CHECK(nodes.size() == 1);
}

TEST_CASE("a volume's nodes: what was found later comes first", "[nodes]") {
  NodeTable nodes(volume(""));
  const auto claim = volume("data"), other = volume("other");
  std::vector<NodeId> expected{nodes.remember(claim, nullptr).id};
  for (int i = 0; i < 300; ++i) {
    expected.insert(expected.begin(), nodes.remember(claim, inode(std::to_string(i))).id);
    nodes.remember(other, inode(std::to_string(i)));
    nodes.remember(claim, inode("0"));  // known: stays where it is
  }
  CHECK(nodes.nodes_of(*claim) == expected);
  // One from the middle, and found again.
  forget(nodes, expected[100], 1);
  expected.erase(expected.begin() + 100);
  CHECK(nodes.nodes_of(*claim) == expected);
  expected.insert(expected.begin(), nodes.remember(claim, inode("199")).id);
  CHECK(nodes.nodes_of(*claim) == expected);
  CHECK(nodes.nodes_of(*other).size() == 300);
}

TEST_CASE("two volumes may have files of one key", "[nodes]") {
  NodeTable nodes(volume(""));
  const auto one = volume("one");
  const auto two = volume("two");
  const NodeId in_one = nodes.remember(one, inode("same")).id;
  const NodeId in_two = nodes.remember(two, inode("same")).id;
  const NodeId root_of_one = nodes.remember(one, nullptr).id;
  CHECK(in_one != in_two);
  CHECK(nodes.find(root_of_one)->is_volume_root());
  CHECK(nodes.remember(one, nullptr).id == root_of_one);
  CHECK(nodes.nodes_of(*one).size() == 2);
  CHECK(nodes.nodes_of(*two).size() == 1);
  CHECK(nodes.id_of(*one, KeyedInode("same")) == in_one);
  CHECK(nodes.id_of(*two, KeyedInode("same")) == in_two);
  CHECK(nodes.id_of(*two, KeyedInode("other")) == 0);
  int used = 0;
  const backends::Inode& inode_in_two = nodes.find(in_two)->inode();
  nodes.with(*two, "same", [&](backends::Inode& found) {
    ++used;
    CHECK(&found == &inode_in_two);
  });
  nodes.with(*two, "other", [&](backends::Inode&) { ++used; });
  CHECK(used == 1);
  CHECK(one.use_count() > 1);
  forget(nodes, in_one, 1);
  forget(nodes, root_of_one, 2);
  CHECK(one.use_count() == 1);  // nodes keep their volume, and let it go
}

TEST_CASE("random look-ups and forgets agree with a plain map", "[nodes]") {
  const unsigned seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937 random(seed);
  NodeTable nodes(volume(""));
  const std::vector<std::shared_ptr<ServedVolume>> volumes{volume("one"), volume("two"),
                                                           volume("three")};
  struct Model {
    NodeId id;
    std::uint64_t lookups;
  };
  std::map<std::pair<std::size_t, std::string>, Model> model;
  std::map<NodeId, int> ever;
  const auto pick = [&](unsigned bound) {
    return std::uniform_int_distribution<unsigned>(0, bound - 1)(random);
  };
  for (int step = 0; step < 20'000; ++step) {
    const std::size_t number = pick(3);
    const std::string key = "file-" + std::to_string(pick(40));
    const auto known = model.find({number, key});
    if (pick(2) == 0) {
      const NodeId id = nodes.remember(volumes[number], inode(key)).id;
      if (known == model.end()) {
        REQUIRE(++ever[id] == 1);
        model.emplace(std::pair(number, key), Model{id, 1});
      } else {
        REQUIRE(id == known->second.id);
        ++known->second.lookups;
      }
    } else if (known != model.end()) {
      const std::uint64_t count = 1 + pick(static_cast<unsigned>(known->second.lookups));
      bool is_gone = false;
      nodes.forget(known->second.id, count, [&](Node&) { is_gone = true; });
      known->second.lookups -= count;
      REQUIRE(is_gone == (known->second.lookups == 0));
      if (is_gone) model.erase(known);
    } else {
      REQUIRE(nodes.id_of(*volumes[number], KeyedInode(key)) == 0);
    }
    REQUIRE(nodes.size() == model.size() + 1);
    REQUIRE(KeyedInode::living == static_cast<int>(model.size()));
  }
  for (std::size_t number = 0; number < volumes.size(); ++number) {
    std::size_t expected = 0;
    for (const auto& [key, node] : model) expected += key.first == number;
    CHECK(nodes.nodes_of(*volumes[number]).size() == expected);
  }
  for (const auto& [key, node] : model) {
    REQUIRE(nodes.find(node.id) != nullptr);
    CHECK(nodes.find(node.id)->inode().key() == key.second);
    CHECK(nodes.find(node.id)->lookups == node.lookups);
  }
}

TEST_CASE("threads look up and forget the same files", "[nodes]") {
  NodeTable nodes(volume(""));
  const auto claim = volume("data");
  std::vector<std::thread> threads;
  for (unsigned thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      std::mt19937 random(thread);
      for (int step = 0; step < 5'000; ++step) {
        const std::string key = std::to_string(random() % 8);
        const NodeId id = nodes.remember(claim, inode(key)).id;
        if (nodes.find(id)->inode().key() != key) std::abort();
        nodes.with(*claim, key, [](backends::Inode&) {});
        forget(nodes, id, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(nodes.size() == 1);
  CHECK(KeyedInode::living == 0);
}

}  // namespace claimfs::fs
