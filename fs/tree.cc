#include "fs/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ctime>
#include <set>

#include "fs/inode_numbers.h"

namespace claimfs::fs {

using backends::Attributes;
using backends::Entry;

namespace {

constexpr std::string_view kStateDirectory = ".claimfs";
constexpr std::array<std::string_view, 4> kStateFiles = {"version", "status", "events", "metrics"};

enum class Place {
  Root,
  Namespace,
  State,            // .claimfs
  StateFile,        // .claimfs/status
  Volumes,          // .claimfs/volumes
  VolumeLink,       // .claimfs/volumes/<pv>
  Claims,           // .claimfs/claims
  ClaimsNamespace,  // .claimfs/claims/<namespace>
  ClaimText,        // .claimfs/claims/<namespace>/<claim>
};

// A place in the tree. Its path is its key, and its number is made of its path: stable over
// restarts.
class TreeInode final : public backends::Inode {
 public:
  TreeInode(Place at, std::string whole_path, std::string in_name_space = {},
            std::string last_name = {})
      : place(at),
        path(std::move(whole_path)),
        name_space(std::move(in_name_space)),
        name(std::move(last_name)) {}
  std::string_view key() const override { return path; }

  const Place place;
  const std::string path;
  const std::string name_space;
  const std::string name;
};

const TreeInode& tree_inode(const backends::Inode& inode) {
  return static_cast<const TreeInode&>(inode);
}

// FNV-1a, folded into the 48 bits of the tree's own filesystem index.
std::uint64_t number_of(std::string_view path) {
  if (path.empty()) return 1;
  std::uint64_t hash = 0xCBF29CE484222325ULL;
  for (const char byte : path) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3ULL;
  return ((hash >> 48) ^ hash) & 0xFFFFFFFFFFFFULL;
}

bool is_directory(Place place) {
  return place != Place::StateFile && place != Place::VolumeLink && place != Place::ClaimText;
}

std::unique_ptr<TreeInode> child_of(const TreeInode& parent, std::string_view child) {
  const std::string name(child);
  std::string path = parent.path + "/" + name;
  switch (parent.place) {
    case Place::Root:
      if (name == kStateDirectory)
        return std::make_unique<TreeInode>(Place::State, std::move(path));
      return std::make_unique<TreeInode>(Place::Namespace, std::move(path), name);
    case Place::State:
      if (name == "volumes") return std::make_unique<TreeInode>(Place::Volumes, std::move(path));
      if (name == "claims") return std::make_unique<TreeInode>(Place::Claims, std::move(path));
      return std::make_unique<TreeInode>(Place::StateFile, std::move(path), "", name);
    case Place::Volumes:
      return std::make_unique<TreeInode>(Place::VolumeLink, std::move(path), "", name);
    case Place::Claims:
      return std::make_unique<TreeInode>(Place::ClaimsNamespace, std::move(path), name);
    case Place::ClaimsNamespace:
      return std::make_unique<TreeInode>(Place::ClaimText, std::move(path), parent.name_space,
                                         name);
    default:
      return nullptr;
  }
}

// An open state file or directory: what it was when it was opened.
struct TreeFile final : backends::File {
  explicit TreeFile(const TreeInode& of) : inode(of.place, of.path, of.name_space, of.name) {}
  TreeInode inode;
  std::string text;
};

}  // namespace

Tree::Tree(StateTexts texts) : RefusingBackend(EPERM), texts_(std::move(texts)) {
  shown_.with([](auto& shown) { shown = std::make_shared<const Shown>(); });
  clock_gettime(CLOCK_REALTIME, &born_);
}

std::vector<std::pair<std::string, std::string>> Tree::show(Claims claims) {
  auto next = std::make_shared<Shown>();
  for (auto& volume : claims) {
    const auto claim = volume->claim();
    next->by_volume[claim->volume_name] = volume;
    next->namespaces[claim->name_space][claim->name] = std::move(volume);
  }
  const auto before = shown_.with([&](auto& shown) {
    auto previous = shown;
    shown = next;
    return previous;
  });
  std::vector<std::pair<std::string, std::string>> gone;
  for (const auto& [name_space, names] : before->namespaces) {
    const auto still = next->namespaces.find(name_space);
    if (still == next->namespaces.end()) gone.emplace_back(name_space, std::string());
    for (const auto& [name, volume] : names) {
      if (still == next->namespaces.end()) {
        gone.emplace_back(name_space, name);
        continue;
      }
      const auto same = still->second.find(name);
      if (same == still->second.end() || same->second != volume)
        gone.emplace_back(name_space, name);
    }
  }
  return gone;
}

Tree::Claims Tree::claims() const {
  const auto shown = shown_.with([](const auto& now) { return now; });
  Claims claims;
  for (const auto& [name_space, names] : shown->namespaces)
    for (const auto& [name, volume] : names) claims.push_back(volume);
  return claims;
}

std::shared_ptr<ServedVolume> Tree::find(std::string_view name_space,
                                         std::string_view claim) const {
  const auto shown = shown_.with([](const auto& now) { return now; });
  const auto names = shown->namespaces.find(name_space);
  if (names == shown->namespaces.end()) return nullptr;
  const auto volume = names->second.find(claim);
  return volume == names->second.end() ? nullptr : volume->second;
}

std::shared_ptr<ServedVolume> Tree::claim_at(const backends::Inode& directory,
                                             std::string_view name) const {
  const TreeInode& at = tree_inode(directory);
  return at.place == Place::Namespace ? find(at.name_space, name) : nullptr;
}

std::unique_ptr<backends::Inode> Tree::namespace_inode(std::string_view name_space) {
  return child_of(TreeInode(Place::Root, ""), name_space);
}

bool Tree::exists(const backends::Inode& inode) const {
  const TreeInode& at = tree_inode(inode);
  const auto shown = shown_.with([](const auto& now) { return now; });
  switch (at.place) {
    case Place::Namespace:
      return shown->namespaces.contains(at.name_space);
    case Place::StateFile:
      return std::find(kStateFiles.begin(), kStateFiles.end(), at.name) != kStateFiles.end();
    case Place::VolumeLink:
      return shown->by_volume.contains(at.name);
    case Place::ClaimsNamespace:
      return std::ranges::any_of(texts_.claims(),
                                 [&](const auto& claim) { return claim.first == at.name_space; });
    case Place::ClaimText:
      return texts_.claim(at.name_space, at.name).has_value();
    default:
      return true;
  }
}

void Tree::root(Answer<Entry> answer) {
  answer.complete(Entry{std::make_unique<TreeInode>(Place::Root, ""), *probe()});
}

Result<Attributes> Tree::probe() {
  Attributes attributes;
  attributes.device = InodeNumbers::kTreeDevice;
  attributes.ino = 1;
  attributes.mode = S_IFDIR | 0555;
  attributes.nlink = 2;
  attributes.atime = attributes.mtime = attributes.ctime = attributes.btime = born_;
  return attributes;
}

void Tree::get_attributes(const backends::Caller&, backends::Inode& inode, backends::File*,
                          Answer<Attributes> answer) {
  const TreeInode& at = tree_inode(inode);
  if (!exists(at)) return answer.refuse(ENOENT);
  Attributes attributes = *probe();
  attributes.ino = number_of(at.path);
  if (at.place == Place::VolumeLink) attributes.mode = S_IFLNK | 0777;
  // As in /proc, the size of a text that is written when it is read is 0.
  if (at.place == Place::StateFile || at.place == Place::ClaimText)
    attributes.mode = S_IFREG | 0444;
  if (!is_directory(at.place)) attributes.nlink = 1;
  answer.complete(attributes);
}

void Tree::lookup(const backends::Caller& caller, backends::Inode& parent, std::string_view name,
                  Answer<Entry> answer) {
  const TreeInode& directory = tree_inode(parent);
  std::unique_ptr<TreeInode> child =
      is_directory(directory.place) ? child_of(directory, name) : nullptr;
  if (!child) {
    answer.fail(is_directory(directory.place) ? ENOENT : ENOTDIR);
    return;
  }
  TreeInode& found = *child;
  get_attributes(caller, found, nullptr,
                 [answer = std::move(answer),
                  child = std::move(child)](Result<Attributes> attributes) mutable {
                   if (!attributes) return answer.complete(failure(std::move(attributes).error()));
                   return answer.complete(Entry{std::move(child), *attributes});
                 });
}

void Tree::read_link(const backends::Caller&, backends::Inode& inode, Answer<std::string> answer) {
  const TreeInode& at = tree_inode(inode);
  const auto shown = shown_.with([](const auto& now) { return now; });
  const auto volume = shown->by_volume.find(at.name);
  if (at.place != Place::VolumeLink || volume == shown->by_volume.end()) {
    answer.fail(at.place == Place::VolumeLink ? ENOENT : EINVAL);
    return;
  }
  const auto claim = volume->second->claim();
  answer.complete("../../" + claim->name_space + "/" + claim->name);
}

Result<std::string> Tree::text_of(const backends::Inode& file) const {
  const TreeInode& at = tree_inode(file);
  if (at.place == Place::ClaimText) return texts_.claim(at.name_space, at.name);
  if (at.name == "version") return texts_.version();
  if (at.name == "status") return texts_.status();
  if (at.name == "events") return texts_.events();
  if (at.name == "metrics") return texts_.metrics();
  return failure(ENOENT);
}

void Tree::open(const backends::Caller&, backends::Inode& inode, int flags,
                Answer<std::unique_ptr<backends::File>> answer) {
  if ((flags & O_ACCMODE) != O_RDONLY) return answer.refuse(EPERM);
  auto file = std::make_unique<TreeFile>(tree_inode(inode));
  Result<std::string> text = text_of(inode);
  if (!text) return answer.refuse(text.error());
  file->text = std::move(*text);
  answer.complete(std::unique_ptr<backends::File>(std::move(file)));
}

void Tree::read(const backends::Caller&, backends::File& file, std::size_t size, off_t offset,
                Answer<std::span<const std::byte>> answer) {
  const std::string& text = static_cast<TreeFile&>(file).text;
  const auto begin = std::min(static_cast<std::size_t>(offset), text.size());
  answer.complete(
      std::as_bytes(std::span(text).subspan(begin, std::min(size, text.size() - begin))));
}

void Tree::open_directory(const backends::Caller&, backends::Inode& inode,
                          Answer<std::unique_ptr<backends::File>> answer) {
  answer.complete(std::unique_ptr<backends::File>(std::make_unique<TreeFile>(tree_inode(inode))));
}

std::vector<Tree::Name> Tree::names_in(const backends::Inode& directory) const {
  const TreeInode& at = tree_inode(directory);
  const auto shown = shown_.with([](const auto& now) { return now; });
  std::vector<Name> names;
  const auto add = [&](std::string_view name, unsigned char type) {
    names.push_back({std::string(name), type, number_of(at.path + "/" + std::string(name))});
  };
  switch (at.place) {
    case Place::Root:
      add(kStateDirectory, DT_DIR);
      for (const auto& [name, claims] : shown->namespaces) add(name, DT_DIR);
      break;
    case Place::Namespace:
      if (const auto found = shown->namespaces.find(at.name_space);
          found != shown->namespaces.end())
        for (const auto& [name, volume] : found->second) add(name, DT_UNKNOWN);
      break;
    case Place::State:
      for (const std::string_view name : kStateFiles) add(name, DT_REG);
      add("volumes", DT_DIR);
      add("claims", DT_DIR);
      break;
    case Place::Volumes:
      for (const auto& [name, volume] : shown->by_volume) add(name, DT_LNK);
      break;
    case Place::Claims: {
      std::set<std::string> name_spaces;
      for (const auto& [name_space, claim] : texts_.claims()) name_spaces.insert(name_space);
      for (const std::string& name_space : name_spaces) add(name_space, DT_DIR);
      break;
    }
    case Place::ClaimsNamespace:
      for (const auto& [name_space, claim] : texts_.claims())
        if (name_space == at.name_space) add(claim, DT_REG);
      break;
    default:
      break;
  }
  return names;
}

// A name's cursor is made of its own number, not of its position: while others come and go, a
// reader that goes on from one meets every name that stays exactly once. Names are offered in the
// order of their numbers for that.
void Tree::read_directory(const backends::Caller&, backends::File& directory, std::uint64_t cursor,
                          backends::DirectorySink& sink, Answer<void> answer) {
  const TreeInode& at = static_cast<TreeFile&>(directory).inode;
  constexpr std::uint64_t kAfterDot = 1;
  constexpr std::uint64_t kAfterDotDot = 2;
  constexpr std::uint64_t kNamesBegin = 3;
  bool has_room = true;
  if (cursor < kAfterDot)
    has_room = sink.add(".", InodeNumbers::kTreeDevice, number_of(at.path), DT_DIR, kAfterDot,
                        std::nullopt);
  if (has_room && cursor < kAfterDotDot) {
    const std::string parent = at.path.substr(0, at.path.empty() ? 0 : at.path.rfind('/'));
    has_room = sink.add("..", InodeNumbers::kTreeDevice, number_of(parent), DT_DIR, kAfterDotDot,
                        std::nullopt);
  }
  if (has_room) {
    std::vector<Name> names = names_in(at);
    std::ranges::sort(names, {}, [](const Name& name) { return std::tie(name.ino, name.name); });
    for (const Name& name : names) {
      const std::uint64_t next = kNamesBegin + name.ino + 1;
      if (next <= cursor) continue;
      if (!sink.add(name.name, InodeNumbers::kTreeDevice, name.ino, name.type, next, std::nullopt))
        break;
    }
  }
  answer.complete({});
}

void Tree::file_system_state(const backends::Caller&, Answer<backends::FileSystemState> answer) {
  answer.fail(ENOSYS);
}

}  // namespace claimfs::fs
