#include "cli/mount.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include <spdlog/spdlog.h>

#include "base/close_descriptors.h"
#include "base/fd.h"
#include "cli/log.h"
#include "cli/mount_daemon.h"
#include "cli/mount_point.h"

namespace claimfs::cli {
namespace {

// What the daemon tells the process that the user waits for: a status byte, then a message.
void tell(int pipe, ExitStatus status, const std::string& message) {
  std::string report(1, static_cast<char>(status));
  report += message;
  // A caller that has gone away is not told.
  [[maybe_unused]] const auto written = ::write(pipe, report.data(), report.size());
}

Outcome<ExitStatus> hear(int pipe, pid_t child) {
  std::string report;
  char buffer[4096];
  while (true) {
    const ssize_t size = ::read(pipe, buffer, sizeof buffer);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    report.append(buffer, static_cast<std::size_t>(size));
  }
  if (report.empty()) {
    int status = 0;
    ::waitpid(child, &status, 0);
    return fail(ExitStatus::Failed,
                "the daemon died while it was starting" +
                    (WIFSIGNALED(status) ? ": " + std::string(strsignal(WTERMSIG(status))) : ""));
  }
  const auto status = static_cast<ExitStatus>(static_cast<unsigned char>(report.front()));
  if (status == ExitStatus::Done) return ExitStatus::Done;
  ::waitpid(child, nullptr, 0);
  return fail(status, report.substr(1));
}

void let_go_of_caller() {
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    ::dup2(null.get(), descriptor);
}

// From the start of the daemon to its end. `report` is called once, when it serves or has failed.
Outcome<ExitStatus> run(const config::Config& config, const MountArguments& arguments,
                        MountDaemon::Reread reread,
                        const std::function<void(const Outcome<void>&)>& report) {
  const auto target = arguments.foreground ? LogTarget::Stderr : LogTarget::Configured;
  if (const auto log = set_up_log(config, target); !log) {
    const Outcome<void> failed = fail(ExitStatus::InvalidConfiguration, log.error().message());
    report(failed);
    return tl::unexpected(failed.error());
  }
  auto daemon = std::make_unique<MountDaemon>(config, arguments, std::move(reread));
  const auto started = daemon->start();
  report(started);
  if (!started) return tl::unexpected(started.error());
  if (!daemon->serve()) {
    spdlog::error("threads hang in storage that does not answer; ending without them");
    spdlog::shutdown();
    ::_exit(static_cast<int>(ExitStatus::Done));
  }
  return ExitStatus::Done;
}

// The daemon's command line names the mount point as it is, so that whoever looks for the daemon
// finds it: a relative word is made absolute by starting the program again. Returns when nothing
// needs to be done, or it cannot be.
void start_again_with(const std::string& written, const std::string& absolute) {
  if (written == absolute) return;
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> words;
  for (std::string word; std::getline(file, word, '\0');) words.push_back(word);
  const auto is_alone = [](const std::string& word) {
    return !word.starts_with('-') || word == "--" || word == "-f" || word == "--foreground" ||
           word == "--read-only" || word.find('=') != std::string::npos;
  };
  std::vector<char*> arguments;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const bool is_mount_point = at > 0 && words[at] == written && is_alone(words[at - 1]);
    arguments.push_back(const_cast<char*>(is_mount_point ? absolute.c_str() : words[at].c_str()));
  }
  arguments.push_back(nullptr);
  ::execv("/proc/self/exe", arguments.data());
}

}  // namespace

Outcome<ExitStatus> mount(const GlobalFlags& flags, const std::vector<std::string>& manifests,
                          MountArguments arguments) {
  // A daemon leaves the caller's directory: what was relative to it is made absolute first.
  std::vector<std::string> absolute;
  for (const std::string& directory : manifests) {
    std::error_code error;
    const auto path = std::filesystem::canonical(directory, error);
    if (error)
      return fail(ExitStatus::Failed, "manifest directory " + directory + ": " + error.message());
    if (!std::filesystem::is_directory(path))
      return fail(ExitStatus::Failed, "manifest directory " + directory + " is not a directory");
    absolute.push_back(path);
  }
  GlobalFlags absolute_flags = flags;
  if (flags.config_file) absolute_flags.config_file = std::filesystem::absolute(*flags.config_file);
  const auto read_config = [absolute_flags, absolute]() -> Outcome<config::Config> {
    auto config = load_config(absolute_flags);
    if (config && !absolute.empty()) config->manifests = absolute;
    return config;
  };
  const auto config = read_config();
  if (!config) return tl::unexpected(config.error());

  const auto mount_point = absolute_mount_point(arguments.mount_point);
  if (!mount_point) return tl::unexpected(mount_point.error());
  const std::string written = std::exchange(arguments.mount_point, *mount_point);
  if (::geteuid() != 0) return fail(ExitStatus::NotPermitted, "mounting takes root: try sudo");
  start_again_with(written, *mount_point);
  if (const auto usable = check_mount_point(*mount_point, arguments.options.may_hide); !usable)
    return tl::unexpected(usable.error());

  if (arguments.foreground) {
    return run(*config, arguments, read_config, [](const Outcome<void>&) {});
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return fail(ExitStatus::Failed, std::string("pipe: ") + std::strerror(errno));
  Fd reader(ends[0]), writer(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail(ExitStatus::Failed, std::string("fork: ") + std::strerror(errno));
  if (child > 0) {
    writer.reset();
    return hear(reader.get(), child);
  }
  reader.reset();
  // Whatever else the caller had open would stay open as long as the mount: its locks, and claims.
  close_descriptors_but(writer.get(), STDERR_FILENO + 1);
  ::setsid();
  if (::chdir("/") != 0) ::_exit(1);
  const auto ended = run(*config, arguments, read_config, [&writer](const Outcome<void>& started) {
    if (started) let_go_of_caller();
    tell(writer.get(), started ? ExitStatus::Done : started.error().status,
         started ? "" : started.error().message);
    writer.reset();
  });
  // The caller's process prints; this one is the daemon, and has nothing more to say.
  ::_exit(static_cast<int>(ended ? *ended : ended.error().status));
}

}  // namespace claimfs::cli
