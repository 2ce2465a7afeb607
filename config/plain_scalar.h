#pragma once

#include <string_view>

#include "volumes/object.h"

namespace claimfs::config {

// Merge is `<<`, which means something as a key only.
enum class PlainType { String, Null, Bool, Integer, Float, NotFinite, Timestamp, Merge };

struct PlainScalar {
  PlainType type = PlainType::String;
  // What the scalar means. Text for String, Timestamp and Merge; null for NotFinite, which JSON
  // cannot say.
  volumes::Json value;
};

// What an unquoted YAML scalar means to Kubernetes, which reads YAML 1.1 with go-yaml v2
// (sigs.k8s.io/yaml): `yes` is true, `0777` is 511, `1_000` is 1000. The writer asks the same
// question to know what it must quote.
PlainScalar resolve_plain(std::string_view text);

// `1:30:00`: a number of base 60 to some readers of YAML 1.1, text to Kubernetes, so it is quoted
// when written.
bool is_base_60(std::string_view text);

}  // namespace claimfs::config
