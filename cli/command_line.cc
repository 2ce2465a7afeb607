#include "cli/command_line.h"
#include "cli/duration_check.h"

#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>

#include <CLI/CLI.hpp>

#include "cli/completion.h"
#include "cli/mount.h"
#include "cli/mount_point.h"
#include "cli/object_verbs.h"
#include "cli/verb_table.h"
#include "cli/verbs.h"
#include "cli/version.h"

namespace claimfs::cli {
namespace {

std::vector<std::string> split_at_commas(const std::vector<std::string>& texts) {
  std::vector<std::string> words;
  for (const std::string& text : texts) {
    std::istringstream stream(text);
    for (std::string word; std::getline(stream, word, ',');) {
      if (!word.empty()) words.push_back(word);
    }
  }
  return words;
}

// kubectl takes `-o=json` for `-o json`; CLI11 would take the sign for a part of the value.
std::vector<std::string> without_short_equal_signs(int count, char** words) {
  std::vector<std::string> result(words, words + count);
  for (std::string& word : result) {
    if (word.size() > 2 && word[0] == '-' && word[1] != '-' && word[2] == '=') word.erase(2, 1);
  }
  return result;
}

// The program's verbs, their options, and what to do when one is chosen. Lives as long as the
// parsing and the verb.
class CommandLine {
 public:
  CommandLine() {
    app_.name("claimfs");
    app_.description(
        "Kubernetes' persistent volumes as a filesystem: bound claims are directories of one "
        "mounted tree.");
    app_.require_subcommand(0, 1);
    app_.add_option("--config", verbs_.flags().config_file,
                    "configuration file (/etc/claimfs/claimfs.yaml; CLAIMFS_CONFIG)");
    app_.add_option("--state", verbs_.flags().state,
                    "state directory (/var/lib/claimfs; CLAIMFS_STATE)");
    app_.add_option("--store", verbs_.flags().store, "sqlite, or sqlite:///PATH (CLAIMFS_STORE)");
    app_.add_option("--node", verbs_.flags().node,
                    "this node's name (the host name; CLAIMFS_NODE)");
    app_.footer(
        "Exit status: 0 done, 1 not found or failed, 64 usage, 65 invalid manifest, 69 store "
        "unreachable,\n"
        "75 in use, 77 not permitted, 78 invalid configuration. See claimfs(1).");
    add_mount();
    object_verbs_.add_to(verbs_);
    add_others();
  }

  int run(int count, char** given) {
    std::vector<std::string> words = without_short_equal_signs(count, given);
    if (words.size() > 1 && words[1] == kCompleteVerb) {
      std::cout << complete(app_, {words.begin() + 2, words.end()});
      return static_cast<int>(ExitStatus::Done);
    }
    std::vector<char*> pointers;
    for (std::string& word : words) pointers.push_back(word.data());
    try {
      app_.parse(count, pointers.data());
    } catch (const CLI::Success& success) {
      return app_.exit(success);
    } catch (const CLI::ParseError& error) {
      // CLI11 calls an unknown verb an argument that was not expected.
      const bool has_verb = !app_.get_subcommands().empty();
      if (const auto unknown = app_.remaining(); !has_verb && !unknown.empty())
        std::cerr << "error: unknown command \"" << unknown.front() << "\": see claimfs --help\n";
      else
        app_.exit(error, std::cerr, std::cerr);
      return static_cast<int>(ExitStatus::Usage);
    }
    if (!verbs_.chosen()) {
      std::cerr << app_.help();
      return static_cast<int>(ExitStatus::Usage);
    }
    const auto outcome = verbs_.chosen()();
    std::cout.flush();
    std::fflush(stdout);
    if (outcome) return static_cast<int>(*outcome);
    const std::string& message = outcome.error().message;
    // kubectl's own words stand alone; ours say who speaks.
    const bool is_kubectls = message.starts_with("Error from server") ||
                             message.starts_with("error: ") ||
                             message.starts_with("The request is invalid");
    std::cerr << (is_kubectls ? "" : "claimfs: ") << message << "\n";
    return static_cast<int>(outcome.error().status);
  }

