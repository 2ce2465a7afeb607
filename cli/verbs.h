#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/failure.h"
#include "cli/key_changes.h"
#include "cli/selection.h"

namespace claimfs::cli {

// The verbs but `mount` and `unmount`. Each prints what it has to say and returns the exit status;
// a Failure's message is printed by the caller.

struct ApplyArguments {
  std::vector<std::string> files;
  std::optional<std::string> name_space;
  bool dry_run = false;
  bool save_config = false;  // create: remember what apply would
  std::string output;
};
Outcome<ExitStatus> apply(Context& context, const ApplyArguments& arguments);
Outcome<ExitStatus> create(Context& context, const ApplyArguments& arguments);

struct GetArguments {
  ResourceArguments resources;
  std::string output;
  std::string sort_by;
  std::vector<std::string> label_columns;  // -L
  bool watch = false;
  bool watch_only = false;
  bool output_watch_events = false;
  bool no_headers = false;
  bool show_labels = false;
  bool show_kind = false;
  bool show_managed_fields = false;
  bool ignore_not_found = false;
};
Outcome<ExitStatus> get(Context& context, const GetArguments& arguments);
Outcome<ExitStatus> describe(Context& context, const GetArguments& arguments);

struct DeleteArguments {
  ResourceArguments resources;
  std::string output;
  bool ignore_not_found = false;
  bool dry_run = false;
  bool wait = true;
  std::chrono::milliseconds timeout{0};  // 0: for ever
};
Outcome<ExitStatus> remove(Context& context, const DeleteArguments& arguments);

struct PatchArguments {
  ResourceArguments resources;
  std::string output;
  std::string type;  // merge, or json: RFC 7386 or RFC 6902
  std::string patch;
  std::string patch_file;
};
Outcome<ExitStatus> patch(Context& context, const PatchArguments& arguments);

// The verbs `label` and `annotate`.
struct LabelArguments {
  KeyMap map = KeyMap::Labels;
  ResourceArguments resources;  // behind the words that name objects the changes, KEY=VALUE, KEY-
  std::string output;
  std::string resource_version;  // empty: any
  bool overwrite = false;
  bool dry_run = false;
};
Outcome<ExitStatus> label(Context& context, const LabelArguments& arguments);

struct EditArguments {
  ResourceArguments resources;
  std::string output;  // what is edited: yaml, or json
};
Outcome<ExitStatus> edit(Context& context, const EditArguments& arguments);

struct WaitArguments {
  ResourceArguments resources;
  std::string condition;                      // wait_condition.h
  std::chrono::milliseconds timeout{30'000};  // 0: ask once; negative: for ever
};
Outcome<ExitStatus> wait(Context& context, const WaitArguments& arguments);

struct AttachArguments {
  std::string claim;  // NS/CLAIM
  bool read_only = false;
  std::chrono::milliseconds timeout{60'000};  // for a claim that waits for this, its first consumer
};
Outcome<ExitStatus> attach(Context& context, const AttachArguments& arguments);

struct DetachArguments {
  std::string claim;   // NS/CLAIM
  bool force = false;  // said to be so by somebody: an event names them
};
Outcome<ExitStatus> detach(Context& context, const DetachArguments& arguments);

// NS/CLAIM: who holds it.
Outcome<ExitStatus> who(Context& context, const std::string& claim);

Outcome<ExitStatus> import_objects(Context& context, const std::vector<std::string>& files);
Outcome<ExitStatus> export_objects(Context& context);

// Without `until_settled` until SIGTERM or SIGINT.
Outcome<ExitStatus> run_controller(Context& context, bool until_settled);

Outcome<ExitStatus> status(Context& context, const std::string& output);

}  // namespace claimfs::cli
