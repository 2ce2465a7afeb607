#include "config/config.h"

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

#include "catch.h"
#include "config/nearest_word.h"

namespace claimfs::config {
namespace {

std::string complaints(const std::string& text) {
  const Result<Config> config = parse(text, "c.yaml");
  if (config) return "";
  CHECK(config.error().code == EINVAL);
  return config.error().context;
}

}  // namespace

TEST_CASE("an empty configuration is all defaults", "[config]") {
  for (const char* const text :
       {"", "# nothing\n", "---\n", "{}", "node:\nnfs:\nmanifests: ~\nmetrics: {listen: \"\"}\n"}) {
    INFO(text);
    const Result<Config> config = parse(text, "c.yaml");
    REQUIRE(config);
    CHECK_FALSE(config->node.empty());
    CHECK(config->state == "/var/lib/claimfs");
    CHECK(config->store == "sqlite");
    CHECK(config->manifests.empty());
    CHECK(config->capacity_enforcement == CapacityEnforcement::Auto);
    CHECK(config->host_path_roots == std::vector<std::string>{"/tmp", "/var/lib/claimfs/volumes"});
    CHECK(config->nfs_soft_deadline == std::chrono::seconds(30));
    CHECK(config->nfs_connections == 4);
    CHECK(config->log_level == "info");
    CHECK(config->log_format == LogFormat::Text);
    CHECK(config->log_file.empty());
  }
}

TEST_CASE("every key is taken", "[config]") {
  const Result<Config> config = parse(
      "node: node-a.example\n"
      "nodeLabels: {kubernetes.io/hostname: node-a}\n"
      "state: /s\n"
      "store: sqlite:///db\n"
      "manifests: [/m, /n]\n"
      "capacity: {enforcement: accounting}\n"
      "reclaim: {hostPathRoots: []}\n"
      "nfs: {softDeadline: 500ms, connections: 16}\n"
      "log: {level: debug, format: json, file: /l}\n",
      "c.yaml");
  REQUIRE(config);
  CHECK(config->node == "node-a.example");
  CHECK(config->node_labels.at("kubernetes.io/hostname") == "node-a");
  CHECK(config->state == "/s");
  CHECK(config->store == "sqlite:///db");
  CHECK(config->manifests == std::vector<std::string>{"/m", "/n"});
  CHECK(config->capacity_enforcement == CapacityEnforcement::Accounting);
  CHECK(config->host_path_roots.empty());
  CHECK(config->nfs_soft_deadline == std::chrono::milliseconds(500));
  CHECK(config->nfs_connections == 16);
  CHECK(config->log_level == "debug");
  CHECK(config->log_format == LogFormat::Json);
  CHECK(config->log_file == "/l");
}

TEST_CASE("mistakes in a configuration are named with their line", "[config]") {
  struct Row {
    const char* name;
    const char* text;
    const char* complaint;
  };
  const std::vector<Row> rows = {
      {.name = "unknown key",
       .text = "node: a\nmanifest: [/x]\n",
       .complaint = "c.yaml:2: unknown key \"manifest\"; did you mean \"manifests\"?"},
      {.name = "unknown key further in",
       .text = "nfs:\n  softdeadlin: 1s\n",
       .complaint =
           "c.yaml:2: unknown key \"nfs.softdeadlin\"; did you mean \"nfs.softDeadline\"?"},
      {.name = "not a map",
       .text = "[a]\n",
       .complaint = "c.yaml:1: the configuration must be a map, as in `node: …`"},
      {.name = "section not a map",
       .text = "nfs: 4\n",
       .complaint = "c.yaml:1: nfs must be a map, as in `nfs: {softDeadline: …}`"},
      {.name = "duplicate key",
       .text = "node: a\nnode: b\n",
       .complaint = "c.yaml:2: duplicate key \"node\""},
      {.name = "two documents",
       .text = "node: a\n---\nnode: b\n",
       .complaint = "c.yaml:3: a second document; a configuration is one"},
      {.name = "number for a string",
       .text = "state: 5\n",
       .complaint = "c.yaml:1: state must be a string; put it in quotes"},
      {.name = "boolean for a label",
       .text = "nodeLabels:\n  a: \"true\"\n  b: true\n",
       .complaint = "c.yaml:3: nodeLabels.b must be a string; put it in quotes"},
      {.name = "labels as a list",
       .text = "nodeLabels: [a]\n",
       .complaint = "c.yaml:1: nodeLabels must be a map, as in `nodeLabels: "
                    "{kubernetes.io/hostname: node-a}`"},
      {.name = "node name",
       .text = "node: Node_A\n",
       .complaint = "c.yaml:1: node \"Node_A\" is no node name: up to 253 lower-case letters, "
                    "digits, '-' and '.', as in "
                    "\"node-a\""},
      {.name = "relative state",
       .text = "state: a/b\n",
       .complaint = "c.yaml:1: state must be an absolute path, not \"a/b\""},
      {.name = "relative manifests",
       .text = "manifests:\n- /a\n- b\n",
       .complaint = "c.yaml:3: manifests[1] must be an absolute path, not \"b\""},
      {.name = "manifests as text",
       .text = "manifests: /a\n",
       .complaint = "c.yaml:1: manifests must be a list of paths, as in `[/tmp]`"},
      {.name = "relative root",
       .text = "reclaim: {hostPathRoots: [tmp]}\n",
       .complaint = "c.yaml:1: reclaim.hostPathRoots[0] must be an absolute path, not \"tmp\""},
      {.name = "root of all",
       .text = "reclaim: {hostPathRoots: [/]}\n",
       .complaint = "c.yaml:1: reclaim.hostPathRoots may not hold the whole file system; name the "
                    "directories below which "
                    "Delete may remove"},
      {.name = "root of all in disguise",
       .text = "reclaim: {hostPathRoots: [//a/.././]}\n",
       .complaint = "c.yaml:1: reclaim.hostPathRoots may not hold the whole file system; name the "
                    "directories below which "
                    "Delete may remove"},
      {.name = "etcd",
       .text = "store: etcd://10.0.0.1:2379\n",
       .complaint = "c.yaml:1: store etcd:// is not in this version; use sqlite or sqlite:///PATH"},
      {.name = "relative store",
       .text = "store: sqlite://a\n",
       .complaint = "c.yaml:1: unknown store \"sqlite://a\"; use sqlite or sqlite:///PATH"},
      {.name = "store of nothing",
       .text = "store: sqlite:///\n",
       .complaint = "c.yaml:1: unknown store \"sqlite:///\"; use sqlite or sqlite:///PATH"},
      {.name = "unknown word",
       .text = "capacity: {enforcement: strict}\n",
       .complaint = "c.yaml:1: unknown capacity.enforcement \"strict\"; known are auto, quota, "
                    "accounting, none"},
      {.name = "unknown level",
       .text = "log: {level: loud}\n",
       .complaint = "c.yaml:1: unknown log.level \"loud\"; known are error, warn, info, debug"},
      {.name = "duration without unit",
       .text = "nfs: {softDeadline: 30}\n",
       .complaint = "c.yaml:1: nfs.softDeadline must be a duration of up to 1h with its unit, as "
                    "in 30s, 500ms or 2m"},
      {.name = "duration of nothing",
       .text = "nfs: {softDeadline: 0s}\n",
       .complaint = "c.yaml:1: nfs.softDeadline must be a duration of up to 1h with its unit, as "
                    "in 30s, 500ms or 2m"},
      {.name = "connections",
       .text = "nfs: {connections: 0}\n",
       .complaint = "c.yaml:1: nfs.connections must be a number from 1 to 16"},
      {.name = "many connections",
       .text = "nfs: {connections: 18446744073709551615}\n",
       .complaint = "c.yaml:1: nfs.connections must be a number from 1 to 16"},
      {.name = "metrics",
       .text = "metrics:\n  listen: :9090\n",
       .complaint = "c.yaml:2: metrics.listen is not in this version; leave it empty and read "
                    ".claimfs/metrics"},
      {.name = "all of them",
       .text = "log: {level: x}\nnoed: a\nstate: b\n",
       .complaint = "c.yaml:1: unknown log.level \"x\"; known are error, warn, info, debug\n"
                    "c.yaml:2: unknown key \"noed\"; did you mean \"node\"?\n"
                    "c.yaml:3: state must be an absolute path, not \"b\""},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(complaints(row.text) == row.complaint);
  }
}

TEST_CASE("durations", "[config]") {
  struct Row {
    const char* name;
    const char* text;
    int milliseconds;
  };
  const std::vector<Row> rows = {
      {.name = "milliseconds", .text = "500ms", .milliseconds = 500},
      {.name = "seconds", .text = "30s", .milliseconds = 30'000},
      {.name = "minutes", .text = "2m", .milliseconds = 120'000},
      {.name = "an hour", .text = "1h", .milliseconds = 3'600'000},
      {.name = "more than an hour", .text = "61m", .milliseconds = 0},
      {.name = "negative", .text = "-1s", .milliseconds = 0},
      {.name = "overflow", .text = "9223372036854775807h", .milliseconds = 0},
      {.name = "words", .text = "soon", .milliseconds = 0},
      {.name = "two units", .text = "1m30s", .milliseconds = 0},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Result<Config> config =
        parse(std::string("nfs: {softDeadline: ") + row.text + "}\n", "c.yaml");
    CHECK((config ? config->nfs_soft_deadline.count() : 0) == row.milliseconds);
  }
}

TEST_CASE("a configuration is loaded from a file", "[config]") {
  std::string directory = "/tmp/claimfs-config-XXXXXX";
  REQUIRE(::mkdtemp(directory.data()) != nullptr);
  const std::string path = directory + "/claimfs.yaml";
  CHECK(load(path).error().code == ENOENT);
  CHECK(load(directory).error().code == EISDIR);
  std::ofstream(path) << "node: node-b\n";
  const Result<Config> config = load(path);
  REQUIRE(config);
  CHECK(config->node == "node-b");
  std::ofstream(path) << "nod: a\n";
  CHECK(load(path).error().context == path + ":1: unknown key \"nod\"; did you mean \"node\"?");
  ::unlink(path.c_str());
  ::rmdir(directory.c_str());
}

TEST_CASE("the nearest word", "[config]") {
  const std::vector<std::string_view> words = {"node", "nodeLabels", "state"};
  CHECK(nearest_word("nodelabel", words) == "nodeLabels");
  CHECK(nearest_word("stat", words) == "state");
  CHECK(nearest_word("", words) == "node");
  CHECK(nearest_word(std::string(1 << 20, 'x'), words) == "node");
  CHECK(nearest_word("x", {}).empty());
}

}  // namespace claimfs::config
