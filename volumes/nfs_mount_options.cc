#include "volumes/nfs_mount_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "volumes/go_text.h"

namespace claimfs::volumes {

using Complaint = std::optional<std::string>;

// An option by its name alone.
struct NfsMountOptions::Flag {
  std::string_view name;
  void (*take)(NfsMountOptions&);
};

struct NfsMountOptions::Number {
  std::string_view name;
  std::uint32_t least, most;
  void (*take)(NfsMountOptions&, std::uint32_t);
  std::string_view why{};  // not other numbers
};

// What may stand behind "=", separated by blanks, and why nothing else may.
struct NfsMountOptions::Word {
  std::string_view name;
  std::string_view served;
  std::string_view otherwise;
  void (*take)(NfsMountOptions&, std::string_view word);
};

namespace {

constexpr std::uint32_t kAny = std::numeric_limits<std::int32_t>::max();
constexpr std::uint32_t kMostPort = 65'535;
constexpr std::uint32_t kLargestTransfer = 1U << 20U;
// The longest that the kernel's client waits over TCP. Source: nfs(5), timeo.
constexpr std::chrono::milliseconds kLongestTimeout{600'000};

constexpr std::string_view kNoVersion4 =
    "NFSv4 is not served, because the client library does not write reliably with it; use "
    "nfsvers=3, which most servers of NFSv4 offer too";
constexpr std::string_view kNoVersion = "only NFS version 3 is served; use nfsvers=3";
constexpr std::string_view kNoTransport = "only TCP is served; use proto=tcp";
constexpr std::string_view kNoKerberos =
    "only sec=sys is served: the server believes who the callers are, so trust the network";
constexpr std::string_view kForTheWholeTree =
    "it cannot be kept for one claim; give it to the whole tree, `claimfs mount -o`";
constexpr std::string_view kGathered =
    "writes are gathered until fsync or close; a program that wants each one on the server opens "
    "its files with O_SYNC";
constexpr std::string_view kBelieved =
    "what a claim's users were told of a file is believed for a second";
constexpr std::string_view kMounting = "who may mount is not a volume's matter";

struct Refused {
  std::string_view name;
  std::string_view why;
};
constexpr auto kRefused = std::to_array<Refused>({
    {"v2", kNoVersion},
    {"v4", kNoVersion4},
    {"v4.0", kNoVersion4},
    {"v4.1", kNoVersion4},
    {"v4.2", kNoVersion4},
    {"minorversion", kNoVersion4},
    {"max_connect", kNoVersion4},
    {"clientaddr", kNoVersion4},
    {"migration", kNoVersion4},
    {"udp", kNoTransport},
    {"rdma", kNoTransport},
    {"noac", kGathered},
    {"sync", kGathered},
    {"noexec", kForTheWholeTree},
    {"suid", kForTheWholeTree},
    {"dev", kForTheWholeTree},
    {"softreval", "nothing is answered from memory while the server is down"},
    {"mounthost", "the MOUNT service must be the server's own"},
    {"namlen", "the server says how long names may be"},
    {"acl", "access control lists are not served over NFS"},
    {"fsc", "nothing is kept on local disks"},
    {"mand", "there are no mandatory locks"},
    {"sloppy", "what is not known is always refused"},
    {"context", "labels of SELinux are not served"},
    {"user", kMounting},
    {"users", kMounting},
    {"owner", kMounting},
    {"group", kMounting},
    {"remount", "options take effect when the claim is mounted for the first time"},
});

// What only concerns speed, is so anyway, or means nothing for NFS (the server keeps the times:
// nfs(5)). claimfs.yaml(5) lists them.
constexpr auto kWithoutEffect = std::to_array<std::string_view>(
    {"ac",          "async",      "atime",      "auto",         "bg",          "cto",
     "defaults",    "diratime",   "dirsync",    "exec",         "fg",          "intr",
     "lazytime",    "noacl",      "noatime",    "noauto",       "nocto",       "nodev",
     "nodiratime",  "nofail",     "nofsc",      "nointr",       "nolazytime",  "nomand",
     "nomigration", "nordirplus", "norelatime", "nosharecache", "nosoftreval", "nostrictatime",
     "nosuid",      "nouser",     "rdirplus",   "relatime",     "sharecache",  "strictatime",
     "tcp",         "v3",         "_netdev"});

// Source: nfs(5), rsize; 0 is as good as absent, as for the kernel.
std::uint32_t transfer_size(std::uint32_t asked) {
  if (asked == 0 || asked >= kLargestTransfer) return kLargestTransfer;
  return asked < 1024 ? 4096 : asked & ~1023U;
}

std::optional<std::uint16_t> port_number(std::uint32_t asked) {
  return asked == 0 ? std::nullopt : std::optional(static_cast<std::uint16_t>(asked));
}

Complaint refused(std::string_view option, std::string_view why) {
  return "mount option " + go_quoted(option) + ": " + std::string(why);
}

bool is_among(std::string_view words, std::string_view word) {
  if (word.empty() || word.find(' ') != std::string_view::npos) return false;
  return (' ' + std::string(words) + ' ').find(' ' + std::string(word) + ' ') != std::string::npos;
}

}  // namespace

// The tables of what has an effect are a member, since what they do is done to the private parts.
struct NfsMountOptions::Tables {
  static constexpr auto kFlags = std::to_array<Flag>({
      {"ro", [](NfsMountOptions& all) { all.options_.read_only = true; }},
      {"rw", [](NfsMountOptions& all) { all.options_.read_only = false; }},
      {"hard", [](NfsMountOptions& all) { all.options_.hard = true; }},
      {"soft", [](NfsMountOptions& all) { all.options_.hard = false; }},
      {"softerr", [](NfsMountOptions& all) { all.options_.hard = false; }},
      {"resvport", [](NfsMountOptions& all) { all.options_.reserved_port = true; }},
      {"noresvport", [](NfsMountOptions& all) { all.options_.reserved_port = false; }},
      {"lock", [](NfsMountOptions& all) { all.locks_ = Locks::OnServer; }},
      {"nolock", [](NfsMountOptions& all) { all.locks_ = Locks::Local; }},
  });

