#include "cli/claim_users.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>

#include "cli/daemon_search.h"
#include "cli/mount_views.h"
#include "fs/calling_process.h"

namespace claimfs::cli {
namespace {

constexpr std::string_view kDeleted = " (deleted)";
constexpr std::array kStandsIn = {std::pair("cwd", How::WorkingDirectory),
                                  std::pair("root", How::Root)};

// Names are their makers', and what prints them may be a terminal.
std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return text;
}

std::string process_path(pid_t pid) { return "/proc/" + std::to_string(pid); }

std::string first_line(const std::string& file) {
  std::ifstream stream(file);
  std::string line;
  std::getline(stream, line);
  return line;
}

// The mount that a descriptor was opened through.
std::optional<int> mount_id_of(const std::string& process, const std::string& descriptor) {
  std::ifstream file(process + "/fdinfo/" + descriptor);
  for (std::string word; file >> word;) {
    int id = 0;
    if (word == "mnt_id:" && file >> id) return id;
  }
  return {};
}

// As the table of a process's maps writes a device: "0:52" is "00:34".
std::string device_in_maps(const std::string& device) {
  unsigned major = 0;
  unsigned minor = 0;
  std::sscanf(device.c_str(), "%u:%u", &major, &minor);
  char text[32];
  std::snprintf(text, sizeof text, "%02x:%02x", major, minor);
  return text;
}

}  // namespace

std::string_view to_string(How how) {
  switch (how) {
    case How::Open:
      return "open";
    case How::Map:
      return "map";
    case How::WorkingDirectory:
      return "working directory";
    case How::Root:
      return "root";
    case How::MountPoint:
      return "mount point";
    case How::LoopDevice:
      return "loop device";
  }
  return "";
}

// One search for everything that is in use of a mount.
class UseSearch {
 public:
  UseSearch(MountUses& uses, const std::string& device)
      : uses_(uses), views_(device), device_in_maps_(device_in_maps(device)) {}

  void run() {
    for (const MountViews::Viewer& viewer : views_.viewers()) {
      add_descriptors(viewer);
      add_maps(viewer);
      for (const auto& [link, how] : kStandsIn)
        add(viewer, how, link_text(process_path(viewer.pid) + "/" + link));
    }
    add_mount_points();
    add_loop_devices();
  }

 private:
  void add(const MountViews::Viewer& viewer, How how, const std::string& link,
           std::optional<int> mount_id = {}) {
    const auto path = mount_id ? views_.path_of_descriptor(viewer, link, *mount_id)
                               : views_.path_of(viewer, link);
    if (!path) return;
    std::string what = (uses_.mount_point_ == "/" ? "" : uses_.mount_point_) + *path;
    if (link.ends_with(kDeleted)) what += kDeleted;
    uses_.uses_.push_back({viewer.pid, how, *path, std::move(what)});
  }

  void add_descriptors(const MountViews::Viewer& viewer) {
    const std::string process = process_path(viewer.pid);
    std::error_code error;
    for (std::filesystem::directory_iterator entry(process + "/fd", error), end;
         !error && entry != end; entry.increment(error)) {
      const std::string link = link_text(entry->path());
      if (views_.is_elsewhere(link)) continue;
      if (const auto id = mount_id_of(process, entry->path().filename()))
        add(viewer, How::Open, link, id);
    }
  }

  // ADDRESSES RIGHTS OFFSET DEVICE INODE PATH
  void add_maps(const MountViews::Viewer& viewer) {
    std::ifstream file(process_path(viewer.pid) + "/maps");
    std::string last;
    for (std::string line; std::getline(file, line);) {
      if (line.find(" " + device_in_maps_ + " ") == std::string::npos) continue;
      std::istringstream fields(line);
      std::string addresses, rights, offset, device, inode, path;
      fields >> addresses >> rights >> offset >> device >> inode >> std::ws;
      std::getline(fields, path);
      if (device != device_in_maps_ || path == last) continue;
      add(viewer, How::Map, path);
      last = std::move(path);
    }
  }

