# What every end to end test has: a workspace of its own on ext4, volumes and claims in manifests, a real mount of them,
# and a teardown that leaves nothing behind, whatever the test did.
#
#   make_workspace           WORK, and in it HOST (host directories), MANIFESTS, STATE, MNT, CONFIG, LOG
#   make_volume NAME K=V…    a host directory, a PersistentVolume and a claim on it
#   mount_tree ARGUMENTS…    claimfs mount, guarded by a watchdog that aborts the connection if a test hangs
#   mount_node NODE          another node of the same store, with its tree at MNT.NODE
#   drop_workspace           everything away again

# shellcheck disable=SC2016,SC2119,SC2120  # programs of awk; functions that take arguments from other files

bats_require_minimum_version 1.5.0

: "${CLAIMFS_BIN:=$(cd "${BATS_TEST_DIRNAME:-.}/../.." && pwd)/build/release/claimfs}"
export CLAIMFS_BIN
POSIX_DIR=$(cd "${BATS_TEST_DIRNAME:-.}/../posix" && pwd)
# The programs that packages.txt names, not what else may have their names (a python3 that has to be looked up first costs a
# second each time).
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
export LC_ALL=C.UTF-8
CONNECTIONS=/sys/fs/fuse/connections

make_workspace() {
  [ "$(id -u)" = 0 ] || { echo "these tests mount: run them as root" >&2; return 1; }
  [ -x "$CLAIMFS_BIN" ] || { echo "no binary at $CLAIMFS_BIN: build it, or set CLAIMFS_BIN" >&2; return 1; }
  WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/claimfs-e2e.XXXXXX")
  chmod 0755 "$WORK"
  use_ext4 "$WORK"
  export WORK HOST=$WORK/host MANIFESTS=$WORK/manifests STATE=$WORK/state MNT=$WORK/mnt CONFIG=$WORK/claimfs.yaml
  export LOG=$WORK/log NODE=node-a
  mkdir "$HOST" "$MANIFESTS" "$STATE" "$MNT"
  : >"$WORK/pids"
  printf 'log: {level: info, file: "%s"}\n' "$LOG" >"$CONFIG"
}

# The plain half of a comparison is ext4 everywhere: where the temporary directory is something else, an image is.
use_ext4() {
  case $(stat -f -c %T "$1") in ext2/ext3) return 0 ;; esac
  truncate -s 8G "$1.ext4"
  mkfs.ext4 -q -F "$1.ext4"
  mount -o loop "$1.ext4" "$1"
  chmod 0755 "$1"
}

# make_volume NAME [namespace=] [capacity=] [modes=A,B] [path=] [type=] [class=] [volumeMode=] [spec=YAML line of the PV] [directory=no]
make_volume() {
  local name=$1 namespace=default capacity=2Gi modes=ReadWriteOnce class=manual volumeMode=Filesystem
  local path=$HOST/$name type='' spec='' directory=yes
  shift
  if [ $# -gt 0 ]; then local "$@"; fi
  if [ "$directory" = yes ]; then mkdir -p "$path"; fi
  cat >"$WORK/.$name.yaml" <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv-$name}
spec:
  capacity: {storage: $capacity}
  volumeMode: $volumeMode
  accessModes: [$modes]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: $class
  claimRef: {namespace: $namespace, name: $name}
  ${spec:-# no more}
  hostPath: {path: "$path", type: "$type"}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: $name, namespace: $namespace}
spec:
  accessModes: [$modes]
  volumeMode: $volumeMode
  storageClassName: $class
  resources: {requests: {storage: $capacity}}
YAML
  mv "$WORK/.$name.yaml" "$MANIFESTS/$name.yaml"
}

claimfs() {
  local way=''
  if [ "$1" = mount ] && [ "${CLAIMFS_REQUESTS-}" = io_uring ]; then way=by_io_uring; fi
  $way timeout -k 5 "${LIMIT:-60}" "$CLAIMFS_BIN" --config "$CONFIG" --state "$STATE" --node "$NODE" "$@" 3>&- 4>&-
}

# CLAIMFS_REQUESTS=io_uring: trees are mounted while the kernel has that enabled, which it is not by default.
IO_URING=/sys/module/fuse/parameters/enable_uring
by_io_uring() {
  local before status=0
  exec 8>/run/lock/claimfs-io-uring
  flock 8
  before=$(cat "$IO_URING")
  echo Y >"$IO_URING"
  "$@" 8>&- || status=$?
  echo "$before" >"$IO_URING"
  exec 8>&-
  return $status
}

