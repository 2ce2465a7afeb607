// Directories that a server is asked for before they are opened: what is told of them, and when.

#include <atomic>
#include <filesystem>
#include <thread>
#include <vector>

#include "tests/unit/interrupted.h"
#include "tests/unit/nfs_volume.h"

namespace claimfs::tests {

namespace {

// A tree of directories with a file in each, on a volume that nobody else changes.
struct Tree {
  static constexpr int kCount = 8;

  Tree() {
    volumes::NfsOptions options = server.options();
    options.exclusive = true;
    for (int number = 0; number < kCount; ++number)
      std::filesystem::create_directories(server.directory() + "/d" + std::to_string(number) +
                                          "/there");
    volume = std::make_unique<Volume>(backend_on(options), Features{});
    REQUIRE(names_of(volume->root()) == kCount);
    const auto listed = listed_;
    for (const auto& one : listed)
      if (one.name.starts_with('d'))
        directories.push_back(volume->lookup(volume->root(), one.name)->inode);
  }

  std::string path(int number) const { return server.directory() + "/d" + std::to_string(number); }
  Result<std::unique_ptr<File>> open(Inode& directory) {
    return ask<std::unique_ptr<File>>([&](auto answer) {
      volume->backend().open_directory(volume->caller, directory, std::move(answer));
    });
  }
  // Without dots.
  int names_of(Inode& directory) {
    auto opened = open(directory);
    REQUIRE(opened);
    listed_ = volume->list(**opened, 0, 1000, true).value();
    return static_cast<int>(listed_.size()) - 2;
  }
  bool has(int at, const std::string& name) {
    names_of(*directories[static_cast<std::size_t>(at)]);
    return std::ranges::any_of(listed_, [&](const auto& one) { return one.name == name; });
  }
  void walk(int begin, int end) {
    for (; begin < end; ++begin) CHECK(has(begin, "there"));
  }

  NfsServer server;
  std::unique_ptr<Volume> volume;
  std::vector<Inode*> directories;  // in the listing's order

 private:
  std::vector<Volume::Listed> listed_;
};

}  // namespace

TEST_CASE("who walks through a tree does not wait for the server at each directory",
          "[nfs][next]") {
  if (!can_run()) return;
  Tree tree;
  // What has been asked for is believed for a tenth of a second only.
  const bool is_there_at_once = comes_true([&] {
    tree.walk(0, 2);
    tree.walk(2, 3);  // behind this, the next two have been asked for before it was answered
    tree.server.freeze();
    auto interruption = std::make_shared<Interrupted>();
    std::promise<int> answered;
    tree.volume->backend().open_directory(caller_who_can(interruption), *tree.directories[3],
                                          [&](Result<std::unique_ptr<File>> opened) {
                                            answered.set_value(code_of(opened));
                                            return true;
                                          });
    auto answer = answered.get_future();
    if (answer.wait_for(std::chrono::milliseconds(50)) != std::future_status::ready &&
        interruption->now)
      interruption->now();
    const int code = answer.get();
    tree.server.thaw();
    CHECK((code == 0 || code == EINTR));  // who waits can be interrupted
    return code == 0;
  });
  CHECK(is_there_at_once);
  tree.walk(0, Tree::kCount);
}

TEST_CASE("what was asked for before it was changed is not told", "[nfs][next]") {
  if (!can_run()) return;
  Tree tree;
  for (int time = 0; time < 20; ++time) {
    const std::string name = "ours" + std::to_string(time);
    tree.walk(0, 3);
    tree.volume->put(*tree.directories[3], name, "text");
    tree.volume->put(*tree.directories[4], name, "text");
    CHECK(tree.has(3, name));
    CHECK(tree.has(4, name));
  }
}

TEST_CASE("a directory that is refused is refused to who opens it", "[nfs][next]") {
  if (!can_run()) return;
  Tree tree;
  for (std::size_t at = 3; at < Tree::kCount; ++at)
    REQUIRE(tree.volume->change(*tree.directories[at], {.mode = 0700}));
  tree.volume->caller.uid = tree.volume->caller.gid = 1000;
  tree.walk(0, 3);
  for (std::size_t at = 3; at < Tree::kCount; ++at)
    CHECK(code_of(tree.open(*tree.directories[at])) == EACCES);
  // Another is told for himself.
  tree.walk(0, 3);
  tree.volume->caller = {};
  tree.walk(3, Tree::kCount);
  tree.walk(0, 3);
  tree.volume->caller.uid = tree.volume->caller.gid = 1000;
  CHECK(code_of(tree.open(*tree.directories[3])) == EACCES);
}

TEST_CASE("several walk through one tree at once", "[nfs][next]") {
  if (!can_run()) return;
  Tree tree;
  std::atomic<int> wrong{0};
  std::vector<std::thread> walkers;
  for (int number = 0; number < 3; ++number)
    walkers.emplace_back([&] {
      for (int time = 0; time < 30; ++time)
        for (Inode* directory : tree.directories)
          if (!tree.open(*directory)) ++wrong;
    });
  for (std::thread& walker : walkers) walker.join();
  CHECK(wrong == 0);
  tree.walk(0, Tree::kCount);
}

TEST_CASE("a volume is left with directories that nobody has opened", "[nfs][next]") {
  if (!can_run()) return;
  Tree tree;
  tree.walk(0, 3);
  tree.server.freeze();
  tree.volume.reset();
  tree.server.thaw();
}

}  // namespace claimfs::tests
