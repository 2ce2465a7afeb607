// The admission rules of DESIGN.md 4, written down a second time and compared over every set of
// access modes, use, node, consumer and holder.

#include "volumes/use_rules.h"

#include <set>

#include "tests/unit/catch.h"
#include "volumes/lifecycle.h"

namespace claimfs::volumes {
namespace {

constexpr AccessMode kModes[] = {AccessMode::ReadWriteOnce, AccessMode::ReadOnlyMany,
                                 AccessMode::ReadWriteMany, AccessMode::ReadWriteOncePod};

std::vector<Json> all_mode_sets() {
  std::vector<Json> sets;
  for (unsigned bits = 1; bits < 16; ++bits) {
    Json words = Json::array();
    for (unsigned i = 0; i < 4; ++i)
      if (bits & (1U << i)) words.push_back(to_string(kModes[i]));
    sets.push_back(words);
  }
  return sets;
}

Claim claim(const Json& modes, const std::string& name = "data", const std::string& volume = "pv") {
  return Claim::from(
      {Kind::PersistentVolumeClaim, Json{{"metadata",
                                          {{"name", name},
                                           {"namespace", "default"},
                                           {"uid", "uid-" + name},
                                           {"finalizers", {kClaimProtection}}}},
                                         {"spec", {{"accessModes", modes}, {"volumeName", volume}}},
                                         {"status", {{"phase", "Bound"}}}}});
}

Pod pod(const std::string& name, const std::string& node, const Json& changes = {}) {
  Json document = {
      {"metadata",
       {{"name", name},
        {"namespace", "default"},
        {"uid", name},
        {"creationTimestamp", "2026-01-01T00:00:00Z"}}},
      {"spec",
       {{"nodeName", node}, {"volumes", {{{"persistentVolumeClaim", {{"claimName", "data"}}}}}}}}};
  if (!changes.is_null()) document.merge_patch(changes);
  return Pod::from({Kind::Pod, document});
}

Attachment attachment_of(const Use& use, const std::string& volume = "pv",
                         const std::string& claim = "data") {
  Attachment made{.metadata = {},
                  .volume = volume,
                  .name_space = "default",
                  .claim = claim,
                  .node = use.node,
                  .mount = use.node + ".1",
                  .consumer = use.consumer,
                  .read_only = !use.writes};
  made.metadata.name = Attachment::name_prefix(volume) + use.node;
  return made;
}

std::vector<Use> all_uses() {
  std::vector<Use> uses;
  for (const char* node : {"node-a", "node-b"})
    for (const char* consumer : {"", "pod-1", "pod-2"})
      for (const bool writes : {false, true}) uses.push_back({node, consumer, writes});
  return uses;
}

std::string text_of(const Use& use) {
  return use.node + "/" + use.consumer + (use.writes ? " writes" : " reads");
}

// DESIGN.md 4, row by row.
bool are_apart(AccessModes modes, const Use& one, const Use& other) {
  const bool elsewhere = one.node != other.node;
  if (modes.has(AccessMode::ReadWriteMany)) return false;
  if (modes.has(AccessMode::ReadWriteOncePod))
    return elsewhere ||
           (one.consumer != other.consumer && one.consumer != "" && other.consumer != "");
  if (modes == AccessModes{AccessMode::ReadOnlyMany}) return false;
  if (modes == AccessModes{AccessMode::ReadWriteOnce}) return elsewhere;
  return elsewhere && (one.writes || other.writes);
}

std::set<std::string> names_of(const std::vector<const Pod*>& pods) {
  std::set<std::string> names;
  for (const Pod* each : pods) names.insert(each->metadata.name);
  return names;
}

}  // namespace

TEST_CASE("admission: every set of modes, use and attachment", "[use_rules]") {
  for (const Json& modes : all_mode_sets()) {
    const Claim data = claim(modes);
    const Sharing sharing = sharing_of(data.access_modes);
    for (const Use& there : all_uses()) {
      for (const Use& asked : all_uses()) {
        INFO(modes.dump() << ", there: " << text_of(there) << ", asked: " << text_of(asked));
        const bool expected = are_apart(data.access_modes, there, asked);
        CHECK(exclude_each_other(sharing, there, asked) == expected);
        CHECK(exclude_each_other(sharing, asked, there) == expected);
        World world;
        world.put(data);
        world.put(attachment_of(there));
        const InTheWay found = in_the_way(world, data, {}, asked);
        CHECK(found.attachments.size() == (expected ? 1 : 0));
        CHECK(found.pods.empty());
        // Held by `claimfs attach`: by the same rules.
        Attachment held = attachment_of(there);
        held.mount = "";
        world.put(held);
        CHECK(in_the_way(world, data, {}, asked).is_empty() != expected);
        // Another volume's attachment is nobody's business, unless their directories are one.
        World other;
        other.put(claim(modes, "theirs", "pv-theirs"));
        other.put(attachment_of(there, "pv-theirs", "theirs"));
        CHECK(in_the_way(other, data, {"1:1", "1:0"}, asked).is_empty());
      }
    }
  }
}

TEST_CASE("admission: pods hold by node, and a writer is in a reader's way", "[use_rules]") {
  for (const Json& modes : all_mode_sets()) {
    const Claim data = claim(modes);
    for (const Use& asked : all_uses()) {
      INFO(modes.dump() << ", asked: " << text_of(asked));
      World world;
      world.put(data);
      world.put(pod("pod-1", "node-a"));
      const bool expected =
          are_apart(data.access_modes, {.node = "node-a", .consumer = "pod-1"}, asked);
      CHECK(names_of(in_the_way(world, data, {}, asked).pods) ==
            (expected ? std::set<std::string>{"pod-1"} : std::set<std::string>{}));
      CHECK(in_the_way(world, data, {}, asked).attachments.empty());
    }
  }
}

TEST_CASE("admission: directories that are one, or one inside the other", "[use_rules]") {
  struct Row {
    const char* name;
    std::vector<std::string> asked;
    std::vector<std::string> theirs;
    bool overlap;
  };
  const Row rows[] = {
      {"the same", {"1:5", "1:2"}, {"1:5", "1:2"}, true},
      {"theirs inside", {"1:5", "1:2"}, {"1:9", "1:5", "1:2"}, true},
      {"theirs around", {"1:9", "1:5", "1:2"}, {"1:5", "1:2"}, true},
      {"side by side", {"1:5", "1:2"}, {"1:6", "1:2"}, false},
      {"the same inode of another device", {"1:5", "1:2"}, {"2:5", "2:2"}, false},
      {"one cannot be had by others", {}, {"1:5", "1:2"}, false},
      {"the other cannot", {"1:5", "1:2"}, {}, false},
  };
  const auto is_one_pod = [](AccessModes modes) {
    return !modes.has(AccessMode::ReadWriteMany) && modes.has(AccessMode::ReadWriteOncePod);
  };
  for (const Row& row : rows) {
    for (const Json& modes : all_mode_sets()) {
      for (const Json& their_modes : all_mode_sets()) {
        for (const Use& there : all_uses()) {
          for (const Use& asked : all_uses()) {
            const Claim data = claim(modes), theirs = claim(their_modes, "theirs", "pv-theirs");
            World world;
            world.put(data);
            world.put(theirs);
            Attachment attached = attachment_of(there, "pv-theirs", "theirs");
            attached.backing = row.theirs;
            world.put(attached);
            // The stricter decides; beside a ReadWriteOncePod volume nobody has anything.
            const bool apart = is_one_pod(data.access_modes) || is_one_pod(theirs.access_modes) ||
                               are_apart(data.access_modes, there, asked) ||
                               are_apart(theirs.access_modes, there, asked);
            if (in_the_way(world, data, row.asked, asked).is_empty() == (row.overlap && apart)) {
              FAIL(row.name << ": " << modes.dump() << " and " << their_modes.dump()
                            << ", there: " << text_of(there) << ", asked: " << text_of(asked));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("holding pods: the older first, and who has finished leaves its place", "[use_rules]") {
  struct Row {
    const char* name;
    Json modes;
    std::vector<Pod> pods;
    std::set<std::string> holding;
  };
  const Json younger = {{"metadata", {{"creationTimestamp", "2026-01-02T00:00:00Z"}}}};
  const Json finished = {{"status", {{"phase", "Succeeded"}}}};
  const Json failed = {{"status", {{"phase", "Failed"}}}};
  const Json unscheduled = {{"spec", {{"nodeName", nullptr}}}};
  const Json elsewhere = {{"metadata", {{"namespace", "other"}}}};
  const Row rows[] = {
      {"none", {"ReadWriteOnce"}, {}, {}},
      {"one node, both", {"ReadWriteOnce"}, {pod("a", "n1"), pod("b", "n1")}, {"a", "b"}},
      {"two nodes, equally old: by name",
       {"ReadWriteOnce"},
       {pod("b", "n2"), pod("a", "n1")},
       {"a"}},
      {"two nodes, the older", {"ReadWriteOnce"}, {pod("a", "n1", younger), pod("b", "n2")}, {"b"}},
      {"the third is with the first",
       {"ReadWriteOnce"},
       {pod("a", "n1"), pod("b", "n2", younger), pod("c", "n1", younger)},
       {"a", "c"}},
      {"finished", {"ReadWriteOnce"}, {pod("a", "n1", finished), pod("b", "n2", younger)}, {"b"}},
      {"failed", {"ReadWriteOnce"}, {pod("a", "n1", failed), pod("b", "n2", younger)}, {"b"}},
      {"not scheduled",
       {"ReadWriteOnce"},
       {pod("a", "n1", unscheduled), pod("b", "n2", younger)},
       {"b"}},
      {"another namespace", {"ReadWriteOnce"}, {pod("a", "n1", elsewhere)}, {}},
      {"one pod", {"ReadWriteOncePod"}, {pod("a", "n1"), pod("b", "n1", younger)}, {"a"}},
      {"many", {"ReadWriteMany"}, {pod("a", "n1"), pod("b", "n2")}, {"a", "b"}},
      {"readers", {"ReadOnlyMany"}, {pod("a", "n1"), pod("b", "n2")}, {"a", "b"}},
      {"who may write has not yet",
       {"ReadWriteOnce", "ReadOnlyMany"},
       {pod("a", "n1"), pod("b", "n2")},
       {"a", "b"}},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Claim data = claim(row.modes);
    World world;
    world.put(data);
    for (const Pod& each : row.pods) world.put(each);
    const auto holding = holding_pods(world, data);
    CHECK(names_of(holding) == row.holding);
    for (std::size_t i = 1; i < holding.size(); ++i)
      CHECK(holding[i - 1]->metadata.created <= holding[i]->metadata.created);
  }
}

TEST_CASE("refusal: Kubernetes' words", "[use_rules]") {
  const Claim data = claim({"ReadWriteOnce"});
  const Pod here = pod("web-1", "node-a"), there = pod("web-0", "node-b"),
            too = pod("api", "node-c");
  const Attachment near = attachment_of({.node = "node-a", .consumer = "pod-1"});
  const Attachment far = attachment_of({.node = "node-b"});
  const Attachment overlapping = attachment_of({.node = "node-b"}, "pv-theirs", "theirs");
  struct Row {
    const char* name;
    InTheWay holders;
    std::string reason;
    std::string message;
  };
  const std::string multi = "Multi-Attach error for volume \"pv\" ";
  const std::string one_pod =
      "MountVolume.SetUp failed for volume \"pv\" : volume uses the ReadWriteOncePod access mode "
      "and is already in use by another pod";
  const Row rows[] = {
      {"another node",
       {{&far}, {}},
       "FailedAttachVolume",
       multi + "Volume is already exclusively attached to one node and can't be attached to "
               "another"},
      {"pods",
       {{}, {&there, &too}},
       "FailedAttachVolume",
       multi + "Volume is already used by pod(s) api, web-0"},
      {"pods before attachments",
       {{&far}, {&there}},
       "FailedAttachVolume",
       multi + "Volume is already used by pod(s) web-0"},
      {"the same directory",
       {{&overlapping}, {}},
       "FailedAttachVolume",
       multi + "Its directory is also that of default/theirs, which is attached"},
      {"another pod of this node", {{}, {&here}}, "FailedMount", one_pod},
      {"another consumer of this node", {{&near}, {}}, "FailedMount", one_pod},
      {"here and elsewhere",
       {{&near, &far}, {}},
       "FailedAttachVolume",
       multi + "Volume is already exclusively attached to one node and can't be attached to "
               "another"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Refusal refusal = refusal_of(data, "node-a", row.holders);
    CHECK(refusal.reason == row.reason);
    CHECK(refusal.message == row.message);
  }
}

TEST_CASE("protection of a claim ends when every mount has let go, and nobody has it",
          "[use_rules]") {
  const auto mount = [](const std::string& name, std::set<std::string> released) {
    MountRecord record;
    record.metadata.name = name;
    record.released = std::move(released);
    return record;
  };
  struct Row {
    const char* name;
    std::vector<MountRecord> mounts = {};
    std::vector<Attachment> attachments = {};
    std::vector<Pod> pods = {};
    bool is_deleting = true;
    bool ends = false;
  };
  Attachment held = attachment_of({.node = "node-a"});
  held.mount = "";
  Attachment draining = attachment_of({.node = "node-a"});
  draining.is_draining = true;
  const Json finished = {{"status", {{"phase", "Succeeded"}}}};
  const Row rows[] = {
      {.name = "nobody has a mount", .ends = true},
      {.name = "is not being deleted", .is_deleting = false},
      {.name = "one mount has not said so", .mounts = {mount("a", {})}},
      {.name = "it has", .mounts = {mount("a", {"uid-data"})}, .ends = true},
      {.name = "of another claim", .mounts = {mount("a", {"uid-other"})}},
      {.name = "one of two", .mounts = {mount("a", {"uid-data"}), mount("b", {"uid-other"})}},
      {.name = "both",
       .mounts = {mount("a", {"uid-data"}), mount("b", {"uid-other", "uid-data"})},
       .ends = true},
      {.name = "attached", .attachments = {attachment_of({.node = "node-a"})}},
      {.name = "attached, and released",
       .mounts = {mount("node-a.1", {"uid-data"})},
       .attachments = {attachment_of({.node = "node-a"})}},
      {.name = "held", .attachments = {held}},
      {.name = "draining", .attachments = {draining}},
      {.name = "another claim's attachment",
       .attachments = {attachment_of({.node = "node-a"}, "pv-theirs", "theirs")},
       .ends = true},
      {.name = "a pod", .pods = {pod("a", "n1")}},
      {.name = "a finished pod", .pods = {pod("a", "n1", finished)}},
      {.name = "a pod without a node",
       .pods = {pod("a", "", {{"spec", {{"nodeName", nullptr}}}})},
       .ends = true},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    Claim data = claim({"ReadWriteOnce"});
    if (row.is_deleting) data.metadata.deletion = "2026-01-01T00:00:00Z";
    World world;
    world.put(data);
    for (const MountRecord& each : row.mounts) world.put(each);
    for (const Attachment& each : row.attachments) world.put(each);
    for (const Pod& each : row.pods) world.put(each);
    CHECK(protection_ends(data, world) == row.ends);
  }
}

}  // namespace claimfs::volumes
