#include "volumes/names.h"

#include <algorithm>
#include <cctype>

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
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end "
    "with an alphanumeric "
    "character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kValueProblem =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

constexpr std::size_t kMaxSubdomain = 253;
constexpr std::size_t kMaxLabel = 63;

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

bool is_dns_subdomain(std::string_view name) {
  while (true) {
    const auto dot = name.find('.');
    if (!is_dns_label(name.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

// Kubernetes counts bytes in both; it says so where a label is checked, and "characters" where a
// name is.
std::string too_long(std::size_t most, std::string_view unit) {
  return "must be no more than " + std::to_string(most) + " " + std::string(unit);
}

std::vector<std::string> subdomain_problems(std::string_view name, std::string_view unit) {
  std::vector<std::string> problems;
  if (name.size() > kMaxSubdomain) problems.push_back(too_long(kMaxSubdomain, unit));
  if (!is_dns_subdomain(name)) problems.emplace_back(kSubdomainProblem);
  return problems;
}

std::optional<std::string> first_of(const std::vector<std::string>& problems) {
  return problems.empty() ? std::nullopt : std::optional(problems.front());
}

}  // namespace

std::vector<std::string> dns_subdomain_problems(std::string_view name) {
  return subdomain_problems(name, "characters");
}

std::vector<std::string> dns_label_problems(std::string_view name) {
  std::vector<std::string> problems;
  if (name.size() > kMaxLabel) problems.push_back(too_long(kMaxLabel, "characters"));
  if (!is_dns_label(name)) {
    // What is a subdomain and no label has dots.
    problems.emplace_back(is_dns_subdomain(name) ? "must not contain dots" : kLabelProblem);
  }
  return problems;
}

std::vector<std::string> label_key_problems(std::string_view key) {
  std::vector<std::string> problems;
  const auto slash = key.find('/');
  if (slash != std::string_view::npos) {
    const std::string_view prefix = key.substr(0, slash);
    key.remove_prefix(slash + 1);
    if (key.find('/') != std::string_view::npos) {
      return {"a valid label key " + std::string(kKeyProblem) +
              " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
    }
    if (prefix.empty()) {
      problems.emplace_back("prefix part must be non-empty");
    } else {
      for (const std::string& problem : subdomain_problems(prefix, "bytes"))
        problems.push_back("prefix part " + problem);
    }
  }
  if (key.empty()) {
    problems.emplace_back("name part must be non-empty");
  } else if (key.size() > kMaxLabel) {
    problems.push_back("name part " + too_long(kMaxLabel, "bytes"));
  }
  if (!is_label_word(key)) problems.push_back("name part " + std::string(kKeyProblem));
  return problems;
}

std::vector<std::string> label_value_problems(std::string_view value) {
  std::vector<std::string> problems;
  if (value.size() > kMaxLabel) problems.push_back(too_long(kMaxLabel, "bytes"));
  if (!value.empty() && !is_label_word(value)) problems.emplace_back(kValueProblem);
  return problems;
}

std::vector<std::string> annotation_key_problems(std::string_view key) {
  std::string lower(key);
  std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
  return label_key_problems(lower);
}

std::optional<std::string> dns_subdomain_problem(std::string_view name) {
  return first_of(dns_subdomain_problems(name));
}

std::optional<std::string> label_key_problem(std::string_view key) {
  return first_of(label_key_problems(key));
}

std::optional<std::string> label_value_problem(std::string_view value) {
  return first_of(label_value_problems(value));
}

}  // namespace claimfs::volumes
