#include <chrono>
#include <string>

#include "backends/nfs/pending_writes.h"
#include "tests/unit/catch.h"
#include "tests/unit/sent_writes.h"

namespace claimfs::backends::nfs {

using namespace tests;

TEST_CASE("how long gathering takes", "[.bench-nfs-writes]") {
  using Clock = std::chrono::steady_clock;
  const auto took = [](Clock::time_point since) {
    return std::chrono::duration<double, std::milli>(Clock::now() - since).count();
  };
  const auto drain = [](PendingWrites& writes) {
    writes.flush();
    while (const auto write = writes.next_write())
      writes.written(write->number, {.count = write->data.size(), .verifier = kBefore});
    if (writes.next_commit()) writes.committed(kBefore);
  };
  constexpr std::size_t kMi = 1 << 20;
  const std::string data(kMi, 'x');
  for (const std::size_t size : {std::size_t{4096}, std::size_t{128 * 1024}, kMi}) {
    PendingWrites writes = writes_of(kMi);
    const auto begin = Clock::now();
    for (std::uint64_t at = 0; at < 1024 * kMi; at += size) {
      writes.write(at, bytes(data).first(size));
      while (const auto write = writes.next_write())
        writes.written(write->number, {.count = write->data.size(), .verifier = kBefore});
      if (writes.unstable_bytes() > 32 * kMi) writes.commit_soon();
      if (writes.next_commit()) writes.committed(kBefore);
    }
    drain(writes);
    WARN("1 GiB in order, " << size << " bytes each: " << took(begin) << " ms");
    CHECK(writes.is_empty());
  }
  for (const unsigned count : {25'000U, 100'000U}) {
    PendingWrites writes = writes_of(kMi);
    std::uint64_t random = 1;
    auto begin = Clock::now();
    for (unsigned i = 0; i < count; ++i) {
      random = random * 6364136223846793005U + 1442695040888963407U;
      writes.write((random >> 33) % (1 << 18) * 4096, bytes(data).first(4096));
    }
    WARN(count << " random writes of 4 KiB: " << took(begin) << " ms");
    begin = Clock::now();
    drain(writes);
    WARN("and sending them: " << took(begin) << " ms");
    CHECK(writes.is_empty());
  }
  {
    PendingWrites writes = writes_of(kMi);
    const auto begin = Clock::now();
    for (std::uint64_t i = 0; i < 100'000; ++i) writes.write(kMi - 1 - i, bytes("x"));
    drain(writes);
    WARN("100,000 single bytes backwards: " << took(begin) << " ms");
    CHECK(writes.is_empty());
  }
}

}  // namespace claimfs::backends::nfs