 private:
  void add_mount() {
    CLI::App* mount = verbs_.add(
        "mount", "mount the tree; returns when it answers, and leaves a daemon behind", [this] {
          auto options = sort_mount_options(split_at_commas(mount_options_));
          if (!options) return Outcome<ExitStatus>(tl::unexpected(options.error()));
          mount_.options = std::move(*options);
          return cli::mount(verbs_.flags(), manifests_, mount_);
        });
    mount->add_option("mountpoint", mount_.mount_point, "an empty directory")->required();
    mount
        ->add_option("-o", mount_options_,
                     "mount options: ro, fsname=NAME, suid, dev, noexec, nonempty, …")
        ->expected(1)
        ->allow_extra_args(false)
        ->take_all();
    mount
        ->add_option("--manifests", manifests_,
                     "directory of manifests to keep applied; may be repeated")
        ->expected(1)
        ->allow_extra_args(false)
        ->take_all();
    mount->add_flag("-f,--foreground", mount_.foreground, "stay, and log to stderr");
    mount->add_flag("--read-only", mount_.read_only, "refuse every change with EROFS");

    CLI::App* unmount =
        verbs_.add("unmount", "end a mount and its daemon, or remove what a dead one left",
                   [this] { return cli::unmount(mount_.mount_point); });
    unmount->add_option("mountpoint", mount_.mount_point)->required();
  }

  void add_others() {
    CLI::App* import =
        verbs_.add_on_store("import", "put objects back verbatim, status and all",
                            [this](Context& context) { return import_objects(context, files_); });
    import
        ->add_option("-f,--filename", files_,
                     "what `claimfs export` wrote, or kubectl get -o yaml|json; - for stdin")
        ->expected(1)
        ->allow_extra_args(false)
        ->take_all()
        ->required();
    verbs_.add_on_store("export", "write every object verbatim to stdout, as YAML",
                        [](Context& context) { return export_objects(context); });

    CLI::App* controller = verbs_.add_on_store(
        "controller", "bind volumes and claims without a mount",
        [this](Context& context) { return run_controller(context, until_settled_); });
    controller->add_flag("--until-settled", until_settled_,
                         "until nothing changes any more, then exit");

    CLI::App* attach = verbs_.add_on_store(
        "attach", "hold a claim for this node until `claimfs detach`", [this](Context& context) {
          attach_.timeout = parse_duration(attach_timeout_).value();
          return cli::attach(context, attach_);
        });
    attach->add_option("claim", attach_.claim, "NAMESPACE/CLAIM")->required();
    attach->add_flag("--read-only", attach_.read_only, "only to read");
    attach->add_option("--timeout", attach_timeout_, "how long to wait for its volume (60s)")
        ->check(duration_check());

    CLI::App* detach =
        verbs_.add_on_store("detach", "let go of a claim that `claimfs attach` holds",
                            [this](Context& context) { return cli::detach(context, detach_); });
    detach->add_option("claim", detach_.claim, "NAMESPACE/CLAIM")->required();
    detach->add_flag("--force", detach_.force, "although the node (--node) may be using it");

    CLI::App* who =
        verbs_.add_on_store("who", "who uses a claim: node, pod, process, mount point",
                            [this](Context& context) { return cli::who(context, who_); });
    who->add_option("claim", who_, "NAMESPACE/CLAIM")->required();

    CLI::App* status =
        verbs_.add_on_store("status", "this node's store and mounts in a page",
                            [this](Context& context) { return cli::status(context, output_); });
    status->add_option("-o,--output", output_, "json");

    CLI::App* completion =
        verbs_.add("completion", "print a script that completes command lines in a shell",
                   [this] { return print_completion_script(shell_); });
    completion->add_option("shell", shell_, "bash or zsh")->required();
    verbs_.add("version", "print the version", []() -> Outcome<ExitStatus> {
      std::cout << version_text();
      return ExitStatus::Done;
    });
  }

  CLI::App app_;
  VerbTable verbs_{app_};
  ObjectVerbs object_verbs_;
  MountArguments mount_;
  AttachArguments attach_;
  std::string attach_timeout_ = "60s";
  DetachArguments detach_;
  std::vector<std::string> mount_options_, manifests_, files_;
  std::string output_, shell_, who_;
  bool until_settled_ = false;
};

}  // namespace

int run(int count, char** words) {
  try {
    return CommandLine().run(count, words);
  } catch (const std::exception& error) {
    std::cerr << "claimfs: " << error.what() << "\n";
    return static_cast<int>(ExitStatus::Failed);
  }
}

}  // namespace claimfs::cli
