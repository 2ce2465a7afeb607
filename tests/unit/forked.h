#pragma once

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "tests/unit/catch.h"

namespace claimfs {

// What a child process came to.
struct Forked {
  std::string text;  // what it returned, if it did
  int status = 0;    // waitpid's
};

// Runs `body` in a child process. To be called while this process has no store open and no thread.
inline Forked run_forked(const std::function<std::string()>& body) {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const std::string text = body();
    (void)!::write(ends[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(ends[1]);
  Forked forked;
  char buffer[4096];
  for (ssize_t size; (size = ::read(ends[0], buffer, sizeof buffer)) > 0;)
    forked.text.append(buffer, static_cast<std::size_t>(size));
  ::close(ends[0]);
  REQUIRE(::waitpid(child, &forked.status, 0) == child);
  return forked;
}

}  // namespace claimfs
