#include "cli/describe.h"

#include <algorithm>
#include <memory>

#include "cli/claim_holders.h"
#include "cli/columns.h"
#include "cli/describe_source.h"
#include "cli/tab_writer.h"
#include "volumes/claim.h"
#include "volumes/pod.h"
#include "volumes/storage_class.h"
#include "volumes/timestamp.h"
#include "volumes/volume.h"

namespace claimfs::cli {
namespace {

using volumes::Kind;
using volumes::Object;
using volumes::StringMap;
using volumes::text_at;
using volumes::value_at;

constexpr std::size_t kLongestAnnotation = 140;

std::string label_lines(const StringMap& labels) {
  if (labels.empty()) return "Labels:\t<none>\n";
  std::string text = "Labels:";
  for (const auto& [key, value] : labels) text += "\t" + key + "=" + value + "\n";
  return text;
}

// A long value, or one of several lines, stands below its key.
std::string annotation_text(const std::string& key, std::string value) {
  if (value.ends_with('\n')) value.pop_back();
  const bool is_long =
      key.size() + value.size() + 2 > kLongestAnnotation || value.find('\n') != std::string::npos;
  if (!is_long) return key + ": " + value + "\n";
  std::string text = key + ":\n";
  for (std::size_t begin = 0; begin <= value.size();) {
    const std::size_t end = std::min(value.find('\n', begin), value.size());
    std::string line = value.substr(begin, end - begin);
    if (line.size() > kLongestAnnotation - 2) line = line.substr(0, kLongestAnnotation - 2) + "...";
    text += "\t  " + line + "\n";
    begin = end + 1;
  }
  return text;
}

std::string annotation_lines(StringMap annotations) {
  annotations.erase(std::string(volumes::kLastApplied));
  if (annotations.empty()) return "Annotations:\t<none>\n";
  std::string text = "Annotations:";
  for (const auto& [key, value] : annotations) text += "\t" + annotation_text(key, value);
  return text;
}

std::string finalizer_line(const volumes::Metadata& metadata) {
  std::string list;
  for (const std::string& finalizer : metadata.finalizers)
    list += (list.empty() ? "" : " ") + finalizer;
  return "Finalizers:\t[" + list + "]\n";
}

std::string status_line(const Object& object, std::int64_t now) {
  if (!object.is_deleting())
    return "Status:\t" + text_at(object.document, {"status", "phase"}) + "\n";
  return "Status:\tTerminating (lasts " +
         age_of(text_at(object.document, {"metadata", "deletionTimestamp"}), now) + ")\n";
}

std::string events_of(const Object& object, const Surroundings& surroundings) {
  std::string rows;
  for (const Object& event : surroundings.events) {
    const auto& about = value_at(event.document, {"involvedObject"});
    if (text_at(about, "kind") != volumes::names_of(object.kind).kind_name ||
        text_at(about, "name") != object.name() ||
        text_at(about, "namespace") != object.name_space() ||
        (!object.uid().empty() && text_at(about, "uid") != object.uid())) {
      continue;
    }
    std::string age = age_of(last_seen(event.document), surroundings.now);
    const auto& count = value_at(event.document, {"count"});
    if (count.is_number_integer() && count.get<long>() > 1) {
      age += " (x" + count.dump() + " over " +
             age_of(text_at(event.document, "firstTimestamp"), surroundings.now) + ")";
    }
    rows += "  " + text_at(event.document, "type") + "\t" + text_at(event.document, "reason") +
            "\t" + age + "\t" + text_at(event.document, {"source", "component"}) + "\t" +
            text_at(event.document, "message") + "\n";
  }
  if (rows.empty()) return "Events:\t<none>\n";
  return "Events:\n  Type\tReason\tAge\tFrom\tMessage\n  ----\t------\t----\t----\t-------\n" +
         rows;
}

std::string node_affinity_lines(const volumes::Volume& volume) {
  if (!volume.node_affinity) return "Node Affinity:\t<none>\n";
  std::string text = "Node Affinity:\t\n";
  if (volume.node_affinity->terms.empty()) return text + "  Required Terms:\t<none>\n";
  text += "  Required Terms:\t\n";
  for (std::size_t i = 0; i < volume.node_affinity->terms.size(); ++i) {
    const auto& term = volume.node_affinity->terms[i];
    text += "    Term " + std::to_string(i) + ":\t";
    std::string line;
    for (const auto* requirements : {&term.expressions, &term.fields}) {
      for (const auto& requirement : *requirements) {
        std::string op = requirement.op;
        std::ranges::transform(op, op.begin(), [](unsigned char c) { return std::tolower(c); });
        line += (line.empty() ? "" : "\n\t") + requirement.key + " " + op;
        std::string values;
        for (const std::string& value : requirement.values)
          values += (values.empty() ? "" : ", ") + value;
        if (!values.empty()) line += " [" + values + "]";
      }
    }
    text += (line.empty() ? "<none>" : line) + "\n";
  }
  return text;
}

std::string describe_volume(const Object& object, const Surroundings& surroundings) {
  const auto volume = volumes::Volume::from(object);
  std::string text = "Name:\t" + object.name() + "\n" + label_lines(volume.metadata.labels) +
                     annotation_lines(volume.metadata.annotations) +
                     finalizer_line(volume.metadata) + "StorageClass:\t" + volume.storage_class +
                     "\n" + status_line(object, surroundings.now) + "Claim:\t";
  if (volume.claim_ref) text += volume.claim_ref->name_space + "/" + volume.claim_ref->name;
  text += "\nReclaim Policy:\t" +
          text_at(object.document, {"spec", "persistentVolumeReclaimPolicy"}) +
          "\nAccess Modes:\t" + volume.access_modes.canonical() + "\n";
  if (const auto mode = text_at(object.document, {"spec", "volumeMode"}); !mode.empty())
    text += "VolumeMode:\t" + mode + "\n";
  text += "Capacity:\t" + volume.capacity.text() + "\n" + node_affinity_lines(volume) +
          "Message:\t" + volume.message + "\nSource:\n" +
          source_lines(value_at(object.document, {"spec"}));
  return text + events_of(object, surroundings);
}

std::string used_by_lines(const Object& claim, const Surroundings& surroundings) {
  std::vector<std::string> names;
  for (const Object& object : surroundings.pods) {
    const auto pod = volumes::Pod::from(object);
    if (pod.references(claim.name_space(), claim.name())) names.push_back(pod.metadata.name);
  }
  std::ranges::sort(names);
  if (surroundings.other_users) {
    for (std::string& user : surroundings.other_users(claim)) names.push_back(std::move(user));
  }
  if (names.empty()) return "Used By:\t<none>\n";
  std::string text = "Used By:";
  for (const std::string& name : names) text += "\t" + name + "\n";
  return text;
}

std::string condition_lines(const Object& claim) {
  const auto& conditions = value_at(claim.document, {"status", "conditions"});
  if (!conditions.is_array() || conditions.empty()) return "";
  std::string text =
      "Conditions:\n  Type\tStatus\tLastProbeTime\tLastTransitionTime\tReason\tMessage\n"
      "  ----\t------\t-----------------\t------------------\t------\t-------\n";
  for (const auto& condition : conditions) {
    text += "  " + text_at(condition, "type") + " \t" + text_at(condition, "status") + " \t" +
            text_at(condition, "lastProbeTime") + " \t" + text_at(condition, "lastTransitionTime") +
            " \t" + text_at(condition, "reason") + " \t" + text_at(condition, "message") + "\n";
  }
  return text;
}

std::string describe_claim(const Object& object, const Surroundings& surroundings) {
  const auto claim = volumes::Claim::from(object);
  const bool names_volume = !claim.volume_name.empty();
  std::string text =
      "Name:\t" + object.name() + "\nNamespace:\t" + object.name_space() + "\nStorageClass:\t" +
      claim.storage_class.value_or("") + "\n" + status_line(object, surroundings.now) +
      "Volume:\t" + claim.volume_name + "\n" + label_lines(claim.metadata.labels) +
      annotation_lines(claim.metadata.annotations) + finalizer_line(claim.metadata) + "Capacity:\t";
  if (names_volume) text += claim.status_capacity.value_or(volumes::Quantity()).text();
  text += "\nAccess Modes:\t";
  if (names_volume)
    text += volumes::AccessModes::from(value_at(object.document, {"status", "accessModes"}))
                .canonical();
  text += "\n";
  if (const auto mode = text_at(object.document, {"spec", "volumeMode"}); !mode.empty())
    text += "VolumeMode:\t" + mode + "\n";
  if (const auto& source = value_at(object.document, {"spec", "dataSource"}); source.is_object()) {
    text += "DataSource:\n";
    if (const auto group = text_at(source, "apiGroup"); !group.empty())
      text += "  APIGroup:\t" + group + "\n";
    text += "  Kind:\t" + text_at(source, "kind") + "\n  Name:\t" + text_at(source, "name") + "\n";
  }
  return text + used_by_lines(object, surroundings) + condition_lines(object) +
         events_of(object, surroundings);
}

std::string joined(const StringMap& map) {
  std::string text;
  for (const auto& [key, value] : map) text += (text.empty() ? "" : ",") + key + "=" + value;
  return text.empty() ? "<none>" : text;
}

std::string describe_class(const Object& object, const Surroundings& surroundings) {
  const auto storage_class = volumes::StorageClass::from(object);
  const auto& expansion = value_at(object.document, {"allowVolumeExpansion"});
  std::string text = "Name:\t" + object.name() + "\nIsDefaultClass:\t" +
                     (storage_class.is_default() ? "Yes" : "No") + "\nAnnotations:\t" +
                     joined(storage_class.metadata.annotations) + "\nProvisioner:\t" +
                     storage_class.provisioner + "\nParameters:\t" +
                     joined(volumes::string_map(value_at(object.document, {"parameters"}))) +
                     "\nAllowVolumeExpansion:\t" +
                     (expansion.is_boolean() ? (expansion == true ? "True" : "False") : "<unset>");
  const auto options = volumes::string_list(value_at(object.document, {"mountOptions"}));
  if (options.empty()) {
    text += "\nMountOptions:\t<none>\n";
  } else {
    text += "\nMountOptions:\n";
    for (const std::string& option : options) text += "  " + option + "\n";
  }
  text += "ReclaimPolicy:\t" + text_at(object.document, "reclaimPolicy") +
          "\nVolumeBindingMode:\t" + text_at(object.document, "volumeBindingMode") + "\n";
  return text + events_of(object, surroundings);
}

std::string describe_pod(const Object& object, const Surroundings& surroundings) {
  const auto pod = volumes::Pod::from(object);
  std::string text = "Name:\t" + object.name() + "\nNamespace:\t" + object.name_space() +
                     "\nNode:\t" + (pod.node.empty() ? "<none>" : pod.node) + "\n" +
                     label_lines(pod.metadata.labels) + annotation_lines(pod.metadata.annotations) +
                     status_line(object, surroundings.now) + "Volumes:\n";
  for (const auto& use : pod.claims) {
    text +=
        "  Claim:\t" + use.claim + "\n  ReadOnly:\t" + (use.read_only ? "true" : "false") + "\n";
  }
  return text + events_of(object, surroundings);
}

std::string describe_other(const Object& object) {
  std::string text = "Name:\t" + object.name() + "\n";
  if (!object.name_space().empty()) text += "Namespace:\t" + object.name_space() + "\n";
  for (const auto& [key, value] : object.document.items()) {
    if (key != "metadata")
      text += key + ":\t" + (value.is_string() ? value.get<std::string>() : value.dump()) + "\n";
  }
  return text;
}

// One look serves for all claims that are described together.
std::function<std::vector<std::string>(const Object&)> other_users_in(store::Store& store) {
  return [&store, holders = std::shared_ptr<ClaimHolders>()](
             const Object& claim) mutable -> std::vector<std::string> {
    if (!holders) {
      auto looked = ClaimHolders::look(store);
      if (!looked) return {};
      holders = std::make_shared<ClaimHolders>(std::move(*looked));
    }
    std::vector<std::string> lines;
    for (const ClaimHolder& holder : holders->of(volumes::Metadata::from(claim.document))) {
      if (!holder.is_pod) lines.push_back(text_of(holder));
    }
    return lines;
  };
}

}  // namespace

Result<Surroundings> surroundings_of(store::Store& store, std::int64_t now) {
  auto events = TRY(store.list(Kind::Event));
  auto pods = TRY(store.list(Kind::Pod));
  std::ranges::stable_sort(events.objects, {},
                           [](const Object& event) { return last_seen(event.document); });
  return Surroundings{std::move(events.objects), std::move(pods.objects), now,
                      other_users_in(store)};
}

std::string describe(const Object& object, const Surroundings& surroundings) {
  std::string text;
  switch (object.kind) {
    case Kind::PersistentVolume:
      text = describe_volume(object, surroundings);
      break;
    case Kind::PersistentVolumeClaim:
      text = describe_claim(object, surroundings);
      break;
    case Kind::StorageClass:
      text = describe_class(object, surroundings);
      break;
    case Kind::Pod:
      text = describe_pod(object, surroundings);
      break;
    case Kind::Event:
    case Kind::Attachment:
    case Kind::Mount:
    case Kind::VolumeUsage:
      text = describe_other(object);
      break;
  }
  return align(text, 0, 2);
}

}  // namespace claimfs::cli
