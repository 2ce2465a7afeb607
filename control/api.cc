#include "control/api.h"

#include "control/generated_name.h"
#include "control/merge.h"
#include "control/uid.h"
#include "volumes/admission.h"
#include "volumes/metadata.h"
#include "volumes/timestamp.h"
#include "volumes/validation.h"

namespace claimfs::control {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::Object;
using volumes::ObjectKey;

// Lost races are run again; somebody who loses this often meets a store that does not work.
constexpr int kAttempts = 20;

std::string quoted(const ObjectKey& key) {
  const auto& names = volumes::names_of(key.kind);
  return names.qualified(names.plural) + " \"" + key.name + "\"";
}

tl::unexpected<Refusal> refuse(Refusal::Reason reason, std::string message) {
  return tl::unexpected(Refusal{.reason = reason, .message = std::move(message), .causes = {}});
}

tl::unexpected<Refusal> refuse(const Error& error, const ObjectKey& key) {
  switch (error.code) {
    case ENOENT:
      return refuse(Refusal::Reason::NotFound, quoted(key) + " not found");
    case EEXIST:
      return refuse(Refusal::Reason::AlreadyExists, quoted(key) + " already exists");
    case EAGAIN:
      return refuse(Refusal::Reason::Conflict,
                    "Operation cannot be fulfilled on " + quoted(key) +
                        ": the object has been modified; please apply your changes to the latest "
                        "version and try again");
    default:
      return refuse(Refusal::Reason::Unreachable, "the store failed: " + error.message());
  }
}

tl::unexpected<Refusal> invalid(const Object& object, std::vector<volumes::FieldError> causes) {
  const auto& names = volumes::names_of(object.kind);
  std::string message =
      "The " + std::string(names.kind_name) + " \"" + object.name() + "\" is invalid: ";
  if (causes.size() == 1) {
    message += causes.front().message;
  } else {
    for (const auto& cause : causes) message += "\n* " + cause.message;
  }
  return tl::unexpected(Refusal{Refusal::Reason::Invalid, std::move(message), std::move(causes)});
}

Json last_applied_of(const Object& object) {
  const std::string text =
      volumes::text_at(object.document, {"metadata", "annotations", volumes::kLastApplied});
  Json parsed = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  return parsed.is_object() ? parsed : Json::object();
}

// What a client cannot change by replacing an object. Of the rest of these fields Kubernetes fills
// in what is missing, and refuses what differs. Source: apiserver's registry/rest BeforeUpdate.
void keep_server_fields(const Object& before, Object& after) {
  Json& metadata = after.document["metadata"];
  const auto old_value = [&before](const char* key) -> const Json& {
    return volumes::value_at(before.document, {"metadata", key});
  };
  for (const char* key : {"creationTimestamp", "resourceVersion"}) {
    if (old_value(key).is_null()) {
      metadata.erase(key);
    } else {
      metadata[key] = old_value(key);
    }
  }
  if (!old_value("deletionTimestamp").is_null())
    metadata["deletionTimestamp"] = old_value("deletionTimestamp");
  for (const char* key : {"uid", "deletionGracePeriodSeconds"}) {
    if (!metadata.contains(key) && !old_value(key).is_null()) metadata[key] = old_value(key);
  }
  const Json& status = volumes::value_at(before.document, {"status"});
  if (status.is_null()) {
    after.document.erase("status");
  } else {
    after.document["status"] = status;
  }
}

// What kubectl warns of when it applies to an object that is there.
void add_apply_warnings(const Object& before, bool dry_run, std::vector<std::string>& warnings) {
  const bool was_applied =
      volumes::value_at(before.document, {"metadata", "annotations", volumes::kLastApplied})
          .is_string();
  if (!was_applied && !dry_run) {
    const std::string name =
        std::string(volumes::names_of(before.kind).plural) + "/" + before.name();
    warnings.insert(
        warnings.begin(),
        "resource " + name + " is missing the " + std::string(volumes::kLastApplied) +
            " annotation which is required by kubectl apply. kubectl apply should only be used on "
            "resources created declaratively by either kubectl create --save-config or kubectl "
            "apply. The missing annotation will be patched automatically.");
  }
  if (before.is_deleting()) {
    warnings.push_back("Detected changes to resource " + before.name() +
                       " which is currently being deleted.");
  }
}

bool has_finalizers(const Object& object) {
  const Json& finalizers = volumes::value_at(object.document, {"metadata", "finalizers"});
  return finalizers.is_array() && !finalizers.empty();
}

}  // namespace

