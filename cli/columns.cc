#include "cli/columns.h"

#include <algorithm>

#include "volumes/attachment.h"
#include "volumes/claim.h"
#include "volumes/metadata.h"
#include "volumes/pod.h"
#include "volumes/storage_class.h"
#include "volumes/timestamp.h"
#include "volumes/volume.h"

namespace claimfs::cli {
namespace {

using volumes::Kind;
using volumes::Object;
using volumes::text_at;
using volumes::value_at;

using Row = std::vector<std::string>;

std::string or_unset(const std::string& text) { return text.empty() ? "<unset>" : text; }

std::string status_of(const Object& object) {
  return object.is_deleting() ? "Terminating" : text_at(object.document, {"status", "phase"});
}

Row volume_row(const Object& object, bool wide, std::int64_t now) {
  const auto volume = volumes::Volume::from(object);
  Row row = {object.name(),
             volume.capacity.text(),
             volume.access_modes.canonical(),
             text_at(object.document, {"spec", "persistentVolumeReclaimPolicy"}),
             status_of(object),
             volume.claim_ref ? volume.claim_ref->name_space + "/" + volume.claim_ref->name : "",
             volume.storage_class,
             or_unset(volume.attributes_class),
             text_at(object.document, {"status", "reason"}),
             age_of(volume.metadata.created, now)};
  if (wide) row.push_back(or_unset(text_at(object.document, {"spec", "volumeMode"})));
  return row;
}

Row claim_row(const Object& object, bool wide, std::int64_t now) {
  const auto claim = volumes::Claim::from(object);
  const bool names_volume = !claim.volume_name.empty();
  Row row = {object.name(),
             status_of(object),
             claim.volume_name,
             names_volume ? claim.status_capacity.value_or(volumes::Quantity()).text() : "",
             names_volume
                 ? volumes::AccessModes::from(value_at(object.document, {"status", "accessModes"}))
                       .canonical()
                 : "",
             claim.storage_class.value_or(""),
             or_unset(claim.attributes_class),
             age_of(claim.metadata.created, now)};
  if (wide) row.push_back(or_unset(text_at(object.document, {"spec", "volumeMode"})));
  return row;
}

Row class_row(const Object& object, std::int64_t now) {
  const auto storage_class = volumes::StorageClass::from(object);
  return {object.name() + (storage_class.is_default() ? " (default)" : ""),
          storage_class.provisioner,
          text_at(object.document, "reclaimPolicy"),
          text_at(object.document, "volumeBindingMode"),
          storage_class.allows_expansion ? "true" : "false",
          age_of(storage_class.metadata.created, now)};
}

Row pod_row(const Object& object, bool wide, std::int64_t now) {
  const auto pod = volumes::Pod::from(object);
  const auto& containers = value_at(object.document, {"spec", "containers"});
  Row row = {object.name(), "0/" + std::to_string(containers.size()),
             object.is_deleting() ? "Terminating" : pod.phase, "0",
             age_of(pod.metadata.created, now)};
  if (wide) row.push_back(pod.node.empty() ? "<none>" : pod.node);
  return row;
}

Row event_row(const Object& object, std::int64_t now) {
  const auto& document = object.document;
  std::string kind = text_at(document, {"involvedObject", "kind"});
  std::ranges::transform(kind, kind.begin(), [](unsigned char c) { return std::tolower(c); });
  return {age_of(last_seen(document), now), text_at(document, "type"), text_at(document, "reason"),
          kind + "/" + text_at(document, {"involvedObject", "name"}), text_at(document, "message")};
}

Row attachment_row(const Object& object, std::int64_t now) {
  const auto attachment = volumes::Attachment::from(object);
  return {object.name(),
          attachment.volume,
          attachment.name_space + "/" + attachment.claim,
          attachment.node,
          attachment.read_only ? "true" : "false",
          attachment.is_draining ? "Draining" : (attachment.is_held() ? "Held" : "Attached"),
          age_of(attachment.metadata.created, now)};
}

Row titles(Kind kind, bool wide) {
  Row row;
  switch (kind) {
    case Kind::PersistentVolume:
      row = {"NAME",  "CAPACITY",     "ACCESS MODES",          "RECLAIM POLICY", "STATUS",
             "CLAIM", "STORAGECLASS", "VOLUMEATTRIBUTESCLASS", "REASON",         "AGE"};
      if (wide) row.emplace_back("VOLUMEMODE");
      break;
    case Kind::PersistentVolumeClaim:
      row = {"NAME",
             "STATUS",
             "VOLUME",
             "CAPACITY",
             "ACCESS MODES",
             "STORAGECLASS",
             "VOLUMEATTRIBUTESCLASS",
             "AGE"};
      if (wide) row.emplace_back("VOLUMEMODE");
      break;
    case Kind::StorageClass:
      row = {"NAME", "PROVISIONER", "RECLAIMPOLICY", "VOLUMEBINDINGMODE", "ALLOWVOLUMEEXPANSION",
             "AGE"};
      break;
    case Kind::Pod:
      row = {"NAME", "READY", "STATUS", "RESTARTS", "AGE"};
      if (wide) row.emplace_back("NODE");
      break;
    case Kind::Event:
      row = {"LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"};
      break;
    case Kind::Attachment:
      row = {"NAME", "VOLUME", "CLAIM", "NODE", "READONLY", "STATUS", "AGE"};
      break;
    case Kind::Mount:
      row = {"NAME", "NODE", "MOUNTPOINT", "AGE"};
      break;
    case Kind::VolumeUsage:
      row = {"NAME", "BOUND"};
      break;
  }
  return row;
}

Row mount_row(const Object& object, std::int64_t now) {
  const auto& document = object.document;
  return {object.name(), text_at(document, {"spec", "node"}),
          text_at(document, {"spec", "mountPoint"}),
          age_of(text_at(document, {"metadata", "creationTimestamp"}), now)};
}

Row usage_row(const Object& object) {
  const auto bound = value_at(object.document, {"spec", "bound"});
  return {object.name(), bound.is_number() ? bound.dump() : "<unknown>"};
}

Row row_of(const Object& object, bool wide, std::int64_t now) {
  switch (object.kind) {
    case Kind::PersistentVolume:
      return volume_row(object, wide, now);
    case Kind::PersistentVolumeClaim:
      return claim_row(object, wide, now);
    case Kind::StorageClass:
      return class_row(object, now);
    case Kind::Pod:
      return pod_row(object, wide, now);
    case Kind::Event:
      return event_row(object, now);
    case Kind::Attachment:
      return attachment_row(object, now);
    case Kind::Mount:
      return mount_row(object, now);
    case Kind::VolumeUsage:
      return usage_row(object);
  }
  return {};
}

// The label's own name, without its prefix, in capitals.
std::string label_title(const std::string& label) {
  std::string title = label.substr(label.rfind('/') + 1);
  std::ranges::transform(title, title.begin(), [](unsigned char c) { return std::toupper(c); });
  return title;
}

void add_labels(const Object& object, const TableOptions& options, Row& row) {
  const auto labels = volumes::string_map(value_at(object.document, {"metadata", "labels"}));
  for (const std::string& label : options.label_columns) {
    const auto found = labels.find(label);
    row.push_back(found == labels.end() ? "" : found->second);
  }
  if (!options.with_labels) return;
  std::string all;
  for (const auto& [key, value] : labels) all += (all.empty() ? "" : ",") + key + "=" + value;
  row.push_back(all.empty() ? "<none>" : all);
}

std::string tabbed(const Table& table) {
  std::string text;
  for (const Row& row : table) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      // A cell stays a cell, whatever it says.
      std::string cell = row[i];
      std::ranges::replace_if(
          cell, [](char c) { return c == '\t' || c == '\n'; }, ' ');
      text += (i == 0 ? "" : "\t") + cell;
    }
    text += '\n';
  }
  return text;
}

