#include <cerrno>
#include <cstdio>

#include "cli/columns.h"
#include "cli/json_path.h"
#include "cli/names_on_command_line.h"
#include "cli/until_true.h"
#include "cli/verbs.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::Object;

// The three forms of --for.
class Condition {
 public:
  static Outcome<Condition> parse(const std::string& text) {
    Condition condition;
    if (text == "delete") return condition;
    std::string path = "{.status.phase}", value;
    if (text.starts_with("phase=")) {
      value = text.substr(6);
    } else if (text.starts_with("jsonpath=")) {
      // jsonpath={.status.phase}=Bound, jsonpath='{…}'=…; without a value: that it is there.
      std::string rest = text.substr(9);
      const auto close = rest.rfind('}');
      if (!rest.starts_with('{') || close == std::string::npos) {
        return fail(ExitStatus::Usage,
                    "error: expected --for=jsonpath={PATH}=VALUE, not \"" + text + "\"");
      }
      path = rest.substr(0, close + 1);
      condition.exists_ = close + 1 == rest.size();
      if (!condition.exists_) value = rest.substr(rest[close + 1] == '=' ? close + 2 : close + 1);
    } else {
      return fail(ExitStatus::Usage, "error: unrecognized condition \"" + text +
                                         "\": say delete, phase=PHASE or jsonpath={PATH}=VALUE");
    }
    auto parsed = JsonPath::parse(path.substr(1, path.size() - 2));
    if (!parsed) return fail(ExitStatus::Usage, parsed.error().context);
    condition.path_ = std::move(*parsed);
    condition.value_ = value;
    return condition;
  }

  bool is_deletion() const { return !path_; }
  bool holds(const Object& object) const {
    const auto found = path_->find(object.document);
    return !found.empty() && (exists_ || json_path_text(*found.front()) == value_);
  }

 private:
  std::optional<JsonPath> path_;
  std::string value_;
  bool exists_ = false;
};

}  // namespace

Outcome<ExitStatus> patch(Context& context, const PatchArguments& arguments) {
  const auto keys = parse_names(arguments.words, arguments.name_space);
  if (!keys) return tl::unexpected(keys.error());
  const Json patch = Json::parse(arguments.patch, nullptr, /*allow_exceptions=*/false);
  if (!patch.is_object())
    return fail(ExitStatus::Usage, "error: the patch (-p) must be a JSON object");
  for (const auto& key : *keys) {
    const auto patched = context.api->patch(key, patch);
    if (!patched) return tl::unexpected(failure_of(patched.error()));
    const bool changed = patched->outcome != control::Api::Outcome::Unchanged;
    std::printf("%s patched%s\n", qualified_name(patched->object).c_str(),
                changed ? "" : " (no change)");
  }
  return ExitStatus::Done;
}

Outcome<ExitStatus> wait(Context& context, const WaitArguments& arguments) {
  const auto keys = parse_names(arguments.words, arguments.name_space);
  if (!keys) return tl::unexpected(keys.error());
  const auto condition = Condition::parse(arguments.condition);
  if (!condition) return tl::unexpected(condition.error());
  for (const auto& key : *keys) {
    const auto done = until_true(*context.store, arguments.timeout, [&]() -> Outcome<bool> {
      const auto object = context.store->get(key);
      if (object) return !condition->is_deletion() && condition->holds(*object);
      if (object.error().code == ENOENT) return condition->is_deletion();
      return tl::unexpected(failure_of(object.error()));
    });
    if (!done) return tl::unexpected(done.error());
    const auto& names = volumes::names_of(key.kind);
    const std::string name = names.qualified(names.singular) + "/" + key.name;
    if (!*done) {
      return fail(ExitStatus::InUse, "error: timed out waiting for the condition on " + name);
    }
    std::printf("%s condition met\n", name.c_str());
  }
  return ExitStatus::Done;
}

}  // namespace claimfs::cli
