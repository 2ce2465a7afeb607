#!/usr/bin/env bats
# Three mounts of one store and a dozen processes that use its claims at random: contention.py says what must hold.
# CLAIMFS_CONTENTION_SECONDS: how long each of the two runs lasts.

load mount.bash

SECONDS_EACH=${CLAIMFS_CONTENTION_SECONDS:-20}

setup() { make_workspace; }

teardown() { drop_workspace; }

contend() {
  mkdir "$WORK/contention"
  limit $((SECONDS_EACH + 120)) python3 "$BATS_TEST_DIRNAME/contention.py" --work "$WORK/contention" \
    --seed "$1" --seconds "$SECONDS_EACH"
}

@test "three mounts and a dozen processes, a fixed seed" { contend 4; }

@test "three mounts and a dozen processes, a random seed" { contend $((RANDOM * 32768 + RANDOM)); }
