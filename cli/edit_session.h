#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/deed_printer.h"
#include "cli/editor.h"
#include "cli/failure.h"
#include "volumes/object.h"

namespace claimfs::cli {

// A person edits objects as a text, until what is written can be stored or is given up. What is
// invalid comes back to the editor with the reasons on top, as comments; what cannot be stored at
// all stays in its file, which is named. Source: kubectl pkg/cmd/util/editor/editoptions.go.
class EditSession {
 public:
  // `output`: "" or yaml, or json, which has no room for comments.
  static Outcome<EditSession> begin(Context& context, std::vector<volumes::Object> objects,
                                    const std::string& output);
  Outcome<ExitStatus> run();

 private:
  struct Reason {
    std::string head;
    std::vector<std::string> details;
  };
  // How a look at the edited text ended: with an exit status, or the editor opens again.
  using Verdict = std::optional<ExitStatus>;

  EditSession(Context& context, DeedPrinter printer) : context_(context), printer_(printer) {}

  std::string text_to_edit() const;
  Outcome<Verdict> edit_once();
  Outcome<Verdict> judge();
  Outcome<void> store(const volumes::Object& edited);
  void refuse(const volumes::Object& object, const control::Refusal& refusal);
  tl::unexpected<Failure> give_up(Failure failure);

  Context& context_;
  DeedPrinter printer_;
  bool is_json_ = false;
  std::string original_;
  std::vector<volumes::Object> objects_;  // as `original_` reads
  std::string edited_;
  std::optional<EditedFile> file_;  // holds `edited_`
  std::vector<Reason> reasons_;     // why the last text could not be stored
  int unknown_ = 0;                 // objects of the last text that are no longer there
  int unstored_ = 0;                // objects that are right and were refused all the same
};

// Without the lines that are comments, and without blank lines.
std::string without_comments(const std::string& text);

}  // namespace claimfs::cli
