#include <fcntl.h>

#include "backends/caller_identity.h"
#include "tests/backend_contract/contract.h"
#include "tests/unit/catch.h"

namespace claimfs::tests {

Volume::Volume(std::unique_ptr<Backend> started, Features features)
    : backend_(std::move(started)), features_(features) {
  backend_->set_remembered(this);
  const Result<void> ready = backend_->start();
  INFO((ready ? "" : ready.error().message()));
  REQUIRE(ready);
  Result<Entry> root = ask<Entry>([&](auto answer) { backend_->root(std::move(answer)); });
  REQUIRE(root);
  root_ = std::move(root->inode);
}

Volume::~Volume() {
  kept_.clear();
  root_.reset();
  backend_.reset();
  // The next test makes its files as itself.
  become(Caller{.uid = ::geteuid(), .gid = ::getegid(), .umask = 022});
}

Known Volume::keep(Entry entry) {
  const auto [kept, is_new] = kept_.try_emplace(std::string(entry.inode->key()));
  if (is_new) kept->second = std::move(entry.inode);
  return {kept->second.get(), entry.attributes};
}

Result<Known> Volume::keep(Result<Entry> entry) {
  if (!entry) return failure(entry.error());
  return keep(std::move(*entry));
}

void Volume::with(std::string_view key, const std::function<void(Inode&)>& use) {
  if (const auto kept = kept_.find(key); kept != kept_.end()) use(*kept->second);
}

Result<Known> Volume::lookup(Inode& parent, std::string_view name) {
  return keep(
      ask<Entry>([&](auto answer) { backend_->lookup(caller, parent, name, std::move(answer)); }));
}

Result<Attributes> Volume::attributes(Inode& inode) {
  return ask<Attributes>(
      [&](auto answer) { backend_->get_attributes(caller, inode, nullptr, std::move(answer)); });
}

Result<Attributes> Volume::change(Inode& inode, const AttributeChanges& changes, File* file) {
  return ask<Attributes>([&](auto answer) {
    backend_->set_attributes(caller, inode, file, changes, std::move(answer));
  });
}

Result<Known> Volume::make_directory(Inode& parent, std::string_view name, mode_t mode) {
  return keep(ask<Entry>([&](auto answer) {
    backend_->make_directory(caller, parent, name, mode, std::move(answer));
  }));
}

Result<Known> Volume::make_symlink(Inode& parent, std::string_view name, std::string_view target) {
  return keep(ask<Entry>([&](auto answer) {
    backend_->make_symlink(caller, parent, name, target, std::move(answer));
  }));
}

Result<Known> Volume::make_node(Inode& parent, std::string_view name, mode_t mode) {
  return keep(ask<Entry>(
      [&](auto answer) { backend_->make_node(caller, parent, name, mode, 0, std::move(answer)); }));
}

Result<Known> Volume::link(Inode& inode, Inode& parent, std::string_view name) {
  return keep(ask<Entry>(
      [&](auto answer) { backend_->link(caller, inode, parent, name, std::move(answer)); }));
}

Result<void> Volume::unlink(Inode& parent, std::string_view name) {
  return ask<void>([&](auto answer) { backend_->unlink(caller, parent, name, std::move(answer)); });
}

Result<void> Volume::remove_directory(Inode& parent, std::string_view name) {
  return ask<void>(
      [&](auto answer) { backend_->remove_directory(caller, parent, name, std::move(answer)); });
}

Result<void> Volume::rename(Inode& parent, std::string_view name, Inode& new_parent,
                            std::string_view new_name, unsigned flags) {
  return ask<void>([&](auto answer) {
    backend_->rename(caller, parent, name, new_parent, new_name, flags, std::move(answer));
  });
}

Result<std::string> Volume::read_link(Inode& inode) {
  return ask<std::string>(
      [&](auto answer) { backend_->read_link(caller, inode, std::move(answer)); });
}

Result<Volume::Opened> Volume::create(Inode& parent, std::string_view name, int flags,
                                      mode_t mode) {
  Result<Created> created = ask<Created>(
      [&](auto answer) { backend_->create(caller, parent, name, mode, flags, std::move(answer)); });
  if (!created) return failure(created.error());
  const Known known = keep(std::move(created->entry));
  return Opened{known, std::move(created->file)};
}

Result<std::unique_ptr<File>> Volume::open(Inode& inode, int flags) {
  return ask<std::unique_ptr<File>>(
      [&](auto answer) { backend_->open(caller, inode, flags, std::move(answer)); });
}

Result<std::string> Volume::read(File& file, std::size_t size, off_t offset) {
  return ask<std::string>([&](Answer<std::string> answer) {
    backend_->read(caller, file, size, offset,
                   [answer = std::move(answer)](Result<std::span<const std::byte>> read) mutable {
                     if (!read) return answer.complete(failure(read.error()));
                     return answer.complete(
                         std::string(reinterpret_cast<const char*>(read->data()), read->size()));
                   });
  });
}

Result<std::size_t> Volume::write(File& file, std::string_view text, off_t offset,
                                  Backend::WriteOptions options) {
  return ask<std::size_t>([&](auto answer) {
    backend_->write(caller, file, std::as_bytes(std::span(text)), offset, options,
                    std::move(answer));
  });
}

Known Volume::put(Inode& parent, std::string_view name, std::string_view text) {
  const Result<Opened> created = create(parent, name, O_RDWR | O_EXCL);
  INFO("create " << name << ": " << code_of(created));
  REQUIRE(created);
  if (!text.empty()) REQUIRE(write(*created->file, text, 0) == text.size());
  REQUIRE(
      ask<void>([&](auto answer) { backend_->flush(caller, *created->file, std::move(answer)); }));
  return created->known;
}

std::string Volume::text_of(Inode& inode) {
  const auto file = open(inode, O_RDONLY);
  REQUIRE(file);
  const Result<std::string> text = read(**file, 1 << 20, 0);
  REQUIRE(code_of(text) == 0);
  return *text;
}

namespace {

class Collecting final : public DirectorySink {
 public:
  Collecting(std::size_t most, bool with_attributes)
      : most_(most), with_attributes_(with_attributes) {}
  bool wants_attributes() const override { return with_attributes_; }
  bool add(std::string_view name, std::uint64_t, std::uint64_t ino, unsigned char type,
           std::uint64_t next, std::optional<Entry> entry) override {
    if (listed.size() == most_) return false;
    listed.push_back(
        {std::string(name), ino, type, next, entry ? std::string(entry->inode->key()) : ""});
    return true;
  }
  std::vector<Volume::Listed> listed;

 private:
  std::size_t most_;
  bool with_attributes_;
};

}  // namespace

Result<std::vector<Volume::Listed>> Volume::list(File& directory, std::uint64_t cursor,
                                                 std::size_t most, bool with_attributes) {
  Collecting sink(most, with_attributes);
  const Result<void> read = ask<void>([&](auto answer) {
    backend_->read_directory(caller, directory, cursor, sink, std::move(answer));
  });
  if (!read) return failure(read.error());
  return std::move(sink.listed);
}

}  // namespace claimfs::tests