  static void believe_names(NfsMountOptions& all, std::uint32_t seconds) {
    all.options_.names_believed =
        std::min(std::chrono::seconds(seconds), NfsOptions().names_believed);
  }

  static constexpr auto kNumbers = std::to_array<Number>({
      {"port", 0, kMostPort,
       [](NfsMountOptions& all, std::uint32_t number) { all.options_.port = port_number(number); }},
      {"mountport", 0, kMostPort,
       [](NfsMountOptions& all, std::uint32_t number) {
         all.options_.mount_port = port_number(number);
       }},
      {"rsize", 0, kAny,
       [](NfsMountOptions& all, std::uint32_t number) {
         all.options_.read_size = transfer_size(number);
       }},
      {"wsize", 0, kAny,
       [](NfsMountOptions& all, std::uint32_t number) {
         all.options_.write_size = transfer_size(number);
       }},
      {"timeo", 1, kAny,
       [](NfsMountOptions& all, std::uint32_t number) {
         const std::chrono::milliseconds asked(std::int64_t{number} * 100);
         all.options_.timeout = std::min(asked, kLongestTimeout);
         all.has_timing_ = true;
       }},
      {"retrans", 0, kAny,
       [](NfsMountOptions& all, std::uint32_t number) {
         all.options_.retransmissions = static_cast<int>(number);
         all.has_timing_ = true;
       }},
      {"nconnect", 1, 16,
       [](NfsMountOptions& all, std::uint32_t number) {
         all.options_.connections = static_cast<int>(number);
       }},
      {"retry", 0, kAny, [](NfsMountOptions&, std::uint32_t) {}},
      {"acregmin", 1, kAny, [](NfsMountOptions&, std::uint32_t) {}, kBelieved},
      {"acregmax", 1, kAny, [](NfsMountOptions&, std::uint32_t) {}, kBelieved},
      {"acdirmin", 1, kAny, [](NfsMountOptions&, std::uint32_t) {}, kBelieved},
      {"acdirmax", 1, kAny, believe_names, kBelieved},
      {"actimeo", 1, kAny, believe_names, kBelieved},
  });

