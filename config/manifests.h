#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "config/complaint.h"
#include "config/document_builder.h"
#include "volumes/object.h"

namespace claimfs::config {

// One object as a file describes it, and where, so that whoever finds a mistake in it can say the
// line.
struct Manifest {
  volumes::Json document;  // always a map
  std::string file;
  int line = 0;  // where the object begins, from 1
  std::map<std::string, int>
      lines;  // of its fields, by path: "spec.capacity.storage", "spec.volumes[0].name"
};

struct Manifests {
  std::vector<Manifest> manifests;
  std::vector<Complaint>
      complaints;  // in the order of the file; empty: the file was read completely
};

// Reads a stream of YAML or JSON documents; lists (`kind: List`, `kind: PersistentVolumeList`, …)
// are unfolded. Never throws, whatever the text is. Limits: document_builder.h; what is refused:
// yaml_reader.h. Numbers below `capacity`, `requests` and `limits` come as the text they were
// written as: `storage: 1.5` is "1.5".
Manifests read_manifests(std::string_view text, const std::string& file_name,
                         const Limits& limits = {});

// The line of a field, or else of the nearest ancestor that is there. Paths as Kubernetes writes
// them in its errors: `spec.capacity[storage]`, `spec.volumes[0].name`,
// `metadata.annotations.example.com/key`.
int line_of(const Manifest& manifest, std::string_view field_path);

}  // namespace claimfs::config
