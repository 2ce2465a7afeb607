#include "config/document_builder.h"

#include <utility>

namespace claimfs::config {
namespace {

using volumes::Json;

// A path of every value of a hostile document would take more room than the document by orders of
// magnitude. Deeper fields are found at the nearest ancestor that has one.
constexpr size_t kLongestPath = 512;
constexpr size_t kMostComplaints = 100;
constexpr size_t kLongestQuote = 80;

bool names_quantities(std::string_view key) {
  return key == "capacity" || key == "requests" || key == "limits";
}

}  // namespace

std::string in_quotes(std::string_view text) {
  const bool cut = text.size() > kLongestQuote;
  const std::string shown = Json(std::string(text.substr(0, kLongestQuote)))
                                .dump(-1, ' ', false, Json::error_handler_t::ignore);
  return cut ? shown.substr(0, shown.size() - 1) + "...\"" : shown;
}

DocumentBuilder::DocumentBuilder(std::string file, std::vector<Complaint>& complaints,
                                 const Limits& limits)
    : file_(std::move(file)),
      limits_(limits),
      complaints_(complaints),
      complaints_before_(complaints.size()) {}

void DocumentBuilder::complain(int line, std::string what) {
  complaints_.push_back({file_, line, std::move(what)});
  if (complaints_.size() - complaints_before_ == kMostComplaints)
    refuse(line, "too many errors in this document");
}

void DocumentBuilder::refuse(int line, std::string what) {
  complaints_.push_back({file_, line, std::move(what)});
  throw DocumentRefused();
}

bool DocumentBuilder::expects_key() const {
  return !open_.empty() && open_.back().container->is_object() && !open_.back().has_key;
}

int DocumentBuilder::line_of_next(int line) const {
  return !open_.empty() && open_.back().has_key ? open_.back().key_line : line;
}

void DocumentBuilder::key(std::string name, int line) {
  Open& map = open_.back();
  if (name.find('\0') != std::string::npos) refuse(line, "a key contains a NUL character");
  if (map.container->contains(name)) complain(line, "duplicate key " + in_quotes(name));
  map.key = std::move(name);
  map.key_line = line;
  map.has_key = true;
}

bool DocumentBuilder::next_has_path() const {
  if (open_.empty()) return true;
  const Open& parent = open_.back();
  return parent.has_path && parent.path.size() + parent.key.size() + 16 <= kLongestPath;
}

std::string DocumentBuilder::next_path() const {
  if (open_.empty()) return "";
  const Open& parent = open_.back();
  if (parent.container->is_array())
    return parent.path + "[" + std::to_string(parent.container->size()) + "]";
  return parent.path.empty() ? parent.key : parent.path + "." + parent.key;
}

Json& DocumentBuilder::place(Json value, int line) {
  if (++nodes_ > limits_.nodes) {
    refuse(line, "more than " + std::to_string(limits_.nodes) +
                     " values in one document; split it at a line of ---");
  }
  if (open_.empty()) {
    document_.line = line;
    document_.value = std::move(value);
    return document_.value;
  }
  if (next_has_path()) document_.lines.emplace(next_path(), line_of_next(line));
  Open& parent = open_.back();
  if (parent.container->is_array()) return parent.container->emplace_back(std::move(value));
  parent.has_key = false;
  return (*parent.container)[parent.key] = std::move(value);
}

void DocumentBuilder::open(Json container, int line) {
  if (open_.size() == kMostLevels) {
    refuse(line, "more than " + std::to_string(kMostLevels) +
                     " levels of maps and lists inside each other");
  }
  const bool has_path = next_has_path();
  std::string path = has_path ? next_path() : std::string();
  const bool holds_quantities =
      expects_key() ? false : !open_.empty() && names_quantities(open_.back().key);
  Json& placed = place(std::move(container), line);
  open_.push_back({.container = &placed,
                   .path = std::move(path),
                   .has_path = has_path,
                   .key = {},
                   .holds_quantities = holds_quantities && placed.is_object()});
}

void DocumentBuilder::open_map(int line) { open(Json::object(), line); }

void DocumentBuilder::open_list(int line) { open(Json::array(), line); }

void DocumentBuilder::close() { open_.pop_back(); }

void DocumentBuilder::value(Json value, std::string_view literal, int line) {
  if (value.is_string() && value.get_ref<const std::string&>().find('\0') != std::string::npos) {
    refuse(line, "a string contains a NUL character");
  }
  const bool is_quantity = !open_.empty() && open_.back().holds_quantities;
  if (is_quantity && value.is_number()) value = std::string(literal);
  place(std::move(value), line);
}

Document DocumentBuilder::take() { return std::move(document_); }

}  // namespace claimfs::config
