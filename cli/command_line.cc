#include "cli/command_line.h"

#include <cstdio>
#include <exception>
#include <functional>
#include <iostream>
#include <sstream>

#include <CLI/CLI.hpp>

#include "cli/duration.h"
#include "cli/mount.h"
#include "cli/mount_point.h"
#include "cli/verbs.h"
#include "cli/version.h"

namespace claimfs::cli {
namespace {

using Verb = std::function<Outcome<ExitStatus>()>;

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

const CLI::Validator kDuration(
    [](const std::string& text) {
      return parse_duration(text) ? std::string()
                                  : "\"" + text + "\" is no duration: write 60s, 500ms, 2m or 1h";
    },
    "DURATION");

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
    app_.add_option("--config", flags_.config_file,
                    "configuration file (/etc/claimfs/claimfs.yaml; CLAIMFS_CONFIG)");
    app_.add_option("--state", flags_.state, "state directory (/var/lib/claimfs; CLAIMFS_STATE)");
    app_.add_option("--store", flags_.store, "sqlite, or sqlite:///PATH (CLAIMFS_STORE)");
    app_.add_option("--node", flags_.node, "this node's name (the host name; CLAIMFS_NODE)");
    app_.footer(
        "Exit status: 0 done, 1 not found or failed, 64 usage, 65 invalid manifest, 69 store "
        "unreachable,\n"
        "75 in use, 77 not permitted, 78 invalid configuration. See claimfs(1).");
    add_mount();
    add_objects();
    add_changes();
    add_others();
  }

