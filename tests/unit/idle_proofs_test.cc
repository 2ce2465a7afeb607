#include "fs/idle_proofs.h"

#include <array>
#include <atomic>
#include <set>
#include <thread>

#include "tests/unit/catch.h"
#include "tests/unit/mounted_tree.h"

namespace claimfs::fs {
namespace {

using namespace std::chrono_literals;
using tests::code_of;

// What the kernel does with what it is told: nodes that somebody uses, or that have a name or a
// known absent name below them, are not forgotten (FUSE.md 2, F2). Its FORGETs come from another
// thread, as those of the real one do.
class FakeKernelCache final : public KernelCache {
 public:
  explicit FakeKernelCache(MountedTree& tree) : tree_(tree) {
    tree_.filesystem.set_kernel_cache(this);
  }
  ~FakeKernelCache() override {
    tree_.filesystem.set_kernel_cache(nullptr);
    if (late_.joinable()) late_.join();
  }

  bool prune(std::span<const NodeId> nodes) override {
    ++prunes;
    pruned.insert(pruned.end(), nodes.begin(), nodes.end());
    if (is_old) return false;
    std::map<NodeId, std::uint64_t> forgotten;
    for (const NodeId node : nodes) {
      if (pinned.contains(node) || holds_absent_name(node)) continue;
      if (const auto known = tree_.lookups.find(node); known != tree_.lookups.end()) {
        forgotten.insert(*known);
        tree_.lookups.erase(known);
      }
    }
    if (late_.joinable()) late_.join();
    late_ = std::thread([this, forgotten] {
      std::this_thread::sleep_for(delay);
      for (const auto& [node, count] : forgotten) tree_.filesystem.forget(node, count);
    });
    return true;
  }

  void drop_name(NodeId directory, const std::string& name) override {
    dropped.insert({directory, name});
    absent.erase({directory, name});
    if (on_drop) on_drop(directory, name);
  }

  // A name that the kernel was told to be absent.
  void look_up_absent(NodeId directory, const std::string& name) {
    CHECK(code_of(tree_.lookup(directory, name)) == ENOENT);
    absent.insert({directory, name});
  }
  bool holds_absent_name(NodeId node) const {
    return std::ranges::any_of(absent, [node](const auto& each) { return each.first == node; });
  }

  bool prove(const std::shared_ptr<ServedVolume>& volume, bool for_good = false) {
    std::promise<bool> promise;
    auto proven = promise.get_future();
    tree_.filesystem.prove_unused(volume, for_good, [&](bool is) { promise.set_value(is); });
    if (proven.wait_for(10s) != std::future_status::ready)
      throw std::runtime_error("no proof within ten seconds");
    const bool is_proven = proven.get();
    if (is_proven) volume->let_in();
    return is_proven;
  }

  // A FORGET that has not come yet is no proof, and on a busy machine it may come late.
  bool prove_soon(const std::shared_ptr<ServedVolume>& volume, bool for_good = false) {
    for (int i = 0; i < 100; ++i)
      if (prove(volume, for_good)) return true;
    return false;
  }

  std::set<NodeId> pinned;
  std::set<std::pair<NodeId, std::string>> absent;
  std::set<std::pair<NodeId, std::string>> dropped;
  std::vector<NodeId> pruned;
  std::function<void(NodeId, const std::string&)> on_drop;
  std::chrono::milliseconds delay{0};
  bool is_old = false;
  int prunes = 0;

