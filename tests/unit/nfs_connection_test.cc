#include "backends/nfs/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/catch.h"
#include "tests/unit/rpc_records.h"

namespace claimfs::tests {

using namespace claimfs::backends::nfs;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::uint32_t word(const std::string& bytes, std::size_t at) {
  std::uint32_t big_endian = 0;
  bytes.copy(reinterpret_cast<char*>(&big_endian), sizeof big_endian, at);
  return ::ntohl(big_endian);
}

// A server that says what the test wants. Waits for ten seconds at most.
class Server {
 public:
  Server() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listening_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listening_.get(), 5) == 0);
    REQUIRE(::getsockname(listening_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    settings.addresses = *addresses_of("127.0.0.1");
    settings.port = ::ntohs(address.sin_port);
    settings.is_reserved = false;
    settings.timeout = std::chrono::hours(1);
    wait_at_most(listening_);
  }

  // Takes the next connection.
  void accept() {
    client_ = Fd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    REQUIRE(client_);
    wait_at_most(client_);
  }
  // To whoever is still there.
  void mention(const std::string& bytes) const {
    (void)::send(client_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void hang_up() { client_.reset(); }
  // Whether the client comes anew.
  bool is_called() const {
    pollfd waiting{listening_.get(), POLLIN, 0};
    return ::poll(&waiting, 1, 10) == 1;
  }
  // A whole record.
  std::string hear() const {
    const std::string mark = take(4);
    return take(word(mark, 0) & 0x7fffffffU);
  }
  void say(const std::string& bytes) const {
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t sent =
          ::send(client_.get(), bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      REQUIRE(sent > 0);
      at += static_cast<std::size_t>(sent);
    }
  }
  // The reply to what was heard, with these results.
  static std::string reply_to(const std::string& heard, const Words& results) {
    return record(accepted(word(heard, 0)) << results.bytes());
  }

  Connection::Settings settings;

 private:
  static void wait_at_most(const Fd& socket) {
    const timeval patience{10, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  }
  std::string take(std::size_t size) const {
    std::string bytes(size, 0);
    REQUIRE(::recv(client_.get(), bytes.data(), size, MSG_WAITALL) == static_cast<ssize_t>(size));
    return bytes;
  }

  Fd listening_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  Fd client_;
};

// What a call ended with.
struct Ended {
  int error = 0;
  bool was_sent_before = false;
  std::string data;  // of a READ
  const char* data_at = nullptr;
};

std::string handle_bytes = "handle";

void name_file(nfs_fh3& to) {
  to.data.data_len = static_cast<u_int>(handle_bytes.size());
  to.data.data_val = handle_bytes.data();
}

template <class P, class Fill>
std::future<Ended> ask(Connection& connection, Fill fill, std::span<std::byte> place = {},
                       std::shared_ptr<Ticket> ticket = std::make_shared<Ticket>()) {
  auto promise = std::make_shared<std::promise<Ended>>();
  auto call = make_call<P>(std::move(ticket), std::move(fill),
                           [promise](Result<typename P::Reply*> reply, bool was_sent_before) {
                             Ended ended{.error = reply ? 0 : reply.error().code,
                                         .was_sent_before = was_sent_before,
                                         .data = {}};
                             if constexpr (std::is_same_v<P, Read>) {
                               if (reply) {
                                 const auto& data = (*reply)->READ3res_u.resok.data;
                                 ended.data.assign(data.data_val, data.data_len);
                                 ended.data_at = data.data_val;
                               }
                             }
                             promise->set_value(ended);
                           });
  call->place = [place] { return place; };
  connection.submit(std::move(call));
  return promise->get_future();
}

std::future<Ended> ask_for_attributes(Connection& connection,
                                      std::shared_ptr<Ticket> ticket = std::make_shared<Ticket>()) {
  return ask<GetAttributes>(
      connection, [](GETATTR3args& to) { name_file(to.object); }, {}, std::move(ticket));
}

std::future<Ended> ask_to_read(Connection& connection, std::span<std::byte> place,
                               Clock::time_point deadline = Clock::time_point::max()) {
  auto ticket = std::make_shared<Ticket>();
  ticket->deadline = deadline;
  return ask<Read>(
      connection,
      [size = place.size()](READ3args& to) {
        name_file(to.file);
        to.count = static_cast<count3>(size);
      },
      place, std::move(ticket));
}

Words read_results(const std::string& data) {
  const auto size = static_cast<std::uint32_t>(data.size());
  return Words() << 0 << 0 << size << 1 << size << data;
}

// Those of a GETATTR that has succeeded.
Words attributes_told() { return Words() << 0 << std::string(84, 'a'); }

bool is_over(const std::future<Ended>& ended) {
  return ended.wait_for(seconds(10)) == std::future_status::ready;
}

// The next call is this one, and is answered: the connection is well.
void expect_answer(const Server& server, std::future<Ended> ended) {
  server.say(Server::reply_to(server.hear(), attributes_told()));
  REQUIRE(is_over(ended));
  CHECK(ended.get().error == 0);
}

}  // namespace

TEST_CASE("a call that is sent again is known by its number", "[nfs_connection]") {
  Server server;
  Connection connection(server.settings);
  auto ended = ask_for_attributes(connection);
  server.accept();
  const std::string first = server.hear();
  server.hang_up();
  server.accept();
  const std::string again = server.hear();
  CHECK(again == first);
  // The server asks for a moment: what comes after that is another call.
  server.say(Server::reply_to(again, Words() << NFS3ERR_JUKEBOX));
  const std::string later = server.hear();
  CHECK(later.substr(4) == first.substr(4));
  CHECK(later.substr(0, 4) != first.substr(0, 4));
  // Which the reply to the one before does not end.
  server.say(Server::reply_to(again, Words() << NFS3ERR_IO));
  server.say(Server::reply_to(later, attributes_told()));
  REQUIRE(is_over(ended));
  const Ended told = ended.get();
  CHECK(told.error == 0);
  CHECK(told.was_sent_before);
}

TEST_CASE("a call that is lost is sent again, though others are answered", "[nfs_connection]") {
  Server server;
  server.settings.timeout = milliseconds(50);
  Connection connection(server.settings);
  auto lost = ask_for_attributes(connection);
  server.accept();
  const std::string heard = server.hear();
  std::string other = heard;
  other[0] = static_cast<char>(~other[0]);  // what it answers is another call
  const auto end = Clock::now() + seconds(10);
  while (!server.is_called() && Clock::now() < end)
    server.mention(Server::reply_to(other, attributes_told()));
  REQUIRE(server.is_called());
  server.accept();
  const std::string again = server.hear();
  CHECK(again == heard);
  server.say(Server::reply_to(again, attributes_told()));
  REQUIRE(is_over(lost));
  CHECK(lost.get().was_sent_before);
}

TEST_CASE("a server that answers after all is not silent, though nobody waits any more",
          "[nfs_connection]") {
  Server server;
  Connection connection(server.settings);
  auto ticket = std::make_shared<Ticket>();
  auto given_up = ask_for_attributes(connection, ticket);
  server.accept();
  const std::string heard = server.hear();
  const auto comes_true = [](auto condition) {
    const auto end = Clock::now() + seconds(20);
    while (!condition() && Clock::now() < end) std::this_thread::sleep_for(milliseconds(5));
    return condition();
  };
  REQUIRE(comes_true([&] { return connection.silent_since().has_value(); }));
  ticket->is_given_up = true;
  connection.doorbell()->interrupt();
  REQUIRE(is_over(given_up));
  CHECK(given_up.get().error == EINTR);
  CHECK(connection.silent_since());
  server.say(Server::reply_to(heard, attributes_told()));
  CHECK(comes_true([&] { return !connection.silent_since(); }));
}

TEST_CASE("a server is silent since it was asked, whatever connections it takes meanwhile",
          "[nfs_connection]") {
  Server server;
  Connection connection(server.settings);
  const auto before = Clock::now();
  auto ended = ask_for_attributes(connection);
  while (!connection.silent_since() && Clock::now() < before + seconds(30)) {
    if (!server.is_called()) continue;
    server.accept();
    server.hang_up();
  }
  REQUIRE(connection.silent_since());
  CHECK(*connection.silent_since() >= before);
  CHECK(*connection.silent_since() < before + seconds(4));  // which it has to be for five
  server.accept();
  expect_answer(server, std::move(ended));
}

TEST_CASE("numbers differ between connections", "[nfs_connection]") {
  std::vector<std::string> numbers;
  for (int round = 0; round < 2; ++round) {
    Server server;
    Connection connection(server.settings);
    auto ended = ask_for_attributes(connection);
    server.accept();
    const std::string heard = server.hear();
    numbers.push_back(heard.substr(0, 4));
    server.say(Server::reply_to(heard, attributes_told()));
    REQUIRE(is_over(ended));
  }
  CHECK(numbers[0] != numbers[1]);
}

TEST_CASE("a READ's data are received where they are wanted", "[nfs_connection]") {
  Server server;
  Connection connection(server.settings);
  std::string place(200'000, '?');
  auto ended = ask_to_read(connection, std::as_writable_bytes(std::span(place)));
  server.accept();
  const std::string said = Server::reply_to(server.hear(), read_results(std::string(150'000, 'd')));
  server.say(said.substr(0, 100'000));
  server.say(said.substr(100'000));
  REQUIRE(is_over(ended));
  const Ended told = ended.get();
  CHECK(told.error == 0);
  CHECK((told.data == std::string(150'000, 'd')));
  CHECK(told.data_at == place.data());
}

TEST_CASE("who has been answered gets no data of a READ", "[nfs_connection]") {
  Server server;
  Connection connection(server.settings);
  std::string place(200'000, '?');
  auto ended = ask_to_read(connection, std::as_writable_bytes(std::span(place)),
                           Clock::now() + milliseconds(300));
  server.accept();
  const std::string said = Server::reply_to(server.hear(), read_results(std::string(200'000, 'd')));
  server.say(said.substr(0, 90'000));
  REQUIRE(is_over(ended));
  CHECK(ended.get().error == ETIMEDOUT);
  const std::string left = place;
  server.say(said.substr(90'000));
  // Behind it everything goes on, and so it has been received.
  expect_answer(server, ask_for_attributes(connection));
  CHECK((place == left));
}

TEST_CASE("a READ that a broken connection has cut is read anew", "[nfs_connection]") {
  Server server;
  Connection connection(server.settings);
  std::string place(200'000, '?');
  auto ended = ask_to_read(connection, std::as_writable_bytes(std::span(place)));
  server.accept();
  server.say(
      Server::reply_to(server.hear(), read_results(std::string(200'000, 'd'))).substr(0, 99'999));
  server.hang_up();
  server.accept();
  server.say(Server::reply_to(server.hear(), read_results(std::string(200'000, 'e'))));
  REQUIRE(is_over(ended));
  CHECK((ended.get().data == std::string(200'000, 'e')));
}

TEST_CASE("calls wait for a server that takes no more", "[nfs_connection]") {
  Server server;
  Connection connection(server.settings);
  constexpr std::size_t kSize = 1U << 20U;
  constexpr int kCalls = 40;
  std::vector<std::string> data;
  std::vector<std::future<Ended>> ended;
  for (int number = 0; number < kCalls; ++number)
    data.emplace_back(kSize, static_cast<char>('A' + number));
  for (const std::string& each : data)
    ended.push_back(ask<Write>(connection, [&each](WRITE3args& to) {
      name_file(to.file);
      to.data.data_len = static_cast<u_int>(each.size());
      to.data.data_val = const_cast<char*>(each.data());
    }));
  auto last = ask_for_attributes(connection);
  server.accept();
  std::vector<bool> is_heard(kCalls);
  for (int number = 0; number <= kCalls; ++number) {
    const std::string heard = server.hear();
    if (heard.size() < kSize) {
      server.say(Server::reply_to(heard, attributes_told()));
      continue;
    }
    const std::string bytes = heard.substr(heard.size() - kSize);
    const int which = bytes.front() - 'A';
    REQUIRE(which >= 0);
    REQUIRE(which < kCalls);
    CHECK((bytes == data[static_cast<std::size_t>(which)]));
    CHECK_FALSE(is_heard[static_cast<std::size_t>(which)]);
    is_heard[static_cast<std::size_t>(which)] = true;
    server.say(Server::reply_to(heard, Words() << 0 << 0 << 0 << kSize << 0 << 1 << 2));
  }
  for (std::future<Ended>& each : ended) {
    REQUIRE(is_over(each));
    CHECK(each.get().error == 0);
  }
  REQUIRE(is_over(last));
  CHECK(last.get().error == 0);
}

TEST_CASE("a call that the server's RPC layer refuses fails alone", "[nfs_connection]") {
  Server server;
  Connection connection(server.settings);
  auto refused = ask_for_attributes(connection);
  server.accept();
  const std::string heard = server.hear();
  server.say(record(Words() << word(heard, 0) << 1 << 1 << 1 << 5));  // AUTH_TOOWEAK
  REQUIRE(is_over(refused));
  CHECK(refused.get().error == EIO);
  auto senseless = ask_for_attributes(connection);
  server.say(Server::reply_to(server.hear(), Words() << 0 << 1));  // attributes that end too soon
  REQUIRE(is_over(senseless));
  CHECK(senseless.get().error == EIO);
  expect_answer(server, ask_for_attributes(connection));
}

TEST_CASE("what is no RPC ends the connection, and calls are sent anew", "[nfs_connection]") {
  Server server;
  Connection connection(server.settings);
  auto ended = ask_for_attributes(connection);
  server.accept();
  (void)server.hear();
  server.say("HTTP/1.1 400 Bad Request\r\n\r\n");
  server.accept();
  expect_answer(server, std::move(ended));
}

}  // namespace claimfs::tests
