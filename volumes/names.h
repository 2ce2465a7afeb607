#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace claimfs::volumes {

// Each says everything that is wrong with a name, in Kubernetes' words; empty when nothing is.
// Source: apimachinery util/validation and api/validate/content.
std::vector<std::string> dns_subdomain_problems(std::string_view name);
std::vector<std::string> dns_label_problems(std::string_view name);
std::vector<std::string> label_key_problems(std::string_view key);
std::vector<std::string> label_value_problems(std::string_view value);
// An annotation's key is a label's, but for its case.
std::vector<std::string> annotation_key_problems(std::string_view key);

// The first of them.
std::optional<std::string> dns_subdomain_problem(std::string_view name);
std::optional<std::string> label_key_problem(std::string_view key);
std::optional<std::string> label_value_problem(std::string_view value);

}  // namespace claimfs::volumes
