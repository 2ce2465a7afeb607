#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <utility>

#include "backends/nfs/call.h"

namespace claimfs::backends::nfs {

// Never sent: it waits in a connection, which looks at its deadline and its interruption.
class Alarm final : public Call {
 public:
  Alarm(std::shared_ptr<Ticket> ticket, std::function<void(int)> rung,
        std::shared_ptr<std::atomic<bool>> is_over = nullptr)
      : Call(std::move(ticket)), rung_(std::move(rung)), is_over_(std::move(is_over)) {}
  bool send(RpcStream&, std::uint32_t) override { return false; }
  After replied(RpcReply&) override { return After::Done; }
  void fail(int errno_code) override { rung_(errno_code); }
  bool is_timer() const override { return true; }
  bool is_wanted() const override { return !is_over_ || !is_over_->load(); }

 private:
  std::function<void(int)> rung_;
  std::shared_ptr<std::atomic<bool>> is_over_;
};

}  // namespace claimfs::backends::nfs
