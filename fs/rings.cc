#include "fs/rings.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include <spdlog/spdlog.h>

namespace claimfs::fs {

namespace {

// More would be more threads than that is worth; it stays with /dev/fuse then.
constexpr std::size_t kMostQueues = 64;

// Those that the kernel may ever have, each of which has a queue; "0-3,8" and the like.
std::size_t possible_processors() {
  std::ifstream file("/sys/devices/system/cpu/possible");
  std::size_t count = 0;
  std::size_t first = 0;
  while (file >> first) {
    std::size_t last = first;
    if (file.peek() == '-') file.ignore() >> last;
    count += last - first + 1;
    if (file.peek() == ',') file.ignore();
  }
  return count;
}

// Each queue's requests have to be made from its processor now and then.
bool may_run_everywhere() {
  cpu_set_t usable;
  return ::sched_getaffinity(0, sizeof usable, &usable) == 0 &&
         CPU_COUNT(&usable) >= ::sysconf(_SC_NPROCESSORS_ONLN);
}

// Where there is such a processor at present.
void stay_on(std::uint16_t processor) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(processor, &only);
  ::pthread_setaffinity_np(::pthread_self(), sizeof only, &only);
}

}  // namespace

Rings::~Rings() {
  end();
  if (keeper_.joinable()) keeper_.join();
}

Result<void> Rings::prepare(int fuse_descriptor, std::size_t payload_size) {
  const std::size_t count = possible_processors();
  if (count == 0 || count > kMostQueues)
    return failure(EOPNOTSUPP, std::to_string(count) + " processors");
  if (!may_run_everywhere()) return failure(EOPNOTSUPP, "not all processors may be used");
  fuse_ = fuse_descriptor;
  payload_size_ = payload_size;
  for (std::size_t number = 0; number < count; ++number)
    queues_.emplace_back().number = static_cast<std::uint16_t>(number);
  Result<void> result;
  std::size_t added = 0;
  for (Queue& queue : queues_) {
    result = add(queue, Added::AtFirst);
    if (!result) break;
    ++added;
  }
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return begun_ == added; });
    if (result) result = first_failure_;
  }
  if (!result) {
    end();
    return result;
  }
  keeper_ = std::thread([this] { keep(); });
  is_prepared_.store(true);
  return {};
}

void Rings::open() {
  {
    std::scoped_lock lock(mutex_);
    is_open_ = true;
  }
  changed_.notify_all();
}

void Rings::end() {
  std::scoped_lock lock(mutex_);
  is_ended_.store(true);
  changed_.notify_all();
  for (const auto& entry : owned_) entry->give_up_waiting();
}

Result<void> Rings::add(Queue& queue, Added when) {
  ++queue.idle;
  const bool has_begun = side_.begin_thread([this, &queue, when] {
    stay_on(queue.number);
    const Result<RingEntry*> entry = make_entry(queue);
    const bool is_open = wait_until_open(entry ? Result<void>() : failure(entry.error()));
    if (entry && is_open) {
      if (when == Added::Later) set_going(queue, **entry);
      work(queue, **entry);
    }
    --queue.idle;
  });
  if (has_begun) return {};
  --queue.idle;
  return failure(EAGAIN, "no more threads");
}

Result<RingEntry*> Rings::make_entry(const Queue& queue) {
  const std::size_t index = entry_count_.fetch_add(1);
  if (index >= kMost) {
    entry_count_.fetch_sub(1);
    return failure(EAGAIN, "no more entries");
  }
  auto entry =
      TRY(RingEntry::make(fuse_, queue.number, static_cast<std::uint16_t>(index), payload_size_));
  std::scoped_lock lock(mutex_);
  if (is_ended_.load()) return failure(ECANCELED);
  RingEntry* const made = owned_.emplace_back(std::move(entry)).get();
  entries_[index].store(made);
  return made;
}

bool Rings::wait_until_open(Result<void> has_entry) {
  std::unique_lock lock(mutex_);
  ++begun_;
  if (has_entry) {
    is_short_.store(false);
  } else {
    // Those that there are go on, and it is tried again: told of once.
    if (is_open_ && !is_ended_.load() && !is_short_.exchange(true))
      spdlog::warn("ring_entry=not_made reason=\"{}\"", has_entry.error().message());
    first_failure_ = std::move(has_entry);
  }
  changed_.notify_all();
  changed_.wait(lock, [this] { return is_open_ || is_ended_.load(); });
  return !is_ended_.load();
}

void Rings::set_going(const Queue& queue, RingEntry& entry) {
  entry.offer();
  side_.begin_thread([this, &queue] {
    stay_on(queue.number);
    side_.make_request();
  });
}

