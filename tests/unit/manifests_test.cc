#include "config/manifests.h"

#include <string>
#include <vector>

#include "catch.h"
#include "config/document_builder.h"

namespace claimfs::config {
namespace {

using volumes::Json;

std::string texts(const Manifests& read) {
  std::string all;
  for (const Complaint& complaint : read.complaints) all += complaint.text() + "\n";
  return all;
}

// The value of `v` in a document that says `v: TEXT`.
Json value_of(const std::string& text) {
  const Manifests read = read_manifests("v: " + text + "\n", "f");
  INFO(text << "\n" << texts(read));
  REQUIRE(read.manifests.size() == 1);
  return read.manifests[0].document["v"];
}

std::string repeated(std::string_view text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("plain scalars mean what they mean to Kubernetes", "[config]") {
  struct Row {
    const char* name;
    const char* text;
    Json value;
  };
  const std::vector<Row> rows = {
      {.name = "true", .text = "true", .value = true},
      {.name = "yes", .text = "yes", .value = true},
      {.name = "y", .text = "y", .value = true},
      {.name = "Off", .text = "Off", .value = false},
      {.name = "mixed case is text", .text = "yEs", .value = "yEs"},
      {.name = "null", .text = "null", .value = nullptr},
      {.name = "tilde", .text = "~", .value = nullptr},
      {.name = "nothing", .text = "", .value = nullptr},
      {.name = "integer", .text = "42", .value = 42},
      {.name = "plus", .text = "+5", .value = 5},
      {.name = "underscores", .text = "1_000", .value = 1000},
      {.name = "octal", .text = "0777", .value = 511},
      {.name = "no octal", .text = "08", .value = 8.0},
      {.name = "hexadecimal", .text = "0x1F", .value = 31},
      {.name = "binary", .text = "-0b11", .value = -3},
      {.name = "least int64", .text = "-9223372036854775808", .value = INT64_MIN},
      {.name = "uint64", .text = "18446744073709551615", .value = UINT64_MAX},
      {.name = "beyond 64 bits", .text = "18446744073709551616", .value = 18446744073709551616.0},
      {.name = "float", .text = "1.5", .value = 1.5},
      {.name = "exponent", .text = "1e3", .value = 1000.0},
      {.name = "leading dot", .text = ".5", .value = 0.5},
      {.name = "too large a float is text", .text = "1e999", .value = "1e999"},
      {.name = "date", .text = "2026-11-23", .value = "2026-11-23"},
      {.name = "base 60 is text", .text = "1:30", .value = "1:30"},
      {.name = "quantity", .text = "10Gi", .value = "10Gi"},
      {.name = "double quotes", .text = "\"yes\"", .value = "yes"},
      {.name = "single quotes", .text = "'1'", .value = "1"},
      {.name = "tagged as text", .text = "!!str 5", .value = "5"},
      {.name = "literal block", .text = "|\n  a\n  b", .value = "a\nb\n"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(value_of(row.text) == row.value);
  }
}

TEST_CASE("quantities stay as they were written", "[config]") {
  struct Row {
    const char* name;
    const char* text;
    const char* value;
  };
  const std::vector<Row> rows = {
      {.name = "integer", .text = "1", .value = "1"},
      {.name = "float", .text = "1.50", .value = "1.50"},
      {.name = "exponent", .text = "1e3", .value = "1e3"},
      {.name = "hexadecimal is no quantity", .text = "0x10", .value = "16"},
      {.name = "text", .text = "1Gi", .value = "1Gi"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    for (const std::string map : {"capacity", "requests", "limits"}) {
      CHECK(value_of("{" + map + ": {storage: " + row.text + "}}")[map]["storage"] == row.value);
    }
  }
  CHECK(value_of("{storage: 1.5}")["storage"] == 1.5);
  const Manifests json = read_manifests(R"({"spec": {"capacity": {"storage": 1.50}}})", "f");
  CHECK(json.manifests.at(0).document["spec"]["capacity"]["storage"] == "1.50");
}

TEST_CASE("keys become text", "[config]") {
  CHECK(value_of("{yes: a, 1: b, 0x10: c}") == Json({{"true", "a"}, {"1", "b"}, {"16", "c"}}));
}

TEST_CASE("a file of several documents", "[config]") {
  SECTION("empty ones are skipped") {
    const Manifests read =
        read_manifests("# nothing\n---\n---\nkind: A\n---\n# only this\n...\n---\nkind: B\n", "f");
    CHECK(texts(read).empty());
    REQUIRE(read.manifests.size() == 2);
    CHECK(read.manifests[0].document["kind"] == "A");
    CHECK(read.manifests[0].line == 4);
    CHECK(read.manifests[1].line == 9);
  }
  SECTION("every error is listed, and what is right is read") {
    const Manifests read = read_manifests(
        "a: [b\n---\nkind: A\n---\na: 1\na: 2\nb: 1\nb: 2\n---\n- x\n", "dir/f.yaml");
    CHECK(texts(read) ==
          "dir/f.yaml:2: invalid YAML: end of sequence flow not found\n"
          "dir/f.yaml:6: duplicate key \"a\"\n"
          "dir/f.yaml:8: duplicate key \"b\"\n"
          "dir/f.yaml:10: expected an object with apiVersion and kind, found a list\n");
    REQUIRE(read.manifests.size() == 1);
    CHECK(read.manifests[0].document["kind"] == "A");
  }
  SECTION("line ends of DOS, a byte order mark and a directive") {
    const Manifests read =
        read_manifests("\xef\xbb\xbf%YAML 1.1\r\n---\r\nkind: A\r\n---\r\nkind: B\r\n", "f");
    CHECK(texts(read).empty());
    CHECK(read.manifests.size() == 2);
  }
  SECTION("a marker inside a block ends the document") {
    const Manifests read = read_manifests("a: |\n  x\n---\nkind: B\n", "f");
    REQUIRE(read.manifests.size() == 2);
    CHECK(read.manifests[0].document["a"] == "x\n");
  }
}

TEST_CASE("lists are unfolded", "[config]") {
  SECTION("kind List, nested") {
    const Manifests read = read_manifests(
        "apiVersion: v1\nkind: List\nitems:\n- kind: A\n  spec:\n    x: 1\n"
        "- kind: List\n  items:\n  - kind: B\n    z: 2\n",
        "f");
    CHECK(texts(read).empty());
    REQUIRE(read.manifests.size() == 2);
    CHECK(read.manifests[0].document == Json({{"kind", "A"}, {"spec", {{"x", 1}}}}));
    CHECK(read.manifests[0].line == 4);
    CHECK(line_of(read.manifests[0], "spec.x") == 6);
    CHECK(read.manifests[1].line == 9);
    CHECK(line_of(read.manifests[1], "z") == 10);
  }
  SECTION("a typed list lends its items what they lack") {
    const Manifests read = read_manifests(R"({"apiVersion": "v1", "kind": "PersistentVolumeList",
                                              "items": [{"metadata": {"name": "a"}}]})",
                                          "f");
    REQUIRE(read.manifests.size() == 1);
    CHECK(read.manifests[0].document["kind"] == "PersistentVolume");
    CHECK(read.manifests[0].document["apiVersion"] == "v1");
    CHECK(read.manifests[0].line == 2);
  }
  SECTION("empty") { CHECK(read_manifests("kind: List\nitems:\n", "f").manifests.empty()); }
  SECTION("an item that is no object") {
    CHECK(texts(read_manifests("kind: List\nitems:\n- kind: A\n- x\n", "f")) ==
          "f:4: expected an object with apiVersion and kind, found \"x\"\n");
  }
}

TEST_CASE("JSON", "[config]") {
  SECTION("with tabs, one behind the other, with lines") {
    const Manifests read =
        read_manifests("\t{\"kind\": \"A\",\n\t\"list\": [1,\n2]}\n\n{\"kind\": \"B\"}\n", "f");
    CHECK(texts(read).empty());
    REQUIRE(read.manifests.size() == 2);
    CHECK(line_of(read.manifests[0], "list") == 2);
    CHECK(line_of(read.manifests[0], "list[1]") == 3);
    CHECK(read.manifests[1].line == 5);
  }
  SECTION("flow style that is not JSON") {
    CHECK(read_manifests("{kind: A, x: [yes]}\n", "f").manifests.at(0).document["x"] ==
          Json({true}));
  }
  SECTION("duplicate keys") {
    CHECK(texts(read_manifests("{\"a\": 1,\n\"a\": 2}", "f")) == "f:2: duplicate key \"a\"\n");
  }
  SECTION("a mistake") {
    CHECK(texts(read_manifests("{\"a\": 1,\n\"b\" 2}", "f")) ==
          "f:2: invalid JSON: syntax error while parsing object separator - unexpected number "
          "literal; expected ':'\n");
  }
}

TEST_CASE("the line of a field", "[config]") {
  const Manifests read = read_manifests(
      "kind: A\n"
      "metadata:\n"
      "  annotations:\n"
      "    example.com/key: x\n"
      "spec:\n"
      "  capacity:\n"
      "    storage: 1Gi\n"
      "  volumes:\n"
      "  - name: a\n"
      "  - name: b\n"
      "    path: c\n",
      "f");
  REQUIRE(read.manifests.size() == 1);
  struct Row {
    const char* name;
    const char* path;
    int line;
  };
  const std::vector<Row> rows = {
      {.name = "field", .path = "spec.capacity", .line = 6},
      {.name = "map entry in brackets", .path = "spec.capacity[storage]", .line = 7},
      {.name = "map entry with a dot", .path = "spec.capacity.storage", .line = 7},
      {.name = "key with dots", .path = "metadata.annotations.example.com/key", .line = 4},
      {.name = "key with dots in brackets",
       .path = "metadata.annotations[example.com/key]",
       .line = 4},
      {.name = "missing key with dots",
       .path = "metadata.annotations.example.org/other",
       .line = 3},
      {.name = "list item", .path = "spec.volumes[1]", .line = 10},
      {.name = "field of a list item", .path = "spec.volumes[1].path", .line = 11},
      {.name = "missing field of a list item", .path = "spec.volumes[1].x.y", .line = 10},
      {.name = "missing list item", .path = "spec.volumes[7]", .line = 8},
      {.name = "nothing of it there", .path = "status.phase", .line = 1},
      {.name = "bracket not closed", .path = "spec.volumes[", .line = 8},
      {.name = "empty", .path = "", .line = 1},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    CHECK(line_of(read.manifests[0], row.path) == row.line);
  }
}

TEST_CASE("hostile input is refused with a sentence", "[config]") {
  struct Row {
    const char* name;
    std::string text;
    const char* complaint;
  };
  const std::string anchors = "anchors and aliases are refused; write the value out";
  const std::string levels = "more than 64 levels of maps and lists inside each other";
  const std::string many = "more than 10000 values in one document; split it at a line of ---";
  const std::string large = "a document of more than 1 MiB; split it at a line of ---";
  const std::string no_text_key =
      "a key must be text, not a map or a list; is a bracket not closed?";
  const std::vector<Row> rows = {
      {.name = "anchor", .text = "a: &x 1\n", .complaint = anchors.c_str()},
      {.name = "alias", .text = "b: 1\na: {x: &x [], y: *x}\n", .complaint = anchors.c_str()},
      {.name = "alias loop", .text = "&a [*a]\n", .complaint = anchors.c_str()},
      {.name = "alias bomb",
       .text = "a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]\n",
       .complaint = anchors.c_str()},
      {.name = "merge",
       .text = "a: {<<: {b: 1}}\n",
       .complaint = "merge keys (<<) are refused; write the fields out"},
      {.name = "levels",
       .text = repeated("[", 65) + repeated("]", 65),
       .complaint = levels.c_str()},
      {.name = "levels of JSON",
       .text = repeated("{\"a\":", 65) + "1" + repeated("}", 65),
       .complaint = levels.c_str()},
      {.name = "levels of blocks", .text = repeated("- ", 65) + "x\n", .complaint = levels.c_str()},
      {.name = "a megabyte of brackets",
       .text = repeated("[", 1 << 20),
       .complaint = levels.c_str()},
      {.name = "values", .text = "a: [" + repeated("1,", 9'999) + "]\n", .complaint = many.c_str()},
      {.name = "values of JSON",
       .text = "{\"a\":[1" + repeated(",1", 9'998) + "]}\n",
       .complaint = many.c_str()},
      {.name = "size",
       .text = "a: '" + std::string(kMostBytes - 5, 'x') + "'\n",
       .complaint = large.c_str()},
      {.name = "map as key", .text = "? {a: b}\n: c\n", .complaint = no_text_key.c_str()},
      {.name = "empty key", .text = ": a\n", .complaint = "a key is empty or null; quote it"},
      {.name = "null key", .text = "~: a\n", .complaint = "a key is empty or null; quote it"},
      {.name = "own tag",
       .text = "a: !x b\n",
       .complaint = "the tag \"!x\" of \"b\" is refused; leave it out"},
      {.name = "own tag of a map",
       .text = "a: !x {b: c}\n",
       .complaint = "the tag \"!x\" is refused; leave it out"},
      {.name = "tag directive",
       .text = "%TAG ! x\na: b\n",
       .complaint = "directives (%) are refused; leave it out"},
      {.name = "infinity",
       .text = "a: .inf\n",
       .complaint = "\".inf\" is not a number that JSON has; quote it if it is text"},
      {.name = "NUL",
       .text = std::string("a: b\0\n", 6),
       .complaint = "a NUL character; is this a text file?"},
      {.name = "escaped NUL",
       .text = "a: \"\\0\"\n",
       .complaint = "a string contains a NUL character"},
      {.name = "escaped NUL in a key",
       .text = "\"\\0\": a\n",
       .complaint = "a key contains a NUL character"},
      {.name = "escaped NUL of JSON",
       .text = "{\"a\": \"\\u0000\"}",
       .complaint = "a string contains a NUL character"},
      {.name = "control character", .text = "a: \x04 b\n", .complaint = "a control character"},
      {.name = "stray byte", .text = "a: \xff\n", .complaint = "invalid UTF-8"},
      {.name = "overlong", .text = "a: \xc0\xaf\n", .complaint = "invalid UTF-8"},
      {.name = "surrogate", .text = "a: \xed\xa0\x80\n", .complaint = "invalid UTF-8"},
      {.name = "cut off", .text = "a: \xe2\x82", .complaint = "invalid UTF-8"},
      {.name = "UTF-16",
       .text = "\xff\xfe"
               "a",
       .complaint = "invalid UTF-8"},
      {.name = "escape sequence in a key",
       .text = "\"\\e[2J\": 1\n\"\\e[2J\": 2\n",
       .complaint = "duplicate key \"\\u001b[2J\""},
      {.name = "quote not closed",
       .text = "a: \"b",
       .complaint = "invalid YAML: a quote is not closed"},
      {.name = "two values",
       .text = "[a] [b]\n",
       .complaint = "unexpected text behind the end of the document"},
  };
  for (const Row& row : rows) {
    INFO(row.name);
    const Manifests read = read_manifests(row.text, "f");
    CHECK(read.manifests.empty());
    REQUIRE(read.complaints.size() == 1);
    CHECK(read.complaints[0].what == row.complaint);
  }
  CHECK(texts(read_manifests("a:\n\tb: 1\n", "f")) == "f:2: invalid YAML: illegal map value\n");
}

TEST_CASE("what is just within the limits is read", "[config]") {
  const auto is_read = [](const std::string& text) {
    return texts(read_manifests(text, "f")).empty();
  };
  CHECK(is_read("a: " + repeated("[", 63) + repeated("]", 63)));
  CHECK(is_read("{\"a\": " + repeated("[", 63) + repeated("]", 63) + "}"));
  CHECK(is_read("a: [" + repeated("1,", 9'998) + "]\n"));
  CHECK(is_read("a: '" + std::string(kMostBytes - 6, 'x') + "'\n"));
}

TEST_CASE("a backup may be larger", "[config]") {
  const std::string many = "a: [" + repeated("1,", 20'000) + "]\n";
  const std::string json = "{\"a\": \"" + std::string(2 * kMostBytes, 'x') + "\"}";
  for (const std::string& text : {many, json}) {
    CHECK_FALSE(read_manifests(text, "f").complaints.empty());
    CHECK(read_manifests(text, "f", kBackupLimits).complaints.empty());
  }
}

TEST_CASE("paths of a hostile document do not take more than it", "[config]") {
  std::string text = "k: {" + std::string(900, 'k') + ": [";
  for (int i = 0; i < 5'000; ++i) text += "1,";
  const Manifests read = read_manifests(text + "]}\n", "f");
  REQUIRE(read.manifests.size() == 1);
  CHECK(read.manifests[0].lines.size() == 1);
  CHECK(line_of(read.manifests[0], "k." + std::string(900, 'k') + "[7]") == 1);
}

}  // namespace claimfs::config
