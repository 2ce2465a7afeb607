#pragma once

#include <chrono>
#include <future>
#include <memory>
#include <utility>

#include "base/answer.h"
#include "base/result.h"

namespace claimfs::tests {

// Asks and waits for the answer, from whichever thread it comes:
//   const Result<Entry> found = ask<Entry>([&](auto answer) { backend.lookup(parent, "a",
//   std::move(answer)); });
// A second answer, or none within ten seconds, throws, and fails the test that asked.
template <class T, class Call>
Result<T> ask(Call&& call) {
  auto promise = std::make_shared<std::promise<Result<T>>>();
  auto answered = promise->get_future();
  call(Answer<T>([promise](Result<T> result) {
    promise->set_value(std::move(result));
    return true;
  }));
  promise.reset();
  if (answered.wait_for(std::chrono::seconds(10)) != std::future_status::ready)
    throw std::runtime_error("no answer within ten seconds");
  return answered.get();
}

// The errno of a result, 0 for success.
template <class T>
int code_of(const Result<T>& result) {
  return result ? 0 : result.error().code;
}

}  // namespace claimfs::tests
