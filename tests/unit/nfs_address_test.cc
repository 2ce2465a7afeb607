#include "backends/nfs/address.h"

#include "tests/unit/catch.h"

namespace claimfs::backends::nfs {

TEST_CASE("the port of a universal address", "[nfs]") {
  struct Row {
    const char* address;
    std::optional<std::uint16_t> port;
  };
  for (const Row& row : std::initializer_list<Row>{
           {"::.8.1", 2049},
           {"fe80::1%eth0.8.1", 2049},
           {"127.0.0.1.0.111", 111},
           {"0.0.0.0.255.255", 65535},
           {"", std::nullopt},
           {"::", std::nullopt},
           {"::.8", std::nullopt},
           {"::.0.0", std::nullopt},
           {"::.8.256", std::nullopt},
           {"::.8.-1", std::nullopt},
           {"::.8.", std::nullopt},
           {"::.8.1x", std::nullopt},
       }) {
    INFO(row.address);
    CHECK(port_of_universal(row.address) == row.port);
  }
}

}  // namespace claimfs::backends::nfs
