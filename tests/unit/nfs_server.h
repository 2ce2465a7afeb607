#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "volumes/nfs_options.h"

namespace claimfs::tests {

// Runs this where no other server is known to the port mapper: on a thread, with the threads and
// processes that it makes, in a network with nobody else.
void in_network_of_its_own(const std::function<void()>& body);

// A real NFS server (nfs-ganesha) on free ports of 127.0.0.1, with an exported directory of its
// own. Both go with it, whatever state the server is in.
class NfsServer {
 public:
  // Whether there is one on this machine, and root to run it.
  static bool can_run();

  struct Export {
    const char* squash = "No_Root_Squash";
    const char* access = "RW";
    const char* address = "127.0.0.1";  // where it listens; "::0": by IPv6, too
  };
  // Exported, with the server running and answering. A failure is the test's.
  NfsServer() : NfsServer(Export{}) {}
  explicit NfsServer(Export exported);
  NfsServer(const NfsServer&) = delete;
  ~NfsServer();

  const std::string& directory() const { return directory_; }  // what is exported
  // How a client reaches it, by a fixed port.
  volumes::NfsOptions options() const;

  // On the same ports; waits until it answers. It ends with the thread that has started it.
  void start();
  void kill();  // as a crash does
  // While it does not run: a copy takes the directory's place, with the same names and other
  // inodes, which the server will call by other handles.
  void replace_directory() const;
  void freeze();  // it takes what is sent and does not answer
  void thaw();

 private:
  void write_configuration(Export exported) const;
  bool answers() const;
  std::string log() const;

  std::string work_;  // configuration, log and recovery state
  std::string directory_;
  int nfs_port_ = 0;
  int mount_port_ = 0;
  pid_t server_ = 0;
};

}  // namespace claimfs::tests
