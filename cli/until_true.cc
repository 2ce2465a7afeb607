#include "cli/until_true.h"

namespace claimfs::cli {

Outcome<bool> until_true(store::Store& store, std::chrono::milliseconds timeout,
                         const std::function<Outcome<bool>()>& ask) {
  const auto deadline = std::chrono::steady_clock::now() + timeout;
  // The watch begins before the first question, so that no change is missed.
  const auto from = store.newest();
  if (!from) return tl::unexpected(failure_of(from.error()));
  auto watch = store.watch(*from);
  if (!watch) return tl::unexpected(failure_of(watch.error()));
  while (true) {
    const auto answer = ask();
    if (!answer || *answer) return answer;
    auto left = std::chrono::milliseconds(std::chrono::hours(1));
    if (timeout.count() > 0) {
      left =
          std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
      if (left.count() <= 0) return false;
    }
    if (const auto changes = (*watch)->next(left); !changes)
      return tl::unexpected(failure_of(changes.error()));
  }
}

}  // namespace claimfs::cli
