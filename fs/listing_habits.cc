#include "fs/listing_habits.h"

namespace claimfs::fs {

bool ListingHabits::wants_attributes(pid_t thread, std::uint64_t directory) {
  Habit& habit = habit_of(thread);
  if (habit.thread.exchange(thread) != thread) {
    habit.trusted = 0;
  } else if (habit.trusted > 0) {
    --habit.trusted;
    return true;
  } else if (habit.lookups >= kMany) {
    habit.trusted = kTrusted - 1;
    habit.named = 0;
    habit.lookups = 0;
    return true;
  }
  habit.lookups = 0;
  habit.named = directory;
  return false;
}

void ListingHabits::saw_lookup(pid_t thread, std::uint64_t directory) {
  Habit& habit = habit_of(thread);
  if (habit.named == directory && habit.thread == thread) ++habit.lookups;
}

}  // namespace claimfs::fs
