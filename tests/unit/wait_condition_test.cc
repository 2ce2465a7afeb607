// wait --for.

#include "cli/wait_condition.h"

#include "tests/unit/catch.h"

namespace claimfs::cli {

using volumes::Kind;
using volumes::Object;

TEST_CASE("what wait --for holds for", "[wait]") {
  const Object claim{Kind::PersistentVolumeClaim,
                     {{"status",
                       {{"phase", "Bound"},
                        {"capacity", {{"storage", "1Gi"}}},
                        {"conditions", {{{"type", "Resizing"}, {"status", "True"}}}}}}}};
  const std::pair<const char*, bool> rows[] = {
      {"create", true},
      {"phase=Bound", true},
      {"phase=Lost", false},
      {"condition=Resizing", true},
      {"condition=resizing=true", true},
      {"condition=Resizing=False", false},
      {"condition=Ready", false},
      {"jsonpath={.status.phase}=Bound", true},
      {"jsonpath='{.status.phase}'=Bound", true},
      {"jsonpath=.status.phase='Bound'", true},
      {"jsonpath={.status.phase}=Lost", false},
      {"jsonpath={.status.capacity.storage}", true},
      {"jsonpath={.status.nothing}", false},
      {"jsonpath={.status.conditions[?(@.type==\"Resizing\")].status}=True", true},
      {"jsonpath={.status.conditions[?(@.type==\"Ready\")].status}=True", false}};
  for (const auto& [words, holds] : rows) {
    INFO(words);
    const auto condition = WaitCondition::parse(words);
    REQUIRE(condition);
    CHECK_FALSE(condition->is_deletion());
    CHECK(condition->holds(claim) == holds);
  }
  CHECK(WaitCondition::parse("delete")->is_deletion());
  CHECK(WaitCondition::parse("phase=Bound")->may_come());
  CHECK_FALSE(WaitCondition::parse("condition=Ready")->may_come());
  for (const char* wrong :
       {"", "ready", "jsonpath=", "jsonpath={.a}=", "jsonpath={.a}=b=c", "jsonpath={.a["}) {
    INFO(wrong);
    CHECK_FALSE(WaitCondition::parse(wrong));
  }
}

}  // namespace claimfs::cli
