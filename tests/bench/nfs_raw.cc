// The raw limit that `scripts/bench --backend nfs` compares with: the calls that a load needs and
// nothing else, through libnfs and no filesystem.
//
//   nfs_raw PORT MOUNT_PORT EXPORT DIRECTORY LOAD [--files N] [--size MiB] [--members FILE]
//           [--connections N]
//
// DIRECTORY is relative to the export and there. Loads are phases of file_load: "stream" those of
// the large file that are cold, "names" create, stat and unlink, "tree", "find" (its walk), and
// "tar", what unpacking the members takes. Prints JSON.

#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tests/bench/load.h"
#include "tests/bench/raw_nfs.h"
#include "tests/bench/timings.h"

namespace claimfs::bench {

namespace {

using Done = RawNfs::Done;

constexpr std::size_t kStreams = 8;                // READs or WRITEs of 1 MiB in flight
constexpr unsigned kDirectoryBytes = 256U * 1024;  // of one READDIRPLUS
constexpr std::size_t kMostAtOnce = 4;

class RawLoad {
 public:
  RawLoad(RawNfs& nfs, RawHandle directory, Load load)
      : nfs_(nfs), directory_(std::move(directory)), load_(load) {}

  void stream();
  void names();
  void make_tree();
  void find();
  void unpack(const std::vector<Member>& members);
  void print() const { timings_.print(); }

 private:
  static diropargs3 named(const RawHandle& directory, const std::string& name) {
    return {directory.raw(), const_cast<char*>(name.c_str())};
  }
  static sattr3 with_mode(mode3 mode) {
    sattr3 attributes{};
    attributes.mode.set_it = 1;
    attributes.mode.set_mode3_u.mode = mode;
    return attributes;
  }

  void create(std::size_t lane, const RawHandle& in, const std::string& name,
              std::function<void(RawHandle)> then) {
    CREATE3args arguments{};
    arguments.where = named(in, name);
    arguments.how.mode = GUARDED;
    arguments.how.createhow3_u.g_obj_attributes = with_mode(0644);
    nfs_.call<CREATE3res>(lane, rpc_nfs3_create_async, arguments,
                          [then = std::move(then)](CREATE3res& reply) {
                            then(RawHandle(reply.CREATE3res_u.resok.obj.post_op_fh3_u.handle));
                          });
  }
  RawHandle make_directory(const RawHandle& in, const std::string& name) {
    RawHandle made;
    MKDIR3args arguments{named(in, name), with_mode(0755)};
    nfs_.ask<MKDIR3res>(rpc_nfs3_mkdir_async, arguments, [&](MKDIR3res& reply) {
      made = RawHandle(reply.MKDIR3res_u.resok.obj.post_op_fh3_u.handle);
    });
    return made;
  }
  void remove(std::size_t lane, const std::string& name, Done done) {
    nfs_.call<REMOVE3res>(lane, rpc_nfs3_remove_async, REMOVE3args{named(directory_, name)},
                          [done = std::move(done)](REMOVE3res&) { done(); });
  }
  void write(std::size_t lane, const RawHandle& file, std::uint64_t offset, std::size_t size,
             Done done) {
    WRITE3args arguments{};
    arguments.file = file.raw();
    arguments.offset = offset;
    arguments.count = static_cast<count3>(size);
    arguments.stable = UNSTABLE;
    arguments.data.data_val = bytes_.data();
    arguments.data.data_len = static_cast<unsigned>(size);
    nfs_.call<WRITE3res>(lane, rpc_nfs3_write_async, arguments,
                         [size, done = std::move(done)](WRITE3res& reply) {
                           if (reply.WRITE3res_u.resok.count != size) RawNfs::fail("short write");
                           done();
                         });
  }
  void read(std::size_t lane, const RawHandle& file, std::uint64_t offset, std::size_t size,
            Done done) {
    READ3args arguments{file.raw(), offset, static_cast<count3>(size)};
    nfs_.call<READ3res>(lane, rpc_nfs3_read_async, arguments,
                        [this, size, done = std::move(done)](READ3res& reply) {
                          const READ3resok& got = reply.READ3res_u.resok;
                          if (got.data.data_len != size) RawNfs::fail("short read");
                          // Whoever reads wants the bytes somewhere.
                          std::memcpy(taken_.data(), got.data.data_val, size);
                          done();
                        });
  }
  COMMIT3args commit_of(const RawHandle& file) const { return {file.raw(), 0, 0}; }
  void list(const RawHandle& directory, const std::function<void(const entryplus3&)>& see);

