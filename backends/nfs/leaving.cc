#include <cerrno>
#include <future>
#include <utility>
#include <vector>

#include "backends/nfs/backend.h"

namespace claimfs::backends::nfs {

namespace {

constexpr auto kWritingBack = std::chrono::seconds(10);

}  // namespace

// Most has gone with its close(2). What has not, and what a server that is down keeps here, may
// take so long; then it is given up.
void NfsBackend::write_back_all() {
  const auto ticket = std::make_shared<Ticket>();
  ticket->deadline = Clock::now() + kWritingBack;
  std::vector<std::pair<std::shared_ptr<WrittenFile>, std::future<int>>> flushes;
  for (auto& file : written_files_.all()) {
    auto promise = std::make_shared<std::promise<int>>();
    auto flushed = promise->get_future();
    file->flush(ticket, nullptr, [promise](const Result<void>& done) {
      promise->set_value(done ? 0 : done.error().code);
      return true;
    });
    flushes.emplace_back(std::move(file), std::move(flushed));
  }
  std::uint64_t bytes = 0;
  std::size_t files = 0;
  std::size_t changed_files = 0;
  int why = 0;
  for (auto& [file, flushed] : flushes) {
    const int error = flushed.get();
    const WrittenFile::Loss loss = file->loss();
    if (loss.bytes == 0 && !loss.has_changes) continue;
    bytes += loss.bytes;
    if (loss.bytes > 0) ++files;
    if (loss.has_changes) ++changed_files;
    why = loss.error != 0 ? loss.error : error;
  }
  if (files > 0) report_loss(std::to_string(bytes) + " written bytes", files, why);
  if (changed_files > 0) report_loss("owner, rights or times", changed_files, why);
}

void NfsBackend::report_loss(const std::string& what, std::size_t files, int why) {
  if (!report_) return;
  report_({.is_loss = true,
           .message = "nfs: server " + options_.server + ": " + what + " of " +
                      std::to_string(files) + (files == 1 ? " file" : " files") +
                      " are lost, the server has not taken them: " + Error(why).message()});
}

}  // namespace claimfs::backends::nfs
