#pragma once

#include <string>
#include <vector>

#include "cli/failure.h"
#include "config/manifests.h"
#include "control/api.h"
#include "control/manifest_directory.h"
#include "volumes/object.h"

namespace claimfs::cli {

// An object that a person wrote, and where.
struct WrittenObject {
  volumes::Object object;
  config::Manifest manifest;
};

struct WrittenObjects {
  std::vector<WrittenObject> objects;
  std::vector<std::string> complaints;  // `FILE:LINE: what`
};

// Reads a manifest's text. Objects without a namespace are given `name_space`; namespaces as
// objects are passed over: a namespace needs none.
WrittenObjects read_written(std::string_view text, const std::string& file,
                            const std::string& name_space, const config::Limits& limits = {});

// Reads the files that -f names: a file, a directory (its *.yaml, *.yml and *.json), or `-`.
Outcome<WrittenObjects> read_files(const std::vector<std::string>& paths,
                                   const std::string& name_space,
                                   const config::Limits& limits = {});

// The reader for manifest directories.
control::ManifestParser manifest_parser();

// A refusal with the lines of the manifest that it is about.
std::string refusal_text(const control::Refusal& refusal, const config::Manifest& manifest);

}  // namespace claimfs::cli