  RawNfs& nfs_;
  RawHandle directory_;
  Load load_;
  Timings timings_;
  std::vector<char> bytes_ = std::vector<char>(kMiB, 'x');
  std::vector<char> taken_ = std::vector<char>(kMiB);
};

void RawLoad::stream() {
  RawHandle file;
  nfs_.each(1, 1, [&](std::size_t, std::size_t lane, const Done& done) {
    create(lane, directory_, "large", [&, done](RawHandle made) {
      file = std::move(made);
      done();
    });
  });
  timings_.time("write", load_.size_mib, [&] {
    nfs_.each(load_.size_mib, kStreams, [&](std::size_t number, std::size_t lane, Done done) {
      write(lane, file, number * kMiB, kMiB, std::move(done));
    });
    nfs_.ask<COMMIT3res>(rpc_nfs3_commit_async, commit_of(file));
  });
  timings_.time("read", load_.size_mib, [&] {
    nfs_.each(load_.size_mib, kStreams, [&](std::size_t number, std::size_t lane, Done done) {
      read(lane, file, number * kMiB, kMiB, std::move(done));
    });
  });
  const std::vector<std::uint64_t> offsets = load_.random_offsets();
  for (const std::size_t at_once : {1U, 4U})
    timings_.time("random-" + std::to_string(at_once), offsets.size(), [&] {
      nfs_.each(offsets.size(), at_once, [&](std::size_t number, std::size_t lane, Done done) {
        read(lane, file, offsets[number], kPage, std::move(done));
      });
    });
  nfs_.each(1, 1, [&](std::size_t, std::size_t lane, Done done) {
    remove(lane, "large", std::move(done));
  });
}

void RawLoad::names() {
  for (const std::size_t at_once : {1U, 4U}) {
    const std::string suffix = "-" + std::to_string(at_once);
    timings_.time("create" + suffix, load_.files, [&] {
      nfs_.each(load_.files, at_once, [&](std::size_t number, std::size_t lane, Done done) {
        create(lane, directory_, Load::name(number),
               [done = std::move(done)](const RawHandle&) { done(); });
      });
    });
    timings_.time("stat" + suffix, load_.files, [&] {
      nfs_.each(load_.files, at_once, [&](std::size_t number, std::size_t lane, Done done) {
        const std::string name = Load::name(number);
        nfs_.call<LOOKUP3res>(lane, rpc_nfs3_lookup_async, LOOKUP3args{named(directory_, name)},
                              [done = std::move(done)](LOOKUP3res&) { done(); });
      });
    });
    timings_.time("unlink" + suffix, load_.files, [&] {
      nfs_.each(load_.files, at_once, [&](std::size_t number, std::size_t lane, Done done) {
        remove(lane, Load::name(number), std::move(done));
      });
    });
  }
}

void RawLoad::make_tree() {
  RawHandle in;
  for (std::size_t begin = 0; begin < load_.files; begin += kFilesInDirectory) {
    in = make_directory(directory_, std::to_string(begin / kFilesInDirectory));
    const std::size_t count = std::min(kFilesInDirectory, load_.files - begin);
    nfs_.each(count, kMostAtOnce, [&](std::size_t number, std::size_t lane, const Done& done) {
      create(lane, in, Load::name(number), [done](const RawHandle&) { done(); });
    });
  }
}

void RawLoad::list(const RawHandle& directory, const std::function<void(const entryplus3&)>& see) {
  READDIRPLUS3args arguments{};
  arguments.dircount = kDirectoryBytes;
  arguments.maxcount = kDirectoryBytes;
  for (bool is_over = false; !is_over;) {
    arguments.dir = directory.raw();
    nfs_.ask<READDIRPLUS3res>(rpc_nfs3_readdirplus_async, arguments, [&](READDIRPLUS3res& reply) {
      READDIRPLUS3resok& got = reply.READDIRPLUS3res_u.resok;
      for (const entryplus3* entry = got.reply.entries; entry; entry = entry->nextentry) {
        arguments.cookie = entry->cookie;
        if (std::strcmp(entry->name, ".") != 0 && std::strcmp(entry->name, "..") != 0) see(*entry);
      }
      std::memcpy(arguments.cookieverf, got.cookieverf, sizeof got.cookieverf);
      is_over = got.reply.eof != 0;
    });
  }
}

void RawLoad::find() {
  timings_.time("find", load_.files, [&] {
    std::size_t found = 0;
    std::vector<RawHandle> left = {directory_};
    while (!left.empty()) {
      const RawHandle directory = std::move(left.back());
      left.pop_back();
      list(directory, [&](const entryplus3& entry) {
        if (entry.name_attributes.attributes_follow == 0) RawNfs::fail("no attributes");
        if (entry.name_attributes.post_op_attr_u.attributes.type == NF3DIR)
          left.emplace_back(entry.name_handle.post_op_fh3_u.handle);
        else
          ++found;
      });
    }
    if (found != load_.files) RawNfs::fail("a file is missing");
  });
}

// As tar does it: one file after the other.
void RawLoad::unpack(const std::vector<Member>& members) {
  std::map<std::string, RawHandle> directories = {{"", directory_}};
  timings_.time("tar", members.size(), [&] {
    nfs_.each(members.size(), 1, [&](std::size_t number, std::size_t lane, const Done& done) {
      const Member& member = members[number];
      const auto [parent, name] = split(member.path);
      const RawHandle& in = directories.at(parent);
      if (member.is_directory) {
        MKDIR3args arguments{named(in, name), with_mode(0755)};
        nfs_.call<MKDIR3res>(lane, rpc_nfs3_mkdir_async, arguments, [&, done](MKDIR3res& reply) {
          directories[member.path] = RawHandle(reply.MKDIR3res_u.resok.obj.post_op_fh3_u.handle);
          done();
        });
        return;
      }
      create(lane, in, name, [this, lane, &member, done](RawHandle file) {
        const auto set_time = [this, lane, file, done] {
          SETATTR3args change{};
          change.object = file.raw();
          change.new_attributes = with_mode(0644);
          change.new_attributes.mtime.set_it = SET_TO_CLIENT_TIME;
          change.new_attributes.mtime.set_mtime_u.mtime = {1'000'000'000, 0};
          nfs_.call<SETATTR3res>(
              lane, rpc_nfs3_setattr_async, change, [this, lane, file, done](SETATTR3res&) {
                nfs_.call<COMMIT3res>(lane, rpc_nfs3_commit_async, commit_of(file),
                                      [done](COMMIT3res&) { done(); });
              });
        };
        if (member.size == 0) return set_time();
        write(lane, file, 0, std::min(member.size, kMiB), set_time);
      });
    });
  });
}

struct Arguments {
  int port = 0;
  int mount_port = 0;
  std::string exported;
  std::string directory;
  std::string load;
  Load sizes;
  std::string members;
  std::size_t connections = 1;
};

Arguments parse(const std::vector<std::string>& words) {
  if (words.size() < 5) RawNfs::fail("PORT MOUNT_PORT EXPORT DIRECTORY LOAD");
  Arguments found{std::stoi(words[0]), std::stoi(words[1]), words[2], words[3], words[4], {}, {}};
  for (std::size_t at = 5; at + 1 < words.size(); at += 2) {
    const std::string& value = words[at + 1];
    if (words[at] == "--files") found.sizes.files = std::stoul(value);
    if (words[at] == "--size") found.sizes.size_mib = std::stoul(value);
    if (words[at] == "--members") found.members = value;
    if (words[at] == "--connections") found.connections = std::stoul(value);
  }
  return found;
}

RawHandle look_up(RawNfs& nfs, const std::string& path) {
  RawHandle handle = nfs.root();
  std::string left = path;
  while (!left.empty()) {
    const std::size_t slash = left.find('/');
    const std::string name = left.substr(0, slash);
    left = slash == std::string::npos ? "" : left.substr(slash + 1);
    const LOOKUP3args arguments{{handle.raw(), const_cast<char*>(name.c_str())}};
    nfs.ask<LOOKUP3res>(rpc_nfs3_lookup_async, arguments, [&](LOOKUP3res& reply) {
      handle = RawHandle(reply.LOOKUP3res_u.resok.object);
    });
  }
  return handle;
}

void run(const Arguments& arguments) {
  RawNfs nfs(arguments.port, arguments.mount_port, arguments.exported, arguments.connections);
  RawLoad load(nfs, look_up(nfs, arguments.directory), arguments.sizes);
  if (arguments.load == "stream") return load.stream(), load.print();
  if (arguments.load == "names") return load.names(), load.print();
  if (arguments.load == "tree") return load.make_tree(), load.print();
  if (arguments.load == "find") return load.find(), load.print();
  if (arguments.load == "tar") return load.unpack(read_members(arguments.members)), load.print();
  RawNfs::fail("no such load");
}

}  // namespace

}  // namespace claimfs::bench

int main(int count, char** words) {
  claimfs::bench::run(claimfs::bench::parse(std::vector<std::string>(words + 1, words + count)));
}