  int run(int count, char** words) {
    try {
      app_.parse(count, words);
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
    if (!verb_) {
      std::cerr << app_.help();
      return static_cast<int>(ExitStatus::Usage);
    }
    const auto outcome = verb_();
    std::cout.flush();
    std::fflush(stdout);
    if (outcome) return static_cast<int>(*outcome);
    const std::string& message = outcome.error().message;
    // kubectl's own words stand alone; ours say who speaks.
    const bool is_kubectls =
        message.starts_with("Error from server") || message.starts_with("error: ");
    std::cerr << (is_kubectls ? "" : "claimfs: ") << message << "\n";
    return static_cast<int>(outcome.error().status);
  }

 private:
  CLI::App* add_verb(const char* name, const char* description, Verb verb) {
    CLI::App* app = app_.add_subcommand(name, description);
    app->fallthrough();
    app->callback([this, verb = std::move(verb)] { verb_ = verb; });
    return app;
  }

  // A verb on the store.
  template <class Act>
  Verb with_store(Act act) {
    return [this, act]() -> Outcome<ExitStatus> {
      auto context = Context::open(flags_);
      if (!context) return tl::unexpected(context.error());
      return act(*context);
    };
  }

  void add_mount() {
    CLI::App* mount = add_verb(
        "mount", "mount the tree; returns when it answers, and leaves a daemon behind", [this] {
          auto options = sort_mount_options(split_at_commas(mount_options_));
          if (!options) return Outcome<ExitStatus>(tl::unexpected(options.error()));
          mount_.options = std::move(*options);
          return cli::mount(flags_, manifests_, mount_);
        });
    mount->add_option("mountpoint", mount_.mount_point, "an empty directory")->required();
    mount
        ->add_option("-o", mount_options_,
                     "mount options: ro, fsname=NAME, suid, dev, noexec, nonempty, …")
        ->expected(1)
        ->take_all();
    mount
        ->add_option("--manifests", manifests_,
                     "directory of manifests to keep applied; may be repeated")
        ->expected(1)
        ->take_all();
    mount->add_flag("-f,--foreground", mount_.foreground, "stay, and log to stderr");
    mount->add_flag("--read-only", mount_.read_only, "refuse every change with EROFS");

    CLI::App* unmount =
        add_verb("unmount", "end a mount and its daemon, or remove what a dead one left",
                 [this] { return cli::unmount(mount_.mount_point); });
    unmount->add_option("mountpoint", mount_.mount_point)->required();
  }

  void add_files(CLI::App* verb, const char* description) {
    verb->add_option("-f,--filename", files_, description)->expected(1)->take_all();
  }
  void add_namespace(CLI::App* verb) {
    verb->add_option("-n,--namespace", name_space_, "namespace (default)");
  }
  void add_words(CLI::App* verb) {
    verb->add_option("resources", words_, "KIND[,KIND…] [NAME…], or KIND/NAME…");
  }

  std::string name_space() const { return name_space_.value_or("default"); }

  GetArguments get_arguments() {
    get_.words = words_;
    get_.name_space = name_space();
    return get_;
  }
  ApplyArguments apply_arguments() {
    return {.files = files_,
            .name_space = name_space_,
            .dry_run = !dry_run_.empty() && dry_run_ != "none" && dry_run_ != "false"};
  }

  void add_objects() {
    CLI::App* get = add_verb("get", "show objects", with_store([this](Context& context) {
                               return cli::get(context, get_arguments());
                             }));
    add_words(get);
    add_namespace(get);
    get->add_flag("-A,--all-namespaces", get_.all_namespaces);
    get->add_option("-o,--output", get_.output,
                    "wide, json, yaml, name, jsonpath=…, custom-columns=…");
    get->add_option("-l,--selector", get_.selector, "labels: a=b,c!=d,e in (f,g),h,!i");
    get->add_option("--sort-by", get_.sort_by, "a JSONPath");
    get->add_flag("-w,--watch", get_.watch, "go on with what changes");
    get->add_flag("--no-headers", get_.no_headers);

    CLI::App* describe = add_verb(
        "describe", "show objects with their events, for people",
        with_store([this](Context& context) { return cli::describe(context, get_arguments()); }));
    add_words(describe);
    add_namespace(describe);
    describe->add_flag("-A,--all-namespaces", get_.all_namespaces);
    describe->add_option("-l,--selector", get_.selector);
  }

  void add_changes() {
    CLI::App* apply = add_verb(
        "apply", "make objects be as the manifests say",
        with_store([this](Context& context) { return cli::apply(context, apply_arguments()); }));
    CLI::App* create = add_verb(
        "create", "create the manifests' objects",
        with_store([this](Context& context) { return cli::create(context, apply_arguments()); }));
    for (CLI::App* verb : {apply, create}) {
      add_files(verb, "a file, a directory, or - for stdin; may be repeated");
      verb->get_option("--filename")->required();
      add_namespace(verb);
      verb->add_flag("--dry-run{client}", dry_run_, "say what would be done, and do nothing");
    }

    CLI::App* remove = add_verb(
        "delete", "delete objects; waits until they are gone", with_store([this](Context& context) {
          return cli::remove(context, {.words = words_,
                                       .files = files_,
                                       .name_space = name_space(),
                                       .wait = wait_ != "false",
                                       .timeout = parse_duration(timeout_.value_or("0")).value()});
        }));
    add_words(remove);
    add_files(remove, "delete what these manifests name");
    add_namespace(remove);
    remove->add_option("--wait", wait_, "whether to wait (true)")
        ->check(CLI::IsMember({"true", "false"}));
    remove->add_option("--timeout", timeout_, "how long to wait (0: for ever)")->check(kDuration);

    CLI::App* patch = add_verb(
        "patch", "change an object by a JSON merge patch", with_store([this](Context& context) {
          return cli::patch(context,
                            {.words = words_, .name_space = name_space(), .patch = patch_});
        }));
    add_words(patch);
    add_namespace(patch);
    patch->add_option("-p,--patch", patch_, "the patch")->required();
    patch->add_option("--type", patch_type_, "merge is the only one")
        ->check(CLI::IsMember({"merge"}));

    CLI::App* wait = add_verb(
        "wait", "wait for a condition", with_store([this](Context& context) {
          return cli::wait(context, {.words = words_,
                                     .name_space = name_space(),
                                     .condition = condition_,
                                     .timeout = parse_duration(timeout_.value_or("30s")).value()});
        }));
    add_words(wait);
    add_namespace(wait);
    wait->add_option("--for", condition_, "delete, phase=PHASE, jsonpath={PATH}=VALUE")->required();
    wait->add_option("--timeout", timeout_, "how long to wait (30s)")->check(kDuration);
  }

  void add_others() {
    CLI::App* import =
        add_verb("import", "put objects back verbatim, status and all",
                 with_store([this](Context& context) { return import_objects(context, files_); }));
    add_files(import, "what `claimfs export` wrote, or kubectl get -o yaml|json; - for stdin");
    import->get_option("--filename")->required();
    add_verb("export", "write every object verbatim to stdout, as YAML",
             with_store([](Context& context) { return export_objects(context); }));

    CLI::App* controller = add_verb(
        "controller", "bind volumes and claims without a mount",
        with_store([this](Context& context) { return run_controller(context, until_settled_); }));
    controller->add_flag("--until-settled", until_settled_,
                         "until nothing changes any more, then exit");

    CLI::App* status = add_verb(
        "status", "this node's store and mounts in a page",
        with_store([this](Context& context) { return cli::status(context, get_.output); }));
    status->add_option("-o,--output", get_.output, "json");
    add_verb("version", "print the version", []() -> Outcome<ExitStatus> {
      std::cout << version_text();
      return ExitStatus::Done;
    });
  }

  CLI::App app_;
  Verb verb_;
  GlobalFlags flags_;
  MountArguments mount_;
  std::vector<std::string> mount_options_, manifests_, words_, files_;
  std::optional<std::string> name_space_, timeout_;
  GetArguments get_;
  std::string dry_run_, wait_ = "true", patch_, patch_type_, condition_;
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
