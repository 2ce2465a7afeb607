#include "backends/nfs/connection.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace claimfs::backends::nfs {

namespace {

using std::chrono::milliseconds;

constexpr Clock::duration kFirstPause = milliseconds(100);
constexpr Clock::duration kLongestPause = std::chrono::seconds(5);
constexpr Clock::duration kConnectingFor = std::chrono::seconds(5);
constexpr Clock::duration kLook = milliseconds(100);    // how exact deadlines are
constexpr Clock::duration kMoment = milliseconds(500);  // that NFS3ERR_JUKEBOX asks for
constexpr Clock::duration kSilence = std::chrono::seconds(5);
constexpr int kRefusalsUntilAsked = 3;
constexpr int kTimeoutsUntilLost = 3;

thread_local Connection* serving = nullptr;

// With what it has to fail now; 0: it goes on.
int error_of(Call& call, Clock::time_point now) {
  if (call.ticket().is_given_up.load(std::memory_order_acquire)) return EINTR;
  return now >= call.ticket().deadline ? ETIMEDOUT : 0;
}

}  // namespace

Connection::Serving::Serving(Connection* connection) { serving = connection; }
Connection::Serving::~Serving() { serving = nullptr; }

void Connection::Doorbell::interrupt() {
  has_interrupts_.store(true);
  ring();
}

void Connection::Doorbell::ring() {
  const std::uint64_t one = 1;
  // It cannot fill up: every look empties it.
  [[maybe_unused]] const ssize_t written = ::write(event_.get(), &one, sizeof one);
}

Connection::Connection(Settings settings)
    : settings_(std::move(settings)),
      doorbell_(std::make_shared<Doorbell>()),
      port_(settings_.port),
      jitter_(std::random_device{}()),
      next_number_(std::uint64_t{1} << 32U | std::random_device{}()) {
  doorbell_->event_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  thread_ = std::thread([this] { run(); });
}

Connection* Connection::served_by_this_thread() { return serving; }

void Connection::submit(std::unique_ptr<Call> call) {
  if (serving == this) return add(std::move(call));
  const bool is_taken = inbox_.with([&](Inbox& inbox) {
    if (inbox.is_stopping) return false;
    if (!call->is_timer()) load_.fetch_add(1);
    inbox.calls.push_back(std::move(call));
    return true;
  });
  if (!is_taken) return call->fail(EIO);
  // Who has another one in hands does not take a second.
  if (serving) return doorbell_->ring();
  send_from_here();
}

// Whoever has the connection looks into the inbox after that, so that what was put there meanwhile
// is sent by him.
void Connection::send_from_here() {
  do {
    const std::unique_lock turn(mutex_, std::try_to_lock);
    if (!turn) return;
    const Serving serves(this);
    // Without a connection, and when it is time to stop, the thread has more to do; but a timer
    // alone, as everybody has who waits, needs no connection.
    const bool is_done = take_inbox() && (stream_ ? push_out() : calls_.empty());
    load_.store(calls_.size());
    if (!calls_.empty()) alone_ = calls_.size() == 1 ? alone_ + 1 : 0;
    if (is_done) offer_lead();
    const bool is_received = calls_.empty() || is_watched_ || leader_.load();
    if (!is_done || is_asleep_ || !is_received) doorbell_->ring();
  } while (has_mail());
}

bool Connection::has_mail() const {
  return inbox_.with([](const Inbox& inbox) { return !inbox.calls.empty(); });
}

void Connection::stop() {
  inbox_.with([](Inbox& inbox) { inbox.is_stopping = true; });
  doorbell_->ring();
  if (thread_.joinable()) thread_.join();
}

std::optional<Clock::time_point> Connection::silent_since() const {
  const Clock::rep since = silent_since_.load();
  if (since == 0) return std::nullopt;
  return Clock::time_point(Clock::duration(since));
}

