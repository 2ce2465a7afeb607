#pragma once

#include <string>
#include <string_view>

namespace claimfs::config {

// Whether Kubernetes takes `name` for a node's: a DNS-1123 subdomain, that is labels of lower-case
// letters, digits and inner dashes, joined by dots, 253 characters at most.
bool is_node_name(std::string_view name);

// The host's name as a node name: in lower case, with a dash for what no node name may contain.
std::string host_node_name();

}  // namespace claimfs::config