  void add_mount_points() {
    for (const auto& [name, each] : views_.namespaces()) {
      for (const MountEntry& mount : each.mounts) {
        // The tree itself, wherever it is mounted, is not a use of a claim.
        if (views_.is_of(mount) && mount.root != "/")
          uses_.uses_.push_back({each.pid, How::MountPoint, mount.root, mount.mount_point});
        if (const auto path = views_.path_below(mount))
          uses_.uses_.push_back({each.pid, How::MountPoint, *path, mount.mount_point});
      }
    }
  }

  // The kernel has these open, no process.
  void add_loop_devices() {
    const MountViews::Viewer ourselves{0, link_text("/proc/self/ns/mnt")};
    std::error_code error;
    for (std::filesystem::directory_iterator entry("/sys/block", error), end;
         !error && entry != end; entry.increment(error)) {
      const std::string file = first_line(entry->path() / "loop/backing_file");
      if (file.empty() || views_.is_elsewhere(file)) continue;
      if (const auto path = views_.path_of(ourselves, file))
        uses_.uses_.push_back(
            {0, How::LoopDevice, *path, "/dev/" + entry->path().filename().string()});
    }
  }

  MountUses& uses_;
  const MountViews views_;
  const std::string device_in_maps_;
};

MountUses MountUses::search(const std::string& mount_point) {
  MountUses uses;
  uses.mount_point_ = mount_point;
  if (const auto mount = mount_at(mount_point)) UseSearch(uses, mount->device).run();
  return uses;
}

std::vector<ClaimUser> MountUses::of(const std::string& path_in_mount) const {
  std::vector<ClaimUser> users;
  const Use* last = nullptr;
  for (const Use& use : uses_) {
    if (!is_within(use.path, path_in_mount)) continue;
    const bool is_process = use.how < How::MountPoint;
    if (is_process && last && last->pid == use.pid) continue;  // found most telling first
    last = is_process ? &use : nullptr;
    ClaimUser user{
        .pid = use.pid, .command = {}, .pod_uid = {}, .how = use.how, .what = printable(use.what)};
    if (use.pid != 0) {
      user.command = printable(first_line(process_path(use.pid) + "/comm"));
      if (is_process && (user.command.empty() || is_daemon_of(use.pid, mount_point_))) continue;
      user.pod_uid = fs::pod_of(use.pid);
    }
    users.push_back(std::move(user));
  }
  return users;
}

std::vector<ClaimUser> users_of(const std::string& mount_point, const std::string& path_in_mount) {
  return MountUses::search(mount_point).of(path_in_mount);
}

bool is_used_by_processes(const std::string& mount_point, const std::string& path_in_mount) {
  const auto mount = mount_at(mount_point);
  if (!mount) return false;
  const MountViews views(mount->device);
  const auto is_there = [&](const std::optional<std::string>& path) {
    return path && is_within(*path, path_in_mount);
  };
  for (const auto& [name, each] : views.namespaces()) {
    for (const MountEntry& at : each.mounts) {
      if (views.is_of(at) && is_within(at.root, path_in_mount)) return true;
      if (is_there(views.path_below(at))) return true;
    }
  }
  return std::ranges::any_of(views.viewers(), [&](const MountViews::Viewer& viewer) {
    return std::ranges::any_of(kStandsIn, [&](const auto& stands) {
      const std::string link = link_text(process_path(viewer.pid) + "/" + stands.first);
      return !link.empty() && is_there(views.path_of(viewer, link));
    });
  });
}

bool has_mounts_inside(const std::string& mount_point, const std::string& path_in_mount) {
  const auto mount = mount_at(mount_point);
  if (!mount) return false;
  const MountViews views(mount->device);
  return std::ranges::any_of(views.namespaces(), [&](const auto& name_space) {
    return std::ranges::any_of(name_space.second.mounts, [&](const MountEntry& at) {
      const auto path = views.path_below(at);
      return path && is_within(*path, path_in_mount);
    });
  });
}

}  // namespace claimfs::cli
