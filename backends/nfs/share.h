#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/nfs/attributes_of.h"
#include "backends/nfs/blocking_calls.h"
#include "backends/nfs/file_handle.h"

namespace claimfs::backends::nfs {

// A file as a directory shows it.
struct Found {
  std::string name;
  FileHandle handle;
  bool is_directory = false;
  std::uint64_t filesystem = 0;
  std::uint64_t bytes = 0;  // of disk space; a file's with its last name
};

inline Found found_of(std::string name, const FileHandle& handle, const fattr3& attributes) {
  const bool is_directory = attributes.type == NF3DIR;
  return {.name = std::move(name),
          .handle = handle,
          .is_directory = is_directory,
          .filesystem = attributes.fsid,
          .bytes = is_directory || attributes.nlink <= 1 ? attributes.used : 0};
}

// One share of a server, for provisioning and reclaim: its calls block. The server resolves the
// path of the share, which its administrator gave, and nothing else: from its root on every step is
// a LOOKUP by file handle, which follows no symlink, and what is on another filesystem of the
// server is not entered.
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
  Result<void> rename(const Found& directory, const std::string& name, const Found& to_directory,
                      const std::string& to_name) {
    return calls_.tell<Rename>([&](RENAME3args& to) {
      to.from = place(directory.handle, name);
      to.to = place(to_directory.handle, to_name);
    });
  }

  // The directory of that name, made when it is missing: with exactly that mode, or, when that is
  // 0, with whatever it gets there.
  Result<Found> provide(const Found& directory, const std::string& name, mode_t mode) {
    if (auto there = look_up(directory, name); there || there.error().code != ENOENT) return there;
    const Result<void> made = calls_.tell<MakeDirectory>([&](MKDIR3args& to) {
      to.where = place(directory.handle, name);
      to.attributes = to_sattr(mode == 0 ? kOnTheWay : mode);
    });
    if (!made && made.error().code != EEXIST) return failure(made.error());
    const Found found = TRY(look_up(directory, name));
    // The server's own umask may have taken from it.
    if (made && mode != 0)
      TRY_VOID(calls_.tell<SetAttributes>([&](SETATTR3args& to) {
        to.object = found.handle.raw();
        to.new_attributes = to_sattr(mode);
      }));
    return found;
  }

  // The directory that is reached by these names from the root, and all on the way to it.
  Result<Found> provide(const std::vector<std::string>& names) {
    Found at = root_;
    for (const std::string& name : names) {
      at = TRY(provide(at, name, kOnTheWay));
      if (!at.is_directory) return failure(ENOTDIR);
    }
    return at;
  }

 private:
  static constexpr std::chrono::seconds kForMounting{10};
  // What a listing brings at once: what is listed is removed, and the rest listed anew.
  static constexpr unsigned kListed = 32 * 1024;
  static constexpr unsigned kListedNames = 8 * 1024;
  static constexpr mode_t kOnTheWay = 0755;

  // What was asked for may have been done by the same call before its reply was lost.
  static Result<void> gone(Result<void> removed) {
    return !removed && removed.error().code == ENOENT ? Result<void>() : removed;
  }

  BlockingCalls calls_;
  const Found root_;
};

}  // namespace claimfs::backends::nfs
