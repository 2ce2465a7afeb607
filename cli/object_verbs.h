#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/verb_table.h"
#include "cli/verbs.h"

namespace claimfs::cli {

// The verbs that kubectl has too, with their options. One of them is chosen, so they share the
// places that their options are read into.
class ObjectVerbs {
 public:
  void add_to(VerbTable& verbs);

 private:
  void add_get(VerbTable& verbs);
  void add_describe(VerbTable& verbs);
  void add_apply(VerbTable& verbs);
  void add_delete(VerbTable& verbs);
  void add_patch(VerbTable& verbs);
  void add_labels(VerbTable& verbs);
  void add_edit(VerbTable& verbs);
  void add_wait(VerbTable& verbs);

  void add_namespace(CLI::App* verb);
  void add_files(CLI::App* verb, const char* description);
  void add_dry_run(CLI::App* verb);
  // KIND and names, -n, -A, -f, -l and --field-selector.
  void add_resources(CLI::App* verb);

  bool is_dry_run() const;
  GetArguments get_arguments() const;

  ResourceArguments resources_;
  GetArguments get_;
  std::string output_, dry_run_, wait_ = "true", type_ = "merge", patch_, patch_file_, condition_;
  std::string resource_version_;
  std::optional<std::string> timeout_;
  bool overwrite_ = false, ignore_not_found_ = false, save_config_ = false;
};

}  // namespace claimfs::cli