constexpr std::size_t kMinWidth = 6, kPadding = 3;

}  // namespace

std::string age_of(const std::string& timestamp, std::int64_t now) {
  const auto seconds = volumes::timestamp_seconds(timestamp);
  return seconds ? volumes::age_text(now - *seconds) : "<unknown>";
}

std::string last_seen(const volumes::Json& event) {
  for (const auto& path :
       {value_at(event, {"series", "lastObservedTime"}), value_at(event, {"lastTimestamp"}),
        value_at(event, {"eventTime"}), value_at(event, {"firstTimestamp"})}) {
    if (path.is_string()) return path.get<std::string>();
  }
  return text_at(event, {"metadata", "creationTimestamp"});
}

std::string qualified_name(const Object& object) {
  const auto& names = volumes::names_of(object.kind);
  return names.qualified(names.singular) + "/" + object.name();
}

Table table_of(Kind kind, const std::vector<Object>& objects, const TableOptions& options,
               std::int64_t now) {
  Table table;
  const bool with_namespace = options.with_namespace && volumes::names_of(kind).namespaced;
  if (options.with_titles) {
    Row row = titles(kind, options.wide);
    if (with_namespace) row.insert(row.begin(), "NAMESPACE");
    for (const std::string& label : options.label_columns) row.push_back(label_title(label));
    if (options.with_labels) row.emplace_back("LABELS");
    table.push_back(std::move(row));
  }
  for (const Object& object : objects) {
    Row row = row_of(object, options.wide, now);
    if (options.with_kind_in_name && kind != Kind::Event) {
      row.front() =
          volumes::names_of(kind).qualified(volumes::names_of(kind).singular) + "/" + row.front();
    }
    if (with_namespace) row.insert(row.begin(), object.name_space());
    add_labels(object, options, row);
    table.push_back(std::move(row));
  }
  return table;
}

std::string table_text(const Table& table) { return align(tabbed(table), kMinWidth, kPadding); }

std::string table_text(const Table& table, ColumnWidths& widths) {
  return align(tabbed(table), kMinWidth, kPadding, widths);
}

}  // namespace claimfs::cli
