#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "store/store.h"

namespace claimfs::control {

// A store whose single changes wait until they are written as one: ten thousand objects are a few
// transactions. An object changes once in a batch. What waits is not seen before it is written, and
// then it is found out whether somebody else was quicker. Used by one thread.
class BatchedStore final : public store::Store {
 public:
  explicit BatchedStore(store::Store& store) : store_(store) {}

  // A larger transaction would keep others waiting.
  bool is_full() const { return writes_.size() >= kMost; }
  // Writes what waits and tells `wrote` each object with its new version, what was removed
  // excepted; or nothing is written where any of it cannot be. Nothing waits afterwards.
  Result<store::Written> flush(const std::function<void(const volumes::Object&)>& wrote);

  Result<volumes::Object> create(const volumes::Object& object,
                                 const store::Lease* lease = nullptr) override;
  Result<volumes::Object> update(const volumes::Object& object) override;
  Result<volumes::Object> store_if(const volumes::Object& object, const store::Lease* lease,
                                   const store::Grounds& grounds) override;
  Result<void> remove(const volumes::ObjectKey& key, const std::string& resource_version) override;

  // Storage classes are read once in a batch: every new object asks for them.
  Result<store::Listing> list(volumes::Kind kind) override;

  // The rest is the store's, and does not wait.
  Result<volumes::Object> get(const volumes::ObjectKey& key) override { return store_.get(key); }
  Result<volumes::Object> put(const volumes::Object& object) override { return store_.put(object); }
  Result<store::Written> write_all(std::span<const store::Write> writes) override {
    return store_.write_all(writes);
  }
  Result<store::Version> newest() override { return store_.newest(); }
  Result<std::unique_ptr<store::Watch>> watch(store::Version from) override {
    return store_.watch(from);
  }
  Result<std::unique_ptr<store::Lease>> grant_lease() override { return store_.grant_lease(); }
  Result<void> acquire(const std::string& lock_name, const store::Lease& lease,
                       const std::string& holder) override {
    return store_.acquire(lock_name, lease, holder);
  }
  Result<void> release(const std::string& lock_name, const store::Lease& lease) override {
    return store_.release(lock_name, lease);
  }
  Result<std::string> holder_of(const std::string& lock_name) override {
    return store_.holder_of(lock_name);
  }

 private:
  static constexpr std::size_t kMost = 1000;

  Result<void> wait(store::Write::Type type, volumes::Object object);

  store::Store& store_;
  std::deque<volumes::Object> objects_;  // their addresses stay
  std::vector<store::Write> writes_;
  std::set<volumes::ObjectKey> keys_;
  std::optional<store::Listing> classes_;
};

}  // namespace claimfs::control
