// --sort-by.

#include "cli/sort_order.h"

#include "tests/unit/catch.h"

namespace claimfs::cli {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::Object;

// Objects named a, b, c… with these values at .v; null: without one.
std::string order_of(const std::vector<Json>& values) {
  std::vector<Object> objects;
  for (const Json& value : values) {
    Json document = {
        {"metadata", {{"name", std::string(1, static_cast<char>('a' + objects.size()))}}}};
    if (!value.is_null()) document["v"] = value;
    objects.push_back({Kind::PersistentVolume, std::move(document)});
  }
  REQUIRE(sort_by(objects, "{.v}"));
  std::string names;
  for (const Object& object : objects) names += object.name();
  return names;
}

}  // namespace

TEST_CASE("digits count as numbers in names", "[sort]") {
  const char* ordered[] = {"",  "0",  "00",  "1",   "01",  "2", "10",
                           "a", "a1", "a01", "a2b", "a10", "b"};
  for (std::size_t i = 0; i < std::size(ordered); ++i) {
    for (std::size_t j = 0; j < std::size(ordered); ++j) {
      INFO(ordered[i] << " and " << ordered[j]);
      CHECK(is_naturally_less(ordered[i], ordered[j]) == (i < j));
    }
  }
}

TEST_CASE("--sort-by compares what it finds by what it is", "[sort]") {
  CHECK(order_of({"10Gi", "9Gi", "1Ti", "2048Mi"}) == "dbac");
  CHECK(order_of({10, 9, 100}) == "bac");
  CHECK(order_of({10, 9.5}) == "ba");
  CHECK(order_of({"pv-10", "pv-9", "pv-100"}) == "bac");
  CHECK(order_of({"2026-11-24T00:00:01Z", "2025-12-31T23:59:59Z", "2026-11-24T00:00:00Z"}) ==
        "bca");
  CHECK(order_of({"b", nullptr, "a"}) == "bca");
  // Equals stay in their order.
  CHECK(order_of({"1Gi", "1024Mi", "1Gi"}) == "abc");
  // One text among quantities: all are texts.
  CHECK(order_of({"1Ki", "999", "5x"}) == "acb");
}

TEST_CASE("--sort-by takes a path as kubectl takes it, and says when nothing has it", "[sort]") {
  std::vector<Object> objects = {
      {Kind::PersistentVolume, {{"metadata", {{"name", "b"}}}}},
      {Kind::PersistentVolume, {{"metadata", {{"name", "a"}}}}},
  };
  for (const char* path :
       {"metadata.name", ".metadata.name", "{.metadata.name}", "{metadata.name}"}) {
    INFO(path);
    auto copies = objects;
    REQUIRE(sort_by(copies, path));
    CHECK(copies.front().name() == "a");
  }
  const auto nowhere = sort_by(objects, ".x.y");
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().message ==
        "error: couldn't find any field with path \"{.x.y}\" in the list of objects");
  CHECK(objects.size() == 2);
  CHECK_FALSE(sort_by(objects, ".x["));
  std::vector<Object> none;
  CHECK(sort_by(none, ".x"));
}

}  // namespace claimfs::cli
