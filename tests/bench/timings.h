#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

namespace claimfs::bench {

// What a benchmark's program measured, for the script that started it.
class Timings {
 public:
  // Runs `work` and notes how long it took for `count` operations, or MiB, and how long all
  // processors together were busy meanwhile, with whatever.
  template <class Work>
  void time(std::string name, std::uint64_t count, Work work) {
    const double busy_before = busy_seconds();
    const auto begin = std::chrono::steady_clock::now();
    work();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    found_.push_back({std::move(name), count, took.count(), busy_seconds() - busy_before});
  }

  // {"NAME": {"count": N, "seconds": S, "busy": S}, …} to standard output.
  void print() const {
    const char* before = "{";
    for (const Timing& timing : found_) {
      std::printf("%s\"%s\": {\"count\": %llu, \"seconds\": %.9f, \"busy\": %.2f}", before,
                  timing.name.c_str(), static_cast<unsigned long long>(timing.count),
                  timing.seconds, timing.busy);
      before = ", ";
    }
    std::printf("%s}\n", found_.empty() ? "{" : "");
  }

 private:
  struct Timing {
    std::string name;
    std::uint64_t count;
    double seconds;
    double busy;
  };

  // Of all processors, since the machine began, in hundredths: proc_stat(5).
  static double busy_seconds() {
    std::ifstream file("/proc/stat");
    std::string cpu;
    double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, interrupts = 0, soft = 0;
    file >> cpu >> user >> nice >> system >> idle >> waiting >> interrupts >> soft;
    return (user + nice + system + interrupts + soft) / static_cast<double>(::sysconf(_SC_CLK_TCK));
  }
  std::vector<Timing> found_;
};

}  // namespace claimfs::bench
