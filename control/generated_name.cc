#include "control/generated_name.h"

#include <cstddef>
#include <random>
#include <string_view>

namespace claimfs::control {

std::string generated_name(std::string prefix) {
  // No vowels, so that no words come about; nothing that looks like something else.
  constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  constexpr std::size_t kLongest = 63, kRandom = 5;
  if (prefix.size() > kLongest - kRandom) prefix.resize(kLongest - kRandom);
  std::random_device random;
  std::uniform_int_distribution<std::size_t> place(0, kLetters.size() - 1);
  for (std::size_t i = 0; i < kRandom; ++i) prefix += kLetters[place(random)];
  return prefix;
}

}  // namespace claimfs::control
