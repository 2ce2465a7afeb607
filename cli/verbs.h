#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/failure.h"

namespace claimfs::cli {

// The verbs but `mount` and `unmount`. Each prints what it has to say and returns the exit status;
// a Failure's message is printed by the caller.

struct ApplyArguments {
  std::vector<std::string> files;
  std::optional<std::string> name_space;
  bool dry_run = false;
};
Outcome<ExitStatus> apply(Context& context, const ApplyArguments& arguments);
Outcome<ExitStatus> create(Context& context, const ApplyArguments& arguments);

struct GetArguments {
  std::vector<std::string> words;  // kinds, or `kind/name`, then names
  std::string name_space = "default";
  bool all_namespaces = false;
  std::string output;
  std::string selector;
  std::string sort_by;
  bool watch = false;
  bool no_headers = false;
};
Outcome<ExitStatus> get(Context& context, const GetArguments& arguments);
Outcome<ExitStatus> describe(Context& context, const GetArguments& arguments);

struct DeleteArguments {
  std::vector<std::string> words;
  std::vector<std::string> files;
  std::string name_space = "default";
  bool wait = true;
  std::chrono::milliseconds timeout{0};  // 0: for ever
};
Outcome<ExitStatus> remove(Context& context, const DeleteArguments& arguments);

struct PatchArguments {
  std::vector<std::string> words;
  std::string name_space = "default";
  std::string patch;
};
Outcome<ExitStatus> patch(Context& context, const PatchArguments& arguments);

struct WaitArguments {
  std::vector<std::string> words;
  std::string name_space = "default";
  std::string condition;  // delete, phase=…, jsonpath=…
  std::chrono::milliseconds timeout{30'000};
};
Outcome<ExitStatus> wait(Context& context, const WaitArguments& arguments);

Outcome<ExitStatus> import_objects(Context& context, const std::vector<std::string>& files);
Outcome<ExitStatus> export_objects(Context& context);

// Without `until_settled` until SIGTERM or SIGINT.
Outcome<ExitStatus> run_controller(Context& context, bool until_settled);

Outcome<ExitStatus> status(Context& context, const std::string& output);

}  // namespace claimfs::cli