# Everything that touches the mount runs under this.
limit() { timeout -k 5 "$@" 3>&- 4>&-; }

# mount_tree ARGUMENTS…: the tree of MANIFESTS at MNT.
mount_tree() {
  claimfs mount "$MNT" --manifests "$MANIFESTS" "$@" || return
  watch_for_hang "$MNT" "${HANG_LIMIT:-300}"
}

# mount_node NODE ARGUMENTS…: one more node on the same store, at MNT.NODE. The node of mount_tree is node-a.
mount_node() {
  local node=$1
  shift
  mkdir -p "$MNT.$node"
  NODE=$node claimfs mount "$MNT.$node" "$@" || return
  watch_for_hang "$MNT.$node" "${HANG_LIMIT:-300}"
}

# mount_claims NAMES…: mounts the tree and waits until these claims of the namespace default are in it.
mount_claims() {
  mount_tree || return
  local name
  for name in "$@"; do wait_for 10 in_tree "default/$name" || return; done
}

in_tree() { limit 10 test -e "$MNT/$1"; }
not_in_tree() { ! in_tree "$1"; }
is_mounted() { grep -qF " ${1:-$MNT} " /proc/self/mountinfo; }
is_not_mounted() { ! is_mounted "${1:-$MNT}"; }

unmount_tree() {
  claimfs unmount "$MNT" || return
  wait_for 10 is_not_mounted
}

# wait_for SECONDS COMMAND…: until it succeeds, looking every 50 ms; its last output is shown when it never does.
wait_for() {
  local deadline=$((${EPOCHREALTIME/./} + $1 * 1000000)) output
  shift
  until output=$("$@" 2>&1); do
    if [ "${EPOCHREALTIME/./}" -gt "$deadline" ]; then
      printf 'never came true: %s\n%s\n' "$*" "$output"
      return 1
    fi
    sleep 0.05
  done
}

# The number of the FUSE connection behind a mount point: read from mountinfo, because the mount may not answer.
connection_of() { awk -v at="$1" '$5 == at {split($3, number, ":"); print number[2]}' /proc/self/mountinfo | tail -1; }

abort_connection() {
  [ -n "$1" ] || return 0
  [ -e "$CONNECTIONS/$1" ] || mount -t fusectl none "$CONNECTIONS" 2>/dev/null || true
  if [ -e "$CONNECTIONS/$1/abort" ]; then echo 1 >"$CONNECTIONS/$1/abort"; fi
}

# A request that the daemon never answers cannot be killed from outside: after the limit the connection is aborted.
watch_for_hang() {
  local connection
  connection=$(connection_of "$1")
  [ -n "$connection" ] || return 0
  if ! [ -e "$CONNECTIONS/$connection" ]; then mount -t fusectl none "$CONNECTIONS" 2>/dev/null || true; fi
  # A connection's number is used again when its mount is gone: only this mount's is meant.
  setsid bash -c '
    sleep "$1"
    if grep -q " 0:$2 [^ ]* $3 " /proc/self/mountinfo; then echo 1 >"$4/$2/abort"; fi
  ' watchdog "$2" "$connection" "$1" "$CONNECTIONS" >/dev/null 2>&1 </dev/null 3>&- 4>&- &
  echo "-$!" >>"$WORK/pids"
  disown
}

# spawn COMMAND…: in the background with its output in WORK/spawned, killed at the end of the test. Its pid is SPAWNED.
spawn() {
  setsid "$@" >>"$WORK/spawned" 2>&1 </dev/null 3>&- 4>&- &
  SPAWNED=$!
  echo "-$SPAWNED" >>"$WORK/pids"
  disown
}

# Daemons are found by the contract: claimfs first, the mount point as a word of its own.
daemons_of() {
  local file first
  grep -slzxF -- "$1" /proc/[0-9]*/cmdline | while read -r file; do
    first=$(tr '\0' '\n' 2>/dev/null <"$file" | head -n 1)
    if [ "${first##*/}" = claimfs ]; then basename "$(dirname "$file")"; fi
  done
}
daemon_pid() { daemons_of "${1:-$MNT}" | head -n 1; }
no_daemon() { [ -z "$(daemons_of "${1:-$MNT}")" ]; }
# stop_process PID: and none of its threads goes on, as they may until the first of them has seen the signal.
stop_process() {
  kill -STOP "$1"
  wait_for 20 is_stopped "$1"
}
is_stopped() { grep -q '^State:.T' "/proc/$1/status"; }

