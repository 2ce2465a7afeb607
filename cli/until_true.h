#pragma once

#include <chrono>
#include <functional>

#include "cli/failure.h"
#include "store/store.h"

namespace claimfs::cli {

// Asks again at every change of the store until the answer is true, or `timeout` (0: for ever) is
// over: then false.
Outcome<bool> until_true(store::Store& store, std::chrono::milliseconds timeout,
                         const std::function<Outcome<bool>()>& ask);

}  // namespace claimfs::cli
