#pragma once

#include <fcntl.h>

#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fs/filesystem.h"
#include "fs/waiting_threads.h"
#include "tests/backend_contract/ask.h"
#include "tests/backend_contract/memory_backend.h"

namespace claimfs::fs {

// A directory listing as the kernel takes it: names in order, at most `most` of them.
class WrittenNames final : public EntryWriter {
 public:
  explicit WrittenNames(bool plus, std::size_t most = SIZE_MAX) : plus_(plus), most_(most) {}
  bool wants_entries() const override { return plus_; }
  bool add(const std::string& name, std::uint64_t ino, unsigned char type, std::uint64_t next,
           const EntryReply* entry) override {
    if (names.size() == most_) return false;
    names.push_back(
        {name, ino, type, next, entry ? entry->node : 0, entry ? entry->trust_name_seconds : 0});
    return true;
  }
  struct Name {
    std::string name;
    std::uint64_t ino;
    unsigned char type;
    std::uint64_t next;
    NodeId node;
    double trust_name_seconds;
  };
  std::vector<Name> names;

 private:
  bool plus_;
  std::size_t most_;
};

struct NoInterruption final : Interruption {
  void on_interrupt(std::function<void()> give_up) override { interrupt = std::move(give_up); }
  std::function<void()> interrupt;
};

// A Filesystem as the kernel sees it, without one: asks, waits, and counts what the kernel would
// count. When told to, it takes no more replies.
class MountedTree {
 public:
  explicit MountedTree(Effects effects = {})
      : filesystem(make_tree(), *InodeNumbers::load(""), std::move(effects)) {
    WaitingThreads::install_signal();  // as a session does, or a wait's end would be ours
  }

  ~MountedTree() { forget_all(); }

  static ServedClaim claim(const std::string& name) {
    ServedClaim made;
    made.name_space = "ns";
    made.name = name;
    made.uid = "uid-" + name;
    made.volume_name = "pv-" + name;
    made.phase = "Bound";
    made.access_modes = "RWO";
    made.storage_class = "fast";
    made.reclaim_policy = "Retain";
    made.capacity = "1Mi";
    made.capacity_bytes = 1 << 20;
    return made;
  }

  // A claim in memory; visible at once.
  tests::MemoryBackend& add(const ServedClaim& served) {
    auto backend = std::make_unique<tests::MemoryBackend>();
    tests::MemoryBackend& memory = *backend;
    add(served, std::move(backend));
    return memory;
  }
  std::shared_ptr<ServedVolume> add(const ServedClaim& served,
                                    std::unique_ptr<backends::Backend> backend) {
    volumes.push_back(std::make_shared<ServedVolume>(
        served, std::move(backend), [this](const ServedClaim& of, const std::string& why) {
          reported.push_back(of.name + ": " + why);
        }));
    filesystem.show(volumes);
    return volumes.back();
  }

  // Asks for something with an answer of any type, and waits. Counts answers.
  template <class T, class Call>
  Result<T> ask(Call&& call) {
    auto promise = std::make_shared<std::promise<Result<T>>>();
    auto answered = promise->get_future();
    call(Answer<T>([this, promise](Result<T> result) {
      ++answers;
      const bool is_taken = !drops_replies;
      if constexpr (!std::is_void_v<T>) {
        if (is_taken && result) count(*result);
      }
      promise->set_value(std::move(result));
      return is_taken;
    }));
    promise.reset();
    if (answered.wait_for(std::chrono::seconds(10)) != std::future_status::ready)
      throw std::runtime_error("no answer within ten seconds");
    return answered.get();
  }

