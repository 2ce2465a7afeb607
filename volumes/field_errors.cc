#include "volumes/field_errors.h"

#include <algorithm>

#include "volumes/go_text.h"

namespace claimfs::volumes {
namespace {

// Strings quoted, all else as compact JSON.
std::string shown(const Json& value) {
  return value.is_string() ? go_quoted(value.get_ref<const std::string&>()) : go_json(value);
}

}  // namespace

void FieldErrors::add(const std::string& field, const std::string& kind, std::string_view detail) {
  std::string message = field + ": " + kind;
  if (!detail.empty()) message += ": " + std::string(detail);
  plain(field, std::move(message));
}

void FieldErrors::invalid(const std::string& field, const Json& value, std::string_view detail) {
  add(field, "Invalid value: " + shown(value), detail);
}

void FieldErrors::invalid(const std::string& field, const Json& value,
                          const std::vector<std::string>& details) {
  for (const std::string& detail : details) invalid(field, value, detail);
}

void FieldErrors::too_long(const std::string& field, std::size_t max_bytes) {
  add(field, "Too long", "may not be more than " + std::to_string(max_bytes) + " bytes");
}

void FieldErrors::not_found(const std::string& field, const Json& value) {
  add(field, "Not found: " + shown(value), {});
}

void FieldErrors::unsupported(const std::string& field, const Json& value,
                              std::initializer_list<std::string_view> supported) {
  std::string list;
  for (std::string_view each : supported) list += (list.empty() ? "" : ", ") + go_quoted(each);
  add(field, "Unsupported value: " + shown(value), "supported values: " + list);
}

void FieldErrors::duplicate(const std::string& field, const Json& value) {
  add(field, "Duplicate value: " + shown(value), {});
}

void FieldErrors::plain(const std::string& field, std::string message) {
  const bool known =
      std::ranges::any_of(errors_, [&](const FieldError& each) { return each.message == message; });
  if (!known) errors_.push_back({field, std::move(message)});
}

std::vector<std::string> messages_of(const std::vector<FieldError>& errors) {
  std::vector<std::string> messages;
  for (const FieldError& error : errors) messages.push_back(error.message);
  return messages;
}

}  // namespace claimfs::volumes
