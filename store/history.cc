#include "store/history.h"

namespace claimfs::store {
namespace {

constexpr std::string_view kPut = "put";
constexpr std::string_view kRemoved = "removed";

}  // namespace

Result<Version> History::newest(Database& database) const {
  Statement query = TRY(database.query("SELECT coalesce(max(version), 0) FROM changes"));
  TRY_VOID(query.step());
  return static_cast<Version>(query.integer(0));
}

Result<void> History::record(Database& database, Version version, Change::Type type,
                             volumes::Kind kind, const std::string& document) const {
  TRY_VOID(database.execute(
      "INSERT INTO changes (version, type, kind, document) VALUES (?, ?, ?, ?)", version,
      type == Change::Type::Put ? kPut : kRemoved, volumes::names_of(kind).kind_name, document));
  if (version > kept_changes_) {
    TRY_VOID(database.execute("DELETE FROM changes WHERE version <= ?", version - kept_changes_));
  }
  return {};
}

Result<std::vector<Change>> History::after(Database& database, Version from) const {
  const Version last = TRY(newest(database));
  if (from == last) return std::vector<Change>();

  Statement query =
      TRY(database.query("SELECT version, type, kind, document FROM changes WHERE version > ? "
                         "ORDER BY version LIMIT ?",
                         from, kBatch));
  std::vector<Change> changes;
  while (TRY(query.step())) {
    const auto version = static_cast<Version>(query.integer(0));
    if (changes.empty() && version != from + 1) break;  // those between are forgotten
    const auto kind = volumes::kind_from_word(query.text(2));
    if (!kind)
      return failure(EIO, "the store's change " + std::to_string(version) + " is of unknown kind");
    volumes::Object object = TRY(parse_object(*kind, query.text(3)));
    const auto type = query.text(1) == kRemoved ? Change::Type::Removed : Change::Type::Put;
    changes.push_back({type, std::move(object), version});
  }
  if (changes.empty()) changes.push_back({Change::Type::Relist, {}, last});
  return changes;
}

Result<volumes::Object> parse_object(volumes::Kind kind, const std::string& document) {
  volumes::Object object{kind, volumes::Json::parse(document, nullptr, /*allow_exceptions=*/false)};
  if (object.document.is_discarded()) {
    return failure(EIO,
                   "the store holds a damaged " + std::string(volumes::names_of(kind).kind_name));
  }
  return object;
}

}  // namespace claimfs::store
