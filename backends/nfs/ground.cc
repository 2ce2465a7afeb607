#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/ground.h"
#include "backends/nfs.h"
#include "backends/nfs/share.h"

namespace claimfs::backends::nfs {

namespace {

// Directories that fill up again while they are emptied.
constexpr int kPatience = 100;
constexpr int kMostArchives = 1000;

std::vector<std::string> components_of(std::string_view path) {
  std::vector<std::string> components;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) components.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return components;
}

// Empties directories, the deepest ones first, without ever knowing more than the way to the one
// that it is in.
class Emptying {
 public:
  Emptying(Share& share, RemovalProgress& progress, const std::stop_token& stop)
      : share_(share), progress_(progress), stop_(stop) {}

  Result<void> empty(const Found& directory) {
    std::vector<Found> way = {directory};
    int tries = 0;
    while (true) {
      if (stop_.stop_requested()) return failure(ECANCELED);
      std::vector<Found> entries = TRY(share_.list(way.back()));
      if (entries.empty()) {
        if (way.size() == 1) return {};
        const Found done = std::move(way.back());
        way.pop_back();
        const Result<void> removed = share_.remove_directory(way.back(), done.name);
        if (removed) count(done);
        // Somebody has put something into it: it is met again, and emptied again.
        else if (removed.error().code != ENOTEMPTY && removed.error().code != EEXIST)
          return removed;
        else if (++tries > kPatience)
          return removed;
        continue;
      }
      if (const auto below = TRY(remove_files(way.back(), entries))) way.push_back(*below);
    }
  }

 private:
  // Answers with the first directory among them, which has to be emptied before.
  Result<std::optional<Found>> remove_files(const Found& directory, std::vector<Found>& entries) {
    std::optional<Found> first;
    for (Found& entry : entries) {
      if (stop_.stop_requested()) return failure(ECANCELED);
      if (!entry.handle) {
        auto asked = share_.look_up(directory, entry.name);
        if (!asked && asked.error().code == ENOENT) continue;
        if (!asked) return failure(asked.error());
        entry = std::move(*asked);
      }
      if (entry.is_directory) {
        if (entry.filesystem != share_.root().filesystem) return failure(EBUSY);
        if (!first) first = entry;
        continue;
      }
      TRY_VOID(share_.remove(directory, entry.name));
      count(entry);
    }
    return first;
  }

  void count(const Found& removed) {
    ++progress_.files;
    progress_.bytes += removed.bytes;
  }

  Share& share_;
  RemovalProgress& progress_;
  const std::stop_token& stop_;
};

class NfsGround final : public Ground {
 public:
  explicit NfsGround(volumes::NfsOptions share) : options_(std::move(share)) {
    while (options_.path.size() > 1 && options_.path.ends_with('/')) options_.path.pop_back();
    options_.hard = false;
    options_.exclusive = false;
  }

  Result<void> make_directory(const std::string& base, const std::string& below,
                              mode_t mode) override {
    auto names = TRY(names_below(base + "/" + below));
    if (names.empty()) return {};
    const std::string name = std::move(names.back());
    names.pop_back();
    const auto share = TRY(Share::mount(options_));
    const auto parent = share->provide(names);
    if (!parent) return failed(parent.error(), base + "/" + below);
    const auto made = share->provide(*parent, name, mode);
    if (!made) return failed(made.error(), base + "/" + below);
    if (!made->is_directory) return failed(ENOTDIR, base + "/" + below);
    return {};
  }

  Result<void> remove_tree(const std::string& path, RemovalProgress& progress,
                           std::stop_token stop) override {
    return with_parent(path, [&](Share& share, const Found& parent, const Found& there) {
      return remove(share, parent, there, progress, stop);
    });
  }

  Result<void> scrub(const std::string& path, RemovalProgress& progress,
                     std::stop_token stop) override {
    const auto names = TRY(names_below(path));
    const auto share = TRY(Share::mount(options_));
    const auto directory = share->walk(names);
    if (!directory) return failed(directory.error(), path);
    const auto emptied = Emptying(*share, progress, stop).empty(*directory);
    return emptied ? emptied : failed(emptied.error(), path);
  }

  Result<void> remove_empty_parents(const std::string& path) override {
    auto names = TRY(names_below(path));
    if (names.size() < 2) return {};
    names.pop_back();
    const auto share = TRY(Share::mount(options_));
    while (!names.empty()) {
      const std::string name = std::move(names.back());
      names.pop_back();
      const auto parent = share->walk(names);
      const auto removed =
          parent ? share->remove_directory(*parent, name) : Result<void>(failure(parent.error()));
      if (!removed && stays(removed.error())) return {};
      // It is gone already, and the next one may be empty.
      if (!removed && removed.error().code != ENOENT) return failed(removed.error(), path);
    }
    return {};
  }

