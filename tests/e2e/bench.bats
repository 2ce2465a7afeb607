#!/usr/bin/env bats
# scripts/bench: what it writes down, and that nothing of it stays. The numbers of a run as short as these mean nothing.

load mount.bash

setup() { make_workspace; }

teardown() { drop_workspace; }

SOURCE=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)

# Tiny, and all of it below the workspace. What it needs has been built: scripts/test builds in the same place.
bench() {
  limit 300 "$SOURCE/scripts/bench" "$@" --no-build --claimfs "$CLAIMFS_BIN" --at "${AT:-$WORK}" --results "$WORK/results" \
    --files 20 --size 1
}

# No mount, directory or process of a benchmark below the workspace.
expect_nothing_left() {
  nothing_is_mounted
  [ -z "$(compgen -G "$WORK/claimfs-bench.*")" ]
  wait_for 10 nothing_runs
}
something_is_mounted() { mounts_in_workspace | grep -qF claimfs-bench.; }
nothing_is_mounted() { ! something_is_mounted; }
nothing_runs() { ! grep -qsaF "$WORK/claimfs-bench." /proc/[0-9]*/cmdline; }

# measured BACKEND ROW ROUNDS PLACE…: exactly these were measured in that row, each so many times.
measured() {
  local backend=$1 row=$2 rounds=$3
  shift 3
  jq -e --arg row "$row" --argjson rounds "$rounds" '
    (.rows[] | select(.title == $row)) as $found | $found.failures == {} and ($found.places | keys) == ($ARGS.positional | sort)
      and all($found.places[]; (.rounds | length) == $rounds and all(.rounds[]; . > 0))
  ' "$WORK/results/$backend.json" --args "$@"
}

well_formed() { python3 -c 'import sys, xml.etree.ElementTree as xml; xml.parse(sys.argv[1])' "$1"; }

@test "every place is measured beside a host directory, and the results are for programs and people" {
  bench --quick --rounds 2 --only 'find, cold' >"$WORK/table"
  measured hostpath 'find, cold' 2 plain claimfs bindfs mergerfs fuse-overlayfs passthrough_hp
  jq -e '.rows | length == 1' "$WORK/results/hostpath.json"
  # What it took is told: of the claim for the row, of the others how they were mounted.
  jq -e '.rows[0].places.claimfs.requests.readdirplus > 0 and .rows[0].places.bindfs.requests == null' \
    "$WORK/results/hostpath.json"
  jq -e '.machine.kernel == $kernel and (.places.mergerfs.how | startswith("mergerfs -o")) and .command[0] == "scripts/bench"' \
    --arg kernel "$(uname -r)" "$WORK/results/hostpath.json"
  well_formed "$WORK/results/hostpath.svg"
  grep -qF 'find, cold' "$WORK/results/hostpath.svg"
  grep -qE '^find, cold  *[0-9.,]+ ( +[0-9.]+ [0-9.]+-[0-9.]+){5} ' "$WORK/table"
  expect_nothing_left
}

@test "the same in memory, and what accounting costs" {
  mkdir "$WORK/memory"
  mount -t tmpfs -o size=1G claimfs-bench "$WORK/memory"
  AT=$WORK/memory bench --backend memory --rounds 1 --only 'tar x' >"$WORK/table"
  measured memory 'tar x' 1 plain claimfs bindfs mergerfs fuse-overlayfs passthrough_hp
  measured memory 'capacity: tar x' 1 plain claimfs enforced
  jq -e '.machine.filesystem == "tmpfs"' "$WORK/results/memory.json"
  well_formed "$WORK/results/memory.svg"
  [ -z "$(ls "$WORK/memory")" ]
}

@test "claims on an NFS server are measured beside raw calls" {
  bench nfs --rounds 2 --only 'list and stat' >"$WORK/table"
  measured nfs 'list and stat a tree, cold' 2 raw plain shared exclusive
  jq -e '.rows[0].base == "raw" and all(.rows[0].places[]; .busy_seconds >= 0)' "$WORK/results/nfs.json"
  well_formed "$WORK/results/nfs.svg"
  expect_nothing_left
}

@test "an NFS server can be further away" {
  bench nfs --rounds 1 --delay 20 --only 'list and stat' >"$WORK/table"
  # 40 files take one call at least.
  jq -e 'all(.rows[0].places["raw", "shared", "exclusive"]; all(.rounds[]; . > 0 and . < 40 / 0.020))' "$WORK/results/nfs.json"
  expect_nothing_left
  run -64 bench --delay 20
  [[ $output == *'bench nfs --delay MS'* ]]
}

