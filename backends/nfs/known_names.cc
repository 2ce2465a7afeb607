#include "backends/nfs/known_names.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

namespace claimfs::backends::nfs {

std::size_t KnownNames::number_of_places(const FileHandle& directory, std::string_view name) {
  return (HashOfHandle{}(directory)*31 + std::hash<std::string_view>{}(name)) %
         std::tuple_size_v<AllPlaces>;
}

KnownNames::Kept* KnownNames::kept(const FileHandle& directory, std::string_view name) const {
  Places* const places = places_ ? (*places_)[number_of_places(directory, name)].get() : nullptr;
  if (!places) return nullptr;
  const auto found = std::ranges::find_if(*places, [&](const Kept& kept) {
    return kept.number != 0 && kept.name == name && kept.directory == directory;
  });
  return found == places->end() ? nullptr : &*found;
}

void KnownNames::learn(const FileHandle& directory, std::string_view name, Known known) {
  std::scoped_lock lock(mutex_);
  Kept* place = kept(directory, name);
  if (!place) {
    if (!places_) places_ = std::make_unique<AllPlaces>();
    auto& places = (*places_)[number_of_places(directory, name)];
    if (!places) places = std::make_unique<Places>();
    place = &*std::ranges::min_element(*places, {}, &Kept::number);
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
  places_.reset();
}

}  // namespace claimfs::backends::nfs
