#pragma once

#include "backends/backend.h"

namespace claimfs::backends {

// A backend that refuses whatever its heirs do not serve: changes with one errno, look-ups inside
// with ENOTDIR, extended attributes and locks as not supported. For the tree's own directories and
// for volumes that are a single file.
class RefusingBackend : public Backend {
 public:
  explicit RefusingBackend(int refusal) : refusal_(refusal) {}

  Result<void> start() override { return {}; }

  void lookup(const Caller&, Inode&, std::string_view, Answer<Entry> answer) override {
    answer.fail(ENOTDIR);
  }
  void set_attributes(const Caller&, Inode&, File*, const AttributeChanges&,
                      Answer<Attributes> answer) override {
    answer.fail(refusal_);
  }
  void read_link(const Caller&, Inode&, Answer<std::string> answer) override {
    answer.fail(EINVAL);
  }

  void make_node(const Caller&, Inode&, std::string_view, mode_t, dev_t,
                 Answer<Entry> answer) override {
    answer.fail(refusal_);
  }
  void make_directory(const Caller&, Inode&, std::string_view, mode_t,
                      Answer<Entry> answer) override {
    answer.fail(refusal_);
  }
  void make_symlink(const Caller&, Inode&, std::string_view, std::string_view,
                    Answer<Entry> answer) override {
    answer.fail(refusal_);
  }
  void link(const Caller&, Inode&, Inode&, std::string_view, Answer<Entry> answer) override {
    answer.fail(refusal_);
  }
  void unlink(const Caller&, Inode&, std::string_view, Answer<void> answer) override {
    answer.fail(refusal_);
  }
  void remove_directory(const Caller&, Inode&, std::string_view, Answer<void> answer) override {
    answer.fail(refusal_);
  }
  void rename(const Caller&, Inode&, std::string_view, Inode&, std::string_view, unsigned,
              Answer<void> answer) override {
    answer.fail(refusal_);
  }

  void create(const Caller&, Inode&, std::string_view, mode_t, int,
              Answer<Created> answer) override {
    answer.fail(refusal_);
  }
  void create_unnamed(const Caller&, Inode&, mode_t, int, Answer<Created> answer) override {
    answer.fail(refusal_);
  }
  void write(const Caller&, File&, std::span<const std::byte>, off_t, WriteOptions,
             Answer<std::size_t> answer) override {
    answer.fail(refusal_);
  }
  void flush(const Caller&, File&, Answer<void> answer) override { answer.complete({}); }
  void sync(const Caller&, File&, bool, Answer<void> answer) override { answer.complete({}); }
  void allocate(const Caller&, File&, int, off_t, off_t, Answer<void> answer) override {
    answer.fail(EOPNOTSUPP);
  }
  void seek(const Caller&, File&, off_t, int, Answer<off_t> answer) override {
    answer.fail(EINVAL);
  }
  void copy_range(const Caller&, File&, off_t, File&, off_t, std::size_t,
                  Answer<std::size_t> answer) override {
    answer.fail(EOPNOTSUPP);
  }

  void open_directory(const Caller&, Inode&, Answer<std::unique_ptr<File>> answer) override {
    answer.fail(ENOTDIR);
  }
  void read_directory(const Caller&, File&, std::uint64_t, DirectorySink&,
                      Answer<void> answer) override {
    answer.fail(ENOTDIR);
  }
  void sync_directory(const Caller&, File&, bool, Answer<void> answer) override {
    answer.complete({});
  }

  void get_xattr(const Caller&, Inode&, std::string_view, Answer<std::string> answer) override {
    answer.fail(ENODATA);
  }
  void set_xattr(const Caller&, Inode&, std::string_view, std::string_view, int, bool,
                 Answer<void> answer) override {
    answer.fail(refusal_);
  }
  void list_xattrs(const Caller&, Inode&, Answer<std::string> answer) override {
    answer.complete(std::string());
  }
  void remove_xattr(const Caller&, Inode&, std::string_view, Answer<void> answer) override {
    answer.fail(refusal_);
  }

  void flock(File&, int, bool, Answer<void> answer) override { answer.fail(ENOLCK); }
  void test_lock(Inode&, const RangeLock&, Answer<RangeLock> answer) override {
    answer.fail(ENOLCK);
  }
  void set_lock(Inode&, const RangeLock&, bool, Answer<void> answer) override {
    answer.fail(ENOLCK);
  }
  void drop_locks(Inode&, std::uint64_t, Answer<void> answer) override { answer.complete({}); }

 private:
  int refusal_;
};

}  // namespace claimfs::backends
