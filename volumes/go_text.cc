#include "volumes/go_text.h"

#include <array>
#include <utility>

namespace claimfs::volumes {
namespace {

constexpr std::array<std::pair<char, char>, 9> kEscapes = {{{'"', '"'},
                                                            {'\\', '\\'},
                                                            {'\a', 'a'},
                                                            {'\b', 'b'},
                                                            {'\f', 'f'},
                                                            {'\n', 'n'},
                                                            {'\r', 'r'},
                                                            {'\t', 't'},
                                                            {'\v', 'v'}}};

std::string hexadecimal(const char* before, unsigned char byte) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return std::string(before) + kDigits[byte >> 4U] + kDigits[byte & 15U];
}

}  // namespace

std::string go_quoted(std::string_view text) {
  std::string quoted = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    char escape = 0;
    for (const auto& [from, to] : kEscapes) {
      if (from == c) escape = to;
    }
    if (escape != 0) {
      quoted += '\\';
      quoted += escape;
    } else if (byte < 0x20 || byte == 0x7f) {
      quoted += hexadecimal("\\x", byte);
    } else {
      quoted += c;
    }
  }
  return quoted + '"';
}

std::string go_json(const Json& value) {
  std::string escaped;
  for (char c : value.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    if (c == '<' || c == '>' || c == '&') {
      escaped += hexadecimal("\\u00", static_cast<unsigned char>(c));
    } else {
      escaped += c;
    }
  }
  return escaped;
}

}  // namespace claimfs::volumes
