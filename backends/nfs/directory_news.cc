#include "backends/nfs/directory_news.h"

#include <functional>

namespace claimfs::backends::nfs {

namespace {

// What the kernel is told now it believes for a second from now on: what is older than this would
// be believed for too long.
constexpr auto kFresh = std::chrono::milliseconds(100);
// As long as the kernel believes in a name.
constexpr auto kNamesTrusted = std::chrono::seconds(1);
// Larger directories are asked for.
constexpr std::size_t kMostNames = 4096;

std::uint64_t hash_of(std::string_view name) { return std::hash<std::string_view>{}(name); }

}  // namespace

void DirectoryNews::is_new(const Attributes& attributes) {
  state_.with([&](State& state) {
    state.attributes = attributes;
    state.told_at = state.unchanged_since = state.made_at = Clock::now();
    state.names = std::make_unique<std::unordered_set<std::uint64_t>>();
  });
}

std::optional<Attributes> DirectoryNews::attributes(Clock::time_point since) const {
  return state_.with([&](const State& state) -> std::optional<Attributes> {
    const bool is_last = state.under_way == 0 && state.told_by == state.changes;
    if (!is_last || state.told_at <= since || Clock::now() - state.told_at > kFresh)
      return std::nullopt;
    return state.attributes;
  });
}

bool DirectoryNews::is_absent(std::string_view name, Clock::duration longest) const {
  return state_.with([&](const State& state) {
    const Clock::time_point now = Clock::now();
    return state.names && now - state.told_at < kNamesTrusted && now - state.made_at < longest &&
           !state.names->contains(hash_of(name));
  });
}

std::optional<DirectoryNews::Clock::time_point> DirectoryNews::unchanged_since() const {
  return state_.with([](const State& state) -> std::optional<Clock::time_point> {
    if (!state.attributes || Clock::now() - state.told_at >= kNamesTrusted) return std::nullopt;
    return state.unchanged_since;
  });
}

void DirectoryNews::saw(const Attributes& attributes, std::uint64_t changes,
                        Clock::time_point asked_at) {
  state_.with([&](State& state) {
    if (state.under_way > 0 || 2 * state.changes != changes) return;
    if (!state.attributes || !(stamp_of(attributes) == stamp_of(*state.attributes))) {
      state.names.reset();
      state.unchanged_since = Clock::now();
    }
    state.attributes = attributes;
    state.told_by = state.changes;
    state.told_at = asked_at;
  });
}

std::uint64_t DirectoryNews::changes() const {
  return state_.with([](const State& state) { return 2 * state.changes - state.under_way; });
}

std::optional<std::uint64_t> DirectoryNews::changes_at_rest() const {
  return state_.with([](const State& state) -> std::optional<std::uint64_t> {
    if (state.under_way > 0) return std::nullopt;
    return 2 * state.changes;
  });
}

std::uint64_t DirectoryNews::begin(std::string_view new_name) {
  return state_.with([&](State& state) {
    ++state.under_way;
    if (state.names && !new_name.empty()) state.names->insert(hash_of(new_name));
    if (state.names && state.names->size() > kMostNames) state.names.reset();
    return ++state.changes;
  });
}

void DirectoryNews::end(std::uint64_t change, const std::optional<Before>& before,
                        const std::optional<Attributes>& after) {
  state_.with([&](State& state) {
    --state.under_way;
    // The server has made changes that overlap in an order that nobody here knows.
    const bool is_alone = state.under_way == 0 && state.changes == change;
    const bool is_next = is_alone && state.attributes && state.told_by + 1 == change && before &&
                         *before == stamp_of(*state.attributes);
    if (!is_next || !after) state.names.reset();
    if (!is_alone) return;
    state.attributes = after;
    state.told_by = change;
    state.told_at = Clock::now();
    if (!is_next) state.unchanged_since = state.told_at;
  });
}

}  // namespace claimfs::backends::nfs