  Result<NodeId> lookup(NodeId parent, std::string_view name) {
    return node_of(ask<EntryReply>(
        [&](auto answer) { filesystem.lookup(caller, parent, name, std::move(answer)); }));
  }
  NodeId at(std::initializer_list<std::string_view> path) {
    NodeId node = kRootNode;
    for (const std::string_view name : path) node = lookup(node, name).value();
    return node;
  }
  Result<NodeId> make_directory(NodeId parent, std::string_view name) {
    return node_of(ask<EntryReply>([&](auto answer) {
      filesystem.make_directory(caller, parent, name, 0755, std::move(answer));
    }));
  }
  Result<Handle*> open(NodeId node, int flags) {
    return handle_of(ask<OpenReply>(
        [&](auto answer) { filesystem.open(caller, node, flags, false, std::move(answer)); }));
  }
  Result<OpenReply> begin_listing(NodeId node, bool wants_attributes) {
    return ask<OpenReply>([&](auto answer) {
      filesystem.open_directory(caller, node, wants_attributes, std::move(answer));
    });
  }
  Result<Handle*> open_directory(NodeId node) { return handle_of(begin_listing(node, false)); }
  struct Made {
    NodeId node;
    Handle* handle;
  };
  Result<Made> create(NodeId parent, std::string_view name, int flags = O_RDWR | O_EXCL) {
    const Result<CreateReply> made = ask<CreateReply>([&](auto answer) {
      filesystem.create(caller, parent, name, 0644, flags, false, std::move(answer));
    });
    if (!made) return failure(made.error());
    return Made{made->entry.node, made->open.handle};
  }
  Result<std::size_t> write(Handle& handle, std::string_view text, off_t offset) {
    return ask<std::size_t>([&](auto answer) {
      filesystem.write(caller, handle, std::as_bytes(std::span(text)), offset,
                       {.append = (handle.flags & O_APPEND) != 0}, std::move(answer));
    });
  }
  Result<std::string> read(Handle& handle) {
    return ask<std::string>([&](Answer<std::string> answer) {
      const auto size = std::size_t{1} << 16;
      filesystem.read(
          caller, handle, size, 0,
          [answer = std::move(answer)](Result<std::span<const std::byte>> read) mutable {
            if (!read) return answer.complete(failure(read.error()));
            return answer.complete(
                std::string(reinterpret_cast<const char*>(read->data()), read->size()));
          });
    });
  }
  Result<void> list(Handle& handle, WrittenNames& writer, std::uint64_t cursor = 0) {
    Result<void> read = ask<void>([&](auto answer) {
      filesystem.read_directory(caller, handle, cursor, writer, std::move(answer));
    });
    if (read && !drops_replies)
      for (const auto& name : writer.names)
        if (name.node != 0) ++lookups[name.node];
    return read;
  }
  // Every name of a directory.
  std::vector<WrittenNames::Name> names_in(NodeId directory) {
    Handle* handle = open_directory(directory).value();
    WrittenNames writer(false);
    (void)list(*handle, writer);
    release(handle);
    return std::move(writer.names);
  }
  Result<std::string> xattr(NodeId node, std::string_view name) {
    return ask<std::string>(
        [&](auto answer) { filesystem.get_xattr(caller, node, name, std::move(answer)); });
  }

  void release(Handle* handle) {
    std::erase(handles, handle);
    filesystem.release(handle);
  }
  // All that the kernel has: handles first, as it does.
  void forget_all() {
    while (!handles.empty()) release(handles.back());
    for (const auto& [node, count] : std::exchange(lookups, {})) filesystem.forget(node, count);
  }

  int answers = 0;
  bool drops_replies = false;
  Caller caller{};
  std::vector<std::string> reported;
  std::map<NodeId, std::uint64_t> lookups;
  std::vector<Handle*> handles;
  std::vector<std::shared_ptr<ServedVolume>> volumes;
  Filesystem filesystem;

 private:
  static std::unique_ptr<Tree> make_tree() {
    StateTexts texts;
    texts.version = [] { return "claimfs 1\n"; };
    texts.status = [] { return "status\n"; };
    texts.events = [] { return "events\n"; };
    texts.metrics = [] { return "metrics\n"; };
    texts.claims = [] {
      return std::vector<std::pair<std::string, std::string>>{
          {"ns", "data"}, {"ns", "pending"}, {"other", "far"}};
    };
    texts.claim = [](const std::string& name_space,
                     const std::string& name) -> Result<std::string> {
      if (name == "absent") return failure(ENOENT);
      return "Name: " + name_space + "/" + name + "\n";
    };
    return std::make_unique<Tree>(std::move(texts));
  }

  static Result<NodeId> node_of(const Result<EntryReply>& entry) {
    if (!entry) return failure(entry.error());
    return entry->node;
  }
  static Result<Handle*> handle_of(const Result<OpenReply>& open) {
    if (!open) return failure(open.error());
    return open->handle;
  }

  template <class T>
  void count(const T&) {}
  void count(const EntryReply& entry) { ++lookups[entry.node]; }
  void count(const OpenReply& open) { handles.push_back(open.handle); }
  void count(const CreateReply& created) {
    count(created.entry);
    count(created.open);
  }
};

}  // namespace claimfs::fs
