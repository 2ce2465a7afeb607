#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "volumes/object.h"

namespace claimfs::volumes {

// One complaint about one field of an object.
struct FieldError {
  std::string field;  // `spec.capacity[storage]`; empty: the object as a whole
  std::string
      message;  // the whole line as Kubernetes prints it: `spec.accessModes: Required value`
};

// Collects complaints in Kubernetes' forms. Source: apimachinery validation/field
// (KUBERNETES.md 6.1).
class FieldErrors {
 public:
  void required(const std::string& field, std::string_view detail = {}) {
    add(field, "Required value", detail);
  }
  void forbidden(const std::string& field, std::string_view detail) {
    add(field, "Forbidden", detail);
  }
  void too_long(const std::string& field, std::size_t max_bytes);
  void invalid(const std::string& field, const Json& value, std::string_view detail);
  // One for each detail.
  void invalid(const std::string& field, const Json& value,
               const std::vector<std::string>& details);
  void not_found(const std::string& field, const Json& value);
  void unsupported(const std::string& field, const Json& value,
                   std::initializer_list<std::string_view> supported);
  void duplicate(const std::string& field, const Json& value);
  // A complaint of another form.
  void plain(const std::string& field, std::string message);

  bool empty() const { return errors_.empty(); }
  std::vector<FieldError> take() { return std::move(errors_); }

 private:
  void add(const std::string& field, const std::string& kind, std::string_view detail);

  std::vector<FieldError> errors_;  // each once
};

// The lines of many, for a message.
std::vector<std::string> messages_of(const std::vector<FieldError>& errors);

}  // namespace claimfs::volumes
