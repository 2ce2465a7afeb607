#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "backends/nfs/pending_writes.h"
#include "tests/unit/catch.h"
#include "tests/unit/restarting_server.h"

namespace claimfs::backends::nfs {

using namespace tests;

namespace {

constexpr std::size_t kWriteSize = 512;
constexpr std::size_t kFileSize = FileModel::kLongest;

class Simulation {
 public:
  Simulation(unsigned seed, Chances chances)
      : random_(seed),
        chances_(chances),
        most_in_flight_(1 + seed % 7),
        writes_(std::make_shared<SpareBuffers>(kWriteSize, 4)) {}

  void run(std::uint64_t steps) {
    for (int i = 0; i < 3; ++i) open();
    for (; step_ < steps; ++step_) {
      act();
      check();
    }
    drain();
  }

  std::uint64_t restarts = 0, failures = 0, syncs = 0, reads = 0;

 private:
  enum class Kind { Write, Commit, SetSize, Read };
  struct Request {
    Kind kind;
    PendingWrites::Write write = {};
    ByteRange range = {};           // of a read
    Overlay overlay = {};           // of a read
    std::uint64_t step = 0;         // when it was sent
    std::uint64_t truncations = 0;  // then
    bool is_executed = false;
    int error = 0;
    PendingWrites::WriteReply reply = {};  // the verifier of a COMMIT, too
    std::vector<std::byte> contents = {};  // of a read
  };
  struct Open {
    WriteErrors::Cursor cursor;
    int owed_error = 0;
  };
  struct Sync {
    PendingWrites::Token token;
    std::uint64_t step;
    std::size_t open;
  };

  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }
  bool percent(unsigned chance) { return below(100) < chance; }

