#pragma once

#include <string>

#include "cli/columns.h"
#include "cli/output.h"
#include "cli/selection.h"
#include "cli/verbs.h"
#include "store/store.h"

namespace claimfs::cli {

// Writes to stdout what `get` has found, and what a watch meets afterwards, as kubectl writes it:
// one table whose columns keep their widths, or one document after the other.
class Listing {
 public:
  // --sort-by, columns and titles are those of `arguments`.
  static Outcome<Listing> of(const GetArguments& arguments);

  bool is_table() const { return format_.is_table(); }

  // All that was found at once: a table a kind, or one document.
  Outcome<void> print(Found found, const Selection& selection);

  // One object of a watch. `event` is ADDED, MODIFIED or DELETED.
  Outcome<void> print_change(const std::string& event, const volumes::Object& object);

 private:
  Listing(const GetArguments& arguments, OutputFormat format)
      : arguments_(arguments), format_(std::move(format)) {}
  Outcome<void> print_tables(std::vector<Group> groups);
  void print_row(const std::string& event, Table table);
  TableOptions table_options() const;

  const GetArguments arguments_;
  OutputFormat format_;
  ColumnWidths widths_;    // of a watch
  bool is_begun_ = false;  // of a watch: something was printed
};

}  // namespace claimfs::cli
