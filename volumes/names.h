#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace claimfs::volumes {

// Each says what is wrong with a name, in Kubernetes' words, or nothing. Source: apimachinery
// util/validation.
std::optional<std::string> dns_subdomain_problem(std::string_view name);
std::optional<std::string> dns_label_problem(std::string_view name);
std::optional<std::string> label_key_problem(std::string_view key);
std::optional<std::string> label_value_problem(std::string_view value);

}  // namespace claimfs::volumes
