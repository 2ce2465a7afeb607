#include "store/sqlite_lease.h"

#include <sys/random.h>
#include <unistd.h>

#include <array>

namespace claimfs::store {
namespace {

Result<std::string> random_id() {
  std::array<unsigned char, 16> bytes;
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    return failure_from_errno("getrandom");
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string id;
  for (const unsigned char byte : bytes) {
    id += kDigits[byte >> 4];
    id += kDigits[byte & 15];
  }
  return id;
}

}  // namespace

Result<std::unique_ptr<Lease>> SqliteLease::grant(std::shared_ptr<Guarded<Connection>> connection) {
  const std::string id = TRY(random_id());
  const auto begin_session = [&](Connection& used) {
    // The file is locked before the row can be seen, else a reader would take the session for dead.
    return used.write([&]() -> Result<SessionLock> {
      SessionLock taken = TRY(SessionLock::take(used.files().session(id)));
      const std::int64_t process = ::getpid();
      TRY_VOID(
          used.database().execute("INSERT INTO sessions (id, process) VALUES (?, ?)", id, process));
      return taken;
    });
  };
  SessionLock lock = TRY(connection->with(begin_session));
  return std::unique_ptr<Lease>(new SqliteLease(std::move(connection), id, std::move(lock)));
}

SqliteLease::~SqliteLease() {
  if (!lock_.is_held()) return;  // a forked child's copy, or already ended by others
  // If this fails (disk full, say), the next reader does it: the lock is free from here on.
  (void)connection_->with([&](Connection& used) { return used.end_session(id_); });
}

}  // namespace claimfs::store