void Rings::work(Queue& queue, RingEntry& entry) {
  RequestCounts::Tally tally(side_.counts);
  backends::ReplyWaiter waiter;
  while (!is_ended_.load()) {
    Result<RawRequest> request = entry.next();
    if (!request) {
      if (request.error().code == EINTR) continue;
      if (request.error().code == ENOTCONN) is_ended_.store(true);  // the mount has gone
      spdlog::debug("ring_entry=ended reason=\"{}\"", request.error().message());
      break;
    }
    --queue.idle;
    ++queue.received;
    note_activity();
    fuse_in_header header;
    std::memcpy(&header, request->memory.get(), sizeof header);
    tally.count(header.opcode);
    if (side_.takes_long(header.opcode)) call_another(queue);
    side_.serve(*request);
    if (!entry.is_answered() || waiter.has_source())
      wait_for_reply(queue, entry, waiter, static_cast<pid_t>(header.pid));
    ++queue.idle;
  }
}

void Rings::wait_for_reply(Queue& queue, RingEntry& entry, backends::ReplyWaiter& waiter,
                           pid_t caller) {
  call_another(queue);
  entry.note_served();
  if (take_early(entry.kernel_number())) side_.interrupt(entry.number());
  if (entry.wait_for_reply(waiter, kPatience)) return;
  if (side_.is_signalled(caller)) side_.interrupt(entry.number());
  entry.wait_for_reply();
}

void Rings::call_another(Queue& queue) {
  if (queue.idle.load() > 0 || is_ended_.load() || entry_count_.load() >= kMost) return;
  (void)add(queue, Added::Later);
}

ssize_t Rings::write(int fuse_descriptor, const iovec* parts, int count) {
  fuse_out_header header;
  std::memcpy(&header, parts[0].iov_base, sizeof header);
  if (!RingEntry::is_ringed(header.unique)) return ::writev(fuse_descriptor, parts, count);
  RingEntry* const entry = entries_[RingEntry::index_of(header.unique)].load();
  if (entry->reply(header.unique, {parts, static_cast<std::size_t>(count)})) return header.len;
  errno = ENOENT;
  return -1;
}

std::span<std::byte> Rings::room_of(std::uint64_t number) const {
  if (!RingEntry::is_ringed(number)) return {};
  return entries_[RingEntry::index_of(number)].load()->room();
}

bool Rings::interrupt(std::uint64_t kernel_number) {
  {
    std::scoped_lock lock(mutex_);
    early_.push_back(kernel_number);
    if (early_.size() > kEarly) early_.pop_front();
    early_count_.store(early_.size());
  }
  const std::size_t count = std::min(entry_count_.load(), kMost);
  for (std::size_t index = 0; index < count; ++index) {
    RingEntry* const entry = entries_[index].load();
    if (!entry || entry->kernel_number() != kernel_number) continue;
    const std::uint64_t number = entry->number();
    const bool is_served = entry->is_served();
    // Read while it had that request, and not the next one.
    if (is_served && entry->kernel_number() == kernel_number && take_early(kernel_number))
      side_.interrupt(number);
    return true;
  }
  return false;
}

// Of two that find it, one is to tell.
bool Rings::take_early(std::uint64_t kernel_number) {
  if (early_count_.load() == 0) return false;
  std::scoped_lock lock(mutex_);
  const bool is_there = std::erase(early_, kernel_number) != 0;
  early_count_.store(early_.size());
  return is_there;
}

void Rings::note_activity() {
  if (is_watched_.load()) return;
  {
    std::scoped_lock lock(mutex_);
    is_watched_.store(true);
  }
  changed_.notify_all();
}

void Rings::keep() {
  std::deque<std::uint64_t> seen(queues_.size());
  int quiet = 0;
  while (!is_ended_.load()) {
    {
      std::unique_lock lock(mutex_);
      if (!is_watched_.load()) {
        changed_.wait(lock, [this] { return is_watched_.load() || is_ended_.load(); });
        quiet = 0;
      }
      changed_.wait_for(lock, kTick, [this] { return is_ended_.load(); });
    }
    const auto look = [&] {
      bool is_busy = false;
      for (Queue& queue : queues_) is_busy |= look_after(queue, seen[queue.number]);
      return is_busy;
    };
    quiet = look() ? 0 : quiet + 1;
    if (quiet <= kQuietTicks) continue;
    // Whoever receives from here on wakes us.
    is_watched_.store(false);
    if (look()) is_watched_.store(true);
  }
}

// Whether anything happens there. Who has all entries, and has received nothing since the last
// look, is held up.
bool Rings::look_after(Queue& queue, std::uint64_t& seen) {
  const std::uint64_t received = queue.received.load();
  if (std::exchange(seen, received) != received) return true;
  if (queue.idle.load() > 0) return false;
  call_another(queue);
  return true;
}

}  // namespace claimfs::fs
