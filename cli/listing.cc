#include "cli/listing.h"

#include <algorithm>
#include <iostream>
#include <set>
#include <utility>

#include "cli/sort_order.h"
#include "control/clock.h"

namespace claimfs::cli {

using volumes::Json;
using volumes::Object;

Outcome<Listing> Listing::of(const GetArguments& arguments) {
  auto format = OutputFormat::parse(arguments.output);
  if (!format) return tl::unexpected(format.error());
  if (arguments.show_labels && !format->is_table()) {
    return fail(ExitStatus::Usage,
                "error: --show-labels option cannot be used with " + arguments.output + " printer");
  }
  if (arguments.no_headers) format->omit_titles();
  if (arguments.show_managed_fields) format->show_managed_fields();
  return Listing(arguments, std::move(*format));
}

TableOptions Listing::table_options() const {
  return {.wide = format_.is_wide(),
          .with_namespace = arguments_.resources.all_namespaces,
          .with_kind_in_name = arguments_.show_kind,
          .with_titles = !arguments_.no_headers,
          .label_columns = arguments_.label_columns,
          .with_labels = arguments_.show_labels};
}

Outcome<void> Listing::print_tables(std::vector<Group> groups) {
  TableOptions options = table_options();
  std::set<volumes::Kind> kinds;
  for (const Group& group : groups) kinds.insert(group.kind);
  options.with_kind_in_name |= kinds.size() > 1;
  bool is_first = true;
  for (Group& group : groups) {
    if (group.objects.empty()) continue;
    if (!arguments_.sort_by.empty()) {
      if (const auto sorted = sort_by(group.objects, arguments_.sort_by); !sorted) return sorted;
    }
    if (!is_first && options.with_titles) std::cout << "\n";
    is_first = false;
    std::cout << table_text(
        table_of(group.kind, group.objects, options, control::system_clock()()));
  }
  return {};
}

Outcome<void> Listing::print(Found found, const Selection& selection) {
  if (format_.is_table()) return print_tables(std::move(found.groups));
  // Nothing at all is printed when the one object that was asked for is not there.
  if (selection.is_single() && found.is_empty()) return {};
  auto objects = found.objects();
  if (!selection.is_single() && !arguments_.sort_by.empty()) {
    if (const auto sorted = sort_by(objects, arguments_.sort_by); !sorted) return sorted;
  }
  const auto text = format_.text(objects, !selection.is_single());
  if (!text) return tl::unexpected(text.error());
  std::cout << *text;
  return {};
}

// A table of titles, if they are wanted, and one row.
void Listing::print_row(const std::string& event, Table table) {
  if (arguments_.output_watch_events) {
    for (std::size_t i = 0; i < table.size(); ++i)
      table[i].insert(table[i].begin(), i + 1 < table.size() ? "EVENT" : event);
  }
  if (is_begun_ && table.size() > 1) table.erase(table.begin());
  std::cout << table_text(table, widths_);
}

Outcome<void> Listing::print_change(const std::string& event, const Object& object) {
  if (format_.is_table()) {
    print_row(event, table_of(object.kind, {object}, table_options(), control::system_clock()()));
  } else if (format_.has_custom_columns()) {
    Table table;
    if (!arguments_.no_headers) table.push_back(format_.custom_titles());
    table.push_back(format_.custom_cells(object.document));
    print_row(event, std::move(table));
  } else {
    const auto text = arguments_.output_watch_events && !format_.is_name()
                          ? format_.text_of(Json{{"type", event}, {"object", object.document}})
                          : format_.text({object}, /*as_list=*/false);
    if (!text) return tl::unexpected(text.error());
    std::cout << (is_begun_ && format_.is_yaml() ? "---\n" : "") << *text;
  }
  is_begun_ = true;
  return {};
}

}  // namespace claimfs::cli