void Connection::run() {
  pollfd waiting[2] = {{doorbell_->event_.get(), POLLIN, 0}, {-1, 0, 0}};
  for (bool goes_on = true; goes_on;) {
    int timeout_ms = 0;
    {
      const std::scoped_lock turn(mutex_);
      const Serving serves(this);
      is_asleep_ = false;
      if (waiting[1].revents != 0 && !leader_.load()) {
        if (stream_ && !serve(waiting[1].revents))
          connection_failed(ECONNRESET);
        else if (connecting_)
          finish_connecting();
      }
      goes_on = take_inbox();
      if (is_broken_) connection_failed(ECONNRESET);
      if (doorbell_->has_interrupts_.exchange(false) || Clock::now() - looked_at_ >= kLook)
        look_at_times();
      if (!stream_ && !connecting_ && !calls_.empty()) begin_connecting_when_due();
      if (stream_) {
        send_waiting();
        push_out();
      }
      waiting[1] = {-1, 0, 0};
      is_watched_ = stream_ && !leader_.load();
      if (is_watched_)
        waiting[1] = {stream_->descriptor(),
                      static_cast<short>(stream_->is_full() ? POLLIN | POLLOUT : POLLIN), 0};
      else if (connecting_)
        waiting[1] = {connecting_.get(), POLLOUT, 0};
      timeout_ms = poll_timeout_ms();
      load_.store(calls_.size());
    }
    if (!goes_on) break;
    if (has_mail()) timeout_ms = 0;
    ::poll(waiting, 2, timeout_ms);
    if (waiting[0].revents != 0) {
      std::uint64_t rings = 0;
      [[maybe_unused]] const ssize_t got = ::read(doorbell_->event_.get(), &rings, sizeof rings);
    }
  }
  const std::scoped_lock turn(mutex_);
  const Serving serves(this);
  // What the failed ones ask for in turn fails, too; they come to an end.
  while (!is_idle()) fail_all(EIO);
  stream_.reset();
}

bool Connection::take_inbox() {
  std::vector<std::unique_ptr<Call>> calls;
  const bool is_stopping = inbox_.with([&](Inbox& inbox) {
    calls.swap(inbox.calls);
    return inbox.is_stopping;
  });
  for (auto& call : calls) add(std::move(call));
  return !is_stopping;
}

void Connection::add(std::unique_ptr<Call> call) {
  if (call->is_timer()) return timers_.push_back(std::move(call));
  if (calls_.empty()) heard_at_ = Clock::now();  // silence begins with a question
  const std::uint64_t number = next_number_++;
  Call& added = *calls_.emplace(number, std::move(call)).first->second;
  ++unsent_;
  if (!stream_ || is_broken_ || added.not_before != Clock::time_point{}) return;
  if (stream_->is_full())
    is_held_back_ = true;
  else
    send(number, added);
}

void Connection::send(std::uint64_t number, Call& call) {
  if (!call.send(*stream_, static_cast<std::uint32_t>(number))) {
    const auto refused = calls_.extract(number);
    --unsent_;
    refused.mapped()->fail(EIO);
    return;
  }
  call.is_sent = true;
  call.sent_at = Clock::now();
  --unsent_;
}

void Connection::send_waiting() {
  if (unsent_ == 0) return;
  const Clock::time_point now = Clock::now();
  for (auto at = calls_.begin(); at != calls_.end();) {
    const auto [number, call] = std::pair(at->first, at->second.get());
    ++at;  // a call that cannot be sent is removed
    if (call->is_sent || call->not_before > now || call->waits()) continue;
    if (stream_->is_full()) {
      is_held_back_ = true;
      return;
    }
    send(number, *call);
  }
}

void Connection::look_at_times() {
  if (is_idle()) return;
  const Clock::time_point now = Clock::now();
  looked_at_ = now;
  std::optional<Clock::time_point> oldest;
  std::vector<std::pair<std::unique_ptr<Call>, int>> over;
  for (auto at = calls_.begin(); at != calls_.end();) {
    Call& call = *at->second;
    if (!call.is_wanted()) {
      if (!call.is_sent) --unsent_;
      at = calls_.erase(at);
      continue;
    }
    const int error = error_of(call, now);
    if (error == 0) {
      if (call.is_sent) oldest = oldest ? std::min(*oldest, call.sent_at) : call.sent_at;
      ++at;
      continue;
    }
    if (!call.is_sent) --unsent_;
    over.emplace_back(std::move(at->second), error);
    at = calls_.erase(at);  // a reply that still comes finds nothing
  }
  std::erase_if(timers_, [&](std::unique_ptr<Call>& timer) {
    const int error = timer->is_wanted() ? error_of(*timer, now) : 0;
    if (error != 0) over.emplace_back(std::move(timer), error);
    return !timer || !timer->is_wanted();
  });
  // Who leads waits for a reply that is late, or does not come for it.
  if (oldest && now - *oldest >= kLook) leader_.store(nullptr);
  if (connecting_ && now >= connecting_until_) connection_failed(ETIMEDOUT);
  // Others' replies say that the server works on this one, too; but not for ever: it may be lost.
  const bool is_silent = oldest && now - std::max(*oldest, heard_at_) > settings_.timeout;
  const bool is_lost = oldest && now - *oldest > kTimeoutsUntilLost * settings_.timeout;
  if (is_silent || is_lost) connection_failed(ETIMEDOUT);
  if (!calls_.empty() && silent_since_.load() == 0 && now - heard_at_ > kSilence)
    silent_since_.store(heard_at_.time_since_epoch().count());
  for (auto& [call, error] : over) call->fail(error);
}

