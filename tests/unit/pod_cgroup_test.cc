#include "fs/pod_cgroup.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "fs/calling_process.h"
#include "tests/unit/catch.h"

namespace claimfs::fs {
namespace {

constexpr std::string_view kUid = "0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33";
constexpr std::string_view kStatic = "a3e7b2f09c1d4e5f8a6b7c8d9e0f1a2b";

struct Row {
  const char* name;
  std::string_view text;
  std::string_view uid = {};
};

const Row kRows[] = {
    {.name = "v2, systemd driver, burstable",
     .text = "0::/kubepods.slice/kubepods-burstable.slice/"
             "kubepods-burstable-pod0d2f6bb5_6f5a_4b6e_9d5e_7e2b0c1a9f33.slice/"
             "cri-containerd-6f0e.scope\n",
     .uid = kUid},
    {.name = "v2, systemd driver, besteffort, cri-o and a cgroup of the container's own",
     .text = "0::/kubepods.slice/kubepods-besteffort.slice/"
             "kubepods-besteffort-pod0d2f6bb5_6f5a_4b6e_9d5e_7e2b0c1a9f33.slice/"
             "crio-6f0e.scope/container\n",
     .uid = kUid},
    {.name = "v2, systemd driver, guaranteed",
     .text = "0::/kubepods.slice/kubepods-pod0d2f6bb5_6f5a_4b6e_9d5e_7e2b0c1a9f33.slice/"
             "docker-6f0e.scope\n",
     .uid = kUid},
    {.name = "v2, systemd driver, static pod",
     .text = "0::/kubepods.slice/kubepods-burstable.slice/"
             "kubepods-burstable-poda3e7b2f09c1d4e5f8a6b7c8d9e0f1a2b.slice/"
             "cri-containerd-6f0e.scope",
     .uid = kStatic},
    {.name = "v2, systemd driver, the pod's own cgroup",
     .text = "0::/kubepods.slice/kubepods-pod0d2f6bb5_6f5a_4b6e_9d5e_7e2b0c1a9f33.slice",
     .uid = kUid},
    {.name = "v2, cgroupfs driver, burstable",
     .text = "0::/kubepods/burstable/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n",
     .uid = kUid},
    {.name = "v2, cgroupfs driver, guaranteed",
     .text = "0::/kubepods/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n",
     .uid = kUid},
    {.name = "v2, cgroupfs driver, static pod",
     .text = "0::/kubepods/besteffort/poda3e7b2f09c1d4e5f8a6b7c8d9e0f1a2b/6f0e\n",
     .uid = kStatic},
    {.name = "v1, cgroupfs driver",
     .text = "12:freezer:/kubepods/burstable/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n"
             "11:cpu,cpuacct:/kubepods/burstable/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n"
             "1:name=systemd:/kubepods/burstable/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n",
     .uid = kUid},
    {.name = "v1, some hierarchies are not the kubelet's",
     .text = "13:rdma:/\n"
             "12:misc:/\n"
             "11:memory:/kubepods/burstable/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n",
     .uid = kUid},
    {.name = "hybrid: v2 beside v1, and empty",
     .text = "5:memory:/kubepods.slice/kubepods-burstable.slice/"
             "kubepods-burstable-pod0d2f6bb5_6f5a_4b6e_9d5e_7e2b0c1a9f33.slice/"
             "cri-containerd-6f0e.scope\n"
             "0::/\n",
     .uid = kUid},
    {.name = "minikube: the kubelet in a container of docker's",
     .text = "0::/docker/77aa/kubelet/kubepods/burstable/"
             "pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n",
     .uid = kUid},
    {.name = "kind: the same with slices",
     .text = "0::/system.slice/docker-77aa.scope/kubelet.slice/kubelet-kubepods.slice/"
             "kubelet-kubepods-besteffort.slice/"
             "kubelet-kubepods-besteffort-pod0d2f6bb5_6f5a_4b6e_9d5e_7e2b0c1a9f33.slice/"
             "cri-containerd-6f0e.scope\n",
     .uid = kUid},
    {.name = "a pod in a pod: the node's",
     .text = "0::/kubepods/burstable/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e/docker/77aa/"
             "kubelet/kubepods/burstable/pod11111111-2222-3333-4444-555555555555/abcd\n",
     .uid = kUid},
    {.name = "nothing", .text = ""},
    {.name = "the root", .text = "0::/\n"},
    {.name = "a service", .text = "0::/system.slice/ssh.service\n"},
    {.name = "the kubelet's own", .text = "0::/kubepods.slice\n"},
    {.name = "between the kubelet's and a pod's",
     .text = "0::/kubepods.slice/kubepods-burstable.slice\n"},
    {.name = "podman", .text = "0::/machine.slice/libpod-6f0e.scope\n"},
    {.name = "a pod's name outside the kubelet's hierarchy",
     .text = "0::/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n"},
    {.name = "further below the kubelet's than a pod is",
     .text = "0::/kubepods/burstable/x/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33\n"},
    {.name = "not the kubelet's hierarchy, although it ends so",
     .text = "0::/mykubepods/burstable/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33\n"},
    {.name = "not the kubelet's slice, although it ends so",
     .text = "0::/mykubepods.slice/mykubepods-pod0d2f6bb5_6f5a_4b6e_9d5e_7e2b0c1a9f33.slice\n"},
    {.name = "a slice in a parent that is not its own",
     .text = "0::/kubepods.slice/"
             "kubepods-burstable-pod0d2f6bb5_6f5a_4b6e_9d5e_7e2b0c1a9f33.slice/x\n"},
    {.name = "no such quality",
     .text = "0::/kubepods/guaranteed/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n"},
    {.name = "no uid: a word", .text = "0::/kubepods/burstable/podman/6f0e\n"},
    {.name = "no uid: too long",
     .text = "0::/kubepods/burstable/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f330/6f0e\n"},
    {.name = "no uid: a letter that is no digit",
     .text = "0::/kubepods/burstable/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9g33/6f0e\n"},
    {.name = "no uid: a dash at the wrong place",
     .text = "0::/kubepods/burstable/pod0d2f6bb56-f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n"},
    {.name = "what a user makes below the slice that is theirs",
     .text = "0::/user.slice/user-1000.slice/user@1000.service/kubepods/"
             "pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33/6f0e\n"},
    {.name = "a line that is none", .text = "kubepods/pod0d2f6bb5-6f5a-4b6e-9d5e-7e2b0c1a9f33"},
    {.name = "a line of colons", .text = ":\n::\n:::\n"},
};

// Where cgroup v2 is mounted; empty: nowhere.
std::filesystem::path cgroup_root() {
  std::ifstream mounts("/proc/self/mounts");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string source, at, type;
    fields >> source >> at >> type;
    if (type == "cgroup2") return at;
  }
  return {};
}

}  // namespace

