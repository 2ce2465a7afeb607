#include "config/yaml_reader.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <sstream>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include "config/json_reader.h"
#include "config/plain_scalar.h"

namespace claimfs::config {
namespace {

using volumes::Json;

constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

// How a number was written, where a quantity can be written so; its value where not (`0x10`,
// `0777`, `1_000`).
std::string literal_of(const PlainScalar& scalar, const std::string& text) {
  std::string literal = text;
  std::erase(literal, '_');
  if (scalar.type == PlainType::Integer) return scalar.value.dump();
  return literal.starts_with('+') ? literal.substr(1) : literal;
}

// Feeds a builder from yaml-cpp's events. yaml-cpp itself checks neither tags nor keys.
class Handler : public YAML::EventHandler {
 public:
  Handler(DocumentBuilder& builder, int first_line) : builder_(builder), first_line_(first_line) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    // The text was split at its document markers, so this can only be what a value was followed by.
    if (has_document_)
      builder_.refuse(line_at(mark), "unexpected text behind the end of the document");
    has_document_ = true;
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    if (builder_.expects_key()) builder_.refuse(line_at(mark), "a key is empty or null; quote it");
    builder_.value(Json(), "", line_at(mark));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { refuse_anchor(mark, 1); }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& text) override {
    refuse_anchor(mark, anchor);
    const PlainScalar scalar = resolve(tag, text, line_at(mark));
    if (!builder_.expects_key()) {
      builder_.value(scalar.value, scalar.value.is_number() ? literal_of(scalar, text) : "",
                     line_at(mark));
    } else if (scalar.type == PlainType::Merge) {
      builder_.refuse(line_at(mark), "merge keys (<<) are refused; write the fields out");
    } else {
      // Kubernetes makes text of keys that are none: `1: x` is "1", `yes: x` is "true".
      const bool is_text = scalar.value.is_string() || scalar.type == PlainType::Float;
      if (scalar.value.is_null())
        builder_.refuse(line_at(mark), "a key is empty or null; quote it");
      builder_.key(is_text ? text : scalar.value.dump(), line_at(mark));
    }
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    check_container(mark, tag, anchor, "seq");
    builder_.open_list(line_at(mark));
  }
  void OnSequenceEnd() override { builder_.close(); }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    check_container(mark, tag, anchor, "map");
    builder_.open_map(line_at(mark));
  }
  void OnMapEnd() override { builder_.close(); }

  bool has_document() const { return has_document_; }
  int line_at(const YAML::Mark& mark) const { return first_line_ + std::max(mark.line, 0); }

 private:
  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) {
      builder_.refuse(line_at(mark), "anchors and aliases are refused; write the value out");
    }
  }

  void check_container(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       std::string_view type) {
    refuse_anchor(mark, anchor);
    if (builder_.expects_key())
      builder_.refuse(line_at(mark),
                      "a key must be text, not a map or a list; is a bracket not closed?");
    const bool is_known =
        tag.empty() || tag == "?" || tag == "!" || tag == std::string(kTagPrefix).append(type);
    if (!is_known)
      builder_.refuse(line_at(mark), "the tag " + in_quotes(tag) + " is refused; leave it out");
  }

  // yaml-cpp tags plain scalars "?" and quoted ones "!".
  PlainScalar resolve(const std::string& tag, const std::string& text, int line) {
    if (tag == "!" || tag == std::string(kTagPrefix) + "str")
      return {PlainType::String, Json(text)};
    PlainScalar scalar = resolve_plain(text);
    const auto is = [&](std::string_view name, std::initializer_list<PlainType> types) {
      return tag == std::string(kTagPrefix).append(name) &&
             std::find(types.begin(), types.end(), scalar.type) != types.end();
    };
    const bool fits = tag.empty() || tag == "?" || is("bool", {PlainType::Bool}) ||
                      is("null", {PlainType::Null}) || is("int", {PlainType::Integer}) ||
                      is("float", {PlainType::Integer, PlainType::Float});
    if (!fits)
      builder_.refuse(line, "the tag " + in_quotes(tag) + " of " + in_quotes(text) +
                                " is refused; leave it out");
    if (scalar.type == PlainType::NotFinite) {
      builder_.refuse(line,
                      in_quotes(text) + " is not a number that JSON has; quote it if it is text");
    }
    return scalar;
  }

  DocumentBuilder& builder_;
  const int first_line_;
  bool has_document_ = false;
};

void read_yaml(std::string_view text, int first_line, const std::string& file_name,
               const Limits& limits, Documents& into) {
  const size_t complaints_before = into.complaints.size();
  DocumentBuilder builder(file_name, into.complaints, limits);
  Handler handler(builder, first_line);
  try {
    // The marker behind it makes yaml-cpp notice a quoted scalar that the text does not end.
    std::istringstream stream(std::string(text) + (text.ends_with('\n') ? "...\n" : "\n...\n"));
    YAML::Parser parser(stream);
    // Twice: what follows the first document without a marker is an error that yaml-cpp leaves to
    // its caller.
    if (parser.HandleNextDocument(handler)) parser.HandleNextDocument(handler);
  } catch (const DocumentRefused&) {
    return;
  } catch (const YAML::Exception& error) {
    const bool unclosed = error.msg == YAML::ErrorMsg::DOC_IN_SCALAR;
    into.complaints.push_back(
        {file_name, handler.line_at(error.mark),
         "invalid YAML: " + (unclosed ? "a quote is not closed" : error.msg)});
    return;
  }
  if (into.complaints.size() != complaints_before) return;
  Document document = builder.take();
  if (!document.value.is_null()) into.documents.push_back(std::move(document));
}

