#include "config/node_name.h"

#include <array>
#include <cstddef>

#include <unistd.h>

namespace claimfs::config {
namespace {

constexpr size_t kLongestNodeName = 253;

bool is_word_character(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

}  // namespace

bool is_node_name(std::string_view name) {
  if (name.empty() || name.size() > kLongestNodeName) return false;
  for (size_t at = 0; at < name.size(); ++at) {
    const bool at_edge =
        at == 0 || at + 1 == name.size() || name[at - 1] == '.' || name[at + 1] == '.';
    if (!is_word_character(name[at]) && (at_edge || (name[at] != '-' && name[at] != '.')))
      return false;
  }
  return true;
}

std::string host_node_name() {
  std::array<char, kLongestNodeName + 1> buffer{};
  if (::gethostname(buffer.data(), buffer.size() - 1) != 0) return "localhost";
  std::string name(buffer.data());
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
    if (!is_word_character(c) && c != '.') c = '-';
  }
  return is_node_name(name) ? name : "localhost";
}

}  // namespace claimfs::config
