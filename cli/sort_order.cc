#include "cli/sort_order.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "cli/json_path.h"
#include "volumes/quantity.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::Object;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes the digits at the front of a text away.
std::string_view take_digits(std::string_view& text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  const auto count = static_cast<std::size_t>(end - text.begin());
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

std::string_view without_zeros(std::string_view digits) {
  digits.remove_prefix(std::min(digits.find_first_not_of('0'), digits.size()));
  return digits;
}

struct Entry {
  Json value;                             // null: the object has none
  std::optional<volumes::Quantity> size;  // if the value is a quantity
  Object object;
};

bool is_before(const Entry& left, const Entry& right, bool by_size) {
  if (!left.value.is_string() || !right.value.is_string()) return left.value < right.value;
  if (by_size) return left.size < right.size;
  return is_naturally_less(left.value.get_ref<const std::string&>(),
                           right.value.get_ref<const std::string&>());
}

}  // namespace

bool is_naturally_less(std::string_view left, std::string_view right) {
  while (!left.empty() && !right.empty()) {
    if (is_digit(left.front()) && is_digit(right.front())) {
      const std::string_view left_digits = take_digits(left);
      const std::string_view right_digits = take_digits(right);
      const std::string_view a = without_zeros(left_digits);
      const std::string_view b = without_zeros(right_digits);
      if (a.size() != b.size()) return a.size() < b.size();
      if (a != b) return a < b;
      if (left_digits.size() != right_digits.size())
        return left_digits.size() < right_digits.size();
      continue;
    }
    if (left.front() != right.front()) {
      // Digits come before everything else.
      if (is_digit(left.front()) != is_digit(right.front())) return is_digit(left.front());
      return left.substr(0, 1) < right.substr(0, 1);
    }
    left.remove_prefix(1);
    right.remove_prefix(1);
  }
  return left.size() < right.size();
}

Outcome<void> sort_by(std::vector<Object>& objects, const std::string& path_text) {
  const auto path = JsonPath::parse_relaxed(path_text);
  if (!path) return fail(ExitStatus::Usage, "error: " + path.error().context);
  if (objects.empty()) return {};
  std::vector<Entry> entries;
  for (Object& object : objects) {
    const auto found = path->find(object.document);
    Json value = found.empty() ? Json() : *found.front();
    auto size = value.is_string() ? volumes::Quantity::from(value) : std::nullopt;
    entries.push_back({std::move(value), std::move(size), std::move(object)});
  }
  const bool is_anywhere =
      std::ranges::any_of(entries, [](const Entry& each) { return !each.value.is_null(); });
  // One order for all: compared pair by pair, "1Ki", "999" and "5x" would go round in a circle.
  const bool by_size = std::ranges::none_of(
      entries, [](const Entry& each) { return each.value.is_string() && !each.size; });
  std::ranges::stable_sort(entries, [by_size](const Entry& left, const Entry& right) {
    return is_before(left, right, by_size);
  });
  for (std::size_t i = 0; i < objects.size(); ++i) objects[i] = std::move(entries[i].object);
  if (is_anywhere) return {};
  const bool has_braces = path_text.starts_with('{');
  const bool has_dot = path_text.starts_with('.');
  return fail(
      ExitStatus::Failed,
      "error: couldn't find any field with path \"" +
          (has_braces ? path_text : "{" + std::string(has_dot ? "" : ".") + path_text + "}") +
          "\" in the list of objects");
}

}  // namespace claimfs::cli