TEST_CASE("a process's cgroups say which pod it is in", "[pod_cgroup]") {
  for (const Row& row : kRows) {
    INFO(row.name);
    CHECK(pod_uid_of_cgroups(row.text) == row.uid);
  }
}

TEST_CASE("a process that is in no pod, and one that cannot be asked about", "[pod_cgroup]") {
  CHECK(pod_of(::getpid()).empty());
  CHECK(pod_of(0).empty());
  CHECK(pod_of(-1).empty());
  CHECK_FALSE(has_processes(std::string(kUid)));
}

TEST_CASE("a process in a pod's cgroup, for as long as it lives", "[pod_cgroup]") {
  const std::string uid = "5e1f0000-0000-4000-8000-" + std::to_string(100000000000 + ::getpid());
  const std::filesystem::path kubepods = cgroup_root() / "kubepods";
  const std::filesystem::path pod = kubepods / ("pod" + uid);
  std::error_code error;
  if (::geteuid() != 0 || kubepods.is_relative() ||
      (std::filesystem::create_directories(pod, error), error))
    return;
  const pid_t child = ::fork();
  if (child == 0) {
    while (true) ::pause();
  }
  std::ofstream(pod / "cgroup.procs") << child << std::flush;
  CHECK(pod_of(child) == uid);
  CHECK(has_processes(uid));
  CHECK_FALSE(has_processes(std::string(kUid)));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK(pod_of(child).empty());
  CHECK_FALSE(has_processes(uid));
  for (int tries = 0; ::rmdir(pod.c_str()) != 0 && tries < 100; ++tries) ::usleep(10'000);
  ::rmdir(kubepods.c_str());  // unless somebody else has pods there
}

}  // namespace claimfs::fs