# Ended, whether or not its parent has noticed.
is_gone() { ! grep -q '^State:.[^ZX]' "/proc/$1/status" 2>/dev/null; }

# The mounts in the workspace, the last mounted first.
mounts_in_workspace() { awk -v work="$WORK/" 'index($5, work) == 1 {print $5}' /proc/self/mountinfo | tac; }

drop_workspace() {
  [ -n "$WORK" ] && [ -d "$WORK" ] || return 0
  local pid at device connection
  # Who has only just been started may not have its process group yet.
  while read -r pid; do kill -9 -- "$pid" "${pid#-}" 2>/dev/null || true; done <"$WORK/pids"
  for at in $(mounts_in_workspace); do
    connection=$(awk -v at="$at" '$5 == at && / - fuse/ {split($3, number, ":"); print number[2]}' \
      /proc/self/mountinfo | tail -1)
    timeout -k 1 10 umount "$at" 2>/dev/null && continue
    abort_connection "$connection"
    umount -l "$at" 2>/dev/null || true
  done
  for device in $(losetup -l -n -O NAME,BACK-FILE | awk -v work="$WORK" 'index($2, work) == 1 {print $1}'); do
    losetup -d "$device" || true
  done
  for at in "$MNT" "$MNT".*; do
    for pid in $(daemons_of "$at"); do
      wait_for 5 is_gone "$pid" >/dev/null || kill -9 "$pid" 2>/dev/null || true
    done
  done
  if [ -n "$(mounts_in_workspace)" ]; then
    echo "still mounted: $(mounts_in_workspace)"
    return 1
  fi
  if grep -q " $WORK " /proc/self/mountinfo; then umount "$WORK" || umount -l "$WORK"; fi
  rm -rf --one-file-system "$WORK" "$WORK.ext4"
}

# What the daemon said since the test began, when it failed. Call it first in teardown.
show_log_of_failure() {
  [ -z "${BATS_TEST_COMPLETED:-}" ] || return 0
  if [ -s "$LOG" ]; then
    echo "--- the daemon's log"
    tail -n 60 "$LOG"
  fi
  if [ -s "$WORK/spawned" ]; then
    echo "--- what background commands said"
    tail -n 40 "$WORK/spawned"
  fi
}

# expect_errno NAME COMMAND…: the command fails, and says the words of that errno.
expect_errno() {
  local name=$1 words output status=0
  shift
  case $name in
    # What is asked for most.
    EBUSY) words='Device or resource busy' ;;
    EROFS) words='Read-only file system' ;;
    *) words=$(python3 -c 'import errno, os, sys; print(os.strerror(getattr(errno, sys.argv[1])))' "$name") ;;
  esac
  output=$("$@" 2>&1) || status=$?
  if [ "$status" = 0 ]; then
    printf 'should have failed with %s: %s\n%s\n' "$name" "$*" "$output"
    return 1
  fi
  if [[ "${output,,}" != *"${words,,}"* ]]; then
    printf 'should have failed with %s (%s): %s\nexit %s: %s\n' "$name" "$words" "$*" "$status" "$output"
    return 1
  fi
}

# all_expect NAME COMMAND…: expect_errno for each, at the same time: a refusal may take a second. Words have no blanks.
all_expect() {
  local name=$1 command jobs=() job
  shift
  for command in "$@"; do
    # shellcheck disable=SC2086
    expect_errno "$name" limit 10 $command &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || return; done
}

# expect_status CODE COMMAND…: exits so; SAID is what it said.
expect_status() {
  local code=$1 status=0
  shift
  SAID=$("$@" 2>&1) || status=$?
  if [ "$status" != "$code" ]; then
    printf 'exit %s, expected %s: %s\n%s\n' "$status" "$code" "$*" "$SAID"
    return 1
  fi
}

# expect_text PART TEXT
expect_text() {
  if [[ "$2" != *"$1"* ]]; then
    printf 'expected "%s" in:\n%s\n' "$1" "$2"
    return 1
  fi
}