int Connection::poll_timeout_ms() {
  // Soon after a reply somebody asks again, and then need not ring.
  is_asleep_ = is_idle() && !leader_.load() && Clock::now() - heard_at_ >= kLook;
  if (is_asleep_) return -1;
  Clock::duration wait = kLook;
  if (!stream_ && !connecting_)
    wait = std::clamp(retry_at_ - Clock::now(), Clock::duration(milliseconds(1)), wait);
  return static_cast<int>(std::chrono::ceil<milliseconds>(wait).count());
}

void Connection::begin_connecting_when_due() {
  const Clock::time_point now = Clock::now();
  if (now < retry_at_) return;
  const Address& address = settings_.addresses[next_address_ % settings_.addresses.size()];
  Result<Fd> begun = begin_connecting(address, port_, settings_.is_reserved);
  if (!begun) return connection_failed(begun.error().code);
  connecting_ = std::move(*begun);
  connecting_until_ = now + kConnectingFor;
}

void Connection::finish_connecting() {
  if (const Result<void> done = connected(connecting_); !done)
    return connection_failed(done.error().code);
  stream_.emplace(std::exchange(connecting_, Fd()));
}

void Connection::connection_failed(int errno_code) {
  disconnect();
  ++next_address_;
  pause_ = pause_ == Clock::duration::zero() ? kFirstPause : std::min(pause_ * 2, kLongestPause);
  // Connections, and clients, that lost the same server should not come back all at once.
  std::uniform_real_distribution<double> part(0.75, 1.25);
  retry_at_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(pause_ * part(jitter_));
  if (errno_code == ECONNREFUSED && ++refusals_ >= kRefusalsUntilAsked && settings_.find_port) {
    refusals_ = 0;
    port_ = settings_.find_port().value_or(port_);
  }
  if (settings_.gives_up) fail_all(errno_code);
}

void Connection::disconnect() {
  connecting_.reset();
  stream_.reset();
  leader_.store(nullptr);
  is_broken_ = false;
  is_held_back_ = false;
  for (auto& [number, call] : calls_) {
    if (!call->is_sent) continue;
    call->is_sent = false;
    call->was_sent = true;
    ++unsent_;
  }
}

bool Connection::push_out() {
  for (;;) {
    is_broken_ = is_broken_ || !stream_->push_out();
    if (is_broken_ || stream_->is_full()) return false;
    if (!std::exchange(is_held_back_, false)) return true;
    send_waiting();
  }
}

bool Connection::serve(short events) {
  if ((events & POLLOUT) != 0) push_out();
  return !is_broken_ && ((events & ~POLLOUT) == 0 || stream_->receive(*this));
}

// Of those that may wait; another call may have had the same xid long ago.
std::uint64_t Connection::number_of(std::uint32_t xid) const {
  constexpr std::uint64_t kRound = std::uint64_t{1} << 32U;
  const std::uint64_t number = (next_number_ & ~(kRound - 1)) | xid;
  return number < next_number_ ? number : number - kRound;
}

std::span<std::byte> Connection::place_for(std::uint32_t xid) {
  const auto found = calls_.find(number_of(xid));
  const bool is_asked = found != calls_.end() && found->second->is_sent;
  return is_asked && found->second->place ? found->second->place() : std::span<std::byte>();
}

void Connection::replied(RpcReply& reply) {
  note_reply();  // it answers, be it somebody who has given up
  const auto found = calls_.find(number_of(reply.xid));
  if (found == calls_.end() || !found->second->is_sent) return;
  std::unique_ptr<Call> call = std::move(found->second);
  calls_.erase(found);
  const Call::After after = call->replied(reply);
  if (after == Call::After::Done) return;
  call->is_sent = false;
  if (after == Call::After::SendLater) call->not_before = Clock::now() + kMoment;
  calls_.emplace(next_number_++, std::move(call));
  ++unsent_;
}

void Connection::note_reply() {
  heard_at_ = Clock::now();
  last_reply_.store(heard_at_.time_since_epoch(), std::memory_order_relaxed);
  pause_ = Clock::duration::zero();
  refusals_ = 0;
  if (silent_since_.load(std::memory_order_relaxed) != 0) silent_since_.store(0);
}

void Connection::fail_all(int errno_code) {
  // Who hears of it may ask again, and waits anew.
  auto failed = std::exchange(calls_, {});
  auto rung = std::exchange(timers_, {});
  unsent_ = 0;
  for (auto& [number, call] : failed) call->fail(errno_code);
  for (auto& timer : rung) timer->fail(errno_code);
}

}  // namespace claimfs::backends::nfs
