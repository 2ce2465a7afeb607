#include "volumes/access_modes.h"

#include <array>

namespace claimfs::volumes {
namespace {

struct Words {
  AccessMode mode;
  std::string_view word;
  std::string_view short_word;
};
// In canonical order.
constexpr std::array<Words, 4> kModes = {
    {{AccessMode::ReadWriteOnce, "ReadWriteOnce", "RWO"},
     {AccessMode::ReadOnlyMany, "ReadOnlyMany", "ROX"},
     {AccessMode::ReadWriteMany, "ReadWriteMany", "RWX"},
     {AccessMode::ReadWriteOncePod, "ReadWriteOncePod", "RWOP"}}};

}  // namespace

std::string_view to_string(AccessMode mode) { return kModes[static_cast<std::size_t>(mode)].word; }

std::optional<AccessMode> access_mode_from(std::string_view word) {
  for (const Words& words : kModes) {
    if (words.word == word) return words.mode;
  }
  return std::nullopt;
}

AccessModes::AccessModes(std::initializer_list<AccessMode> modes) {
  for (AccessMode mode : modes) bits_ |= bit(mode);
}

AccessModes AccessModes::from(const Json& list) {
  AccessModes modes;
  if (!list.is_array()) return modes;
  for (const Json& item : list) {
    if (!item.is_string()) continue;
    if (const auto mode = access_mode_from(item.get_ref<const std::string&>()))
      modes.bits_ |= bit(*mode);
  }
  return modes;
}

std::string AccessModes::canonical() const {
  std::string text;
  for (const Words& words : kModes) {
    if (!has(words.mode)) continue;
    if (!text.empty()) text += ',';
    text += words.short_word;
  }
  return text;
}

}  // namespace claimfs::volumes