Api::Api(store::Store& store, Clock clock) : store_(store), clock_(std::move(clock)) {}

Answered<std::optional<Object>> Api::find(const ObjectKey& key) {
  auto found = store_.get(key);
  if (found) return std::optional(std::move(*found));
  if (found.error().code == ENOENT) return std::nullopt;
  return refuse(found.error(), key);
}

Answered<std::vector<volumes::StorageClass>> Api::classes() {
  const auto listing = store_.list(Kind::StorageClass);
  if (!listing) return refuse(listing.error(), {Kind::StorageClass, "", ""});
  std::vector<volumes::StorageClass> classes;
  for (const Object& object : listing->objects)
    classes.push_back(volumes::StorageClass::from(object));
  return classes;
}

Answered<Api::Applied> Api::store_new(const Object& desired, bool dry_run) {
  if (auto errors = volumes::validate_new(desired); !errors.empty())
    return invalid(desired, std::move(errors));
  auto known_classes = classes();
  if (!known_classes) return tl::unexpected(known_classes.error());

  Object object{desired.kind, volumes::normalized(desired)};
  object = volumes::admitted(std::move(object), *known_classes, volumes::timestamp_text(clock_()),
                             new_uid());
  // Defaults are validated too: they may complete what was not wrong before.
  if (auto errors = volumes::validate_new(object); !errors.empty())
    return invalid(object, std::move(errors));
  Applied applied{Outcome::Created, object, volumes::creation_warnings(object)};
  if (dry_run) return applied;
  auto created = store_.create(object);
  if (!created) return refuse(created.error(), object.key());
  applied.object = std::move(*created);
  return applied;
}

Answered<Api::Applied> Api::create(const Object& desired, bool dry_run) {
  const std::string prefix = volumes::text_at(desired.document, {"metadata", "generateName"});
  if (desired.name().empty() && !prefix.empty())
    return create_named_by_us(desired, prefix, dry_run);
  const auto existing = find(desired.key());
  if (!existing) return tl::unexpected(existing.error());
  if (*existing)
    return refuse(Refusal::Reason::AlreadyExists, quoted(desired.key()) + " already exists");
  return store_new(desired, dry_run);
}

Answered<Api::Applied> Api::create_named_by_us(Object desired, const std::string& prefix,
                                               bool dry_run) {
  for (int attempt = 1;; ++attempt) {
    desired.document["metadata"]["name"] = generated_name(prefix);
    auto created = create(desired, dry_run);
    const bool is_taken = !created && created.error().reason == Refusal::Reason::AlreadyExists;
    if (!is_taken || attempt == kAttempts) return created;
  }
}

Answered<Api::Applied> Api::replace(const Object& before, Object after, bool dry_run) {
  // Types first: normalizing relies on them.
  if (auto errors = volumes::decoding_errors(after, &before); !errors.empty())
    return invalid(after, std::move(errors));
  const std::string wanted_version = after.resource_version();
  if (!wanted_version.empty() && wanted_version != before.resource_version())
    return refuse(Error(EAGAIN), after.key());
  if (const std::string uid = after.uid(); !uid.empty() && uid != before.uid()) {
    volumes::FieldErrors errors;
    errors.invalid("metadata.uid", uid, "field is immutable");
    return invalid(after, errors.take());
  }
  after.document = volumes::normalized(after);
  volumes::apply_defaults(after);
  volumes::settle_data_sources(after, &before);
  keep_server_fields(before, after);
  if (after.document == before.document) return Applied{Outcome::Unchanged, before, {}};
  if (auto errors = volumes::validate_update(before, after); !errors.empty())
    return invalid(after, std::move(errors));
  auto known_classes = classes();
  if (!known_classes) return tl::unexpected(known_classes.error());
  if (const std::string why = volumes::growth_refusal(before, after, *known_classes);
      !why.empty()) {
    return refuse(Refusal::Reason::Forbidden, quoted(after.key()) + " is forbidden: " + why);
  }
  Applied applied{Outcome::Configured, after, volumes::creation_warnings(after)};
  if (dry_run) return applied;
  if (after.is_deleting() && !has_finalizers(after)) {
    if (const auto removed = store_.remove(after.key(), before.resource_version()); !removed) {
      return refuse(removed.error(), after.key());
    }
    return applied;
  }
  auto updated = store_.update(after);
  if (!updated) return refuse(updated.error(), after.key());
  applied.object = std::move(*updated);
  return applied;
}

