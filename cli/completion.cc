#include "cli/completion.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include <CLI/CLI.hpp>

#include "cli/completion_scripts.h"
#include "cli/context.h"

namespace claimfs::cli {
namespace {

using volumes::Kind;

constexpr unsigned kPatienceSeconds = 2;
constexpr std::array kKinds = {
    Kind::PersistentVolume, Kind::PersistentVolumeClaim, Kind::StorageClass, Kind::Pod, Kind::Event,
    Kind::Attachment};

using Words = std::vector<std::string>;

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// What options offer that have a few values of their own.
const std::map<std::string, Words>& known_values() {
  static const std::map<std::string, Words> kValues = {
      {"for", {"delete", "create", "condition=", "jsonpath=", "phase="}},
      {"type", {"merge", "json"}},
      {"wait", {"true", "false"}},
      {"store", {"sqlite", "sqlite:///"}},
      {"sort-by",
       {".metadata.name", ".metadata.creationTimestamp", ".spec.capacity.storage",
        ".spec.resources.requests.storage", ".status.phase"}},
      {"field-selector", {"metadata.name=", "metadata.namespace="}},
      {"config", {":files"}},
      {"filename", {":files"}},
      {"patch-file", {":files"}},
      {"state", {":directories"}},
      {"manifests", {":directories"}},
  };
  return kValues;
}

Words formats_of(const std::string& verb) {
  if (verb == "status") return {"json"};
  if (verb == "delete") return {"name"};
  if (verb == "edit") return {"yaml", "json"};
  Words formats = {"json", "yaml", "name", "jsonpath=", "jsonpath-as-json=", "jsonpath-file="};
  if (verb == "get") {
    for (const char* format : {"wide", "custom-columns=", "custom-columns-file="})
      formats.emplace_back(format);
  }
  return formats;
}

// The words before the one that is being written.
class Line {
 public:
  Line(const CLI::App& app, const Words& words) : app_(app) {
    for (const std::string& word : words) take(word);
  }

  const CLI::App* verb = nullptr;
  const CLI::Option* awaiting = nullptr;  // the option whose value comes next
  Words positionals;
  GlobalFlags flags;
  std::string name_space = "default";

  const CLI::Option* find(const std::string& name) const {
    const CLI::Option* option = verb ? verb->get_option_no_throw(name) : nullptr;
    return option ? option : app_.get_option_no_throw(name);
  }

 private:
  void take(const std::string& word) {
    if (awaiting) {
      note(*awaiting, word);
      awaiting = nullptr;
    } else if (word.starts_with("--")) {
      const auto equal = word.find('=');
      const CLI::Option* option = find(word.substr(0, equal));
      if (!option || !takes_value(*option)) return;
      if (equal == std::string::npos) {
        awaiting = option;
      } else {
        note(*option, word.substr(equal + 1));
      }
    } else if (word.size() > 1 && word.front() == '-') {
      const CLI::Option* option = find(word.substr(0, 2));
      if (!option || !takes_value(*option)) return;
      if (word.size() == 2) {
        awaiting = option;
      } else {
        note(*option, word.substr(word[2] == '=' ? 3 : 2));
      }
    } else if (!verb) {
      for (const CLI::App* each : app_.get_subcommands([](const CLI::App*) { return true; })) {
        if (each->get_name() == word) verb = each;
      }
    } else {
      positionals.push_back(word);
    }
  }

  void note(const CLI::Option& option, const std::string& value) {
    const std::string name = option.get_lnames().empty() ? "" : option.get_lnames().front();
    if (name == "config") flags.config_file = value;
    if (name == "state") flags.state = value;
    if (name == "store") flags.store = value;
    if (name == "node") flags.node = value;
    if (name == "namespace") name_space = value;
  }

  const CLI::App& app_;
};

// What the store has, as far as it can be asked without making one.
class Known {
 public:
  explicit Known(const GlobalFlags& flags) {
    const auto config = load_config(flags);
    if (!config) return;
    const auto path = database_path(*config);
    if (!path || ::access(path->c_str(), R_OK | W_OK) != 0) return;
    if (auto opened = open_store(*config)) store_ = std::move(*opened);
  }

  // Of all namespaces: absent.
  Words names(Kind kind, const std::optional<std::string>& name_space) const {
    Words names;
    for (const volumes::Object& object : objects(kind)) {
      const bool is_namespaced = volumes::names_of(kind).namespaced;
      if (!is_namespaced || !name_space || object.name_space() == *name_space)
        names.push_back(object.name());
    }
    return names;
  }

  // NAMESPACE/CLAIM.
  Words claims() const {
    Words words;
    for (const volumes::Object& claim : objects(Kind::PersistentVolumeClaim))
      words.push_back(claim.name_space() + "/" + claim.name());
    return words;
  }

  Words namespaces() const {
    std::set<std::string> names = {"default"};
    for (Kind kind : {Kind::PersistentVolumeClaim, Kind::Pod}) {
      for (const volumes::Object& object : objects(kind)) names.insert(object.name_space());
    }
    return {names.begin(), names.end()};
  }

