#pragma once

#include <string>

#include <tl/expected.hpp>

#include "volumes/claim.h"

namespace claimfs::volumes {

// How a provisioner's parameters write what is filled in.
enum class TemplateStyle {
  Csi,        // ${pvc.metadata.name} ${pvc.metadata.namespace} ${pv.metadata.name}
  NfsSubdir,  // ${.PVC.namespace} ${.PVC.name} ${.PVC.labels.KEY} ${.PVC.annotations.KEY}
  LocalPath   // {{ .PVName }} {{ .PVC.Namespace }} {{ .PVC.Name }} {{ .PVC.Labels.KEY }} …
};

// `text` with the claim's and the volume's names filled in; a label or annotation that is not there
// is empty. The error is a sentence. Source: KUBERNETES.md 7.3.
tl::expected<std::string, std::string> fill_in(const std::string& text, TemplateStyle style,
                                               const Claim& claim, const std::string& volume_name);

// A path below a base directory, as it may be made: relative, without empty, "." and ".."
// components. Slashes around it are taken off. The error is a sentence: whatever a claim's labels
// say, the path never leaves the base.
tl::expected<std::string, std::string> path_below_base(const std::string& path);

}  // namespace claimfs::volumes
