// KUBERNETES.md 6.2: the rows of its table, and what lies between them.

#include "volumes/quantity.h"

#include <limits>

#include "tests/unit/catch.h"

namespace claimfs::volumes {
namespace {

Quantity quantity(const std::string& text) {
  const auto parsed = Quantity::parse(text);
  INFO(text);
  REQUIRE(parsed);
  return *parsed;
}

}  // namespace

TEST_CASE("quantities print and count as Kubernetes' do", "[quantity]") {
  struct Row {
    const char* written;
    const char* printed;
    std::int64_t bytes;
  };
  constexpr std::int64_t kMost = std::numeric_limits<std::int64_t>::max();
  const Row rows[] = {
      {"0", "0", 0},
      {"1Gi", "1Gi", 1'073'741'824},
      {"1024Mi", "1Gi", 1'073'741'824},
      {"1536Mi", "1536Mi", 1'610'612'736},
      {"1.5Gi", "1536Mi", 1'610'612'736},
      {"1000Gi", "1000Gi", 1'073'741'824'000},
      {"1024Gi", "1Ti", 1'099'511'627'776},
      {"0.5Mi", "512Ki", 524'288},
      {"1.1Gi", "1181116006400m", 1'181'116'007},
      {"0.1Gi", "107374182400m", 107'374'183},
      {"1.5G", "1500M", 1'500'000'000},
      {"1000M", "1G", 1'000'000'000},
      {"1000", "1k", 1000},
      {"1024", "1024", 1024},
      {"1e3", "1e3", 1000},
      {"1E3", "1E3", 1000},
      {"1.2e3", "1200", 1200},
      {"1e14", "100e12", 100'000'000'000'000},
      {"100m", "100m", 1},
      {"1500m", "1500m", 2},
      {"1.5", "1500m", 2},
      {"0.1m", "100u", 1},
      {"3.001n", "4n", 1},
      {"1.", "1.", 1},
      {"1.G", "1.G", 1'000'000'000},
      {"+1Gi", "+1Gi", 1'073'741'824},
      {"01Gi", "01Gi", 1'073'741'824},
      {"7Ei", "7Ei", 8'070'450'532'247'928'832},
      {"8Ei", "9223372036854775807", kMost},
      {"9Ei", "9223372036854775807", kMost},
      {"9.5Ei", "9223372036854775807", kMost},
      {"12E", "12E", kMost},
      {"800E", "800E", kMost},
      {"1000E", "1000E", kMost},
      {"20000000000000000000", "20E", kMost},
      {"18446744073709551617", "18446744073709551617", kMost},
      {"1e30", "1e30", kMost},
      {"0.000000000000000001", "1n", 1},
      {"1023Ki", "1023Ki", 1'047'552},
      {"1023", "1023", 1023},
      {"0Gi", "0", 0},
      {"0.0", "0", 0},
      {"-0", "0", 0},
      {"-0.1", "-100m", -1},
      {"-1.5Gi", "-1536Mi", -1'610'612'736},
      {".5", "500m", 1},
      {"1e-3", "1e-3", 1},
      {"-1Gi", "-1Gi", -1'073'741'824},
  };
  for (const Row& row : rows) {
    INFO(row.written);
    const Quantity parsed = quantity(row.written);
    CHECK(parsed.text() == row.printed);
    CHECK(parsed.bytes() == row.bytes);
    // What was printed means the same.
    CHECK(quantity(parsed.text()) == parsed);
  }
}

TEST_CASE("quantities compare by value, whatever they are written in", "[quantity]") {
  // Each is less than the next.
  const char* const ascending[] = {"-1Gi", "-1",  "0",  "1n",  "100m", "1",   "1k",  "1Ki",
                                   "1M",   "1Mi", "1G", "1Gi", "7Ei",  "8Ei", "12E", "800E"};
  for (std::size_t left = 0; left < std::size(ascending); ++left) {
    for (std::size_t right = 0; right < std::size(ascending); ++right) {
      INFO(ascending[left] << " and " << ascending[right]);
      CHECK((quantity(ascending[left]) <=> quantity(ascending[right])) == (left <=> right));
    }
  }
  CHECK(quantity("1000M") == quantity("1G"));
  CHECK(quantity("1024Mi") == quantity("1Gi"));
  CHECK(quantity("1e3") == quantity("1k"));
  CHECK(quantity("0") == quantity("-0"));
}

TEST_CASE("what is no quantity is refused in Kubernetes' words", "[quantity]") {
  const std::string no_form =
      "quantities must match the regular expression "
      "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  const std::string no_number = "unable to parse numeric part of quantity";
  const std::string no_suffix = "unable to parse quantity's suffix";
  const std::pair<const char*, std::string> rows[] = {
      {"", no_form},     {"Gi", no_number}, {"1 Gi", no_form},   {" 1Gi", no_form},
      {"1KB", no_form},  {"1Gb", no_form},  {"1K", no_suffix},   {"1gi", no_form},
      {"1GI", no_form},  {"1i", no_suffix}, {"1..5", no_form},   {".", no_number},
      {"1e", no_suffix}, {"ten", no_form},  {"1Gi1", no_suffix},
  };
  for (const auto& [text, message] : rows) {
    INFO('"' << text << '"');
    const auto parsed = Quantity::parse(text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error() == message);
  }
}

TEST_CASE("manifests write quantities as strings or numbers", "[quantity]") {
  CHECK(Quantity::from(Json("  2Gi "))->text() == "2Gi");
  CHECK(Quantity::from(Json(1024))->bytes() == 1024);
  CHECK(Quantity::from(Json(1.5))->text() == "1500m");
  CHECK_FALSE(Quantity::from(Json(true)));
  CHECK_FALSE(Quantity::from(Json(nullptr)));
  CHECK_FALSE(Quantity::from(Json("x")));
  CHECK(Quantity::of_bytes(1 << 30).text() == "1Gi");
  CHECK(quantity("1Gi").is_whole());
  CHECK_FALSE(quantity("100m").is_whole());
  CHECK(quantity("0Gi").is_zero());
  CHECK(quantity("-5").is_negative());
}

}  // namespace claimfs::volumes
