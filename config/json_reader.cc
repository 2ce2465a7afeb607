#include "config/json_reader.h"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

namespace claimfs::config {
namespace {

using volumes::Json;

// How far the parser has read.
struct Position {
  const char* next;
  int line;
  int line_before_last = 0;  // a number has taken one character too many when it is reported
};

// Walks the text and leaves the position where others can see it.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;

  CountingIterator(Position* position, const char* end) : position_(position), end_(end) {}

  reference operator*() const { return *position_->next; }
  CountingIterator& operator++() {
    position_->line_before_last = position_->line;
    if (*position_->next++ == '\n') ++position_->line;
    return *this;
  }
  CountingIterator operator++(int) { return ++*this; }
  friend bool operator==(const CountingIterator& left, const CountingIterator& right) {
    return left.at_end() == right.at_end();
  }

 private:
  bool at_end() const { return position_ == nullptr || position_->next == end_; }

  Position* position_;
  const char* end_;
};

class Handler : public nlohmann::json_sax<Json> {
 public:
  Handler(DocumentBuilder& builder, const Position& position)
      : builder_(builder), position_(position) {}

  bool null() override { return value(Json(), "", position_.line); }
  bool boolean(bool truth) override { return value(Json(truth), "", position_.line); }
  bool number_integer(number_integer_t number) override { return integer(Json(number)); }
  bool number_unsigned(number_unsigned_t number) override { return integer(Json(number)); }
  bool number_float(number_float_t number, const string_t& literal) override {
    return value(Json(number), literal, position_.line_before_last);
  }
  bool string(string_t& text) override { return value(Json(std::move(text)), "", position_.line); }
  bool binary(binary_t&) override { return false; }
  bool start_object(size_t) override {
    builder_.open_map(position_.line);
    return true;
  }
  bool start_array(size_t) override {
    builder_.open_list(position_.line);
    return true;
  }
  bool end_object() override {
    builder_.close();
    return true;
  }
  bool end_array() override { return end_object(); }
  bool key(string_t& name) override {
    builder_.key(std::move(name), position_.line);
    return true;
  }
  bool parse_error(size_t, const std::string& token,
                   const nlohmann::detail::exception& error) override {
    const std::string_view what = error.what();
    if (error.id == 406) {
      error_ = "the number " + in_quotes(token) + " is out of range";
      return false;
    }
    // "[json.exception.parse_error.101] parse error at line 1, column 5: syntax error while parsing
    // value - …; last read: '…'; expected …": its line is counted from where the value began, and
    // the last read may be a megabyte.
    const size_t begin = what.find(": ");
    const size_t end = what.find("; last read");
    error_ = "invalid JSON: ";
    error_ += begin == std::string_view::npos || begin > end
                  ? "syntax error"
                  : what.substr(begin + 2, end - begin - 2);
    return false;
  }

  const std::string& error() const { return error_; }

 private:
  bool integer(const Json& number) {
    return value(number, number.dump(), position_.line_before_last);
  }
  bool value(Json value, std::string_view literal, int line) {
    builder_.value(std::move(value), literal, line);
    return true;
  }

  DocumentBuilder& builder_;
  const Position& position_;
  std::string error_;
};

}  // namespace

bool read_json(std::string_view text, int first_line, const std::string& file_name,
               const Limits& limits, Documents& into) {
  Position position{text.data(), first_line, first_line};
  const char* const end = text.data() + text.size();
  while (true) {
    while (position.next != end &&
           std::string_view(" \t\r\n").find(*position.next) != std::string_view::npos) {
      if (*position.next++ == '\n') ++position.line;
    }
    if (position.next == end) return true;
    const size_t complaints_before = into.complaints.size();
    DocumentBuilder builder(file_name, into.complaints, limits);
    try {
      Handler handler(builder, position);
      const bool done =
          Json::sax_parse(CountingIterator(&position, end), CountingIterator(nullptr, end),
                          &handler, nlohmann::detail::input_format_t::json, /*strict=*/false);
      if (!done) {
        into.complaints.push_back({file_name, position.line, handler.error()});
        return false;
      }
    } catch (const DocumentRefused&) {
      return true;
    }
    if (into.complaints.size() == complaints_before) into.documents.push_back(builder.take());
  }
}

}  // namespace claimfs::config
