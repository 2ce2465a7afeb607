#include "control/volume_bound.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "control/clock.h"
#include "control/uid.h"
#include "volumes/metadata.h"
#include "volumes/timestamp.h"

namespace claimfs::control {
namespace {

using volumes::Json;
using volumes::Kind;
using volumes::Object;
using volumes::text_at;
using volumes::value_at;

// Others change the bound as well; each time somebody gets ahead.
constexpr int kMostTries = 1000;
constexpr std::chrono::microseconds kPause{200};

std::string uid_of(const Object& usage) { return text_at(usage.document, {"spec", "volumeUID"}); }

std::optional<std::uint64_t> bound_of(const Object& usage) {
  const Json& bound = value_at(usage.document, {"spec", "bound"});
  if (!bound.is_number_unsigned()) return std::nullopt;
  return bound.get<std::uint64_t>();
}

std::vector<std::string> mounts_of(const Object& usage) {
  return volumes::string_list(value_at(usage.document, {"spec", "mounts"}));
}

class VolumeBound final : public backends::SharedBound {
 public:
  VolumeBound(store::Store& store, const store::Lease& lease, std::string volume,
              std::string volume_uid)
      : store_(store), lease_(lease), volume_(std::move(volume)), uid_(std::move(volume_uid)) {}

  Result<std::optional<std::uint64_t>> join() override {
    me_ = new_uid();
    TRY_VOID(store_.acquire(held_name(me_), lease_, volume_));
    const Object usage = TRY(edit([this](Object& each) {
      std::vector<std::string> mounts = mounts_of(each);
      if (std::ranges::find(mounts, me_) == mounts.end()) mounts.push_back(me_);
      each.document["spec"]["mounts"] = mounts;
    }));
    return bound_of(usage);
  }

  Result<std::uint64_t> establish(std::uint64_t counted) override {
    const Object usage = TRY(edit([counted](Object& each) {
      if (!bound_of(each)) each.document["spec"]["bound"] = counted;
    }));
    return bound_of(usage).value_or(counted);
  }

  Result<std::uint64_t> change(const Change& change) override {
    std::uint64_t wanted = 0;
    TRY_VOID(edit([&](Object& each) {
      wanted = change(bound_of(each).value_or(last_));
      each.document["spec"]["bound"] = wanted;
    }));
    last_ = wanted;
    return wanted;
  }

  Result<void> begin_recount() override {
    has_other_written_ = false;
    const Object usage = TRY(edit([this](Object& each) {
      std::vector<std::string> living = mounts_of(each);
      std::erase_if(living, [this](const std::string& mount) {
        const auto holder = store_.holder_of(held_name(mount));
        return mount != me_ && holder && holder->empty();
      });
      each.document["spec"]["mounts"] = living;
    }));
    has_other_written_ = false;
    if (mounts_of(usage).size() != 1) return failure(EBUSY);
    return {};
  }

  Result<void> end_recount(std::uint64_t bound) override {
    // Nobody may have written: what the store has is what we wrote last.
    if (has_other_written_ || !known_) return failure(EBUSY);
    Object next = *known_;
    next.document["spec"]["bound"] = bound;
    if (next.document == known_->document) return {};
    auto updated = store_.update(next);
    if (!updated) {
      known_.reset();
      return failure(updated.error().code == EAGAIN ? Error(EBUSY) : updated.error());
    }
    known_ = std::move(*updated);
    last_ = bound;
    return {};
  }

  void leave(std::uint64_t unused) override {
    (void)edit([&](Object& each) {
      std::vector<std::string> mounts = mounts_of(each);
      std::erase(mounts, me_);
      each.document["spec"]["mounts"] = mounts;
      if (const auto bound = bound_of(each))
        each.document["spec"]["bound"] = *bound - std::min(unused, *bound);
    });
    (void)store_.release(held_name(me_), lease_);
    known_.reset();
  }

 private:
  std::string held_name(const std::string& mount) const { return "usage " + uid_ + " " + mount; }

  Object fresh() const {
    const volumes::KindNames& names = volumes::names_of(Kind::VolumeUsage);
    return {Kind::VolumeUsage,
            {{"apiVersion", names.api_version},
             {"kind", names.kind_name},
             {"metadata",
              {{"name", volume_},
               {"uid", new_uid()},
               {"creationTimestamp", volumes::timestamp_text(system_clock()())}}},
             {"spec", {{"volumeUID", uid_}, {"mounts", {me_}}}}}};
  }

  // Reads, changes and writes until nobody comes between. What was written last by us is tried
  // first; an edit that leaves it as it is is believed only of what was just read.
  template <class Edit>
  Result<Object> edit(Edit&& edit) {
    for (int i = 0; i < kMostTries; ++i) {
      const bool is_read = !known_;
      bool is_stored = true;
      if (is_read) is_stored = TRY(read());
      Object next = *known_;
      edit(next);
      if (is_stored && next.document == known_->document) {
        if (is_read) return next;
        known_before_ = std::exchange(known_, std::nullopt);
        continue;
      }
      auto written = write(next);
      if (written) {
        known_ = *written;
        return std::move(*written);
      }
      if (written.error().code != EAGAIN && written.error().code != ENOENT &&
          written.error().code != EEXIST)
        return failure(written.error());
      if (!next.resource_version().empty()) known_before_ = known_;
      known_.reset();
      if (i > 0) std::this_thread::sleep_for(kPause);
    }
    return failure(EAGAIN, "the usage of volume " + volume_ + " changes all the time");
  }

  // False when what is known now has to be written first.
  Result<bool> read() {
    auto stored = store_.get({Kind::VolumeUsage, "", volume_});
    if (!stored && stored.error().code != ENOENT) return failure(stored.error());
    bool is_stored = false;
    if (!stored) {
      known_ = fresh();
    } else {
      if (!known_before_ || stored->resource_version() != known_before_->resource_version())
        has_other_written_ = true;
      known_ = std::move(*stored);
      is_stored = uid_of(*known_) == uid_;
      if (!is_stored) {
        const std::string version = known_->resource_version();
        known_ = fresh();
        known_->document["metadata"]["resourceVersion"] = version;
      }
    }
    known_before_.reset();
    return is_stored;
  }

  Result<Object> write(const Object& object) {
    return object.resource_version().empty() ? store_.create(object) : store_.update(object);
  }

  store::Store& store_;
  const store::Lease& lease_;
  const std::string volume_;
  const std::string uid_;
  std::string me_;
  std::optional<Object> known_;         // as we believe that it is stored
  std::optional<Object> known_before_;  // as we had believed, while it is read again
  std::uint64_t last_ = 0;
  bool has_other_written_ = false;
};

}  // namespace

std::unique_ptr<backends::SharedBound> make_volume_bound(store::Store& store,
                                                         const store::Lease& lease,
                                                         std::string volume,
                                                         std::string volume_uid) {
  return std::make_unique<VolumeBound>(store, lease, std::move(volume), std::move(volume_uid));
}

Result<void> remove_stray_usages(
    store::Store& store,
    const std::function<bool(const std::string& name, const std::string& uid)>& is_there) {
  const store::Listing usages = TRY(store.list(Kind::VolumeUsage));
  for (const Object& usage : usages.objects) {
    if (is_there(usage.name(), uid_of(usage))) continue;
    const auto removed = store.remove(usage.key(), usage.resource_version());
    if (!removed && removed.error().code != EAGAIN && removed.error().code != ENOENT)
      return failure(removed.error());
  }
  return {};
}

}  // namespace claimfs::control