# same_steps SCENARIO [CLAIM…]: the transcript of the scenario in the tree, for each of the claims, is the transcript
# of the plain directory.
same_steps() {
  local scenario=$1 claim
  shift
  [ $# -gt 0 ] || set -- posix shared
  mkdir -p "$WORK/plain/$scenario" "$WORK/transcripts"
  limit 120 python3 "$POSIX_DIR/steps.py" "$scenario" "$WORK/plain/$scenario" >"$WORK/transcripts/$scenario.plain"
  [ -s "$WORK/transcripts/$scenario.plain" ]
  for claim in "$@"; do
    limit 10 mkdir -p "$MNT/default/$claim/$scenario"
    limit 120 python3 "$POSIX_DIR/steps.py" "$scenario" "$MNT/default/$claim/$scenario" \
      "$HOST/$claim/$scenario" >"$WORK/transcripts/$scenario.$claim" 2>&1 || true
    diff -U 4 --label plain --label "tree, $claim" "$WORK/transcripts/$scenario.plain" \
      "$WORK/transcripts/$scenario.$claim"
  done
}

# The workspace of a comparison: a claim that one node uses, and one that many may; what may be cached differs.
setup_posix() {
  make_workspace
  make_volume posix
  make_volume shared modes=ReadWriteMany
  mount_claims posix shared
}

# cluster [-1] NAME K=V…: make_volume, and three nodes that show it: A, B and C are its directory on node-a, node-b and
# node-c. With -1 there is one node beside node-a.
cluster() {
  local node nodes=(node-b node-c)
  if [ "$1" = -1 ]; then
    nodes=(node-b)
    shift
  fi
  make_volume "$@"
  mount_tree || return
  for node in "${nodes[@]}"; do mount_node "$node" || return; done
  wait_for 10 in_tree "default/$1" || return
  for node in "${nodes[@]}"; do wait_for 10 limit 10 test -e "$MNT.$node/default/$1" || return; done
  A=$MNT/default/$1 B=$MNT.node-b/default/$1 C=$MNT.node-c/default/$1
}

# What a claim was refused for, and whatever else was told of it: REASON COUNT CLAIM MESSAGE, one a line.
events_told() {
  claimfs get events -A -o json | jq -r '.items[] | "\(.reason) \(.count) \(.involvedObject.name) \(.message)"'
}
# is_told REASON CLAIM MESSAGE: by exactly one event.
is_told() {
  [ "$(events_told | sed -E 's/^([^ ]+) [0-9]+/\1/' | grep -cxF -- "$*")" = 1 ] || { events_told; return 1; }
}

# What is waited for takes less than a second where nothing else runs; look-ups of names in the tree are no use of a claim.
soon() { wait_for 5 limit 10 "$@"; }

# hold_by HOW DIRECTORY: in one of hold.py's ways, as SPAWNED. DIRECTORY has "file" and "directory".
hold_by() {
  local ready=$WORK/ready.$RANDOM
  spawn python3 "$BATS_TEST_DIRNAME/hold.py" "$1" "$2" "$ready"
  wait_for 10 test -e "$ready"
}
# let_go [PID]: ends what was spawned last, or that.
let_go() {
  kill -9 -- "-${1:-$SPAWNED}"
  wait_for 5 is_gone "${1:-$SPAWNED}"
}

# Pods' cgroups, where the kubelet would make them: below ROOT, by default where version 2 is mounted.
#   make_pod_cgroup UID [ROOT]    in_pod UID COMMAND…    leave_pod_cgroups
make_pod_cgroup() {
  local root=${2:-$(awk '$3 == "cgroup2" {print $2; exit}' /proc/self/mounts)}
  [ -n "$root" ] || { echo "cgroup2 is not mounted"; return 1; }
  echo "$root/kubepods/burstable/pod$1/container" >>"$WORK/cgroups"
  wait_for 2 mkdir -p "$root/kubepods/burstable/pod$1/container"
}
in_pod() {
  local cgroup
  cgroup=$(grep -F "/pod$1/" "$WORK/cgroups")
  shift
  # A shell of its own, which then becomes the command.
  limit "${LIMIT:-60}" bash -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' - "$cgroup" "$@"
}
# spawn_in_pod UID COMMAND…: as spawn.
spawn_in_pod() {
  local cgroup
  cgroup=$(grep -F "/pod$1/" "$WORK/cgroups")
  shift
  spawn bash -c 'echo $$ >"$1/cgroup.procs" && shift && exec "$@"' - "$cgroup" "$@"
}
leave_pod_cgroups() {
  [ -e "$WORK/cgroups" ] || return 0
  local cgroup pid
  while read -r cgroup; do
    while read -r pid; do kill -9 "$pid" 2>/dev/null || true; done <"$cgroup/cgroup.procs"
    wait_for 5 rmdir "$cgroup" || true
    # The pod's own, and those above it unless somebody else has pods there.
    cgroup=${cgroup%/*}
    rmdir "$cgroup" "${cgroup%/*}" "${cgroup%/*/*}" 2>/dev/null || true
  done <"$WORK/cgroups"
}
