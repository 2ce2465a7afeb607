// The arguments of label and annotate, with kubectl's messages.

#include "cli/key_changes.h"

#include "tests/unit/catch.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::Object;

using Words = std::vector<std::string>;

Object labeled(const Json& labels) {
  return {Kind::PersistentVolume, {{"metadata", {{"name", "pv"}, {"labels", labels}}}}};
}

KeyChanges changes_of(Words words, KeyMap map) {
  words.insert(words.begin(), {"pv", "a"});
  auto changes = KeyChanges::take(words, map, /*has_files=*/false);
  REQUIRE(changes);
  CHECK(words == Words{"pv", "a"});
  return *changes;
}

}  // namespace

TEST_CASE("what of label's arguments is no change is refused", "[key-changes]") {
  struct Row {
    const char* name;
    KeyMap map = KeyMap::Labels;
    Words words;
    const char* message;
  };
  const Row rows[] = {
      {.name = "no change",
       .words = {"pv", "a"},
       .message = "error: at least one label update is required"},
      {.name = "no annotation",
       .map = KeyMap::Annotations,
       .words = {"pv", "a"},
       .message = "error: at least one annotation update is required"},
      {.name = "no object",
       .words = {"a=b"},
       .message = "error: one or more resources must be specified as <resource> <name> or "
                  "<resource>/<name>"},
      {.name = "a name after a change",
       .words = {"pv", "a=b", "x"},
       .message = "error: all resources must be specified before label changes: x"},
      {.name = "two signs",
       .words = {"pv", "a", "k=v=w"},
       .message = "error: invalid label spec: k=v=w"},
      {.name = "set and removed",
       .words = {"pv", "a", "k=v", "k-"},
       .message = "error: can not both modify and remove a label in the same command"},
      {.name = "annotations set and removed",
       .map = KeyMap::Annotations,
       .words = {"pv", "a", "k=v", "l=v", "k-", "l-"},
       .message = "error: can not both modify and remove the following annotation(s) in the same "
                  "command: k, l"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Words words = row.words;
    const auto changes = KeyChanges::take(words, row.map, /*has_files=*/false);
    REQUIRE_FALSE(changes);
    CHECK(changes.error().message == row.message);
    CHECK(changes.error().status == ExitStatus::Usage);
  }
  Words words = {"pv", "a", "k=not a label"};
  CHECK(KeyChanges::take(words, KeyMap::Labels, false)
            .error()
            .message.starts_with(
                "error: invalid label value: \"k=not a label\": a valid label must be"));
  words = {"k=v"};
  CHECK(KeyChanges::take(words, KeyMap::Labels, /*has_files=*/true));
}

TEST_CASE("label says what it did, by what the object was", "[key-changes]") {
  struct Row {
    const char* name;
    Words words;
    bool overwrites = false;
    Json labels;
    Json patch;
    const char* deed;
  };
  const Row rows[] = {
      {.name = "set",
       .words = {"k=v"},
       .labels = Json::object(),
       .patch = {{"metadata", {{"labels", {{"k", "v"}}}}}},
       .deed = "labeled"},
      {.name = "so already",
       .words = {"k=v"},
       .overwrites = true,
       .labels = {{"k", "v"}},
       .patch = Json::object(),
       .deed = "not labeled"},
      {.name = "removed",
       .words = {"k-"},
       .labels = {{"k", "v"}},
       .patch = {{"metadata", {{"labels", {{"k", nullptr}}}}}},
       .deed = "unlabeled"},
      {.name = "not there to remove",
       .words = {"k-"},
       .labels = {{"l", "v"}},
       .patch = Json::object(),
       .deed = "not labeled"},
      {.name = "longer in all",
       .words = {"long=value", "k-"},
       .labels = {{"k", "v"}},
       .patch = {{"metadata", {{"labels", {{"k", nullptr}, {"long", "value"}}}}}},
       .deed = "labeled"},
      {.name = "shorter, by overwriting",
       .words = {"k=v"},
       .overwrites = true,
       .labels = {{"k", "long"}},
       .patch = {{"metadata", {{"labels", {{"k", "v"}}}}}},
       .deed = "labeled"},
      {.name = "an empty value",
       .words = {"k="},
       .labels = Json::object(),
       .patch = {{"metadata", {{"labels", {{"k", ""}}}}}},
       .deed = "labeled"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const KeyChanges changes = changes_of(row.words, KeyMap::Labels);
    const Object object = labeled(row.labels);
    CHECK(changes.patch(object) == row.patch);
    CHECK(changes.deed(object, row.overwrites) == row.deed);
  }
  CHECK(changes_of({"k-", "l-"}, KeyMap::Labels).missing(labeled({{"l", "v"}})) == Words{"k"});
}

TEST_CASE("nothing is overwritten unasked", "[key-changes]") {
  const Object object = labeled({{"k", "v"}, {"l", "w"}});
  CHECK(changes_of({"new=x"}, KeyMap::Labels).check_overwrites(object));
  CHECK(changes_of({"k=v"}, KeyMap::Labels).check_overwrites(object).error().message ==
        "error: 'k' already has a value (v), and --overwrite is false");
  CHECK(changes_of({"k=x", "l=x"}, KeyMap::Labels).check_overwrites(object).error().message ==
        "'k' already has a value (v), and --overwrite is false\n"
        "'l' already has a value (w), and --overwrite is false");
  const Object annotated{
      Kind::PersistentVolume,
      {{"metadata",
        {{"annotations", {{"k", "v w"}, {"l", ""}, {"kubernetes.io/change-cause", "x"}}}}}}};
  CHECK(
      changes_of({"k=x", "l=x"}, KeyMap::Annotations).check_overwrites(annotated).error().message ==
      "error: --overwrite is false but found the following declared annotation(s): "
      "'k' already has a value (v w); 'l' already has a value ()");
  CHECK(changes_of({"kubernetes.io/change-cause=y"}, KeyMap::Annotations)
            .check_overwrites(annotated));
}

}  // namespace claimfs::cli
