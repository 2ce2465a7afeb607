#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/tab_writer.h"
#include "volumes/object.h"

namespace claimfs::cli {

// A table as kubectl prints it: the title row, then one row an object.
using Table = std::vector<std::vector<std::string>>;

struct TableOptions {
  bool wide = false;
  bool with_namespace = false;     // -A
  bool with_kind_in_name = false;  // several kinds at once: `persistentvolume/x`
  bool with_titles = true;
  std::vector<std::string> label_columns = {};  // -L: a column for each of these labels
  bool with_labels = false;                     // --show-labels: all in one column
};

// Source: KUBERNETES.md 8.1. `now` in seconds since 1970, for ages.
Table table_of(volumes::Kind kind, const std::vector<volumes::Object>& objects,
               const TableOptions& options, std::int64_t now);

// Columns at least three blanks apart, ended by a newline; empty for an empty table.
std::string table_text(const Table& table);
// The same for a table that goes on: its columns get no narrower.
std::string table_text(const Table& table, ColumnWidths& widths);

// `persistentvolumeclaim/data`, `storageclass.storage.k8s.io/fast`.
std::string qualified_name(const volumes::Object& object);

// The age of a timestamp in a document; `<unknown>` when there is none.
std::string age_of(const std::string& timestamp, std::int64_t now);

// When an event was seen last, wherever its writer put that.
std::string last_seen(const volumes::Json& event);

}  // namespace claimfs::cli