 private:
  std::vector<volumes::Object> objects(Kind kind) const {
    if (!store_) return {};
    auto listing = store_->list(kind);
    return listing ? std::move(listing->objects) : std::vector<volumes::Object>();
  }

  std::unique_ptr<store::Store> store_;
};

Words kind_words() {
  Words words;
  for (Kind kind : kKinds) {
    const auto& names = volumes::names_of(kind);
    words.emplace_back(names.plural);
    words.emplace_back(names.short_name);
  }
  return words;
}

Words with_prefix(const std::string& prefix, const Words& words) {
  Words result;
  for (const std::string& word : words) result.push_back(prefix + word);
  return result;
}

Words values_of(const CLI::Option& option, const Line& line) {
  const std::string name = option.get_lnames().empty() ? "" : option.get_lnames().front();
  if (name == "namespace") return Known(line.flags).namespaces();
  if (name == "output" && line.verb) return formats_of(line.verb->get_name());
  const auto values = known_values().find(name);
  return values == known_values().end() ? Words() : values->second;
}

Words options_of(const CLI::App& app) {
  Words words;
  for (const CLI::Option* option :
       app.get_options([](const CLI::Option* each) { return !each->get_lnames().empty(); })) {
    for (const std::string& name : option->get_lnames()) words.push_back("--" + name);
  }
  return words;
}

// KIND[,KIND…] [NAME…], or KIND/NAME…
Words resources(const Line& line, const std::string& current) {
  const auto slash = current.find('/');
  if (slash != std::string::npos) {
    const auto kind = volumes::kind_from_word(current.substr(0, slash));
    if (!kind) return {};
    return with_prefix(current.substr(0, slash + 1),
                       Known(line.flags).names(*kind, line.name_space));
  }
  const bool is_first = line.positionals.empty();
  if (is_first || line.positionals.front().find('/') != std::string::npos) {
    const auto comma = current.rfind(',');
    const std::string before = comma == std::string::npos ? "" : current.substr(0, comma + 1);
    return with_prefix(before, with_prefix("", is_first ? kind_words() : Words()));
  }
  const auto kind = volumes::kind_from_word(line.positionals.front());
  if (!kind) return {};
  Words names = Known(line.flags).names(*kind, line.name_space);
  // What is on the line already is not named twice.
  std::erase_if(names, [&line](const std::string& name) {
    return std::find(line.positionals.begin() + 1, line.positionals.end(), name) !=
           line.positionals.end();
  });
  return names;
}

Words candidates(const CLI::App& app, const Line& line, const std::string& current) {
  if (line.awaiting) return values_of(*line.awaiting, line);
  const auto equal = current.find('=');
  if (current.starts_with("--") && equal != std::string::npos) {
    const CLI::Option* option = line.find(current.substr(0, equal));
    if (!option || !takes_value(*option)) return {};
    Words values = values_of(*option, line);
    const bool is_ours = values.empty() || values.front().front() != ':';
    return is_ours ? with_prefix(current.substr(0, equal + 1), values) : values;
  }
  if (current.starts_with('-')) {
    Words words = options_of(app);
    if (line.verb) std::ranges::copy(options_of(*line.verb), std::back_inserter(words));
    return words;
  }
  if (!line.verb) {
    Words words;
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; }))
      words.push_back(verb->get_name());
    return words;
  }
  const std::string verb = line.verb->get_name();
  if (verb == "mount" || verb == "unmount") return {":directories"};
  if (verb == "completion") return {"bash", "zsh"};
  if (line.verb->get_option_no_throw("claim"))
    return line.positionals.empty() ? Known(line.flags).claims() : Words();
  return line.verb->get_option_no_throw("resources") ? resources(line, current) : Words();
}

// The store may be locked by somebody who is slow. Whoever waits at a prompt is not made to wait.
void end_when_it_takes_long() {
  struct sigaction end {};
  end.sa_handler = [](int) { _exit(0); };
  sigaction(SIGALRM, &end, nullptr);
  ::alarm(kPatienceSeconds);
}

}  // namespace

std::string complete(const CLI::App& app, const std::vector<std::string>& words) {
  if (words.empty()) return "";
  end_when_it_takes_long();
  const Line line(app, {words.begin(), words.end() - 1});
  const std::string& current = words.back();
  std::set<std::string> lines;
  for (const std::string& candidate : candidates(app, line, current)) {
    if (candidate.starts_with(':') || candidate.starts_with(current)) lines.insert(candidate);
  }
  std::string text;
  for (const std::string& each : lines) text += each + "\n";
  return text;
}

Outcome<ExitStatus> print_completion_script(const std::string& shell) {
  if (shell == "bash") {
    std::cout << kBashCompletion;
  } else if (shell == "zsh") {
    std::cout << kZshCompletion;
  } else {
    return fail(ExitStatus::Usage,
                "error: Unsupported shell type \"" + shell + "\": it can be bash or zsh");
  }
  return ExitStatus::Done;
}

}  // namespace claimfs::cli
