// Which signals end a wait for a server, and which must not.

#include "fs/caller_signals.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <initializer_list>

#include "tests/unit/catch.h"

namespace claimfs::fs {
namespace {

std::uint64_t set(std::initializer_list<int> signals) {
  std::uint64_t bits = 0;
  for (const int signal : signals) bits |= std::uint64_t{1} << static_cast<unsigned>(signal - 1);
  return bits;
}

TEST_CASE("what a signalled caller's patience is", "[caller-signals]") {
  const struct {
    const char* name;
    std::initializer_list<int> pending, blocked, ignored, caught;
    Patience patience;
  } rows[] = {
      {"nothing came", {}, {}, {}, {}, Patience::Waits},
      {"SIGKILL", {SIGKILL}, {}, {}, {}, Patience::Ends},
      {"SIGKILL with everything blocked", {SIGKILL}, {SIGKILL, SIGTERM}, {}, {}, Patience::Ends},
      {"SIGTERM by default", {SIGTERM}, {}, {}, {}, Patience::Ends},
      {"SIGINT by default", {SIGINT}, {}, {}, {}, Patience::Ends},
      {"SIGQUIT, with a core dump", {SIGQUIT}, {}, {}, {}, Patience::Ends},
      {"SIGUSR1 by default", {SIGUSR1}, {}, {}, {}, Patience::Ends},
      {"SIGALRM by default", {SIGALRM}, {}, {}, {}, Patience::Ends},
      {"a real-time signal by default", {SIGRTMAX}, {}, {}, {}, Patience::Ends},
      {"SIGUSR1 caught", {SIGUSR1}, {}, {}, {SIGUSR1}, Patience::Waits},
      {"SIGALRM caught", {SIGALRM}, {}, {}, {SIGALRM}, Patience::Waits},
      {"a real-time signal caught", {SIGRTMAX}, {}, {}, {SIGRTMAX}, Patience::Waits},
      {"SIGINT caught", {SIGINT}, {}, {}, {SIGINT}, Patience::AsksToEnd},
      {"SIGTERM caught", {SIGTERM}, {}, {}, {SIGTERM}, Patience::AsksToEnd},
      {"SIGHUP caught", {SIGHUP}, {}, {}, {SIGHUP}, Patience::AsksToEnd},
      {"SIGQUIT caught", {SIGQUIT}, {}, {}, {SIGQUIT}, Patience::AsksToEnd},
      {"SIGTERM caught and blocked", {SIGTERM}, {SIGTERM}, {}, {SIGTERM}, Patience::Waits},
      {"SIGTERM by default and blocked", {SIGTERM}, {SIGTERM}, {}, {}, Patience::Waits},
      {"SIGHUP ignored", {SIGHUP}, {}, {SIGHUP}, {}, Patience::Waits},
      {"a child ended", {SIGCHLD}, {}, {}, {}, Patience::Waits},
      {"the window changed", {SIGWINCH}, {}, {}, {}, Patience::Waits},
      {"stopped", {SIGSTOP}, {}, {}, {}, Patience::Waits},
      {"stopped from the terminal", {SIGTSTP, SIGTTIN, SIGTTOU}, {}, {}, {}, Patience::Waits},
      {"goes on", {SIGCONT, SIGURG}, {}, {}, {}, Patience::Waits},
      {"harmless ones and SIGKILL", {SIGCHLD, SIGUSR1, SIGKILL}, {}, {}, {SIGUSR1}, Patience::Ends},
      {"two caught", {SIGUSR1, SIGINT}, {}, {}, {SIGUSR1, SIGINT}, Patience::AsksToEnd},
  };
  for (const auto& row : rows) {
    INFO(row.name);
    CHECK(patience_of({.is_there = true,
                       .is_exiting = false,
                       .pending = set(row.pending),
                       .blocked = set(row.blocked),
                       .ignored = set(row.ignored),
                       .caught = set(row.caught)}) == row.patience);
  }
  CHECK(patience_of({}) == Patience::Ends);
  CallerSignals exiting;
  exiting.is_there = exiting.is_exiting = true;
  CHECK(patience_of(exiting) == Patience::AsksToEnd);
}

TEST_CASE("what the kernel tells of while a caller waits", "[caller-signals]") {
  const auto tells_of = [](std::initializer_list<int> pending, std::initializer_list<int> blocked) {
    CallerSignals caller;
    caller.is_there = true;
    caller.pending = set(pending);
    caller.blocked = set(blocked);
    return is_signalled(caller);
  };
  CHECK_FALSE(tells_of({}, {}));
  CHECK_FALSE(tells_of({}, {SIGTERM}));
  CHECK(tells_of({SIGTERM}, {}));
  CHECK(tells_of({SIGUSR1}, {SIGTERM}));
  CHECK(tells_of({SIGWINCH}, {}));
  CHECK_FALSE(tells_of({SIGTERM}, {SIGTERM}));
  CHECK(tells_of({SIGTERM, SIGUSR1}, {SIGTERM}));
  CHECK(tells_of({SIGKILL}, {SIGKILL}));
  CHECK(is_signalled({}));
  CHECK_FALSE(is_signalled(signals_of(0)));
}

TEST_CASE("signals as /proc writes them", "[caller-signals]") {
  const char* const status =
      "Name:\tSigPnd:\nState:\tD (disk sleep)\nGroups:\t0 "
      "4\nSigQ:\t1/1\nSigPnd:\t0000000000000100\n"
      "ShdPnd:\t0000000000000002\nSigBlk:\tfffffffe7ffbfeff\nSigIgn:\t0000000000001000\n"
      "SigCgt:\t00000001800004ec\nCapInh:\t0000000000000000\n";
  const CallerSignals read = read_signals(status, "7 (a) b (c) D 1 7 7 0 -1 4194560 99");
  CHECK(read.is_there);
  CHECK_FALSE(read.is_exiting);
  CHECK(read.pending == 0x102);
  CHECK(read.blocked == 0xfffffffe7ffbfeff);
  CHECK(read.ignored == 0x1000);
  CHECK(read.caught == 0x1800004ec);
  CHECK(read_signals(status, "7 (a) D 1 7 7 0 -1 4194564 99").is_exiting);
  for (const char* const cut : {"", "7", "7 (a", "7 (a)", "7 (a) D 1 7 7 0", "7 (a) D 1 7 7 0 -1 "})
    CHECK_FALSE(read_signals("", cut).is_exiting);
}

TEST_CASE("signals of living processes", "[caller-signals]") {
  CHECK(patience_of(signals_of(0)) == Patience::Waits);
  CHECK(patience_of(signals_of(::getpid())) == Patience::Waits);

  // Stopped, so that what is sent stays pending.
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGUSR1, [](int) {});
    ::signal(SIGTERM, [](int) {});
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, WUNTRACED) == child);
  CHECK(patience_of(signals_of(child)) == Patience::Waits);
  ::kill(child, SIGUSR1);
  CHECK(patience_of(signals_of(child)) == Patience::Waits);
  ::kill(child, SIGTERM);
  CHECK(patience_of(signals_of(child)) == Patience::AsksToEnd);
  ::kill(child, SIGUSR2);
  CHECK(patience_of(signals_of(child)) == Patience::Ends);
  ::kill(child, SIGKILL);
  siginfo_t ended{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) == 0);
  CHECK(patience_of(signals_of(child)) == Patience::AsksToEnd);  // a zombie
  REQUIRE(::waitpid(child, &status, 0) == child);
  CHECK_FALSE(signals_of(child).is_there);
}

}  // namespace
}  // namespace claimfs::fs
