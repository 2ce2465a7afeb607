#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/complaint.h"
#include "config/document_builder.h"

namespace claimfs::config {

// The documents of a file and what is wrong with it. A document with a complaint is not among the
// documents.
struct Documents {
  std::vector<Document> documents;
  std::vector<Complaint> complaints;
};

// Reads a stream of YAML or JSON documents. Never throws, whatever the text is.
//
// YAML means what it means to Kubernetes (plain_scalar.h), with less trust: anchors, aliases, merge
// keys, tags of one's own, duplicate keys, NUL and control characters, invalid UTF-8 and documents
// beyond the limits of document_builder.h are refused. After an error reading goes on with the next
// document. Documents of comments only are skipped.
Documents read_documents(std::string_view text, const std::string& file_name,
                         const Limits& limits = {});

}  // namespace claimfs::config
