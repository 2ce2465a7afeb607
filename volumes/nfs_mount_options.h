#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "volumes/nfs_options.h"

namespace claimfs::volumes {

// What the mount options of an NFS volume say, one after the other; the last of several wins.
class NfsMountOptions {
 public:
  // `initially` holds where the volume is, and what is so where no option says otherwise.
  explicit NfsMountOptions(NfsOptions initially) : options_(std::move(initially)) {}

  // One option, "hard" or "timeo=600". Why it is refused, a sentence that names it; nothing when it
  // was taken.
  std::optional<std::string> take(std::string_view option);

  // All of it together. `soft_deadline` is for `soft` without timeo and retrans. Only a volume that
  // is exclusive keeps its locks here, whatever the options say: elsewhere nobody would hear of
  // them.
  NfsOptions result(std::chrono::milliseconds soft_deadline, bool is_exclusive) const;

 private:
  struct Flag;
  struct Number;
  struct Word;
  struct Tables;
  enum class Locks { Local, OnServer };

  std::optional<std::string> take_number(const Number& row, std::string_view option,
                                         std::string_view value);
  static std::optional<std::string> take_security(std::string_view option, std::string_view value);

  NfsOptions options_;
  std::optional<Locks> locks_;
  bool has_timing_ = false;  // timeo or retrans was given
  bool looks_for_absent_names_ = false;
};

// The options in a list of mount options, where one entry may hold several: "ro,soft" is two.
std::vector<std::string> split_mount_options(const std::vector<std::string>& words);

}  // namespace claimfs::volumes
