#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/ground.h"
#include "backends/nfs.h"
#include "backends/nfs/attributes_of.h"
#include "backends/nfs/blocking_calls.h"
#include "backends/nfs/file_handle.h"

namespace claimfs::backends::nfs {

namespace {

constexpr std::chrono::seconds kForMounting{10};
// What a listing brings at once: what is listed is removed, and the rest listed anew.
constexpr unsigned kListed = 32 * 1024;
constexpr unsigned kListedNames = 8 * 1024;
constexpr mode_t kOnTheWay = 0755;
// Directories that fill up again while they are emptied.
constexpr int kPatience = 100;
constexpr int kMostArchives = 1000;

// A file as a directory shows it.
struct Found {
  std::string name;
  FileHandle handle;
  bool is_directory = false;
  std::uint64_t filesystem = 0;
  std::uint64_t bytes = 0;  // of disk space; a file's with its last name
};

Found found_of(std::string name, const FileHandle& handle, const fattr3& attributes) {
  const bool is_directory = attributes.type == NF3DIR;
  return {.name = std::move(name),
          .handle = handle,
          .is_directory = is_directory,
          .filesystem = attributes.fsid,
          .bytes = is_directory || attributes.nlink <= 1 ? attributes.used : 0};
}

std::vector<std::string> components_of(std::string_view path) {
  std::vector<std::string> components;
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > 0) components.emplace_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return components;
}

// One share of a server. The server resolves the path of the share, which its administrator gave,
// and nothing else: from its root on every step is a LOOKUP by file handle, which follows no
// symlink, and what is on another filesystem of the server is not entered.
class Share {
 public:
  static Result<std::unique_ptr<Share>> mount(const volumes::NfsOptions& options) {
    const MountedExport mounted = TRY(mount_export(options, Clock::now() + kForMounting));
    return std::make_unique<Share>(mounted);
  }
  explicit Share(const MountedExport& mounted)
      : calls_(mounted.connection),
        root_(found_of("", mounted.found.root, mounted.found.root_attributes)) {}

  const Found& root() const { return root_; }

  Result<Found> look_up(const Found& directory, const std::string& name) {
    struct Answer {
      FileHandle handle;
      bool has_attributes = false;
      fattr3 attributes{};
    };
    const Answer answer =
        TRY(calls_.ask<Lookup>([&](LOOKUP3args& to) { to.what = place(directory.handle, name); },
                               [](LOOKUP3res& reply) {
                                 const LOOKUP3resok& found = reply.LOOKUP3res_u.resok;
                                 Answer taken;
                                 taken.handle = FileHandle(found.object);
                                 taken.has_attributes = found.obj_attributes.attributes_follow != 0;
                                 if (taken.has_attributes)
                                   taken.attributes =
                                       found.obj_attributes.post_op_attr_u.attributes;
                                 return taken;
                               }));
    if (!answer.handle) return failure(EIO);
    if (answer.has_attributes) return found_of(name, answer.handle, answer.attributes);
    const fattr3 asked = TRY(calls_.ask<GetAttributes>(
        [&](GETATTR3args& to) { to.object = answer.handle.raw(); },
        [](GETATTR3res& reply) { return reply.GETATTR3res_u.resok.obj_attributes; }));
    return found_of(name, answer.handle, asked);
  }

  // A directory of this filesystem, by its names from the root.
  Result<Found> walk(const std::vector<std::string>& names) {
    Found at = root_;
    for (const std::string& name : names) {
      at = TRY(look_up(at, name));
      if (!at.is_directory) return failure(ENOTDIR);
      if (at.filesystem != root_.filesystem) return failure(EBUSY);
    }
    return at;
  }

