// Which volume a claim gets. KUBERNETES.md 1.2 to 1.5.

#include "volumes/matching.h"

#include "tests/unit/catch.h"

namespace claimfs::volumes {
namespace {

// A volume as its manifest would say it, Available.
Volume volume(const std::string& name, const Json& changes = {}) {
  Json document = {{"metadata", {{"name", name}, {"uid", name + "-uid"}}},
                   {"spec",
                    {{"capacity", {{"storage", "1Gi"}}},
                     {"accessModes", {"ReadWriteOnce"}},
                     {"storageClassName", "manual"},
                     {"hostPath", {{"path", "/data"}}}}},
                   {"status", {{"phase", "Available"}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return Volume::from({Kind::PersistentVolume, document});
}

Claim claim(const Json& changes = {}) {
  Json document = {{"metadata", {{"name", "data"}, {"namespace", "default"}, {"uid", "claim-uid"}}},
                   {"spec",
                    {{"accessModes", {"ReadWriteOnce"}},
                     {"storageClassName", "manual"},
                     {"resources", {{"requests", {{"storage", "1Gi"}}}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return Claim::from({Kind::PersistentVolumeClaim, document});
}

Json sized(const char* size) { return {{"spec", {{"capacity", {{"storage", size}}}}}}; }
Json with_modes(std::vector<std::string> modes) { return {{"spec", {{"accessModes", modes}}}}; }
Json both(Json left, const Json& right) {
  if (!right.is_null()) left.merge_patch(right);
  return left;
}
Json reserved(const char* uid, const char* name = "data", const char* name_space = "default") {
  return {{"spec", {{"claimRef", {{"namespace", name_space}, {"name", name}, {"uid", uid}}}}}};
}

World world_of(const std::vector<Volume>& volumes) {
  World world;
  for (const Volume& each : volumes) world.put(each);
  return world;
}

// The name of the volume that is found; empty when none is.
std::string found(const Claim& wanted, std::vector<Volume> volumes,
                  Binding binding = Binding::Immediate) {
  std::string name;
  // Whatever order they come in.
  for (int turn = 0; turn < 2; ++turn) {
    const World world = world_of(volumes);
    const Volume* match = find_volume(wanted, world, binding);
    const std::string here = match ? match->metadata.name : "";
    if (turn == 1) CHECK(here == name);
    name = here;
    std::reverse(volumes.begin(), volumes.end());
  }
  return name;
}

}  // namespace

TEST_CASE("one volume: whether it matches", "[matching]") {
  struct Row {
    const char* name;
    Json volume;
    Json claim;
    bool matches;
  };
  const Row rows[] = {
      {"as it is", {}, {}, true},
      {"larger", sized("2Gi"), {}, true},
      {"a byte too small", sized("1073741823"), {}, false},
      {"1G is less than 1Gi", sized("1G"), {}, false},
      {"fractions count",
       sized("1Gi"),
       {{"spec", {{"resources", {{"requests", {{"storage", "1073741824001m"}}}}}}}},
       false},
      {"more modes", with_modes({"ReadWriteOnce", "ReadWriteMany"}), {}, true},
      {"another mode", with_modes({"ReadWriteMany"}), {}, false},
      {"one of two modes", {}, with_modes({"ReadWriteOnce", "ReadOnlyMany"}), false},
      {"another class", {{"spec", {{"storageClassName", "fast"}}}}, {}, false},
      {"no class, and none asked for",
       {{"spec", {{"storageClassName", nullptr}}}},
       {{"spec", {{"storageClassName", ""}}}},
       true},
      {"no class is the class \"\"",
       {{"spec", {{"storageClassName", ""}}}},
       {{"spec", {{"storageClassName", nullptr}}}},
       true},
      {"a class, and none asked for", {}, {{"spec", {{"storageClassName", ""}}}}, false},
      {"the beta annotation beats the field",
       {{"metadata", {{"annotations", {{"volume.beta.kubernetes.io/storage-class", "fast"}}}}}},
       {},
       false},
      {"Block for a Filesystem", {{"spec", {{"volumeMode", "Block"}}}}, {}, false},
      {"Filesystem, said and unsaid", {{"spec", {{"volumeMode", "Filesystem"}}}}, {}, true},
      {"Block for Block",
       {{"spec", {{"volumeMode", "Block"}}}},
       {{"spec", {{"volumeMode", "Block"}}}},
       true},
      {"an attributes class", {{"spec", {{"volumeAttributesClassName", "gold"}}}}, {}, false},
      {"being deleted", {{"metadata", {{"deletionTimestamp", "2026-01-01T00:00:00Z"}}}}, {}, false},
      {"Pending", {{"status", {{"phase", "Pending"}}}}, {}, false},
      {"Released", {{"status", {{"phase", "Released"}}}}, {}, false},
      {"without a phase", {{"status", nullptr}}, {}, false},
      {"a label that is asked for",
       {{"metadata", {{"labels", {{"tier", "gold"}}}}}},
       {{"spec", {{"selector", {{"matchLabels", {{"tier", "gold"}}}}}}}},
       true},
      {"a label that is missing",
       {},
       {{"spec", {{"selector", {{"matchLabels", {{"tier", "gold"}}}}}}}},
       false},
      {"an empty selector", {}, {{"spec", {{"selector", Json::object()}}}}, true},
      {"reserved for this claim by name", reserved(""), {}, true},
      {"reserved for this claim by uid", reserved("claim-uid"), {}, true},
      {"reserved for one of this name that is gone", reserved("older-uid"), {}, false},
      {"reserved for another", reserved("", "other"), {}, false},
      {"reserved for the same name elsewhere", reserved("", "data", "elsewhere"), {}, false},
      {"reserved for this claim, of another class",
       both(reserved(""), {{"spec", {{"storageClassName", "fast"}}}}),
       {},
       true},
      {"reserved for this claim, in any phase",
       both(reserved(""), {{"status", {{"phase", "Failed"}}}}),
       {},
       true},
      {"reserved for this claim, not as its selector says",
       reserved(""),
       {{"spec", {{"selector", {{"matchLabels", {{"tier", "gold"}}}}}}}},
       true},
      {"reserved for this claim, too small", both(reserved(""), sized("1Mi")), {}, false},
      {"reserved for this claim, of another mode",
       both(reserved(""), with_modes({"ReadWriteMany"})),
       {},
       false},
      {"reserved for this claim, being deleted",
       both(reserved(""), {{"metadata", {{"deletionTimestamp", "2026-01-01T00:00:00Z"}}}}),
       {},
       false},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(found(claim(row.claim), {volume("pv", row.volume)}) == (row.matches ? "pv" : ""));
  }
}

TEST_CASE("several volumes: which one", "[matching]") {
  const auto named = [](const char* name, const Json& changes) { return volume(name, changes); };
  const Json modes2 = with_modes({"ReadWriteOnce", "ReadWriteMany"});
  struct Row {
    const char* name;
    std::vector<Volume> volumes;
    const char* choice;
  };
  const Row rows[] = {
      {"none", {}, ""},
      {"the smallest that suffices",
       {named("large", sized("5Gi")), named("right", sized("2Gi")), named("small", sized("1Mi"))},
       "right"},
      {"fewer modes beat size", {named("large", sized("100Gi")), named("modes", modes2)}, "large"},
      {"more modes when fewer do not suffice",
       {named("small", sized("1Mi")), named("modes", modes2)},
       "modes"},
      {"a reservation beats size",
       {named("small", {}), named("mine", both(reserved(""), sized("9Gi")))},
       "mine"},
      {"a reservation among more modes does not",
       {named("mine", both(reserved(""), modes2)), named("free", {})},
       "free"},
      {"equal: the older",
       {named("a", {{"metadata", {{"creationTimestamp", "2026-01-02T00:00:00Z"}}}}),
        named("b", {{"metadata", {{"creationTimestamp", "2026-01-01T00:00:00Z"}}}})},
       "b"},
      {"as old: the first name", {named("b", {}), named("a", {})}, "a"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(found(claim(), row.volumes) == row.choice);
  }
}

TEST_CASE("a class that waits for a consumer leaves all but reservations alone", "[matching]") {
  CHECK(found(claim(), {volume("free")}, Binding::WaitsForConsumer).empty());
  CHECK(found(claim(), {volume("free"), volume("mine", reserved(""))}, Binding::WaitsForConsumer) ==
        "mine");
}

TEST_CASE("a named volume: why not", "[matching]") {
  struct Row {
    Json volume;
    const char* why;  // null: it can be bound
  };
  const Row rows[] = {
      {{}, nullptr},
      {{{"status", {{"phase", "Released"}}}}, nullptr},
      {{{"metadata", {{"deletionTimestamp", "2026-01-01T00:00:00Z"}}}},
       "the volume is marked for deletion \"pv\""},
      {sized("1023Mi"), "requested PV is too small"},
      {{{"spec", {{"storageClassName", "fast"}}}}, "storageClassName does not match"},
      {{{"spec", {{"volumeAttributesClassName", "gold"}}}},
       "volumeAttributesClassName does not match"},
      {{{"spec", {{"volumeMode", "Block"}}}}, "incompatible volumeMode"},
      {with_modes({"ReadOnlyMany"}), "incompatible accessMode"},
      // The first reason is told.
      {both(sized("1"), {{"spec", {{"volumeMode", "Block"}}}}), "requested PV is too small"},
  };
  for (const Row& row : rows) {
    INFO(row.volume.dump());
    const auto why = mismatch(claim(), volume("pv", row.volume));
    CHECK(why.value_or("") == (row.why ? row.why : ""));
  }
  const Claim choosy = claim({{"spec", {{"selector", {{"matchLabels", {{"tier", "gold"}}}}}}}});
  CHECK_FALSE(mismatch(choosy, volume("pv")));
}

}  // namespace claimfs::volumes
