#include "control/bound_claims.h"

#include <condition_variable>
#include <mutex>

namespace claimfs::control {
namespace {

constexpr auto kLookAgain = std::chrono::seconds(30);
constexpr auto kRetry = std::chrono::seconds(1);

Result<void> follow(Mirror& mirror, const std::stop_token& stop, FirstConsumers& consumers,
                    const std::function<void(std::vector<BoundClaim>)>& show) {
  TRY_VOID(mirror.relist());
  std::stop_callback wake(stop, [&mirror] { mirror.wake(); });
  show(bound_claims(mirror.world()));
  TRY_VOID(consumers.look(mirror));
  while (!stop.stop_requested()) {
    if (!TRY(mirror.follow(kLookAgain))) continue;
    show(bound_claims(mirror.world()));
    TRY_VOID(consumers.look(mirror));
  }
  return {};
}

}  // namespace

std::vector<BoundClaim> bound_claims(const volumes::World& world) {
  std::vector<BoundClaim> bound;
  for (const auto& [key, claim] : world.claims()) {
    if (claim.phase != volumes::ClaimPhase::Bound) continue;
    const volumes::Volume* volume = world.volume(claim.volume_name);
    // A binding that is half written is not one yet.
    if (!volume || !volume->refers_to(claim.metadata) ||
        volume->claim_ref->uid != claim.metadata.uid)
      continue;
    bound.push_back({claim, *volume});
  }
  return bound;
}

void follow_bound_claims(store::Store& store, std::stop_token stop, FirstConsumers& consumers,
                         const std::function<void(std::vector<BoundClaim>)>& show,
                         const std::function<void(const Error&)>& report) {
  Mirror mirror(store);
  while (!stop.stop_requested()) {
    if (const auto followed = follow(mirror, stop, consumers, show); !followed)
      report(followed.error());
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop, kRetry, [] { return false; });
  }
}

}  // namespace claimfs::control