  void act() {
    switch (below(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return write();
      case 4:
      case 5:
      case 6:
        return execute();
      case 7:
      case 8:
      case 9:
        return answer();
      case 10:
        return perform();
      case 11:
        if (percent(40)) return sync();
        if (percent(30)) writes_.push();
        if (percent(30)) writes_.commit_soon();
        return;
      case 12:
        if (percent(15) && !truncating_to_) {
          truncating_to_ = below(kFileSize);
          writes_.begin_truncation(*truncating_to_);
          is_set_size_sent_ = false;
        }
        if (percent(20)) open();
        if (opens_.size() > 2 && percent(20)) close();
        return;
      default:
        if (below(1000) < chances_.restart_per_mille) restart();
        if (percent(50)) read();
    }
  }

  void write() {
    const std::uint64_t offset = percent(30)   ? std::min<std::uint64_t>(model_.size, kFileSize - 1)
                                 : percent(40) ? last_end_ % kFileSize
                                               : below(kFileSize);
    const std::size_t length =
        1 + below(std::min<std::uint64_t>(percent(20) ? 2000 : 200, kFileSize - offset));
    std::vector<std::byte> data(length);
    for (std::byte& byte : data) byte = static_cast<std::byte>(random_());
    writes_.write(offset, data);
    model_.write(step_, offset, data);
    last_end_ = offset + length;
  }

  void open() {
    opens_.push_back({.cursor = writes_.errors().open(), .owed_error = untold_error_});
  }
  void close() {
    const std::size_t which = below(opens_.size());
    if (std::any_of(syncs_.begin(), syncs_.end(), [&](const Sync& s) { return s.open == which; }))
      return;
    if (which != opens_.size() - 1) return;  // the others keep their places
    tell(opens_.back());
    opens_.pop_back();
  }
  void tell(Open& open) {
    CHECK(writes_.errors().tell(open.cursor) == open.owed_error);
    if (open.owed_error != 0) untold_error_ = 0;
    open.owed_error = 0;
  }
  void error_happened(int error) {
    ++failures;
    untold_error_ = error;
    for (Open& open : opens_) open.owed_error = error;
  }

  void sync() {
    syncs_.push_back({writes_.flush(), step_, below(opens_.size())});
    ++syncs;
  }

  void read() {
    const std::uint64_t begin = below(kFileSize);
    const ByteRange range{begin,
                          begin + 1 + below(std::min<std::uint64_t>(700, kFileSize - begin))};
    send({.kind = Kind::Read, .range = range, .overlay = writes_.overlay(range)});
  }

  void send(Request request) {
    request.step = step_;
    request.truncations = truncations_;
    requests_.push_back(std::move(request));
  }

  void perform() {
    while (count(Kind::Write) < most_in_flight_) {
      const auto write = writes_.next_write();
      if (!write) break;
      for (const Request& other : requests_) {
        if (other.kind != Kind::Write) continue;
        REQUIRE((write->offset >= other.write.offset + other.write.data.size() ||
                 other.write.offset >= write->offset + write->data.size()));
      }
      REQUIRE(write->data.size() <= kWriteSize - write->offset % kWriteSize);
      if (truncating_to_) REQUIRE(write->offset + write->data.size() <= *truncating_to_);
      send({.kind = Kind::Write, .write = *write});
    }
    if (writes_.next_commit()) {
      REQUIRE(count(Kind::Commit) == 0);
      send({.kind = Kind::Commit});
    }
    if (truncating_to_ && !is_set_size_sent_ && writes_.truncation_may_go()) {
      is_set_size_sent_ = true;
      send({.kind = Kind::SetSize});
    }
  }
  std::size_t count(Kind kind) const {
    return static_cast<std::size_t>(std::count_if(
        requests_.begin(), requests_.end(), [&](const Request& r) { return r.kind == kind; }));
  }

  void execute() {
    std::vector<Request*> waiting;
    for (Request& request : requests_)
      if (!request.is_executed) waiting.push_back(&request);
    if (!waiting.empty()) execute(*waiting[below(waiting.size())]);
  }
  void execute(Request& request) {
    request.is_executed = true;
    request.error = request.kind != Kind::Read && percent(chances_.failure_percent)
                        ? (percent(50) ? ENOSPC : EIO)
                        : 0;
    const std::uint64_t verifier = chances_.is_many_verifiers ? 1000 + below(2) : server_.verifier;
    switch (request.kind) {
      case Kind::Write: {
        const auto& write = request.write;
        const std::size_t length = write.data.size();
        const std::size_t taken = percent(10) ? 1 + below(length) : length;
        const bool is_stable = write.is_stable || percent(5);
        // A WRITE that fails may have done its work all the same.
        if (request.error == 0 || percent(50))
          server_.write(write.offset, write.data.first(taken), is_stable);
        request.reply = {.count = taken, .is_stable = is_stable, .verifier = verifier};
        break;
      }
      case Kind::Commit:
        if (request.error == 0) server_.commit();
        request.reply.verifier = verifier;
        break;
      case Kind::SetSize:
        if (request.error == 0) server_.truncate(*truncating_to_);
        break;
      case Kind::Read:
        request.contents.resize(request.range.length());
        for (std::uint64_t at = request.range.begin; at < request.range.end; ++at)
          request.contents[at - request.range.begin] =
              RestartingServer::byte_of(server_.current, at);
    }
  }

  // Answers that were under way may be lost, and those requests are sent again.
  void restart() {
    ++restarts;
    server_.restart();
    for (Request& request : requests_)
      if (request.kind != Kind::SetSize && percent(50)) request.is_executed = false;
  }

  void answer() {
    std::vector<std::size_t> done;
    for (std::size_t i = 0; i < requests_.size(); ++i)
      if (requests_[i].is_executed) done.push_back(i);
    if (done.empty()) return;
    const auto which = static_cast<std::ptrdiff_t>(done[below(done.size())]);
    Request request = std::move(requests_[static_cast<std::size_t>(which)]);
    requests_.erase(requests_.begin() + which);
    switch (request.kind) {
      case Kind::Write:
        return answer_write(request);
      case Kind::Commit:
        if (request.error == 0) return writes_.committed(request.reply.verifier);
        writes_.commit_failed(request.error);
        error_happened(request.error);
        for (std::uint64_t at = 0; at < kFileSize; ++at) {
          if (is_held(at))
            model_.forget_all_but_newest(at);
          else if (!model_.is_known(at) ||
                   RestartingServer::byte_of(server_.stable, at) != model_.newest(at))
            model_.forget_all(at);
        }
        model_.is_size_known = false;
        return;
      case Kind::SetSize:
        writes_.end_truncation(request.error == 0 ? PendingWrites::Truncation::Done
                                                  : PendingWrites::Truncation::Failed);
        if (request.error == 0) model_.truncate(*truncating_to_);
        truncating_to_.reset();
        ++truncations_;
        return;
      case Kind::Read:
        return check_read(request);
    }
  }
  void answer_write(const Request& request) {
    const auto& write = request.write;
    if (request.error == 0) return writes_.written(write.number, request.reply);
    const std::vector<std::byte> sent(write.data.begin(), write.data.end());
    writes_.write_failed(write.number, request.error);
    error_happened(request.error);
    for (std::size_t i = 0; i < sent.size(); ++i) model_.forget(write.offset + i, sent[i]);
    model_.is_size_known = false;
  }
  bool is_held(std::uint64_t at) const { return writes_.overlay({at, at + 1}).is_complete; }

  // A READ answers with what was there when it was sent, or newer.
  void check_read(Request& request) {
    if (truncating_to_ || request.truncations != truncations_) return;
    request.overlay.lay_over(request.range.begin, request.contents);
    std::uint64_t wrong = 0;
    for (std::uint64_t at = request.range.begin; at < request.range.end; ++at)
      if (!model_.allows(at, request.contents[at - request.range.begin], request.step)) ++wrong;
    CHECK(wrong == 0);
    ++reads;
  }

  void check() {
    complete_syncs();
    if (!truncating_to_) check_now(below(kFileSize));
    if (step_ % 64 == 0) REQUIRE(writes_.is_sound());
    if (!truncating_to_ && model_.is_size_known)
      CHECK(writes_.size(server_.current.size()) == model_.size);
  }
  // Who reads now sees what was written last.
  void check_now(std::uint64_t begin) {
    const ByteRange range{begin, std::min<std::uint64_t>(begin + 300, kFileSize)};
    std::vector<std::byte> seen(range.length());
    for (std::uint64_t at = range.begin; at < range.end; ++at)
      seen[at - range.begin] = RestartingServer::byte_of(server_.current, at);
    const Overlay overlay = writes_.overlay(range);
    overlay.lay_over(range.begin, seen);
    std::uint64_t covered = 0, wrong = 0;
    for (const auto& part : overlay.parts) covered += part.bytes.size();
    CHECK(overlay.is_complete == (covered == range.length()));
    for (std::uint64_t at = range.begin; at < range.end; ++at)
      if (model_.is_known(at) && seen[at - range.begin] != model_.newest(at)) ++wrong;
    CHECK(wrong == 0);
  }
  // What a finished fsync has promised.
  void complete_syncs() {
    std::erase_if(syncs_, [&](const Sync& sync) {
      if (!writes_.is_stable(sync.token)) return false;
      std::uint64_t lost = 0;
      for (std::uint64_t at = 0; at < truncating_to_.value_or(kFileSize); ++at)
        if (!model_.allows(at, RestartingServer::byte_of(server_.stable, at), sync.step)) ++lost;
      CHECK(lost == 0);
      tell(opens_[sync.open]);
      return true;
    });
  }

  void drain() {
    chances_.failure_percent = 0;
    for (int i = 0; i < 100'000 && (truncating_to_ || !requests_.empty()); ++i, ++step_) {
      perform();
      execute();
      answer();
      check();
    }
    REQUIRE_FALSE(truncating_to_);
    sync();
    for (int i = 0; i < 100'000 && !syncs_.empty(); ++i, ++step_) {
      perform();
      execute();
      answer();
      check();
    }
    REQUIRE(syncs_.empty());
    CHECK(writes_.is_empty());
    CHECK(writes_.held_bytes() == 0);
    std::uint64_t wrong = 0;
    for (std::uint64_t at = 0; at < kFileSize; ++at)
      if (model_.is_known(at) && RestartingServer::byte_of(server_.stable, at) != model_.newest(at))
        ++wrong;
    CHECK(wrong == 0);
    for (Open& open : opens_) {
      tell(open);
      CHECK(writes_.errors().tell(open.cursor) == 0);
    }
  }

  std::mt19937 random_;
  Chances chances_;
  std::size_t most_in_flight_;
  PendingWrites writes_;
  RestartingServer server_;
  FileModel model_;
  std::vector<Request> requests_;
  std::vector<Open> opens_;
  std::vector<Sync> syncs_;
  std::uint64_t step_ = 1;
  std::uint64_t last_end_ = 0;
  int untold_error_ = 0;
  std::optional<std::uint64_t> truncating_to_;
  bool is_set_size_sent_ = false;
  std::uint64_t truncations_ = 0;
};

}  // namespace

TEST_CASE("random writes to a server that restarts and fails", "[nfs]") {
  struct Row {
    const char* name;
    Chances chances;
  };
  for (const Row& row : {
           Row{.name = "that does neither", .chances = {}},
           Row{.name = "that restarts", .chances = {.restart_per_mille = 150}},
           Row{.name = "that fails", .chances = {.failure_percent = 5}},
           Row{.name = "that does both",
           .chances = {.failure_percent = 3, .restart_per_mille = 150}},
           Row{.name = "whose verifiers never agree", .chances = {.is_many_verifiers = true}},
       }) {
    const unsigned first_seed = std::random_device{}();
    for (unsigned seed = first_seed; seed != first_seed + 7; ++seed) {
      INFO(row.name << ", seed " << seed);
      Simulation simulation(seed, row.chances);
      simulation.run(10'000);
      // It has been tried, not only survived.
      CHECK(simulation.syncs > 100);
      CHECK(simulation.reads > 50);
      if (row.chances.restart_per_mille > 0) CHECK(simulation.restarts > 20);
      if (row.chances.failure_percent > 0) CHECK(simulation.failures > 0);
    }
  }
}

}  // namespace claimfs::backends::nfs
