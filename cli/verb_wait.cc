#include <cerrno>
#include <iostream>

#include "cli/failures.h"
#include "cli/selection.h"
#include "cli/until_true.h"
#include "cli/verbs.h"
#include "cli/wait_condition.h"

namespace claimfs::cli {
namespace {

using volumes::ObjectKey;
using Clock = std::chrono::steady_clock;

struct Awaited {
  ObjectKey key;
  std::string uid;  // empty: whatever comes under the name
};

Outcome<bool> is_met(Context& context, const WaitCondition& condition, const Awaited& awaited) {
  const auto object = context.store->get(awaited.key);
  if (object) {
    // Another object under the name: the one that was meant is gone.
    if (condition.is_deletion()) return !awaited.uid.empty() && object->uid() != awaited.uid;
    return condition.holds(*object);
  }
  if (object.error().code != ENOENT) return tl::unexpected(failure_of(object.error()));
  if (condition.is_deletion()) return true;
  if (condition.may_come()) return false;
  return fail(ExitStatus::Failed, not_found_text(awaited.key));
}

// One object, until `deadline`; none: as long as it takes. A time that is over already is a
// question asked once.
Outcome<void> wait_for(Context& context, const WaitCondition& condition, const Awaited& awaited,
                       const WaitArguments& arguments, std::optional<Clock::time_point> deadline) {
  const auto ask = [&] { return is_met(context, condition, awaited); };
  Outcome<bool> met = ask();
  if (met && !*met) {
    if (arguments.timeout == std::chrono::milliseconds(0))
      return fail(ExitStatus::InUse, "error: condition not met for " + plural_name(awaited.key));
    const auto left = deadline
                          ? std::chrono::ceil<std::chrono::milliseconds>(*deadline - Clock::now())
                          : std::chrono::milliseconds(0);
    if (!deadline || left.count() > 0) met = until_true(*context.store, left, ask);
  }
  if (!met) return tl::unexpected(met.error());
  if (!*met) {
    return fail(ExitStatus::InUse,
                "error: timed out waiting for the condition on " + plural_name(awaited.key));
  }
  std::cout << qualified_name(awaited.key) << " condition met" << std::endl;
  return {};
}

}  // namespace

Outcome<ExitStatus> wait(Context& context, const WaitArguments& arguments) {
  const auto condition = WaitCondition::parse(arguments.condition);
  if (!condition) return tl::unexpected(condition.error());
  const auto selection = parse_selection(arguments.resources, KindAlone::IsError);
  if (!selection) return tl::unexpected(selection.error());
  const auto found = find(*context.store, *selection);
  if (!found) return tl::unexpected(found.error());

  std::vector<Awaited> all;
  for (const volumes::Object& object : found->objects())
    all.push_back({object.key(), object.uid()});
  Failures failures;
  for (const ObjectKey& key : found->missing) {
    if (condition->may_come()) {
      all.push_back({key, ""});
    } else if (!condition->is_deletion()) {
      failures.add({ExitStatus::Failed, not_found_text(key)});
    }
  }
  if (all.empty() && found->missing.empty() && !condition->is_deletion())
    return fail(ExitStatus::Failed, "error: no matching resources found");
  std::optional<Clock::time_point> deadline;
  if (arguments.timeout.count() >= 0) deadline = Clock::now() + arguments.timeout;
  for (const Awaited& awaited : all) {
    if (const auto done = wait_for(context, *condition, awaited, arguments, deadline); !done)
      failures.add(done.error());
  }
  return failures.say();
}

}  // namespace claimfs::cli
