#pragma once

#include <sys/stat.h>

#include <memory>
#include <mutex>
#include <optional>

#include "backends/backend.h"
#include "backends/nfs/cached_pages.h"
#include "backends/nfs/directory_news.h"
#include "backends/nfs/file_handle.h"
#include "backends/nfs/hidden_file.h"
#include "base/guarded.h"

namespace claimfs::backends::nfs {

class NfsInode final : public Inode {
 public:
  NfsInode(const FileHandle& handle, mode_t mode)
      : handle_(handle),
        mode_(mode),
        news_(S_ISDIR(mode) ? std::make_shared<DirectoryNews>() : nullptr) {}

  std::string_view key() const override { return handle_.bytes(); }
  const FileHandle& handle() const { return handle_; }
  bool is_directory() const { return S_ISDIR(mode_); }

  // A directory's; null for others.
  const std::shared_ptr<DirectoryNews>& news() const { return news_; }

  // It has no name any more but a hidden one, which it keeps from now on.
  void hide(std::shared_ptr<HiddenFile> hidden) {
    fate_.with([&](auto& fate) { of(fate).hidden = std::move(hidden); });
  }
  // A directory that was removed through us, and what was last known of it: the server knows
  // nothing of it any more.
  void was_removed(const Attributes& last) {
    fate_.with([&](auto& fate) { of(fate).removed = last; });
  }
  std::optional<Attributes> removed() const {
    return fate_.with([](const auto& fate) { return fate ? fate->removed : std::nullopt; });
  }
  // A file's that was opened.
  std::shared_ptr<CachedPages> cached_pages() {
    return fate_.with([](auto& fate) {
      auto& pages = of(fate).pages;
      if (!pages) pages = std::make_shared<CachedPages>();
      return pages;
    });
  }
  // What the server says, less the hidden name.
  Attributes seen(Attributes attributes) const {
    const bool is_hidden =
        fate_.with([](const auto& fate) { return fate && fate->hidden != nullptr; });
    if (is_hidden && attributes.nlink > 0) --attributes.nlink;
    return attributes;
  }

 private:
  struct Fate {
    std::shared_ptr<HiddenFile> hidden;
    std::optional<Attributes> removed;
    std::shared_ptr<CachedPages> pages;
  };
  static Fate& of(std::unique_ptr<Fate>& fate) {
    if (!fate) fate = std::make_unique<Fate>();
    return *fate;
  }

  const FileHandle handle_;
  const mode_t mode_;
  const std::shared_ptr<DirectoryNews> news_;
  Guarded<std::unique_ptr<Fate>> fate_;  // null, as of nearly all
};

}  // namespace claimfs::backends::nfs
