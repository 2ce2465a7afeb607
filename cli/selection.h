#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/failure.h"
#include "cli/selectors.h"
#include "store/store.h"
#include "volumes/object.h"

namespace claimfs::cli {

// What a verb is to work on, as the command line says it.
struct ResourceArguments {
  std::vector<std::string> words;         // KIND[,KIND…] [NAME…], or KIND/NAME…
  std::vector<std::string> files;         // -f: the objects that these manifests name
  std::optional<std::string> name_space;  // -n
  bool all_namespaces = false;            // -A
  bool all = false;                       // --all
  std::string selector;                   // -l
  std::string field_selector;             // --field-selector

  std::string name_space_or_default() const { return name_space.value_or("default"); }
};

// What a kind means that stands alone, without names, --all or -l.
enum class KindAlone { MeansAll, IsError };

// The same understood, with kubectl's rules about what may not stand together.
// Source: cli-runtime pkg/resource/builder.go.
struct Selection {
  bool by_name = false;  // else all of `kinds` that the selectors and the namespace let through
  std::vector<volumes::ObjectKey> keys;  // by name: in the order they were written
  std::vector<volumes::Kind> kinds;      // each once
  Selector labels;
  FieldSelector fields;
  std::optional<std::string> name_space;  // absent: all of them

  // One object was asked for, by its name.
  bool is_single() const { return by_name && keys.size() == 1; }
  bool matches(const volumes::Object& object) const;
};
Outcome<Selection> parse_selection(const ResourceArguments& arguments, KindAlone kind_alone);

// Objects of one kind that stand together in a listing.
struct Group {
  volumes::Kind kind;
  std::vector<volumes::Object> objects;
};

// What a selection finds: the groups, the names that are not there, and the version that a watch
// may go on from.
struct Found {
  std::vector<Group> groups;
  std::vector<volumes::ObjectKey> missing;
  store::Version version = 0;

  bool is_empty() const;
  std::vector<volumes::Object> objects() const;
};
Outcome<Found> find(store::Store& store, const Selection& selection);

// `Error from server (NotFound): persistentvolumes "x" not found`.
std::string not_found_text(const volumes::ObjectKey& key);

// `No resources found in default namespace.`
std::string nothing_found_text(const Selection& selection);

// `persistentvolume/x`, `storageclass.storage.k8s.io/fast`.
std::string qualified_name(const volumes::ObjectKey& key);
// `persistentvolumes/x`: how kubectl says it in warnings and timeouts.
std::string plural_name(const volumes::ObjectKey& key);

}  // namespace claimfs::cli
