#include "control/jobs.h"

#include <algorithm>
#include <cerrno>

namespace claimfs::control {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstPause(500);
constexpr milliseconds kLongestPause(122'000);
constexpr std::size_t kMostThreads = 4;

}  // namespace

Jobs::Jobs(std::function<void()> wake) : wake_(std::move(wake)) {}

Jobs::~Jobs() {
  {
    const std::scoped_lock lock(mutex_);
    for (auto& [key, job] : jobs_) job->stop.request_stop();
  }
  for (std::jthread& thread : threads_) thread.request_stop();
}

bool Jobs::start(const std::string& key, std::chrono::seconds limit, Work work) {
  const std::scoped_lock lock(mutex_);
  if (jobs_.contains(key)) return false;
  const auto is_this = [&key](const Finished& each) { return each.key == key; };
  if (std::ranges::any_of(finished_, is_this)) return false;
  const auto pause = pauses_.find(key);
  if (pause != pauses_.end() && Clock::now() < pause->second.until) return false;
  auto job = std::make_shared<Job>();
  job->key = key;
  job->limit = limit;
  job->work = std::move(work);
  jobs_[key] = job;
  queue_.push_back(std::move(job));
  if (threads_.size() < kMostThreads && threads_.size() < jobs_.size())
    threads_.emplace_back([this](const std::stop_token& stop) { this->work(stop); });
  queued_.notify_one();
  return true;
}

void Jobs::work(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (queued_.wait(lock, stop, [this] { return !queue_.empty(); })) {
    const std::shared_ptr<Job> job = std::move(queue_.front());
    queue_.pop_front();
    job->started = Clock::now();
    lock.unlock();
    Result<void> result = job->work(job->progress, job->stop.get_token());
    lock.lock();
    if (!result && job->is_out_of_time) result = failure(ETIMEDOUT);
    if (result) {
      pauses_.erase(job->key);
    } else {
      const auto before = pauses_.find(job->key);
      const milliseconds length = before == pauses_.end()
                                      ? kFirstPause
                                      : std::min(before->second.length * 2, kLongestPause);
      pauses_[job->key] = {.until = Clock::now() + length, .length = length};
    }
    jobs_.erase(job->key);
    finished_.push_back({job->key, std::move(result)});
    lock.unlock();
    wake_();
    lock.lock();
  }
}

std::vector<Jobs::Finished> Jobs::take_finished() {
  const std::scoped_lock lock(mutex_);
  return std::exchange(finished_, {});
}

std::vector<std::string> Jobs::take_due() {
  const std::scoped_lock lock(mutex_);
  std::vector<std::string> due;
  const auto now = Clock::now();
  // What nobody has tried again is not wanted any more.
  std::erase_if(pauses_, [now](const auto& each) {
    return each.second.is_over && now > each.second.until + 2 * kLongestPause;
  });
  for (auto& [key, pause] : pauses_) {
    if (pause.is_over || now < pause.until || jobs_.contains(key)) continue;
    pause.is_over = true;
    due.push_back(key);
  }
  return due;
}

void Jobs::enforce_limits() {
  const std::scoped_lock lock(mutex_);
  for (auto& [key, job] : jobs_) {
    if (!job->started || job->limit.count() == 0 || Clock::now() < *job->started + job->limit)
      continue;
    job->is_out_of_time = true;
    job->stop.request_stop();
  }
}

bool Jobs::is_busy() const {
  const std::scoped_lock lock(mutex_);
  return !jobs_.empty() || !finished_.empty();
}

std::vector<Jobs::Running> Jobs::running() const {
  const std::scoped_lock lock(mutex_);
  std::vector<Running> running;
  for (const auto& [key, job] : jobs_) {
    if (!job->started) continue;
    running.push_back(
        {.key = key,
         .since_start = std::chrono::duration_cast<milliseconds>(Clock::now() - *job->started),
         .files = job->progress.files,
         .bytes = job->progress.bytes});
  }
  return running;
}

std::optional<Jobs::Clock::time_point> Jobs::next_due() const {
  const std::scoped_lock lock(mutex_);
  std::optional<Clock::time_point> next;
  for (const auto& [key, pause] : pauses_) {
    if (!pause.is_over) next = std::min(next.value_or(pause.until), pause.until);
  }
  return next;
}

}  // namespace claimfs::control
