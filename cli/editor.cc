#include "cli/editor.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <iterator>
#include <sstream>

#include "base/fd.h"

namespace claimfs::cli {
namespace {

std::string from_environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

// Signals of the terminal go to us and to the editor: they are the editor's to answer.
class SignalsLeftToChild {
 public:
  SignalsLeftToChild() {
    struct sigaction ignore {};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGINT, &ignore, &interrupt_);
    sigaction(SIGQUIT, &ignore, &quit_);
  }
  ~SignalsLeftToChild() {
    sigaction(SIGINT, &interrupt_, nullptr);
    sigaction(SIGQUIT, &quit_, nullptr);
  }
  SignalsLeftToChild(const SignalsLeftToChild&) = delete;
  SignalsLeftToChild& operator=(const SignalsLeftToChild&) = delete;

 private:
  struct sigaction interrupt_ {};
  struct sigaction quit_ {};
};

// 0, or the errno with which the program could not be started; `status` is as of waitpid().
int run(std::vector<std::string> words, int& status) {
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const SignalsLeftToChild signals;
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t defaults;
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGINT);
  sigaddset(&defaults, SIGQUIT);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, arguments.front(), nullptr, &attributes, arguments.data(), environ);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) return error;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return 0;
}

tl::unexpected<Failure> failed(const std::string& path, const char* what) {
  return fail(ExitStatus::Failed, "error: " + path + " " + what + ": " + std::strerror(errno));
}

}  // namespace

Editor Editor::of_environment() {
  Editor editor;
  editor.text_ = from_environment("KUBE_EDITOR");
  if (editor.text_.empty()) editor.text_ = from_environment("EDITOR");
  if (editor.text_.empty()) editor.text_ = "vi";
  editor.by_shell_ = editor.text_.find(' ') != std::string::npos &&
                     editor.text_.find_first_of("\"'\\") != std::string::npos;
  if (editor.by_shell_) {
    const std::string shell = from_environment("SHELL");
    // The file comes as the shell's first argument, so that its name is never a command.
    editor.words_ = {shell.empty() ? "/bin/bash" : shell, "-c", editor.text_ + " \"$0\""};
  } else {
    std::istringstream words(editor.text_);
    editor.words_ = {std::istream_iterator<std::string>(words), {}};
  }
  return editor;
}

Outcome<void> Editor::open(const std::string& file) const {
  std::vector<std::string> words = words_;
  words.push_back(file);
  // What was said before stands before what the editor says.
  std::cout.flush();
  int status = 0;
  const int error = words_.empty() ? ENOENT : run(std::move(words), status);
  if (error == ENOENT)
    return fail(ExitStatus::Failed, "error: unable to launch the editor \"" + text_ + "\"");
  if (error != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(ExitStatus::Failed, "error: there was a problem with the editor \"" + text_ + "\"");
  return {};
}

Outcome<EditedFile> EditedFile::create(const std::string& suffix) {
  const std::string directory = from_environment("TMPDIR");
  std::string path = (directory.empty() ? "/tmp" : directory) + "/claimfs-edit-XXXXXX" + suffix;
  const Fd fd(mkostemps(path.data(), static_cast<int>(suffix.size()), O_CLOEXEC));
  if (!fd) return failed(path, "cannot be created");
  return EditedFile(path);
}

Outcome<void> EditedFile::write(const std::string& text) const {
  std::ofstream stream(path_, std::ios::binary | std::ios::trunc);
  stream << text << std::flush;
  if (!stream) return failed(path_, "cannot be written");
  return {};
}

Outcome<std::string> EditedFile::read() const {
  std::ifstream stream(path_, std::ios::binary);
  if (!stream) return failed(path_, "cannot be read");
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

void EditedFile::remove() const { ::unlink(path_.c_str()); }

}  // namespace claimfs::cli
