#include "fs/caller_signals.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <string>

#include "base/fd.h"

namespace claimfs::fs {
namespace {

constexpr std::uint64_t set_of(std::initializer_list<int> signals) {
  std::uint64_t set = 0;
  for (const int signal : signals) set |= std::uint64_t{1} << static_cast<unsigned>(signal - 1);
  return set;
}

constexpr std::uint64_t kKill = set_of({SIGKILL});
// Those that do not end a process that has nothing to say about them. Source: signal(7).
constexpr std::uint64_t kHarmless =
    set_of({SIGCHLD, SIGURG, SIGWINCH, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU});
constexpr std::uint64_t kRequests = set_of({SIGINT, SIGTERM, SIGHUP, SIGQUIT});

// PF_EXITING of the kernel's include/linux/sched.h, in the ninth field of stat (proc(5)).
constexpr unsigned kFlagsField = 9;
constexpr std::uint64_t kExiting = 0x4;

std::uint64_t number_at(std::string_view text, int base) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number, base);
  return number;
}

// The set in the line "label:\tHEX" of status; empty when there is none.
std::uint64_t labelled_set(std::string_view status, std::string_view label) {
  const std::string start = "\n" + std::string(label) + ":\t";
  const std::size_t at = status.find(start);
  return at == std::string_view::npos ? 0 : number_at(status.substr(at + start.size()), 16);
}

// The second field is a name in parentheses, with blanks and parentheses of its own.
std::uint64_t flags_in(std::string_view stat) {
  std::size_t at = stat.rfind(')');
  for (unsigned field = 2; at != std::string_view::npos && field < kFlagsField; ++field)
    at = stat.find(' ', at + 1);
  return at == std::string_view::npos ? 0 : number_at(stat.substr(at + 1), 10);
}

std::optional<std::string> contents_of(pid_t tid, const char* file) {
  char path[48];
  std::snprintf(path, sizeof path, "/proc/%d/%s", static_cast<int>(tid), file);
  const Fd descriptor(::open(path, O_RDONLY | O_CLOEXEC));
  if (!descriptor) return std::nullopt;
  // All at once: a list of 65,536 groups is cut off, and the signals stand behind it.
  std::string text;
  std::array<char, 8192> part;
  ssize_t size = 0;
  while ((size = ::read(descriptor.get(), part.data(), part.size())) > 0)
    text.append(part.data(), static_cast<std::size_t>(size));
  if (size < 0) return std::nullopt;
  return text;
}

// The kernel itself marks every thread of a process that ends with SIGKILL. What ends it with a
// core dump is only pending.
std::uint64_t let_in(const CallerSignals& caller) {
  return caller.pending & (~caller.blocked | kKill);
}

}  // namespace

bool is_signalled(const CallerSignals& caller) { return !caller.is_there || let_in(caller) != 0; }

Patience patience_of(const CallerSignals& caller) {
  if (!caller.is_there) return Patience::Ends;
  // What it has written should be on the server before others may think so, if that is soon.
  if (caller.is_exiting) return Patience::AsksToEnd;
  const std::uint64_t pending = let_in(caller);
  if ((pending & (~(caller.caught | caller.ignored | kHarmless) | kKill)) != 0)
    return Patience::Ends;
  return (pending & caller.caught & kRequests) != 0 ? Patience::AsksToEnd : Patience::Waits;
}

CallerSignals read_signals(std::string_view status, std::string_view stat) {
  return {.is_there = true,
          .is_exiting = (flags_in(stat) & kExiting) != 0,
          .pending = labelled_set(status, "SigPnd") | labelled_set(status, "ShdPnd"),
          .blocked = labelled_set(status, "SigBlk"),
          .ignored = labelled_set(status, "SigIgn"),
          .caught = labelled_set(status, "SigCgt")};
}

CallerSignals signals_of(pid_t tid) {
  constexpr CallerSignals kUndisturbed = {.is_there = true};
  if (tid == 0) return kUndisturbed;
  const auto status = contents_of(tid, "status");
  const auto stat = contents_of(tid, "stat");
  if (status && stat) return read_signals(*status, *stat);
  // Only what is certain ends a wait: /proc may be out of reach for a while (no descriptors left).
  return ::kill(tid, 0) != 0 && errno == ESRCH ? CallerSignals{} : kUndisturbed;
}

}  // namespace claimfs::fs
