#include "fs/served_volume.h"

#include <cerrno>
#include <future>

#include <spdlog/spdlog.h>

namespace claimfs::fs {

namespace {

// A shell loop over a broken volume must not become a flood of events: Kubernetes' own retries are
// no faster.
constexpr std::chrono::seconds kReportInterval{2};

}  // namespace

ServedVolume::ServedVolume(ServedClaim claim, std::unique_ptr<backends::Backend> backend,
                           ReportFailure report_failure)
    : backend_(std::move(backend)),
      is_tree_(claim.name.empty()),
      report_failure_(std::move(report_failure)) {
  update(std::move(claim));
  backends::Attributes unseen;
  unseen.mode = this->claim()->is_block ? S_IFREG | 0600 : S_IFDIR | 0755;
  unseen.nlink = this->claim()->is_block ? 1 : 2;
  ::clock_gettime(CLOCK_REALTIME, &unseen.mtime);
  unseen.atime = unseen.ctime = unseen.mtime;
  saw_root(unseen);
}

backends::Attributes ServedVolume::root_attributes() const {
  return root_attributes_.with([](const auto& attributes) { return attributes; });
}

void ServedVolume::saw_root(const backends::Attributes& attributes) {
  root_attributes_.with([&](auto& current) { current = attributes; });
}

void ServedVolume::look_at_root() {
  if (const auto seen = backend_->probe()) saw_root(*seen);
}

std::shared_ptr<const ServedClaim> ServedVolume::claim() const {
  return claim_.with([](const auto& claim) { return claim; });
}

void ServedVolume::update(ServedClaim claim) {
  backend_->set_capacity(claim.capacity_bytes);
  is_read_only_.store(claim.is_read_only, std::memory_order_relaxed);
  is_shared_.store(claim.is_shared, std::memory_order_relaxed);
  auto next = std::make_shared<const ServedClaim>(std::move(claim));
  claim_.with([&](auto& current) { current = std::move(next); });
}

Result<void> ServedVolume::use() {
  if (is_in_use()) return {};
  std::scoped_lock lock(starting_);
  if (is_in_use()) return {};
  if (claim()->is_terminating) return failure(EBUSY);
  if (const Result<void> started = start(); !started) {
    const std::string why = started.error().message();
    const auto now = std::chrono::steady_clock::now();
    if (why != last_failure_ || now - last_report_ > kReportInterval) {
      last_failure_ = why;
      last_report_ = now;
      if (report_failure_) report_failure_(*claim(), why);
    }
    return failure(EIO);
  }
  is_ready_.store(true, std::memory_order_release);
  return {};
}

Result<void> ServedVolume::start() {
  TRY_VOID(backend_->start());
  std::promise<Result<backends::Entry>> promise;
  auto root = promise.get_future();
  backend_->root([&promise](Result<backends::Entry> entry) {
    promise.set_value(std::move(entry));
    return true;
  });
  Result<backends::Entry> entry = root.get();
  if (!entry) return failure(std::move(entry).error());
  root_ = std::move(entry->inode);
  return {};
}

void ServedVolume::set_remembered(std::unique_ptr<backends::RememberedInodes> remembered) {
  remembered_ = std::move(remembered);
  backend_->set_remembered(remembered_.get());
}

void ServedVolume::refuse_passthrough(int reason) {
  if (may_pass_through_.exchange(false)) {
    passthrough_refusal_.store(reason);
    const auto claim = this->claim();
    spdlog::info("passthrough=off claim={}/{} volume={} reason=\"{}\"", claim->name_space,
                 claim->name, claim->volume_name, Error(reason).message());
  }
}

}  // namespace claimfs::fs
