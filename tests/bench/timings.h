#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace claimfs::bench {

// What a benchmark's program measured, for the script that started it.
class Timings {
 public:
  // Runs `work` and notes how long it took for `count` operations, or MiB.
  template <class Work>
  void time(std::string name, std::uint64_t count, Work work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    found_.push_back({std::move(name), count, took.count()});
  }

  // {"NAME": {"count": N, "seconds": S}, …} to standard output.
  void print() const {
    const char* before = "{";
    for (const Timing& timing : found_) {
      std::printf("%s\"%s\": {\"count\": %llu, \"seconds\": %.9f}", before, timing.name.c_str(),
                  static_cast<unsigned long long>(timing.count), timing.seconds);
      before = ", ";
    }
    std::printf("%s}\n", found_.empty() ? "{" : "");
  }

 private:
  struct Timing {
    std::string name;
    std::uint64_t count;
    double seconds;
  };
  std::vector<Timing> found_;
};

}  // namespace claimfs::bench
