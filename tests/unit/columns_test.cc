// Tables, ages and alignment as kubectl prints them. KUBERNETES.md 8.1.

#include "cli/columns.h"

#include "cli/tab_writer.h"
#include "tests/unit/catch.h"
#include "volumes/timestamp.h"

namespace claimfs::cli {

using volumes::Json;
using volumes::Kind;
using volumes::Object;

TEST_CASE("cells that end with a tab are aligned", "[columns]") {
  CHECK(align("a\tb\n", 0, 3) == "a   b\n");
  CHECK(align("a\tb\nlong\tc\n", 0, 3) == "a      b\nlong   c\n");
  // A column ends where a line does not have it.
  CHECK(align("a\tb\tc\nx\nlong\tb\tc\n", 0, 1) == "a b c\nx\nlong b c\n");
  CHECK(align("Name:\tx\n", 0, 2) == "Name:  x\n");
  CHECK(align("ä\tb\naa\tc\n", 0, 1) == "ä  b\naa c\n");
  CHECK(align("", 0, 3).empty());
  // A table that goes on keeps its widths, and widens with what comes.
  ColumnWidths widths;
  CHECK(align("long\tb\n", 0, 1, widths) == "long b\n");
  CHECK(align("x\tb\n", 0, 1, widths) == "x    b\n");
  CHECK(align("longer\tb\n", 0, 1, widths) == "longer b\n");
  CHECK(align("x\tb\n", 0, 1, widths) == "x      b\n");
}

TEST_CASE("rows of each kind", "[columns]") {
  const std::int64_t now = *volumes::timestamp_seconds("2026-11-24T00:10:00Z");
  const Json created = "2026-11-24T00:00:00Z";
  const auto row = [&](const Object& object, TableOptions options = {}) {
    options.with_titles = false;
    const Table table = table_of(object.kind, {object}, options, now);
    REQUIRE(table.size() == 1);
    return table.front();
  };
  using Row = std::vector<std::string>;

  Object volume{Kind::PersistentVolume,
                {{"metadata", {{"name", "pv"}, {"creationTimestamp", created}}},
                 {"spec",
                  {{"capacity", {{"storage", "2Gi"}}},
                   {"accessModes", {"ReadWriteMany", "ReadWriteOnce"}},
                   {"persistentVolumeReclaimPolicy", "Retain"},
                   {"storageClassName", "manual"},
                   {"volumeMode", "Filesystem"},
                   {"claimRef", {{"namespace", "default"}, {"name", "data"}}}}},
                 {"status", {{"phase", "Available"}}}}};
  CHECK(row(volume) == Row{"pv", "2Gi", "RWO,RWX", "Retain", "Available", "default/data", "manual",
                           "<unset>", "", "10m"});
  CHECK(row(volume, {.wide = true}).back() == "Filesystem");
  volume.document["metadata"]["deletionTimestamp"] = created;
  CHECK(row(volume)[4] == "Terminating");
  CHECK(row(volume, {.with_kind_in_name = true})[0] == "persistentvolume/pv");

  Object claim{Kind::PersistentVolumeClaim,
               {{"metadata", {{"name", "data"}, {"namespace", "default"}}},
                {"spec", {{"storageClassName", "manual"}, {"accessModes", {"ReadWriteOnce"}}}},
                {"status", {{"phase", "Pending"}}}}};
  CHECK(row(claim) == Row{"data", "Pending", "", "", "", "manual", "<unset>", "<unknown>"});
  // Named and not bound: what the status says, which is nothing.
  claim.document["spec"]["volumeName"] = "pv";
  CHECK(row(claim) == Row{"data", "Pending", "pv", "0", "", "manual", "<unset>", "<unknown>"});
  claim.document["status"] = {{"phase", "Bound"},
                              {"capacity", {{"storage", "2Gi"}}},
                              {"accessModes", {"ReadWriteOnce", "ReadOnlyMany"}}};
  CHECK(row(claim, {.with_namespace = true}) ==
        Row{"default", "data", "Bound", "pv", "2Gi", "RWO,ROX", "manual", "<unset>", "<unknown>"});

  Object fast{Kind::StorageClass,
              {{"metadata",
                {{"name", "fast"},
                 {"annotations", {{"storageclass.kubernetes.io/is-default-class", "true"}}}}},
               {"provisioner", "example.com/fast"},
               {"reclaimPolicy", "Delete"},
               {"volumeBindingMode", "Immediate"}}};
  CHECK(row(fast) ==
        Row{"fast (default)", "example.com/fast", "Delete", "Immediate", "false", "<unknown>"});
  CHECK(qualified_name(fast) == "storageclass.storage.k8s.io/fast");
}

TEST_CASE("labels as columns", "[columns]") {
  const Object volume{
      Kind::StorageClass,
      {{"metadata", {{"name", "a"}, {"labels", {{"b", "2"}, {"example.com/tier", "gold"}}}}}}};
  const Table table =
      table_of(volume.kind, {volume, {Kind::StorageClass, {{"metadata", {{"name", "b"}}}}}},
               {.label_columns = {"example.com/tier"}, .with_labels = true}, 0);
  const auto end_of = [&](std::size_t row) {
    return std::vector<std::string>(table[row].end() - 2, table[row].end());
  };
  CHECK(end_of(0) == std::vector<std::string>{"TIER", "LABELS"});
  CHECK(end_of(1) == std::vector<std::string>{"gold", "b=2,example.com/tier=gold"});
  CHECK(end_of(2) == std::vector<std::string>{"", "<none>"});
}

TEST_CASE("titles and the distance of columns", "[columns]") {
  const Table titles = table_of(Kind::PersistentVolumeClaim, {}, {.wide = true}, 0);
  CHECK(table_text(titles) ==
        "NAME   STATUS   VOLUME   CAPACITY   ACCESS MODES   STORAGECLASS   "
        "VOLUMEATTRIBUTESCLASS   AGE   VOLUMEMODE\n");
  CHECK(table_text({{"A", "B"}, {"long", "x"}}) == "A      B\nlong   x\n");
  CHECK(table_text({}).empty());
}

}  // namespace claimfs::cli
