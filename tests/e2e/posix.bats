#!/usr/bin/env bats
# A claim's directory does what a plain ext4 directory does: the same system calls, with the same answers, in a claim that
# one node uses, in one that many may use, and in a plain directory, line by line.

load mount.bash

setup_file() {
  # All tests of the file have one mount.
  export HANG_LIMIT=1200
  setup_posix
}
teardown_file() { drop_workspace; }

# Where capacity is accounted, writers come through the daemon, and direct I/O needs no alignment there: it is compared
# where nothing is accounted.
is_direct_io() { [ "$BATS_TEST_DESCRIPTION" = "direct io" ]; }
remount_with() {
  unmount_tree
  printf 'log: {level: info, file: "%s"}\ncapacity: {enforcement: %s}\n' "$LOG" "$1" >"$CONFIG"
  mount_claims posix shared
}
setup() { ! is_direct_io || remount_with none; }
teardown() { ! is_direct_io || remount_with auto; }

@test "every scenario has its test" {
  diff <(python3 "$POSIX_DIR/steps.py" --list) \
    <(sed -n 's/^@test .* { same_steps \([a-z_]*\); }$/\1/p' "$BATS_TEST_FILENAME" | sort)
}

@test "access by lists" { same_steps access_by_lists; }
@test "access lists" { same_steps access_lists; }
@test "access of others" { same_steps access_of_others; }
@test "allocation" { same_steps allocation; }
@test "any bytes" { same_steps any_bytes; }
@test "at once" { same_steps at_once; }
@test "attributes of others" { same_steps attributes_of_others; }
@test "birth" { same_steps birth; }
@test "change mode" { same_steps change_mode; }
@test "change owner" { same_steps change_owner; }
@test "copied ranges" { same_steps copied_ranges; }
@test "create modes" { same_steps create_modes; }
@test "deep directories" { same_steps deep_directories; }
@test "default lists" { same_steps default_lists; }
@test "description locks" { same_steps description_locks; }
@test "direct io" { same_steps direct_io; }
@test "directory streams" { same_steps directory_streams; }
@test "extended attributes" { same_steps extended_attributes; }
@test "file capabilities" { same_steps file_capabilities; }
@test "filesystem state" { same_steps filesystem_state; }
@test "hard links" { same_steps hard_links; }
@test "holes" { same_steps holes; }
@test "inode numbers" { same_steps inode_numbers; }
@test "large directory" { same_steps large_directory; }
@test "long names" { same_steps long_names; }
@test "long paths" { same_steps long_paths; }
@test "lookup" { same_steps lookup; }
@test "many lockers" { same_steps many_lockers; }
@test "memory maps" { same_steps memory_maps; }
@test "mkdir rmdir" { same_steps mkdir_rmdir; }
@test "nameless files" { same_steps nameless_files; }
@test "open flags" { same_steps open_flags; }
@test "programs" { same_steps programs; }
@test "random operations" { same_steps random_operations; }
@test "range locks" { same_steps range_locks; }
@test "rename directories" { same_steps rename_directories; }
@test "rename kinds" { same_steps rename_kinds; }
@test "rename over open" { same_steps rename_over_open; }
@test "set gid inheritance" { same_steps set_gid_inheritance; }
@test "set id clearing" { same_steps set_id_clearing; }
@test "set times" { same_steps set_times; }
@test "sparse files" { same_steps sparse_files; }
@test "special files" { same_steps special_files; }
@test "spliced ranges" { same_steps spliced_ranges; }
@test "sticky directories" { same_steps sticky_directories; }
@test "symlinks" { same_steps symlinks; }
@test "synchronising" { same_steps synchronising; }
@test "times of changes" { same_steps times_of_changes; }
@test "two descriptors" { same_steps two_descriptors; }
@test "unlinked files" { same_steps unlinked_files; }
@test "whole file locks" { same_steps whole_file_locks; }
