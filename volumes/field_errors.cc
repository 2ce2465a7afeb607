#include "volumes/field_errors.h"

#include <algorithm>

namespace claimfs::volumes {
namespace {

// Strings Go-quoted (of which JSON quoting is the part that matters here), all else as compact
// JSON.
std::string shown(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
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

void FieldErrors::unsupported(const std::string& field, const Json& value,
                              std::initializer_list<std::string_view> supported) {
  std::string list;
  for (std::string_view each : supported)
    list += (list.empty() ? "" : ", ") + shown(Json(std::string(each)));
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
