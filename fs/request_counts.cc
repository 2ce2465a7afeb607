#include "fs/request_counts.h"

namespace claimfs::fs {

namespace {

// By opcode, since a distribution's header may lack the newest. Source: include/uapi/linux/fuse.h.
constexpr std::array<std::string_view, 54> kNames = {"other",        "lookup",
                                                     "forget",       "getattr",
                                                     "setattr",      "readlink",
                                                     "symlink",      "",
                                                     "mknod",        "mkdir",
                                                     "unlink",       "rmdir",
                                                     "rename",       "link",
                                                     "open",         "read",
                                                     "write",        "statfs",
                                                     "release",      "",
                                                     "fsync",        "setxattr",
                                                     "getxattr",     "listxattr",
                                                     "removexattr",  "flush",
                                                     "init",         "opendir",
                                                     "readdir",      "releasedir",
                                                     "fsyncdir",     "getlk",
                                                     "setlk",        "setlkw",
                                                     "access",       "create",
                                                     "interrupt",    "bmap",
                                                     "destroy",      "ioctl",
                                                     "poll",         "notify_reply",
                                                     "batch_forget", "fallocate",
                                                     "readdirplus",  "rename2",
                                                     "lseek",        "copy_file_range",
                                                     "setupmapping", "removemapping",
                                                     "syncfs",       "tmpfile",
                                                     "statx",        "copy_file_range_64"};

}  // namespace

RequestCounts::Tally::Tally(RequestCounts& counts) : counts_(counts) {
  counts_.threads_.with([this](Threads& threads) { threads.running.insert(this); });
}

RequestCounts::Tally::~Tally() {
  counts_.threads_.with([this](Threads& threads) {
    threads.running.erase(this);
    add_to(threads.ended);
  });
}

void RequestCounts::Tally::count(std::uint32_t opcode) {
  std::atomic<std::uint64_t>& number =
      numbers_[opcode < kOpcodes && !kNames[opcode].empty() ? opcode : 0];
  // Nobody else writes it: no read-modify-write, which would lock the bus.
  number.store(number.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void RequestCounts::Tally::add_to(Numbers& sums) const {
  for (std::size_t opcode = 0; opcode < kOpcodes; ++opcode)
    sums[opcode] += numbers_[opcode].load(std::memory_order_relaxed);
}

std::map<std::string_view, std::uint64_t> RequestCounts::totals() const {
  static_assert(kNames.size() == kOpcodes);
  const Numbers sums = threads_.with([](const Threads& threads) {
    Numbers all = threads.ended;
    for (const Tally* tally : threads.running) tally->add_to(all);
    return all;
  });
  std::map<std::string_view, std::uint64_t> by_name;
  for (std::size_t opcode = 0; opcode < kOpcodes; ++opcode)
    if (sums[opcode] > 0) by_name[kNames[opcode]] = sums[opcode];
  return by_name;
}

}  // namespace claimfs::fs