// Part of the text from one document marker to the next. A line of --- or ... is a marker wherever
// it stands: YAML forbids it inside quoted, block and flow values too.
struct Piece {
  std::string_view text;
  int first_line = 1;
};

bool is_marker(std::string_view line, std::string_view marker) {
  return line.starts_with(marker) &&
         (line.size() == 3 || std::string_view(" \t\r\n").find(line[3]) != std::string_view::npos);
}

std::vector<Piece> split(std::string_view text) {
  std::vector<Piece> pieces;
  size_t begin = 0;
  int begin_line = 1;
  int line_number = 1;
  for (size_t at = 0; at < text.size(); ++line_number) {
    const size_t after = std::min(text.find('\n', at), text.size() - 1) + 1;
    const std::string_view line = text.substr(at, after - at);
    const bool is_start = is_marker(line, "---");
    const bool is_end = is_marker(line, "...");
    if (is_start || is_end) {
      const size_t cut = is_start ? at : after;
      pieces.push_back({text.substr(begin, cut - begin), begin_line});
      begin = cut;
      begin_line = is_start ? line_number : line_number + 1;
    }
    at = after;
  }
  pieces.push_back({text.substr(begin), begin_line});
  return pieces;
}

// Where the content of a piece begins, behind its marker, comments and directives; none if there is
// nothing else.
std::optional<Piece> content_of(const Piece& piece) {
  std::string_view rest = piece.text;
  int line = piece.first_line;
  bool at_line_start = true;
  if (is_marker(rest, "---")) {
    rest.remove_prefix(3);
    at_line_start = false;
  }
  while (!rest.empty()) {
    const char c = rest.front();
    const bool is_directive = at_line_start && rest.starts_with("%YAML ");
    if (c == '#' || is_directive || (at_line_start && is_marker(rest, "..."))) {
      rest.remove_prefix(std::min(rest.find('\n'), rest.size()));
    } else if (std::string_view(" \t\r\n").find(c) != std::string_view::npos) {
      at_line_start = c == '\n';
      if (at_line_start) ++line;
      rest.remove_prefix(1);
    } else {
      return Piece{rest, line};
    }
  }
  return std::nullopt;
}

// Braces may be JSON, which allows tabs between its words, or YAML's flow style, which JSON does
// not know.
void read_json_or_yaml(const Piece& piece, const Piece& content, const std::string& file_name,
                       const Limits& limits, Documents& into) {
  Documents as_json;
  if (read_json(content.text, content.first_line, file_name, limits, as_json)) {
    std::move(as_json.documents.begin(), as_json.documents.end(),
              std::back_inserter(into.documents));
    std::move(as_json.complaints.begin(), as_json.complaints.end(),
              std::back_inserter(into.complaints));
    return;
  }
  Documents as_yaml;
  read_yaml(piece.text, piece.first_line, file_name, limits, as_yaml);
  const size_t second = content.text.find_first_not_of(" \t\r\n", 1);
  const bool looks_like_json = second != std::string_view::npos && content.text[second] == '"';
  const Documents& chosen = as_yaml.complaints.empty() || !looks_like_json ? as_yaml : as_json;
  into.documents.insert(into.documents.end(), chosen.documents.begin(), chosen.documents.end());
  into.complaints.insert(into.complaints.end(), chosen.complaints.begin(), chosen.complaints.end());
}

// The length of the UTF-8 sequence at the front of `text`, 0 if there is none.
size_t sequence_length(std::string_view text) {
  const auto byte = [&](size_t at) {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U;
  };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first < 0xc2   ? 0
                        : first < 0xe0 ? 2
                        : first < 0xf0 ? 3
                        : first < 0xf5 ? 4
                                       : 0;
  // Overlong forms, surrogates and what lies above U+10FFFF show in the second byte.
  const unsigned low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
  const unsigned high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
  if (length == 0 || byte(1) < low || byte(1) > high) return 0;
  for (size_t at = 2; at < length; ++at) {
    if ((byte(at) & 0xc0) != 0x80) return 0;
  }
  return length;
}

// What no text may contain: yaml-cpp takes byte 4 for the end of its input, among others.
std::optional<Complaint> find_bad_character(std::string_view text, const std::string& file_name) {
  int line = 1;
  for (size_t at = 0; at < text.size();) {
    const char c = text[at];
    const bool is_control =
        static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\r' && c != '\t';
    if (c == '\0') return Complaint{file_name, line, "a NUL character; is this a text file?"};
    if (is_control) return Complaint{file_name, line, "a control character"};
    const size_t length = sequence_length(text.substr(at, 4));
    if (length == 0) return Complaint{file_name, line, "invalid UTF-8"};
    if (c == '\n') ++line;
    at += length;
  }
  return std::nullopt;
}

}  // namespace

Documents read_documents(std::string_view text, const std::string& file_name,
                         const Limits& limits) {
  constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  Documents result;
  if (std::optional<Complaint> complaint = find_bad_character(text, file_name)) {
    result.complaints.push_back(std::move(*complaint));
    return result;
  }
  for (const Piece& piece : split(text)) {
    const std::optional<Piece> content = content_of(piece);
    if (!content) continue;
    if (piece.text.size() > limits.bytes) {
      result.complaints.push_back({file_name, content->first_line,
                                   "a document of more than " + std::to_string(limits.bytes >> 20) +
                                       " MiB; split it at a line of ---"});
    } else if (content->text.starts_with('%')) {
      result.complaints.push_back(
          {file_name, content->first_line, "directives (%) are refused; leave it out"});
    } else if (content->text.starts_with('{') || content->text.starts_with('[')) {
      read_json_or_yaml(piece, *content, file_name, limits, result);
    } else {
      read_yaml(piece.text, piece.first_line, file_name, limits, result);
    }
  }
  return result;
}

}  // namespace claimfs::config
