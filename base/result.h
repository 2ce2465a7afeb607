#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace claimfs {

// What went wrong: an errno and, where the errno alone does not tell what to do, a sentence for a
// person. The hot path returns bare codes, which allocate nothing.
struct Error {
  int code = 0;
  std::string context;

  Error(int errno_code)
      : code(errno_code) {}  // NOLINT(google-explicit-constructor): `return Error(ENOENT)` and
                             // `return tl::unexpected<Error>(ENOENT)` should read alike.
  Error(int errno_code, std::string what) : code(errno_code), context(std::move(what)) {}

  // "context: strerror(code)", or either alone.
  std::string message() const;

  friend bool operator==(const Error& left, const Error& right) { return left.code == right.code; }
};

template <class T>
using Result = tl::expected<T, Error>;

// The error arm of a Result: `return failure(ENOENT);`
inline tl::unexpected<Error> failure(int errno_code) {
  return tl::unexpected<Error>(Error(errno_code));
}
inline tl::unexpected<Error> failure(int errno_code, std::string what) {
  return tl::unexpected<Error>(Error(errno_code, std::move(what)));
}
inline tl::unexpected<Error> failure(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

// The current errno as the error arm. Read errno before anything else can change it.
tl::unexpected<Error> failure_from_errno();
tl::unexpected<Error> failure_from_errno(std::string what);

}  // namespace claimfs

// TRY(expression) yields the value of a Result, or returns its error from the enclosing function.
#define TRY(...)                                                                 \
  __extension__({                                                                \
    auto&& try_result_ = (__VA_ARGS__);                                          \
    if (!try_result_) return ::claimfs::failure(std::move(try_result_).error()); \
    std::move(try_result_).value();                                              \
  })

// The same for Result<void>, and where the value is not wanted.
#define TRY_VOID(...)                                                            \
  do {                                                                           \
    auto&& try_result_ = (__VA_ARGS__);                                          \
    if (!try_result_) return ::claimfs::failure(std::move(try_result_).error()); \
  } while (false)
