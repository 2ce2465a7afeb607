#include "cli/deed_printer.h"

#include <iostream>

#include "cli/columns.h"

namespace claimfs::cli {

Outcome<DeedPrinter> DeedPrinter::of(const std::string& output) {
  auto format = OutputFormat::parse(output);
  if (!format) return tl::unexpected(format.error());
  if (format->is_wide() || format->has_custom_columns()) {
    return fail(ExitStatus::Usage,
                "error: unable to match a printer suitable for the output format \"" + output +
                    "\", allowed formats are: json,jsonpath,jsonpath-as-json,jsonpath-file,name,"
                    "yaml");
  }
  return DeedPrinter(std::move(*format));
}

Outcome<void> DeedPrinter::print(const volumes::Object& object, const std::string& deed) {
  if (format_.is_table()) {
    std::cout << qualified_name(object) << " " << deed << "\n";
    return {};
  }
  const auto text = format_.text({object}, /*as_list=*/false);
  if (!text) return tl::unexpected(text.error());
  std::cout << (is_begun_ && format_.is_yaml() ? "---\n" : "") << *text;
  is_begun_ = true;
  return {};
}

Outcome<void> DeedPrinter::print_list(const std::vector<volumes::Object>& objects) const {
  const auto text = format_.text(objects, objects.size() != 1);
  if (!text) return tl::unexpected(text.error());
  std::cout << *text;
  return {};
}

}  // namespace claimfs::cli
