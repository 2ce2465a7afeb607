#include "volumes/names.h"

#include <algorithm>

namespace claimfs::volumes {
namespace {

constexpr std::string_view kSubdomainProblem =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and "
    "end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view kLabelProblem =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kKeyProblem =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kValueProblem =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool is_alphanumeric(char c) { return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z'); }

bool is_dns_label(std::string_view text) {
  return !text.empty() && is_lower_or_digit(text.front()) && is_lower_or_digit(text.back()) &&
         std::ranges::all_of(text, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool is_label_word(std::string_view text) {
  return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::ranges::all_of(
             text, [](char c) { return is_alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

}  // namespace

std::optional<std::string> dns_subdomain_problem(std::string_view name) {
  if (name.size() > 253) return "must be no more than 253 characters";
  std::string_view rest = name;
  while (true) {
    const auto dot = rest.find('.');
    if (!is_dns_label(rest.substr(0, dot))) return std::string(kSubdomainProblem);
    if (dot == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(dot + 1);
  }
}

std::optional<std::string> dns_label_problem(std::string_view name) {
  if (name.size() > 63) return "must be no more than 63 characters";
  if (name.find('.') != std::string_view::npos) return "must not contain dots";
  return is_dns_label(name) ? std::nullopt : std::optional(std::string(kLabelProblem));
}

std::optional<std::string> label_key_problem(std::string_view key) {
  if (const auto slash = key.find('/'); slash != std::string_view::npos) {
    const std::string_view prefix = key.substr(0, slash);
    if (prefix.empty()) return "prefix part must be non-empty";
    if (const auto problem = dns_subdomain_problem(prefix)) return "prefix part " + *problem;
    key.remove_prefix(slash + 1);
  }
  if (key.empty()) return "name part must be non-empty";
  if (key.size() > 63) return "name part must be no more than 63 characters";
  return is_label_word(key) ? std::nullopt : std::optional(std::string(kKeyProblem));
}

std::optional<std::string> label_value_problem(std::string_view value) {
  if (value.size() > 63) return "must be no more than 63 characters";
  return value.empty() || is_label_word(value) ? std::nullopt
                                               : std::optional(std::string(kValueProblem));
}

}  // namespace claimfs::volumes
