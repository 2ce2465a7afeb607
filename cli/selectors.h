#pragma once

#include <string>
#include <vector>

#include "cli/failure.h"
#include "volumes/label_selector.h"
#include "volumes/object.h"

namespace claimfs::cli {

// `-l` of kubectl: `a=b,c!=d,e,!f,g in (h,i),j notin (k),l>1`.
class Selector {
 public:
  static Outcome<Selector> parse(const std::string& text);
  bool matches(const volumes::Object& object) const;
  bool is_empty() const { return requirements_.empty(); }

 private:
  std::vector<volumes::Requirement> requirements_;
};

// `--field-selector` of kubectl: `metadata.name=x,metadata.namespace!=y`. As with Kubernetes, few
// fields can be asked for: those two everywhere, and some of Pods and Events.
class FieldSelector {
 public:
  static Outcome<FieldSelector> parse(const std::string& text);

  // What the API server says when one of the fields is not one of this kind's.
  Outcome<void> check(volumes::Kind kind) const;
  bool matches(const volumes::Object& object) const;
  bool is_empty() const { return terms_.empty(); }

 private:
  struct Term {
    std::string field;
    bool is_equal = true;
    std::string value;
  };
  std::string text_;
  std::vector<Term> terms_;
};

}  // namespace claimfs::cli
