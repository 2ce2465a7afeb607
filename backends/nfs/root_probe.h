#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>

#include "backends/backend.h"
#include "backends/nfs/ticket.h"

namespace claimfs::backends::nfs {

// What is known of a volume's root before it is used. Its server may be dead: only the first who
// wants to know waits for it, and those who come meanwhile. A failure is remembered, and asked
// about again beside those who see it.
class RootProbe {
 public:
  using Ask = std::function<Result<Attributes>()>;

  // `ask` blocks for a moment at most, and is called by one thread at a time. A failure is asked
  // about again when it is older than `trust`.
  RootProbe(Ask ask, Clock::duration trust) : ask_(std::move(ask)), trust_(trust) {}
  RootProbe(const RootProbe&) = delete;
  // Waits for whoever asks.
  ~RootProbe() = default;

  Result<Attributes> get();
  // Somebody else has seen it.
  void saw(const Attributes& root);

 private:
  Result<Attributes> ask_now();
  bool begin_beside();

  const Ask ask_;
  const Clock::duration trust_;

  std::mutex mutex_;
  // The rest is guarded by it.
  std::condition_variable has_answer_;
  std::optional<Result<Attributes>> last_;
  Clock::time_point failed_at_{};
  bool is_asking_ = false;

  std::jthread beside_;  // of the one who has set is_asking_
};

}  // namespace claimfs::backends::nfs