 private:
  MountedTree& tree_;
  std::thread late_;
};

struct Fixture {
  explicit Fixture(Effects effects = {}) : tree(std::move(effects)) {
    tree.add(MountedTree::claim("data"));
    volume = tree.volumes.front();
    root = tree.at({"ns", "data"});
    directory = tree.make_directory(root, "directory").value();
    const auto made = tree.create(directory, "file").value();
    file = made.node;
    tree.release(made.handle);
  }
  MountedTree tree;
  std::shared_ptr<ServedVolume> volume;
  NodeId root, directory, file;
  FakeKernelCache cache{tree};
};

}  // namespace

TEST_CASE("proof: unused when the kernel has forgotten all", "[idle_proofs]") {
  Fixture f;
  CHECK(f.volume->nodes.load() == 3);
  CHECK(f.cache.prove_soon(f.volume));
  CHECK(f.volume->nodes.load() == 0);
  CHECK_FALSE(f.volume->is_in_use());
  // Children before parents.
  REQUIRE(f.cache.pruned.size() >= 3);
  f.cache.pruned.resize(3);  // the first try
  CHECK(f.cache.pruned == std::vector<NodeId>{f.file, f.directory, f.root});
  // What comes next begins anew.
  CHECK(f.tree.lookup(f.tree.at({"ns", "data"}), "directory"));
  CHECK(f.volume->is_in_use());
  CHECK(f.cache.prove_soon(f.volume));
}

TEST_CASE("proof: an unknown kernel proves nothing", "[idle_proofs]") {
  Fixture f;
  f.tree.filesystem.set_kernel_cache(nullptr);
  CHECK_FALSE(f.cache.prove(f.volume));
  CHECK(f.volume->is_in_use());
}

TEST_CASE("proof: what is held is in use, until it is let go of", "[idle_proofs]") {
  Fixture f;
  SECTION("a working directory, a bind mount, a map: a node that stays") {
    const NodeId held = std::array{f.root, f.directory, f.file}.at(GENERATE(0U, 1U, 2U));
    f.cache.pinned = {held};
    CHECK_FALSE(f.cache.prove(f.volume));
    CHECK_FALSE(f.cache.prove(f.volume));
    CHECK(f.volume->is_in_use());
    CHECK(f.tree.filesystem.nodes().nodes_of(*f.volume) == std::vector<NodeId>{held});
    f.cache.pinned = {};
    CHECK(f.cache.prove_soon(f.volume));
  }
  SECTION("an open file: nothing is even asked") {
    Handle* open = f.tree.open(f.file, O_RDONLY).value();
    CHECK_FALSE(f.cache.prove(f.volume));
    CHECK(f.cache.prunes == 0);
    f.tree.release(open);
    CHECK(f.cache.prove_soon(f.volume));
  }
  SECTION("an open directory") {
    Handle* open = f.tree.open_directory(f.root).value();
    CHECK_FALSE(f.cache.prove(f.volume));
    f.tree.release(open);
    CHECK(f.cache.prove_soon(f.volume));
  }
}

TEST_CASE("proof: another claim's nodes and names are left alone", "[idle_proofs]") {
  Fixture f;
  f.tree.add(MountedTree::claim("other"));
  const NodeId other = f.tree.at({"ns", "other"});
  f.cache.look_up_absent(other, "nothing");
  CHECK(f.cache.prove_soon(f.volume));
  CHECK(f.tree.volumes.back()->nodes.load() == 1);
  CHECK(f.tree.volumes.back()->is_in_use());
  CHECK(f.cache.dropped.empty());
  CHECK(std::ranges::find(f.cache.pruned, other) == f.cache.pruned.end());
}

TEST_CASE("proof: names that are absent hold their directory, and are dropped", "[idle_proofs]") {
  Fixture f;
  f.cache.look_up_absent(f.root, "nothing");
  f.cache.look_up_absent(f.directory, "never");
  SECTION("looked up") {}
  SECTION("unlinked") {
    CHECK(code_of(f.tree.ask<void>([&](auto answer) {
            f.tree.filesystem.unlink(f.tree.caller, f.directory, "file", std::move(answer));
          })) == 0);
    f.cache.absent.insert({f.directory, "file"});
  }
  SECTION("renamed") {
    CHECK(code_of(f.tree.ask<void>([&](auto answer) {
            f.tree.filesystem.rename(f.tree.caller, f.directory, "file", f.root, "nothing", 0,
                                     std::move(answer));
          })) == 0);
    f.cache.absent.erase({f.root, "nothing"});
    f.cache.absent.insert({f.directory, "file"});
  }
  const auto absent = f.cache.absent;
  CHECK(f.cache.prove_soon(f.volume));
  CHECK(f.cache.dropped == absent);
}

TEST_CASE("proof: a name that is there again is not dropped: it may be mounted on",
          "[idle_proofs]") {
  Fixture f;
  f.cache.look_up_absent(f.root, "later");
  f.cache.absent.clear();
  const NodeId later = f.tree.make_directory(f.root, "later").value();
  f.cache.pinned = {later, f.root};
  CHECK_FALSE(f.cache.prove(f.volume));
  CHECK(f.cache.dropped.empty());
}

TEST_CASE("proof: a name that is looked up while it is dropped is dropped again", "[idle_proofs]") {
  Fixture f;
  f.cache.look_up_absent(f.root, "nothing");
  int drops = 0;
  f.cache.on_drop = [&](NodeId directory, const std::string& name) {
    // Somebody asks right behind the notification: the kernel holds the name again.
    if (++drops == 1) f.cache.look_up_absent(directory, name);
  };
  CHECK((f.cache.prove(f.volume) || f.cache.prove(f.volume)));
  CHECK(drops == 2);
}

// It may hold its directory in the kernel, and the notification would wait for that.
TEST_CASE("proof: no name is dropped while a request is under way", "[idle_proofs]") {
  Fixture f;
  f.cache.look_up_absent(f.root, "nothing");
  RawRequest request;
  REQUIRE(f.volume->gate.enter(request) == Gate::Entered::Inside);
  CHECK_FALSE(f.cache.prove(f.volume));
  CHECK(f.cache.dropped.empty());
  CHECK(f.volume->is_in_use());
  f.volume->gate.leave();
  CHECK(f.cache.prove_soon(f.volume));
  CHECK(f.cache.dropped.size() == 1);
}

TEST_CASE("proof: a FORGET that does not come is only \"not yet\"", "[idle_proofs]") {
  Fixture f;
  f.cache.delay = 60ms;
  CHECK_FALSE(f.cache.prove(f.volume));
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (f.volume->nodes.load() > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(1ms);
  CHECK(f.volume->is_in_use());  // nobody has ended it
  CHECK(f.cache.prove_soon(f.volume));
  CHECK_FALSE(f.volume->is_in_use());
}

TEST_CASE("proof: for good", "[idle_proofs]") {
  Fixture f;
  ServedClaim terminating = MountedTree::claim("data");
  terminating.is_terminating = true;
  f.volume->update(terminating);
  SECTION("who had it goes on, until the last lets go; then nobody comes in again") {
    f.cache.pinned = {f.root};
    CHECK_FALSE(f.cache.prove(f.volume, true));
    CHECK(f.tree.lookup(f.root, "directory"));
    f.cache.pinned = {};
    CHECK(f.cache.prove_soon(f.volume, true));
    f.volume->allow_first_use();
    CHECK(code_of(f.tree.lookup(f.tree.at({"ns", "data"}), "directory")) == EBUSY);
  }
  SECTION("a root that was held, though never used, is let in") {
    REQUIRE(f.cache.prove_soon(f.volume));
    const NodeId root = f.tree.at({"ns", "data"});
    f.cache.pinned = {root};
    CHECK(code_of(f.tree.lookup(root, "directory")) == EBUSY);
    CHECK_FALSE(f.cache.prove(f.volume, true));
    f.volume->allow_first_use();  // what the mount does then
    CHECK(f.tree.lookup(root, "directory"));
  }
}

TEST_CASE("proof: an old kernel drops the claim's name, but never with a mount below it",
          "[idle_proofs]") {
  bool has_mounts = false;
  Effects effects;
  effects.has_mounts_inside = [&has_mounts](const ServedClaim&) { return has_mounts; };
  Fixture f(std::move(effects));
  f.cache.is_old = true;
  const NodeId name_space = f.tree.at({"ns"});
  f.cache.on_drop = [&](NodeId directory, const std::string& name) {
    if (directory != name_space || name != "data") return;
    for (const NodeId node : {f.file, f.directory, f.root})
      if (const auto known = f.tree.lookups.extract(node); !known.empty())
        f.tree.filesystem.forget(node, known.mapped());
  };
  has_mounts = true;
  CHECK_FALSE(f.cache.prove(f.volume));
  CHECK(f.cache.dropped.empty());
  has_mounts = false;
  CHECK(f.cache.prove_soon(f.volume));
  CHECK(f.cache.dropped == std::set<std::pair<NodeId, std::string>>{{name_space, "data"}});
}

TEST_CASE("proof: nobody is let in between it and the end of the use", "[idle_proofs]") {
  // Attached or not, as the store would say; true only between attach and the proof's answer.
  std::atomic<bool> is_attached{false};
  std::atomic<bool> is_done{false};
  std::atomic<int> uses_without{0}, proven{0};
  MountedTree tree;
  auto volume = std::make_shared<ServedVolume>(
      MountedTree::claim("data"), std::make_unique<tests::MemoryBackend>(), nullptr,
      [&](const ServedClaim&, bool, const std::string*) -> Result<void> {
        is_attached = true;
        return {};
      });
  tree.volumes.push_back(volume);
  tree.filesystem.show(tree.volumes);
  FakeKernelCache cache(tree);
  const NodeId name_space = tree.at({"ns"});
  Filesystem& fs = tree.filesystem;
  const auto look_up = [&fs](NodeId parent, std::string_view name) {
    return tests::ask<EntryReply>(
        [&](auto answer) { fs.lookup({}, parent, name, std::move(answer)); });
  };
  std::vector<std::thread> users;
  for (int i = 0; i < 2; ++i) {
    users.emplace_back([&] {
      while (!is_done) {
        const auto root = look_up(name_space, "data");
        if (!root) continue;
        // Held from here on, as by a request that names it.
        (void)look_up(root->node, "nothing");
        if (!is_attached) ++uses_without;
        fs.forget(root->node, 1);
      }
    });
  }
  // The users hold it nearly always: how often a proof finds a moment between, on a busy machine,
  // is nobody's promise; that it does is.
  const auto start = std::chrono::steady_clock::now();
  const auto has_run = [start](auto time) {
    return std::chrono::steady_clock::now() - start >= time;
  };
  while (!has_run(1500ms) || (proven <= 10 && !has_run(120s))) {
    std::promise<void> answered;
    fs.prove_unused(volume, false, [&](bool is_unused) {
      if (is_unused) {
        is_attached = false;
        ++proven;
        std::this_thread::sleep_for(100us);
        volume->let_in();
      }
      answered.set_value();
    });
    answered.get_future().wait();
  }
  is_done = true;
  for (std::thread& user : users) user.join();
  CHECK(uses_without == 0);
  CHECK(proven > 10);
  CHECK(volume->nodes.load() == 0);
}

}  // namespace claimfs::fs
