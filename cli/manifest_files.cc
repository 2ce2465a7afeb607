#include "cli/manifest_files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <set>

#include "volumes/validation.h"

namespace claimfs::cli {
namespace {

using volumes::Kind;
using volumes::Object;

bool is_manifest(const std::filesystem::path& path) {
  const std::string extension = path.extension();
  return extension == ".yaml" || extension == ".yml" || extension == ".json";
}

std::string where(const config::Manifest& manifest, std::string_view field) {
  return manifest.file + ":" +
         std::to_string(field.empty() ? manifest.line : config::line_of(manifest, field));
}

// What kubectl says of a document that is no object it knows.
std::string not_an_object(const volumes::Json& document) {
  const std::string kind = volumes::text_at(document, "kind");
  const std::string version = volumes::text_at(document, "apiVersion");
  if (kind.empty())
    return "Object 'Kind' is missing in " +
           document.dump(-1, ' ', false, volumes::Json::error_handler_t::replace);
  if (version.empty())
    return "Object 'apiVersion' is missing in " +
           document.dump(-1, ' ', false, volumes::Json::error_handler_t::replace);
  return "no matches for kind \"" + kind + "\" in version \"" + version +
         "\": claimfs knows PersistentVolume, PersistentVolumeClaim, Pod and Event of v1, "
         "StorageClass of storage.k8s.io/v1 "
         "and Attachment of claimfs.io/v1alpha1";
}

Outcome<std::vector<std::string>> files_of(const std::string& path) {
  if (path == "-") return std::vector{path};
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) return std::vector{path};
  std::set<std::string> files;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    if (is_manifest(entry->path()) && !entry->is_directory()) files.insert(entry->path());
  }
  if (error) return fail(ExitStatus::Failed, path + ": " + error.message());
  if (files.empty())
    return fail(ExitStatus::Failed,
                path + ": there is no *.yaml, *.yml or *.json in this directory");
  return std::vector(files.begin(), files.end());
}

Outcome<std::string> text_of(const std::string& file) {
  if (file == "-") return std::string(std::istreambuf_iterator<char>(std::cin), {});
  std::ifstream stream(file, std::ios::binary);
  if (!stream) {
    return fail(errno == EACCES ? ExitStatus::NotPermitted : ExitStatus::Failed,
                "error: the path \"" + file + "\" cannot be read: " + std::strerror(errno));
  }
  return std::string(std::istreambuf_iterator<char>(stream), {});
}

}  // namespace

WrittenObjects read_written(std::string_view text, const std::string& file,
                            const std::string& name_space, const config::Limits& limits) {
  WrittenObjects written;
  config::Manifests manifests = config::read_manifests(text, file, limits);
  for (const config::Complaint& complaint : manifests.complaints)
    written.complaints.push_back(complaint.text());
  for (config::Manifest& manifest : manifests.manifests) {
    const auto kind = volumes::kind_from_document(manifest.document);
    if (!kind) {
      if (volumes::text_at(manifest.document, "kind") == "Namespace") continue;
      written.complaints.push_back(where(manifest, "") + ": " + not_an_object(manifest.document));
      continue;
    }
    const volumes::Json& metadata = volumes::value_at(manifest.document, {"metadata"});
    if (volumes::names_of(*kind).namespaced && metadata.is_object() &&
        !metadata.contains("namespace")) {
      manifest.document["metadata"]["namespace"] = name_space;
    }
    written.objects.push_back({{*kind, manifest.document}, std::move(manifest)});
  }
  return written;
}

Outcome<WrittenObjects> read_files(const std::vector<std::string>& paths,
                                   const std::string& name_space, const config::Limits& limits) {
  WrittenObjects all;
  for (const std::string& path : paths) {
    const auto files = files_of(path);
    if (!files) return tl::unexpected(files.error());
    for (const std::string& file : *files) {
      const auto text = text_of(file);
      if (!text) return tl::unexpected(text.error());
      WrittenObjects written =
          read_written(*text, file == "-" ? "STDIN" : file, name_space, limits);
      std::ranges::move(written.objects, std::back_inserter(all.objects));
      std::ranges::move(written.complaints, std::back_inserter(all.complaints));
    }
  }
  return all;
}

control::ManifestParser manifest_parser() {
  return [](std::string_view text, const std::string& file) {
    WrittenObjects written = read_written(text, file, "default");
    control::ParsedManifest parsed;
    parsed.complaints = std::move(written.complaints);
    for (WrittenObject& each : written.objects) {
      for (const volumes::FieldError& error : volumes::validate_new(each.object)) {
        parsed.complaints.push_back(where(each.manifest, error.field) + ": " + error.message);
      }
      parsed.objects.push_back(std::move(each.object));
    }
    return parsed;
  };
}

std::string refusal_text(const control::Refusal& refusal, const config::Manifest& manifest) {
  if (refusal.causes.empty()) {
    const bool is_invalid = refusal.reason == control::Refusal::Reason::Invalid;
    return is_invalid ? where(manifest, "") + ": " + refusal.message : failure_of(refusal).message;
  }
  // kubectl's form, each error with its place.
  std::string text =
      refusal.message.substr(0, refusal.message.find(" is invalid: ")) + " is invalid: ";
  for (const volumes::FieldError& cause : refusal.causes) {
    // What follows the first line is a difference, shown line by line.
    const auto line_end = std::min(cause.message.find('\n'), cause.message.size());
    text += (refusal.causes.size() > 1 ? "\n* " : "") + cause.message.substr(0, line_end) + " (" +
            where(manifest, cause.field) + ")" + cause.message.substr(line_end);
  }
  return text;
}

}  // namespace claimfs::cli
