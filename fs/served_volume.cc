#include "fs/served_volume.h"

#include "fs/calling_process.h"

#include <cerrno>
#include <future>

#include <spdlog/spdlog.h>

namespace claimfs::fs {

namespace {

// A shell loop over a broken volume must not become a flood of events: Kubernetes' own retries are
// no faster.
constexpr std::chrono::seconds kReportInterval{2};

// Longer than the store takes, if it answers at all.
constexpr std::chrono::seconds kEnds{10};

// No pod's uid, and not the empty one of those that are in no pod.
constexpr const char* kNobody = "-";

}  // namespace

ServedVolume::ServedVolume(ServedClaim claim, std::unique_ptr<backends::Backend> backend,
                           ReportFailure report_failure, Attach attach)
    : backend_(std::move(backend)),
      is_tree_(claim.name.empty()),
      report_failure_(std::move(report_failure)),
      attach_(std::move(attach)) {
  consumer_.with([](auto& current) { current = kNobody; });
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
  asks_callers_.store(claim.is_for_one_consumer || !claim.read_only_pods.empty());
  auto next = std::make_shared<const ServedClaim>(std::move(claim));
  claim_.with([&](auto& current) { current = std::move(next); });
}

Result<void> ServedVolume::use(Access access, const backends::Caller& caller) {
  const bool writes = access == Access::Change;
  if (writes && is_read_only()) return failure(EROFS);
  const auto go_on = [&](const std::string* consumer) {
    return may_go_on(writes, consumer) ? Result<void>() : begin_use(writes, consumer, caller);
  };
  if (access == Access::Look || !asks_callers_.load(std::memory_order_relaxed))
    return go_on(nullptr);

  const auto claim = this->claim();
  const std::string pod = pod_of(caller.pid);
  if (writes && claim->read_only_pods.contains(pod)) return failure(EROFS);
  if (!claim->is_for_one_consumer) return go_on(nullptr);
  // Nobody knows whose it would be.
  if (caller.pid == 0) return failure(EBUSY);
  return go_on(&pod);
}

bool ServedVolume::may_go_on(bool writes, const std::string* consumer) const {
  if (!is_in_use() || (writes && !may_write_.load(std::memory_order_relaxed))) return false;
  return !consumer || consumer_.with([&](const auto& current) { return current == *consumer; });
}

Result<void> ServedVolume::begin_use(bool writes, const std::string* consumer,
                                     const backends::Caller& caller) {
  std::unique_lock lock(starting_);
  // Its attachment is about to be removed: one that is asked for now would go with it.
  if (!has_ended_.wait_for(lock, kEnds, [this] { return !is_ending_; })) return failure(EIO);
  if (may_go_on(writes, consumer)) return {};
  const auto claim = this->claim();
  if (is_closed_ || (claim->is_terminating && !is_in_use() && !may_begin_.load()))
    return failure(EBUSY);
  // Where many may read and one write, a mount begins as a reader.
  writes = writes || (!claim->is_for_one_writer && !claim->is_read_only);
  const std::uint64_t losses = losses_.load();
  if (attach_) TRY_VOID(attach_(*claim, writes, consumer));
  if (!is_started_) TRY_VOID(wait_for_start(lock, caller));
  if (consumer) consumer_.with([&](auto& current) { current = *consumer; });
  if (writes) may_write_.store(true);
  is_ready_.store(true);
  if (losses_.load() == losses) return {};
  forget_attachment();
  return failure(EBUSY);
}

// By all that come meanwhile, with the lock let go.
Result<void> ServedVolume::wait_for_start(std::unique_lock<std::mutex>& lock,
                                          const backends::Caller& caller) {
  if (!start_) TRY_VOID(begin_start());
  const std::shared_ptr<BackendStart> start = start_;
  lock.unlock();
  const std::optional<Result<void>> started = start->wait(caller);
  if (!started) return failure(EINTR);
  TRY_VOID(*started);
  lock.lock();
  // It may have been given up before this thread had its turn.
  return is_started_ ? Result<void>() : failure(EBUSY);
}

// Nothing that was proven for the last attachment holds for the next.
void ServedVolume::forget_attachment() {
  is_ready_.store(false);
  may_write_.store(false);
  has_passed_through_.store(false);
  consumer_.with([](auto& current) { current = kNobody; });
}

bool ServedVolume::may_be_passing(const std::function<Result<void>()>& note) {
  if (has_passed_through_.load()) return true;
  const std::scoped_lock lock(noting_);
  if (has_passed_through_.load()) return true;
  const std::uint64_t losses = losses_.load();
  if (!note()) return false;
  has_passed_through_.store(true);
  if (losses_.load() == losses) return true;
  has_passed_through_.store(false);  // it was another attachment's
  return false;
}

void ServedVolume::lose() {
  ++losses_;
  forget_attachment();
}

bool ServedVolume::end_use(bool for_good) {
  // Somebody who is about to begin holds it.
  std::unique_lock lock(starting_, std::try_to_lock);
  if (!lock || start_) return false;
  {
    std::scoped_lock rooting(rooting_);
    if (nodes.load() != 0 || open_handles.load() != 0) return false;
    is_ready_.store(false, std::memory_order_release);
  }
  // From here on who comes through the root again waits.
  is_closed_ |= for_good;
  is_ending_ = true;
  forget_attachment();
  if (is_started_) {
    root_.reset();
    backend_->stop();
    is_started_ = false;
  }
  absent_names.clear();
  listed_names.clear();
  return true;
}

void ServedVolume::abandon() {
  std::unique_lock lock(starting_);
  is_closed_ = true;
  if (const auto start = start_) {
    lock.unlock();
    (void)start->wait({});
    lock.lock();
  }
  forget_attachment();
  if (!is_started_) return;
  backend_->stop();
  is_started_ = false;
}

void ServedVolume::let_in() {
  {
    std::scoped_lock lock(starting_);
    is_ending_ = false;
  }
  has_ended_.notify_all();
}

std::string ServedVolume::pod() const {
  const std::string consumer = consumer_.with([](const auto& current) { return current; });
  return consumer == kNobody ? "" : consumer;
}

void ServedVolume::end_consumer() {
  consumer_.with([](auto& current) { current = kNobody; });
}

Result<void> ServedVolume::begin_start() {
  const auto start = std::make_shared<BackendStart>();
  try {
    starter_ = std::jthread([this, start] { this->start(*start); });
  } catch (const std::system_error& error) {
    return failure(error.code().value());
  }
  start_ = start;
  return {};
}

void ServedVolume::start(BackendStart& start) {
  Result<std::unique_ptr<backends::Inode>> root = start_backend();
  {
    const std::scoped_lock lock(starting_);
    is_started_ = root.has_value();
    if (root)
      root_ = std::move(*root);
    else
      report(root.error().message());
    start_.reset();
  }
  start.end(root ? Result<void>() : failure(EIO));
}

Result<std::unique_ptr<backends::Inode>> ServedVolume::start_backend() {
  TRY_VOID(backend_->start());
  std::promise<Result<backends::Entry>> promise;
  auto root = promise.get_future();
  backend_->root([&promise](Result<backends::Entry> entry) {
    promise.set_value(std::move(entry));
    return true;
  });
  return std::move(TRY(root.get()).inode);
}

void ServedVolume::report(const std::string& why) {
  const auto now = std::chrono::steady_clock::now();
  if (why == last_failure_ && now - last_report_ <= kReportInterval) return;
  last_failure_ = why;
  last_report_ = now;
  if (report_failure_) report_failure_(*claim(), why);
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
