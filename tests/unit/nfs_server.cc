#include "tests/unit/nfs_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/fd.h"
#include "tests/unit/catch.h"
#include "tests/unit/scratch.h"

namespace claimfs::tests {

namespace {

constexpr const char* kGanesha = "/usr/bin/ganesha.nfsd";
constexpr const char* kPlugins = "/usr/lib/x86_64-linux-gnu/ganesha";
constexpr int kPortMapper = 111;
constexpr auto kPatience = std::chrono::seconds(20);
constexpr auto kAgain = std::chrono::milliseconds(5);

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

bool listens(int port) {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(port);
  return ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

int free_port() {
  const Fd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  REQUIRE(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  REQUIRE(::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return ntohs(address.sin_port);
}

pid_t run(std::initializer_list<std::string> words) {
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  pid_t child = 0;
  const int error =
      ::posix_spawnp(&child, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  REQUIRE(error == 0);
  return child;
}

// The server announces itself to a port mapper, and does not start without one. One that this had
// to start goes with the thread, or the process.
void have_port_mapper() {
  if (listens(kPortMapper)) return;
  static std::vector<pid_t> mappers;
  if (mappers.empty())
    std::atexit([] {
      for (const pid_t mapper : mappers) {
        ::kill(mapper, SIGTERM);
        ::waitpid(mapper, nullptr, 0);
      }
    });
  // It becomes another user, which makes it forget whose death it wants to be told of: a shell does
  // not.
  mappers.push_back(run({"setpriv", "--pdeathsig", "TERM", "sh", "-c",
                         "rpcbind -f -w & trap \"kill $!\" TERM; wait; wait"}));
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!listens(kPortMapper) && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(kAgain);
}

}  // namespace

void in_network_of_its_own(const std::function<void()>& body) {
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      REQUIRE(::unshare(CLONE_NEWNET | CLONE_NEWNS) == 0);
      // The port mapper is also asked, and locked, by files in there.
      REQUIRE(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
      REQUIRE(::mount("run", "/run", "tmpfs", 0, nullptr) == 0);
      const Fd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
      ifreq loopback{};
      std::strcpy(loopback.ifr_name, "lo");
      loopback.ifr_flags = IFF_UP | IFF_RUNNING;
      REQUIRE(::ioctl(socket.get(), SIOCSIFFLAGS, &loopback) == 0);
      // Servers believe in addresses of their own only where there is one beside 127.0.0.1.
      ifreq address{};
      std::strcpy(address.ifr_name, "lo:1");
      auto& documentation = reinterpret_cast<sockaddr_in&>(address.ifr_addr);
      documentation.sin_family = AF_INET;
      documentation.sin_addr.s_addr = htonl(0xc0000201);  // 192.0.2.1, RFC 5737
      REQUIRE(::ioctl(socket.get(), SIOCSIFADDR, &address) == 0);
      // The same of IPv6: 2001:db8::1, RFC 3849. Not every kernel has that.
      if (const Fd socket6(::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)); socket6) {
        struct {  // in6_ifreq of linux/ipv6.h, which does not go with netinet/in.h
          in6_addr address;
          std::uint32_t prefix_length;
          int interface;
        } more{{{{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}}},
               128,
               static_cast<int>(::if_nametoindex("lo"))};
        ::ioctl(socket6.get(), SIOCSIFADDR, &more);
      }
      body();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
}

bool NfsServer::can_run() {
  return ::geteuid() == 0 && ::access(kGanesha, X_OK) == 0 &&
         std::filesystem::exists(std::filesystem::path(kPlugins) / "libfsalvfs.so");
}

NfsServer::NfsServer(Export exported)
    : work_(scratch("nfs-server")), nfs_port_(free_port()), mount_port_(free_port()) {
  REQUIRE(::mkdtemp(work_.data()));
  directory_ = work_ + "/export";
  std::filesystem::create_directories(directory_);
  std::filesystem::create_directories(work_ + "/recovery");
  write_configuration(exported);
  have_port_mapper();
  start();
}

NfsServer::~NfsServer() {
  kill();
  std::filesystem::remove_all(work_);
}

void NfsServer::write_configuration(Export exported) const {
  std::ofstream to(work_ + "/ganesha.conf");
  to << "NFS_CORE_PARAM { NFS_Port = " << nfs_port_ << "; MNT_Port = " << mount_port_
     << "; Protocols = 3; Bind_addr = " << exported.address
     << "; Enable_NLM = false; Enable_RQUOTA = false;"
     << " Enable_UDP = false; fsid_device = true; Plugins_Dir = " << kPlugins << "; }\n"
     << "NFSV4 { Graceless = true; Grace_Period = 0; RecoveryBackend = fs; RecoveryRoot = " << work_
     << "/recovery; }\n"
     << "NFS_KRB5 { Active_krb5 = false; }\n"
     << "EXPORT { Export_Id = 1; Path = " << directory_
     << "; Pseudo = /export; Protocols = 3; Transports = TCP; SecType = sys, none; Access_Type = "
     << exported.access << "; Squash = " << exported.squash
     << "; PrivilegedPort = false; MaxRead = 1048576; MaxWrite = 1048576; PrefRead = 1048576;"
     << " PrefWrite = 1048576; FSAL { Name = VFS; } }\n"
     << "LOG { Default_Log_Level = EVENT; }\n";
}

volumes::NfsOptions NfsServer::options() const {
  volumes::NfsOptions options;
  options.server = "127.0.0.1";
  options.path = directory_;
  options.port = static_cast<std::uint16_t>(nfs_port_);
  options.mount_port = static_cast<std::uint16_t>(mount_port_);
  return options;
}

bool NfsServer::answers() const { return listens(nfs_port_) && listens(mount_port_); }

std::string NfsServer::log() const {
  std::stringstream text;
  text << std::ifstream(work_ + "/log").rdbuf();
  return text.str();
}

void NfsServer::start() {
  REQUIRE(server_ == 0);
  // A run of the tests that dies takes it along.
  server_ = run({"setpriv", "--pdeathsig", "KILL", kGanesha, "-F", "-f", work_ + "/ganesha.conf",
                 "-L", work_ + "/log", "-p", work_ + "/pid"});
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (!answers()) {
    const bool is_over = std::chrono::steady_clock::now() > until;
    if (is_over || ::waitpid(server_, nullptr, WNOHANG) == server_) {
      if (!is_over) server_ = 0;
      const std::string said = log();
      kill();
      std::filesystem::remove_all(work_);  // the destructor does not run for one that is not made
      FAIL("the NFS server does not start: " << said);
    }
    std::this_thread::sleep_for(kAgain);
  }
}

void NfsServer::kill() {
  if (server_ == 0) return;
  ::kill(server_, SIGKILL);
  ::waitpid(server_, nullptr, 0);
  server_ = 0;
}

void NfsServer::replace_directory() const {
  const std::string copy = directory_ + ".copy";
  std::filesystem::copy(directory_, copy, std::filesystem::copy_options::recursive);
  std::filesystem::remove_all(directory_);
  std::filesystem::rename(copy, directory_);
}

void NfsServer::freeze() {
  ::kill(server_, SIGSTOP);
  ::waitpid(server_, nullptr, WUNTRACED);  // until all its threads have stopped
}

void NfsServer::thaw() { ::kill(server_, SIGCONT); }

}  // namespace claimfs::tests
