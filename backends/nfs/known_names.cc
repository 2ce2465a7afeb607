#include "backends/nfs/known_names.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace claimfs::backends::nfs {

std::size_t KnownNames::hash_of(const FileHandle& directory, std::string_view name) {
  return 31 * HashOfHandle{}(directory) + std::hash<std::string_view>{}(name);
}

KnownNames::Kept* KnownNames::kept_in(Chain& chain, std::size_t hash, const FileHandle& directory,
                                      std::string_view name) {
  const auto found = std::ranges::find_if(chain, [&](const Kept& one) {
    return one.hash == hash && one.number != 0 && one.name == name && one.directory == directory;
  });
  return found == chain.end() ? nullptr : &*found;
}

KnownNames::Kept* KnownNames::kept(const FileHandle& directory, std::string_view name) const {
  if (!chains_) return nullptr;
  const std::size_t hash = hash_of(directory, name);
  return kept_in((*chains_)[hash % chains_->size()], hash, directory, name);
}

// For another name: one that is free, or that of the oldest.
KnownNames::Kept& KnownNames::place_in(Chain& chain) {
  const auto oldest = std::ranges::min_element(chain, {}, &Kept::number);
  const bool is_full = std::ranges::distance(chain) >= std::ptrdiff_t{kInChain};
  if (oldest != chain.end() && (is_full || oldest->number == 0)) return *oldest;
  return chain.emplace_front();
}

void KnownNames::learn(const FileHandle& directory, std::string_view name, Known known) {
  const std::size_t hash = hash_of(directory, name);
  std::scoped_lock lock(mutex_);
  if (!chains_) chains_ = std::make_unique<Chains>();
  Chain& chain = (*chains_)[hash % chains_->size()];
  Kept* place = kept_in(chain, hash, directory, name);
  if (!place) {
    place = &place_in(chain);
    place->hash = hash;
    place->name = name;
    place->directory = directory;
  }
  place->number = ++last_number_;
  place->known = std::move(known);
}

std::optional<KnownNames::Known> KnownNames::find(
    const FileHandle& directory, std::string_view name,
    std::optional<Clock::time_point> unchanged_since) const {
  std::scoped_lock lock(mutex_);
  const Kept* const found = kept(directory, name);
  if (!found) return std::nullopt;
  const Known& known = found->known;
  const bool is_longer =
      unchanged_since && *unchanged_since <= known.asked_at && !S_ISDIR(known.attributes.mode);
  if (now_() - known.asked_at > (is_longer ? longest_ : kTrusted)) return std::nullopt;
  return known;
}

void KnownNames::forget(const FileHandle& directory, std::string_view name) {
  std::scoped_lock lock(mutex_);
  if (Kept* const found = kept(directory, name)) found->number = 0;
}

void KnownNames::forget_all() {
  std::scoped_lock lock(mutex_);
  chains_.reset();
}

}  // namespace claimfs::backends::nfs
