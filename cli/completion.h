#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/failure.h"

namespace CLI {
class App;
}

namespace claimfs::cli {

// The verb by which the shells' scripts ask; it is not in --help.
inline constexpr std::string_view kCompleteVerb = "__complete";

// How the last of `words` may go on, a line each: the words behind `claimfs` up to the cursor, the
// last one as far as it is written. A line `:files` or `:directories` says that the shell knows
// better. What exists is asked of the store, if it is there, for at most two seconds, after which
// the process ends; nothing is created, and an error means fewer lines.
std::string complete(const CLI::App& app, const std::vector<std::string>& words);

// Prints the script for bash or zsh.
Outcome<ExitStatus> print_completion_script(const std::string& shell);

}  // namespace claimfs::cli
