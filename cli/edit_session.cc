#include "cli/edit_session.h"

#include <algorithm>
#include <iostream>
#include <sstream>

#include "cli/manifest_files.h"
#include "cli/merge_patch.h"
#include "cli/selection.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::Object;

constexpr const char* kGreeting =
    "# Please edit the object below. Lines beginning with a '#' will be ignored,\n"
    "# and an empty file will abort the edit. If an error occurs while saving this file will be\n"
    "# reopened with the relevant failures.\n"
    "#\n";

// Every line of it a comment.
std::string commented(const std::string& text) {
  std::string result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    result += (result.empty() ? "# " : "\n# ") + line;
  return result + "\n";
}

// What stands below the comments that the file begins with.
std::string below_greeting(const std::string& text) {
  std::size_t at = 0;
  while (at < text.size() && text[at] == '#') {
    const auto end = text.find('\n', at);
    at = end == std::string::npos ? text.size() : end + 1;
  }
  return text.substr(at);
}

std::string in_messages(const Object& object) {
  const auto& names = volumes::names_of(object.kind);
  return names.qualified(names.plural) + " \"" + object.name() + "\"";
}

}  // namespace

std::string without_comments(const std::string& text) {
  std::string result;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find_first_not_of(" \t\r");
    if (first != std::string::npos && line[first] != '#') result += line + "\n";
  }
  return result;
}

Outcome<EditSession> EditSession::begin(Context& context, std::vector<Object> objects,
                                        const std::string& output) {
  if (!output.empty() && output != "json" && output != "yaml")
    return fail(ExitStatus::Usage, "error: edit shows yaml or json, not \"" + output + "\"");
  auto printer = DeedPrinter::of("");
  if (!printer) return tl::unexpected(printer.error());
  EditSession session(context, std::move(*printer));
  session.is_json_ = output == "json";
  const auto format = OutputFormat::parse(session.is_json_ ? "json" : "yaml");
  auto text = format->text(objects, /*as_list=*/objects.size() != 1);
  if (!text) return tl::unexpected(text.error());
  session.original_ = std::move(*text);
  // Compared is what was read with what was read: the same reader leaves no difference of its own.
  WrittenObjects read = read_written(session.original_, "original", "default");
  if (!read.complaints.empty()) return fail(ExitStatus::Failed, read.complaints.front());
  for (WrittenObject& each : read.objects) session.objects_.push_back(std::move(each.object));
  return session;
}

std::string EditSession::text_to_edit() const {
  const std::string body = reasons_.empty() ? original_ : below_greeting(edited_);
  if (is_json_) return body;
  std::string text = kGreeting;
  for (const Reason& reason : reasons_) {
    text += commented(reason.head + (reason.details.empty() ? "" : ":"));
    for (const std::string& detail : reason.details) text += commented("* " + detail);
    text += "#\n";
  }
  return text + body;
}

tl::unexpected<Failure> EditSession::give_up(Failure failure) {
  if (file_) std::cerr << "A copy of your changes has been stored to \"" << file_->path() << "\"\n";
  return tl::unexpected(std::move(failure));
}

Outcome<ExitStatus> EditSession::run() {
  while (true) {
    const auto verdict = edit_once();
    if (!verdict) return tl::unexpected(verdict.error());
    if (*verdict) return **verdict;
  }
}

Outcome<EditSession::Verdict> EditSession::edit_once() {
  const auto file = EditedFile::create(is_json_ ? ".json" : ".yaml");
  if (!file) return give_up(file.error());
  const std::string offered = text_to_edit();
  if (const auto written = file->write(offered); !written) return give_up(written.error());
  const auto opened = Editor::of_environment().open(file->path());
  auto edited = file->read();
  if (!opened || !edited) {
    // What the editor saved before it failed is kept; what it left as it was is not worth a file.
    if (edited && *edited == offered) {
      file->remove();
    } else {
      if (file_) file_->remove();
      file_ = *file;
    }
    return give_up(opened ? edited.error() : opened.error());
  }
  const bool is_same_mistake =
      !reasons_.empty() && without_comments(*edited) == without_comments(edited_);
  if (file_) file_->remove();
  file_ = *file;
  edited_ = std::move(*edited);
  if (is_same_mistake) {
    return give_up({ExitStatus::Failed, "error: Edit cancelled, no valid changes were saved."});
  }
  return judge();
}

Outcome<EditSession::Verdict> EditSession::judge() {
  const std::string bare = without_comments(edited_);
  if (bare == without_comments(original_) || bare.empty()) {
    file_->remove();
    std::cerr << (bare.empty() ? "Edit cancelled, saved file was empty.\n"
                               : "Edit cancelled, no changes made.\n");
    return Verdict(ExitStatus::Done);
  }
  reasons_.clear();
  unknown_ = unstored_ = 0;
  const WrittenObjects written = read_written(edited_, file_->path(), "default");
  for (const std::string& complaint : written.complaints)
    reasons_.push_back({"The edited file had a syntax error: " + complaint, {}});
  if (!reasons_.empty()) return Verdict();

  for (const WrittenObject& each : written.objects) {
    if (const auto stored = store(each.object); !stored) return give_up(stored.error());
  }
  if (unstored_ > 0) {
    std::cerr << "You can run `claimfs apply -f " << file_->path()
              << "` to try this update again.\n";
    return Verdict(ExitStatus::Failed);
  }
  if (unknown_ > 0) {
    std::cerr << "The edits you made on deleted resources have been saved to \"" << file_->path()
              << "\"\n";
    return Verdict(ExitStatus::Failed);
  }
  if (!reasons_.empty()) return Verdict();
  file_->remove();
  return Verdict(ExitStatus::Done);
}

// One object of the text. Only a failure that ends the session is one here.
Outcome<void> EditSession::store(const Object& edited) {
  const auto original = std::ranges::find_if(
      objects_, [&edited](const Object& object) { return object.uid() == edited.uid(); });
  if (original == objects_.end()) {
    return fail(ExitStatus::Failed, "error: no original object found for " +
                                        qualified_name(edited.key()) +
                                        ": its uid is not one of the objects that are edited");
  }
  if (original->document == edited.document) return printer_.print(edited, "skipped");
  if (original->key() != edited.key()) {
    return fail(ExitStatus::Failed, "error: At least one of apiVersion, kind and name was changed");
  }
  const Json patch = merge_patch_between(original->document, edited.document);
  const auto patched = context_.api->patch(original->key(), patch);
  if (patched) return printer_.print(patched->object, "edited");
  refuse(edited, patched.error());
  return {};
}

void EditSession::refuse(const Object& object, const control::Refusal& refusal) {
  const std::string name = in_messages(object);
  switch (refusal.reason) {
    case control::Refusal::Reason::Invalid: {
      Reason reason{name + " was not valid", {}};
      for (const volumes::FieldError& cause : refusal.causes)
        reason.details.push_back(cause.message);
      if (refusal.causes.empty()) reason.details.push_back(refusal.message);
      std::cerr << "error: " << name << " is invalid\n";
      // JSON has no comments that could say it.
      for (const std::string& detail : reason.details) {
        if (is_json_) std::cerr << "* " << detail << "\n";
      }
      reasons_.push_back(std::move(reason));
      break;
    }
    case control::Refusal::Reason::NotFound:
      ++unknown_;
      std::cerr << "error: " << name << " could not be found on the server\n";
      break;
    default:
      ++unstored_;
      std::cerr << "error: " << name << " could not be patched: " << refusal.message << "\n";
  }
}

}  // namespace claimfs::cli