@test "what is claimfs's own is measured, too" {
  bench --only scale: >"$WORK/table"
  jq -e '[.figures[].title] == ["40 claims bound", "list and stat a tree of 80 files, cold",
    "the daemon\u0027s memory for each cached inode of 80",
    "and what stays of that when the kernel has forgotten them"] and .rows == []' "$WORK/results/hostpath.json"
  well_formed "$WORK/results/hostpath.svg"
  expect_nothing_left
}

# interrupted SIGNAL CONDITION ARGUMENTS…: the signal comes when the condition is true; nothing stays.
interrupted() {
  local signal=$1 condition=$2 pid status=0
  shift 2
  "$SOURCE/scripts/bench" "$@" --no-build --claimfs "$CLAIMFS_BIN" --at "$WORK" --results "$WORK/results" --files 20 --size 1 \
    >"$WORK/table" 2>&1 3>&- 4>&- &
  pid=$!
  wait_for 300 "$condition"
  kill -"$signal" "$pid"
  wait "$pid" || status=$?
  [ "$status" = $((128 + $(kill -l "$signal"))) ]
  expect_nothing_left
  [ ! -e "$WORK/results" ]
}
a_round_is_done() { compgen -G "$WORK/claimfs-bench.*/host/*/Sqlite-1.*" >/dev/null; }
a_server_runs() { pgrep -f "ganesha.nfsd.*$WORK/claimfs-bench." >/dev/null; }
postgres_runs() { pgrep -f "postgres -D $WORK/claimfs-bench..*mount" >/dev/null; }

@test "Ctrl-C leaves nothing behind, whenever it comes" {
  interrupted INT something_is_mounted --only SQLite --rounds 1000
  interrupted TERM a_round_is_done --only SQLite --rounds 1000
  interrupted INT postgres_runs --only pgbench --rounds 1000
  interrupted INT a_server_runs --backend nfs --rounds 1000
}

@test "a filesystem that cannot be mounted ends it, and the rest goes" {
  mkdir "$WORK/bin"
  printf '#!/bin/sh\necho "mergerfs: no such luck" >&2\nexit 3\n' >"$WORK/bin/mergerfs"
  chmod +x "$WORK/bin/mergerfs"
  PATH=$WORK/bin:$PATH run -1 --separate-stderr bench --only 'find, cold'
  [[ $stderr == *'mergerfs: no such luck'* ]]
  expect_nothing_left
}

@test "what cannot do the work is told, and does not count" {
  PYTHONPATH=$SOURCE/scripts python3 - <<'PYTHON'
from types import SimpleNamespace
from benchmark.loads import Sample
from benchmark.report import line_of, row_of

load = SimpleNamespace(group="data", rows={"read": "MiB"})
of = lambda *rates: [Sample(rate, None) for rate in rates]
found = {"plain": of(100, 200, 400), "slow": of(50, 100, 100), "broken": []}
row = row_of(load, "read", found, {"broken": "EIO"})
# Of each round the ratio, and of these the median: 0.5, 0.5, 0.25.
assert row["places"]["slow"]["ratio"] == {"median": 0.5, "quartiles": [0.375, 0.5]}, row
assert row["places"]["plain"]["per_second"]["median"] == 200
assert "broken" not in row["places"] and row["failures"] == {"broken": "EIO"}
assert line_of(row, list(found)).split() == ["read", "200", "0.50", "0.38-0.50", "failed"]
# How long the processors were busy for each, where they were for long enough.
of = lambda *busy: [Sample(100, {"read": 2}, each) for each in busy]
row = row_of(load, "read", {"plain": of(1e-3, 2e-3, 9e-3), "slow": of(5e-3, 4e-3, 4e-3)}, {})
assert line_of(row, ["plain", "slow"]).split()[-3:] == ["2.00", "2,000", "4,000"], line_of(row, ["plain", "slow"])
row = row_of(load, "read", {"plain": of(0, 0, 0), "slow": of(5e-3, 4e-3, 4e-3)}, {})
assert line_of(row, ["plain", "slow"]).split()[-1] == "2.00"
PYTHON
}

@test "by io_uring: for who can, while it lasts" {
  local before
  [ -e "$IO_URING" ] || skip "Linux before 6.14 has no FUSE over io_uring"
  before=$(cat "$IO_URING")
  bench --io-uring --rounds 1 --only 'find, cold' >"$WORK/table"
  jq -e '.machine.io_uring and (.places.passthrough_hp.how | contains("allow_other,io_uring"))' "$WORK/results/hostpath.json"
  [ "$(cat "$IO_URING")" = "$before" ]
}

@test "what it does not know is refused" {
  local words
  for words in --nonsense '--backend ceph' '--rounds 0' '--size -1' '--files many' surplus; do
    # shellcheck disable=SC2086
    run -64 --separate-stderr limit 30 "$SOURCE/scripts/bench" $words
    [[ $stderr == usage:* ]]
  done
  bench --help | grep -q -- --backend
  bench nfs --help | grep -q -- --backend
}
