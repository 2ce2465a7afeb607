#pragma once

#include <functional>
#include <string>
#include <utility>

#include <CLI/CLI.hpp>

#include "cli/context.h"
#include "cli/failure.h"

namespace claimfs::cli {

using Verb = std::function<Outcome<ExitStatus>()>;

// The verbs of a command line, and the one that was chosen. Lives as long as the parsing and the
// verb; so does the application that it adds them to.
class VerbTable {
 public:
  explicit VerbTable(CLI::App& app) : app_(app) {}
  VerbTable(const VerbTable&) = delete;
  VerbTable& operator=(const VerbTable&) = delete;

  CLI::App* add(const char* name, const char* description, Verb verb) {
    CLI::App* app = app_.add_subcommand(name, description);
    app->fallthrough();
    app->callback([this, verb = std::move(verb)] { chosen_ = verb; });
    return app;
  }

  // A verb that works on the store: act(Context&).
  template <class Act>
  CLI::App* add_on_store(const char* name, const char* description, Act act) {
    return add(name, description, [this, act]() -> Outcome<ExitStatus> {
      auto context = Context::open(flags_);
      if (!context) return tl::unexpected(context.error());
      return act(*context);
    });
  }

  GlobalFlags& flags() { return flags_; }
  const Verb& chosen() const { return chosen_; }

 private:
  CLI::App& app_;
  GlobalFlags flags_;
  Verb chosen_;
};

}  // namespace claimfs::cli