  Result<std::string> archive(const std::string& path, const std::string& name) override {
    const auto way = TRY(names_below(options_.path + "/" + name));
    std::string given;
    const Result<void> moved =
        with_parent(path, [&](Share& share, const Found& parent, const Found& there) {
          return move_away(share, parent, there, way, given);
        });
    if (!moved) return failure(moved.error());
    return given;
  }

 private:
  // The names on the way from the share to the path. What is not below it is refused.
  Result<std::vector<std::string>> names_below(const std::string& path) const {
    const std::string root = options_.path == "/" ? "" : options_.path;
    const bool is_below = path == options_.path || path.starts_with(root + "/");
    auto names = is_below ? components_of(std::string_view(path).substr(root.size()))
                          : std::vector<std::string>();
    const auto is_strange = [](const std::string& name) { return name == "." || name == ".."; };
    if (!is_below || std::ranges::any_of(names, is_strange))
      return failure(EINVAL, path + " is not below " + options_.path);
    return names;
  }

  // Nothing there is success. The share itself stays.
  template <class Do>
  Result<void> with_parent(const std::string& path, Do act) {
    auto names = TRY(names_below(path));
    if (names.empty()) return failed(EBUSY, path + ": it is the whole share");
    const std::string name = std::move(names.back());
    names.pop_back();
    const auto share = TRY(Share::mount(options_));
    const auto parent = share->walk(names);
    if (!parent && parent.error().code == ENOENT) return {};
    if (!parent) return failed(parent.error(), path);
    const auto there = share->look_up(*parent, name);
    if (!there && there.error().code == ENOENT) return {};
    if (!there) return failed(there.error(), path);
    const Result<void> done = act(*share, *parent, *there);
    return done ? done : failed(done.error(), path);
  }

  // Whether a directory is not removed because somebody has something in it, or it is not ours to
  // remove. Whatever else went wrong may go well later.
  static bool stays(const Error& error) {
    constexpr std::array kReasons = {ENOTEMPTY, EEXIST, EACCES, EPERM, EROFS, EBUSY, ENOTDIR};
    return std::ranges::find(kReasons, error.code) != kReasons.end();
  }

  static Result<void> move_away(Share& share, const Found& parent, const Found& there,
                                std::vector<std::string> to, std::string& given) {
    if (to.empty()) return failure(EINVAL);
    const std::string name = std::move(to.back());
    to.pop_back();
    const Found shelf = TRY(share.provide(to));
    for (int number = 0; number < kMostArchives; ++number) {
      const std::string tail = number == 0 ? "" : "-" + std::to_string(number);
      const auto taken = share.look_up(shelf, name + tail);
      if (!taken && taken.error().code != ENOENT) return failure(taken.error());
      if (taken) continue;
      TRY_VOID(share.rename(parent, there.name, shelf, name + tail));
      given = name + tail;
      return {};
    }
    return failure(EEXIST);
  }

  static Result<void> remove(Share& share, const Found& parent, const Found& there,
                             RemovalProgress& progress, const std::stop_token& stop) {
    if (!there.is_directory) return share.remove(parent, there.name);
    if (there.filesystem != share.root().filesystem) return failure(EBUSY);
    for (int tries = 0; tries < kPatience; ++tries) {
      TRY_VOID(Emptying(share, progress, stop).empty(there));
      const Result<void> removed = share.remove_directory(parent, there.name);
      if (removed) {
        ++progress.files;
        progress.bytes += there.bytes;
      }
      if (removed || (removed.error().code != ENOTEMPTY && removed.error().code != EEXIST))
        return removed;
    }
    return failure(ENOTEMPTY);
  }

  Result<void> failed(const Error& error, const std::string& path) const {
    if (error.code == ECANCELED) return failure(error);
    const std::string where = options_.server + ":" + path;
    return failure(error.code, error.context.empty() ? where : where + ": " + error.context);
  }

  volumes::NfsOptions options_;
};

}  // namespace

}  // namespace claimfs::backends::nfs

namespace claimfs::backends {

std::unique_ptr<Ground> make_nfs_ground(volumes::NfsOptions share) {
  return std::make_unique<nfs::NfsGround>(std::move(share));
}

}  // namespace claimfs::backends