  static constexpr auto kNothing = [](NfsMountOptions&, std::string_view) {};
  static constexpr auto kWords = std::to_array<Word>({
      {"nfsvers", "3", kNoVersion, kNothing},
      {"vers", "3", kNoVersion, kNothing},
      {"mountvers", "3", "only version 3 of the MOUNT protocol is served", kNothing},
      {"proto", "tcp tcp6", kNoTransport, kNothing},
      {"mountproto", "tcp tcp6", kNoTransport, kNothing},
      {"xprtsec", "none", "connections are not encrypted", kNothing},
      {"lookupcache", "all pos positive", kBelieved,
       [](NfsMountOptions& all, std::string_view word) {
         all.looks_for_absent_names_ = word != "all";
       }},
      {"local_lock", "none all flock posix", "none, all, flock or posix is wanted",
       [](NfsMountOptions& all, std::string_view word) {
         all.locks_ = word == "none" ? Locks::OnServer : Locks::Local;
       }},
  });
};

std::optional<std::string> NfsMountOptions::take(std::string_view option) {
  const std::size_t equals = option.find('=');
  const std::string_view name = option.substr(0, equals);
  const bool has_value = equals != std::string_view::npos;
  const std::string_view value = has_value ? option.substr(equals + 1) : std::string_view();
  const auto is_it = [&](const auto& row) { return row.name == name; };

  // For those who read fstab, not for who mounts. Source: mount(8).
  if (name.starts_with("x-") || name == "comment") return std::nullopt;
  if (const auto row = std::ranges::find_if(kRefused, is_it); row != kRefused.end())
    return refused(option, row->why);
  if (const auto row = std::ranges::find_if(Tables::kFlags, is_it); row != Tables::kFlags.end()) {
    if (has_value) return refused(option, "it takes no value");
    row->take(*this);
    return std::nullopt;
  }
  if (std::ranges::find(kWithoutEffect, name) != kWithoutEffect.end())
    return has_value ? refused(option, "it takes no value") : std::nullopt;
  if (const auto row = std::ranges::find_if(Tables::kNumbers, is_it); row != Tables::kNumbers.end())
    return take_number(*row, option, value);
  if (name == "sec") return take_security(option, value);
  if (const auto row = std::ranges::find_if(Tables::kWords, is_it); row != Tables::kWords.end()) {
    if (is_among(row->served, value)) {
      row->take(*this, value);
      return std::nullopt;
    }
    const bool is_version4 = name.ends_with("nfsvers") || name == "vers";
    return refused(option, is_version4 && value.starts_with('4') ? kNoVersion4 : row->otherwise);
  }
  return "mount option " + go_quoted(name) + " is not known";
}

Complaint NfsMountOptions::take_number(const Number& row, std::string_view option,
                                       std::string_view value) {
  std::uint32_t number = 0;
  const char* const end = value.data() + value.size();
  const auto [rest, failed] = std::from_chars(value.data(), end, number);
  if (failed != std::errc() || rest != end || number < row.least || number > row.most) {
    std::string why = "a number from " + std::to_string(row.least) + " to " +
                      std::to_string(row.most) + " is wanted";
    if (!row.why.empty()) why += ": " + std::string(row.why);
    return refused(option, why);
  }
  row.take(*this, number);
  return std::nullopt;
}

// A list of what the client may choose from. Source: nfs(5), sec.
Complaint NfsMountOptions::take_security(std::string_view option, std::string_view value) {
  std::string flavors(value);
  std::ranges::replace(flavors, ':', ' ');
  return is_among(flavors, "sys") ? std::nullopt : refused(option, kNoKerberos);
}

NfsOptions NfsMountOptions::result(std::chrono::milliseconds soft_deadline,
                                   bool is_exclusive) const {
  NfsOptions all = options_;
  // The kernel's major timeout over TCP, after which `soft` gives up: the first timeout and as much
  // again for each retransmission, at most ten minutes. Source: net/sunrpc/xprt.c,
  // xprt_calc_majortimeo; fs/nfs/client.c, nfs_init_timeout_values.
  if (!all.hard) {
    const auto major = all.timeout * (std::int64_t{all.retransmissions} + 1);
    all.soft_deadline = has_timing_ ? std::min(major, kLongestTimeout) : soft_deadline;
  }
  all.absent_names_believed =
      looks_for_absent_names_ ? std::chrono::seconds(1) : all.names_believed;
  all.exclusive = is_exclusive;
  all.local_locks = is_exclusive && locks_.value_or(Locks::Local) == Locks::Local;
  return all;
}

std::vector<std::string> split_mount_options(const std::vector<std::string>& words) {
  std::vector<std::string> options;
  for (const std::string& word : words) {
    std::size_t begin = 0;
    while (begin <= word.size()) {
      const std::size_t end = std::min(word.find(',', begin), word.size());
      if (end > begin) options.push_back(word.substr(begin, end - begin));
      begin = end + 1;
    }
  }
  return options;
}

}  // namespace claimfs::volumes
