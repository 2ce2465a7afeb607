#include "backends/nfs/usage.h"

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "backends/nfs/attributes_of.h"
#include "backends/nfs/blocking_calls.h"

namespace claimfs::backends::nfs {

namespace {

constexpr std::uint32_t kNameBytes = 64U << 10U;  // of names and cookies in one reply
constexpr std::uint32_t kReplyBytes = 256U << 10U;

struct Found {
  FileHandle handle;
  std::optional<fattr3> attributes;
};

struct Batch {
  struct Name {
    std::string name;
    Found found;
  };
  std::vector<Name> names;
  std::uint64_t next = 0;
  bool is_last = false;
  cookieverf3 verifier{};
};

std::optional<fattr3> told(const post_op_attr& from) {
  if (from.attributes_follow == 0) return std::nullopt;
  return from.post_op_attr_u.attributes;
}

class Walk {
 public:
  Walk(std::shared_ptr<Session> session, std::optional<Clock::duration> patience)
      : calls_(std::move(session), patience) {}

  Counted count(const FileHandle& root, const std::function<bool()>& is_ending) {
    const Result<Found> top = ask_for(root);
    if (!top) return {.bytes = 0, .is_complete = false, .failure = top.error()};
    filesystem_ = top->attributes->fsid;
    add(*top);
    while (!unread_.empty() && !is_ending()) {
      const Found directory = std::move(unread_.back());
      unread_.pop_back();
      if (const Result<void> read = list(directory, is_ending); !read) missed(read.error());
      if (counted_.failure) break;
    }
    return counted_;
  }

 private:
  void add(const Found& found) {
    const fattr3& is = *found.attributes;
    if (is.fsid != filesystem_) return;
    const bool is_directory = is.type == NF3DIR;
    if (!is_directory && is.nlink > 1 && !linked_.insert(is.fileid).second) return;
    counted_.bytes += is.used;
    if (is_directory) unread_.push_back(found);
  }

  // What is gone is no loss, what may not be seen is, and a server that does not answer ends it.
  void missed(const Error& why) {
    if (why.code == ENOENT || why.code == ESTALE) return;
    counted_.is_complete = false;
    if (why.code == ETIMEDOUT) counted_.failure = why;
  }

  Result<void> list(const Found& directory, const std::function<bool()>& is_ending) {
    Batch batch;
    Identity who;
    while (!batch.is_last && !is_ending()) {
      Result<Batch> read = read_on(directory.handle, batch, who);
      if (!read && read.error().code == EACCES && who.uid == 0) {
        who.uid = directory.attributes->uid;
        who.gid = directory.attributes->gid;
        read = read_on(directory.handle, batch, who);
      }
      batch = TRY(std::move(read));
      for (Batch::Name& each : batch.names) {
        if (each.name == "." || each.name == "..") continue;
        if (each.found.handle && each.found.attributes) {
          add(each.found);
          continue;
        }
        const Result<Found> asked = look_up(directory.handle, each.name, who);
        if (asked)
          add(*asked);
        else
          missed(asked.error());
        if (counted_.failure) return {};
      }
    }
    return {};
  }

  Result<Batch> read_on(const FileHandle& directory, const Batch& before, const Identity& who) {
    return calls_.ask<ReadDirectoryPlus>(
        [directory, cookie = before.next, &before](READDIRPLUS3args& to) {
          to.dir = directory.raw();
          to.cookie = cookie;
          std::copy(std::begin(before.verifier), std::end(before.verifier), to.cookieverf);
          to.dircount = kNameBytes;
          to.maxcount = kReplyBytes;
        },
        [](READDIRPLUS3res& reply) {
          const READDIRPLUS3resok& read = reply.READDIRPLUS3res_u.resok;
          Batch batch;
          std::copy(std::begin(read.cookieverf), std::end(read.cookieverf), batch.verifier);
          batch.is_last = read.reply.eof != 0;
          for_each_entry(read.reply, [&](const entryplus3& entry) {
            batch.next = entry.cookie;
            batch.names.push_back({entry.name ? entry.name : "",
                                   {handle_of(entry.name_handle), told(entry.name_attributes)}});
          });
          if (batch.names.empty()) batch.is_last = true;
          return batch;
        },
        who);
  }

  Result<Found> look_up(const FileHandle& directory, const std::string& name, const Identity& who) {
    const Found found =
        TRY(calls_.ask<Lookup>([&](LOOKUP3args& to) { to.what = place(directory, name); },
                               [](LOOKUP3res& reply) {
                                 const LOOKUP3resok& there = reply.LOOKUP3res_u.resok;
                                 return Found{FileHandle(there.object), told(there.obj_attributes)};
                               },
                               who));
    if (found.attributes) return found;
    return ask_for(found.handle);
  }

  Result<Found> ask_for(const FileHandle& handle) {
    return calls_.ask<GetAttributes>(
        [&](GETATTR3args& to) { to.object = handle.raw(); },
        [&](GETATTR3res& reply) {
          return Found{handle, reply.GETATTR3res_u.resok.obj_attributes};
        });
  }

  BlockingCalls calls_;
  std::uint64_t filesystem_ = 0;
  Counted counted_;
  std::vector<Found> unread_;
  std::set<std::uint64_t> linked_;  // hard links count once
};

}  // namespace

Counted count_tree(const std::shared_ptr<Session>& session, const FileHandle& root,
                   std::optional<Clock::duration> patience,
                   const std::function<bool()>& is_ending) {
  return Walk(session, patience).count(root, is_ending);
}

}  // namespace claimfs::backends::nfs
