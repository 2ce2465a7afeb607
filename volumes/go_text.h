#pragma once

#include <string>
#include <string_view>

#include "volumes/object.h"

namespace claimfs::volumes {

// Text in the forms of the language that Kubernetes is written in: its messages are full of it.

// `"a\tb"`: a quoted string, the verb %q.
std::string go_quoted(std::string_view text);

// Compact JSON with sorted keys. Unlike others it escapes <, > and &.
std::string go_json(const Json& value);

}  // namespace claimfs::volumes