Answered<Api::Applied> Api::apply(const Object& desired, bool dry_run) {
  // What cannot be read cannot be merged either.
  if (auto errors = volumes::decoding_errors(desired, nullptr); !errors.empty())
    return invalid(desired, std::move(errors));
  for (int attempt = 1;; ++attempt) {
    auto existing = find(desired.key());
    if (!existing) return tl::unexpected(existing.error());
    const Object remembered = with_last_applied(desired);
    Answered<Applied> applied = tl::unexpected(Refusal{});
    if (!*existing) {
      applied = store_new(remembered, dry_run);
    } else {
      const Object& before = **existing;
      Json merged = three_way_merge(last_applied_of(before), remembered.document, before.document);
      applied = replace(before, {desired.kind, std::move(merged)}, dry_run);
      if (applied) add_apply_warnings(before, dry_run, applied->warnings);
    }
    if (applied) return applied;
    const bool lost_race = applied.error().reason == Refusal::Reason::Conflict ||
                           applied.error().reason == Refusal::Reason::AlreadyExists;
    // Who asks for one version gets no other.
    const bool is_final = !desired.resource_version().empty();
    if (!lost_race || is_final || attempt == kAttempts) return applied;
  }
}

Answered<Api::Applied> Api::patch(const ObjectKey& key, const Json& merge_patch) {
  if (!merge_patch.is_object())
    return refuse(Refusal::Reason::Invalid, "a merge patch must be a JSON object");
  for (int attempt = 1;; ++attempt) {
    auto existing = find(key);
    if (!existing) return tl::unexpected(existing.error());
    if (!*existing) return refuse(Error(ENOENT), key);
    Object after = **existing;
    after.document.merge_patch(merge_patch);
    if (after.key() != key || volumes::kind_from_document(after.document) != key.kind) {
      return refuse(Refusal::Reason::Invalid,
                    "a patch cannot change an object's kind, namespace or name");
    }
    // Who asks for one version gets no other.
    const bool is_final = !volumes::text_at(merge_patch, {"metadata", "resourceVersion"}).empty();
    auto applied = replace(**existing, std::move(after), /*dry_run=*/false);
    if (applied || applied.error().reason != Refusal::Reason::Conflict || is_final ||
        attempt == kAttempts)
      return applied;
  }
}

Answered<Api::Deleted> Api::remove(const ObjectKey& key) {
  for (int attempt = 1;; ++attempt) {
    auto existing = find(key);
    if (!existing) return tl::unexpected(existing.error());
    if (!*existing) return refuse(Error(ENOENT), key);
    Object object = std::move(**existing);
    Result<void> done;
    // There is no kubelet that would end a Pod: it goes at once.
    const bool goes = key.kind == Kind::Pod || !has_finalizers(object);
    if (goes) {
      done = store_.remove(key, object.resource_version());
    } else if (!object.is_deleting()) {
      object.document["metadata"]["deletionTimestamp"] = volumes::timestamp_text(clock_());
      object.document["metadata"]["deletionGracePeriodSeconds"] = 0;
      auto updated = store_.update(object);
      if (updated) {
        object = std::move(*updated);
      } else {
        done = failure(updated.error());
      }
    }
    if (done) return Deleted{std::move(object), goes};
    if (done.error().code != EAGAIN || attempt == kAttempts) return refuse(done.error(), key);
  }
}

Answered<void> Api::import(std::vector<Object>& objects) {
  std::vector<store::Write> writes;
  for (Object& object : objects) {
    if (object.name().empty())
      return refuse(Refusal::Reason::Invalid, "an object without metadata.name cannot be imported");
    writes.push_back({store::Write::Type::Put, &object});
  }
  if (const auto stored = store_.write_all(writes); !stored)
    return refuse(Refusal::Reason::Unreachable, "the store failed: " + stored.error().message());
  return {};
}

}  // namespace claimfs::control