  // The first ones of what is in it; handles may be missing, and are when attributes are.
  Result<std::vector<Found>> list(const Found& directory) {
    return calls_.ask<ReadDirectoryPlus>(
        [&](READDIRPLUS3args& to) {
          to.dir = directory.handle.raw();
          to.dircount = kListedNames;
          to.maxcount = kListed;
        },
        [](READDIRPLUS3res& reply) {
          std::vector<Found> entries;
          for_each_entry(reply.READDIRPLUS3res_u.resok.reply, [&](const entryplus3& entry) {
            const std::string_view name = entry.name ? entry.name : "";
            // No server may lead us anywhere by a name.
            if (name.empty() || name == "." || name == ".." ||
                name.find('/') != std::string_view::npos)
              return;
            const post_op_attr& attributes = entry.name_attributes;
            const FileHandle handle = handle_of(entry.name_handle);
            if (handle && attributes.attributes_follow != 0)
              entries.push_back(
                  found_of(std::string(name), handle, attributes.post_op_attr_u.attributes));
            else
              entries.push_back({.name = std::string(name), .handle = {}});
          });
          return entries;
        });
  }

  Result<void> remove(const Found& directory, const std::string& name) {
    return gone(
        calls_.tell<Remove>([&](REMOVE3args& to) { to.object = place(directory.handle, name); }));
  }
  Result<void> remove_directory(const Found& directory, const std::string& name) {
    return gone(calls_.tell<RemoveDirectory>(
        [&](RMDIR3args& to) { to.object = place(directory.handle, name); }));
  }
  Result<void> rename(const Found& directory, const std::string& name, const std::string& to_name) {
    return calls_.tell<Rename>([&](RENAME3args& to) {
      to.from = place(directory.handle, name);
      to.to = place(directory.handle, to_name);
    });
  }

  // The directory of that name, made when it is missing, with exactly that mode.
  Result<Found> provide(const Found& directory, const std::string& name, mode_t mode) {
    if (auto there = look_up(directory, name); there || there.error().code != ENOENT) return there;
    const Result<void> made = calls_.tell<MakeDirectory>([&](MKDIR3args& to) {
      to.where = place(directory.handle, name);
      to.attributes = to_sattr(mode);
    });
    if (!made && made.error().code != EEXIST) return failure(made.error());
    const Found found = TRY(look_up(directory, name));
    // The server's own umask may have taken from it.
    if (made)
      TRY_VOID(calls_.tell<SetAttributes>([&](SETATTR3args& to) {
        to.object = found.handle.raw();
        to.new_attributes = to_sattr(mode);
      }));
    return found;
  }

 private:
  // What was asked for may have been done by the same call before its reply was lost.
  static Result<void> gone(Result<void> removed) {
    return !removed && removed.error().code == ENOENT ? Result<void>() : removed;
  }

  BlockingCalls calls_;
  const Found root_;
};

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
    const auto names = TRY(names_below(base + "/" + below));
    const auto share = TRY(Share::mount(options_));
    Found at = share->root();
    for (std::size_t depth = 0; depth < names.size(); ++depth) {
      const bool is_last = depth + 1 == names.size();
      auto next = share->provide(at, names[depth], is_last ? mode : kOnTheWay);
      if (!next) return failed(next.error(), base + "/" + below);
      if (!next->is_directory) return failed(ENOTDIR, base + "/" + below);
      at = std::move(*next);
    }
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

  Result<std::string> archive(const std::string& path, const std::string& name) override {
    std::string given;
    const Result<void> moved =
        with_parent(path, [&](Share& share, const Found& parent, const Found& there) {
          return move_away(share, parent, there, name, given);
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

  static Result<void> move_away(Share& share, const Found& parent, const Found& there,
                                const std::string& name, std::string& given) {
    std::string free = name;
    for (int number = 1; number <= kMostArchives; ++number) {
      const auto taken = share.look_up(parent, free);
      if (!taken && taken.error().code != ENOENT) return failure(taken.error());
      if (!taken) {
        TRY_VOID(share.rename(parent, there.name, free));
        given = free;
        return {};
      }
      free = name + "-" + std::to_string(number);
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
