#!/usr/bin/env bats
# The access modes, as claimfs enforces them between nodes and pods: what each of them admits, who waits for whom, what
# each refusal says, and that a claim that changes hands is seen as it is. Three mounts on one store are three nodes.

# shellcheck disable=SC2011,SC2016,SC2153  # names here are plain; programs of bash and Python; A, B and C are mount.bash's

load mount.bash
load changes.bash

setup() { make_workspace; }

teardown() {
  show_log_of_failure
  leave_pod_cgroups
  drop_workspace
}

ONE_NODE="Volume is already exclusively attached to one node and can't be attached to another"

# hold FILE [MODE]: a process that has it open, to read unless told otherwise. Ends by let_go.
hold() {
  spawn bash -c "exec 7${2:-<}\"\$1\"; exec sleep 300" - "$1"
  wait_for 5 has_open "$SPAWNED" "$1"
}
has_open() { [ "$(readlink "/proc/$1/fd/7")" = "$2" ]; }

# pod NAME NODE [FIELD-OF-THE-CLAIM'S-VOLUME]: a Pod of the claim "data", as `kubectl apply` would have it.
pod() {
  printf 'apiVersion: v1
kind: Pod
metadata: {name: %s}
spec:
  nodeName: %s
  containers: [{name: c, image: i}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: data%s}}]
' "$1" "$2" "${3:+, $3}" | claimfs apply -f -
}
uid_of_pod() { claimfs get pod "$1" -o 'jsonpath={.metadata.uid}'; }

# ReadWriteOnce: one node, which reads and writes.

@test "ReadWriteOnce: one node has it; to the others it is busy, whatever they do in it" {
  cluster data
  echo text >"$A/file"
  hold "$A/file"
  all_expect EBUSY "ls $B" "cat $B/file" "touch $B/new" "mkdir $B/new" "ln -s x $B/new" "rm $B/file" "df $B" \
    "setfattr -n user.x -v y $B" "chmod 700 $B" "ls $C" "cat $C/file" "touch $C/new"
  # The user's own node goes on, by any process.
  [ "$(limit 10 cat "$A/file")" = text ]
  limit 10 touch "$A/more"
}

@test "ReadWriteOnce: the tree is seen on every node: listing it and looking at a claim is no use of it" {
  cluster -1 data
  hold "$MNT/default/data"
  [ "$(ls "$MNT.node-b/default")" = data ]
  [ "$(limit 10 stat -c %F "$B")" = directory ]
  [ "$(limit 10 ls -d "$B")" = "$B" ]
  [ "$(limit 10 getfattr --absolute-names --only-values -n user.claimfs.phase "$B")" = Bound ]
  [ "$(limit 10 getfattr --absolute-names --only-values -n user.claimfs.attachedTo "$B")" = node-a ]
  [ "$(claimfs get attachments -o 'jsonpath={.items[*].spec.node}')" = node-a ]
}

@test "ReadWriteOnce: who waits gets it within a second of the last close, and without asking again" {
  cluster data
  echo text >"$A/file"
  hold "$A/file"
  expect_errno EBUSY limit 10 touch "$B/new"
  let_go
  soon touch "$B/new"
  # Somebody who asks while it is let go is not refused at all.
  hold "$B/new"
  spawn bash -c 'sleep 0.3; kill -9 "$1"' - "$SPAWNED"
  limit 10 touch "$C/newer"
  [ "$(ls "$HOST/data" | xargs)" = 'file new newer' ]
}

@test "ReadWriteOnce: an idle claim goes from node to node as fast as it is asked for" {
  cluster data
  local round
  for round in $(seq 20); do
    for node in "$A" "$B" "$C"; do echo "$round" >>"$node/file"; done
  done
  [ "$(wc -l <"$HOST/data/file")" = 60 ]
  [ "$(grep -c 'attach=refused' "$LOG")" = 0 ]
}

@test "ReadWriteOnce: what another node has done is seen at once, whatever was cached of it" {
  cluster -1 data
  mkdir "$A/directory" "$A/gone"
  local name
  for name in same shorter longer removed moved attributes replaced; do echo "before $name" >"$A/$name"; done
  echo inside >"$A/directory/inside"
  ln -s before "$A/symlink"
  # All of it cached here, absent names too.
  limit 10 tar -C "$A" -cf - . | wc -c >/dev/null
  [ ! -e "$A/new" ] && [ ! -e "$A/directory/new" ] && [ ! -e "$A/gone/x" ]
  [ "$(stat -c %a "$A/attributes")" = 644 ]

  echo "after  same" >"$B/same"
  echo short >"$B/shorter"
  head -c 100000 /dev/zero >>"$B/longer"
  rm "$B/removed"
  rmdir "$B/gone"
  mv "$B/moved" "$B/directory/moved"
  chmod 600 "$B/attributes"
  touch -d @1000000000 "$B/attributes"
  setfattr -n user.x -v y "$B/attributes"
  echo "after replaced" >"$B/.replaced" && mv "$B/.replaced" "$B/replaced"
  ln -sfn after "$B/symlink"
  echo new >"$B/new"
  mkdir "$B/directory/new"

  [ "$(cat "$A/same")" = "after  same" ]
  [ "$(cat "$A/shorter")" = short ]
  [ "$(stat -c %s "$A/longer")" = 100014 ]
  [ "$(tail -c 100000 "$A/longer" | tr -d '\0' | wc -c)" = 0 ]
  [ ! -e "$A/removed" ] && [ ! -e "$A/gone" ] && [ ! -e "$A/moved" ]
  expect_errno ENOENT cat "$A/removed"
  [ "$(cat "$A/directory/moved")" = "before moved" ]
  [ "$(stat -c '%a %Y' "$A/attributes")" = '600 1000000000' ]
  [ "$(getfattr --absolute-names --only-values -n user.x "$A/attributes")" = y ]
  [ "$(cat "$A/replaced")" = "after replaced" ]
  [ "$(readlink "$A/symlink")" = after ]
  [ "$(cat "$A/new")" = new ]
  [ "$(ls "$A/directory" | xargs)" = 'inside moved new' ]
  [ "$(ls "$A" | xargs)" = 'attributes directory longer new replaced same shorter symlink' ]
}

@test "ReadWriteOnce: what was mapped and written by one node is read by the next" {
  cluster -1 data
  head -c 65536 /dev/zero >"$A/file"
  limit 10 python3 -c '
import mmap, sys
with open(sys.argv[1], "r+b") as file:
    map = mmap.mmap(file.fileno(), 65536)
    map[40000:40004] = b"mine"' "$A/file"
  [ "$(limit 10 dd if="$B/file" bs=1 skip=40000 count=4 2>/dev/null)" = mine ]
}

@test "ReadWriteOnce: a refusal is told once, in Kubernetes' words, and the log names who holds it" {
  cluster -1 data
  echo text >"$A/file"
  hold "$A/file"
  local i
  for i in 1 2 3 4; do expect_errno EBUSY limit 10 touch "$B/new"; done
  wait_for 5 is_told FailedAttachVolume data "Multi-Attach error for volume \"pv-data\" $ONE_NODE"
  expect_text FailedAttachVolume "$(claimfs describe pvc data)"
  # A log has to say that it goes on.
  [ "$(grep -c 'attach=refused' "$LOG")" -lt 4 ]
  grep -F 'attach=refused claim=default/data volume=pv-data' "$LOG" |
    grep -qF "holder=\"node-a: pid $SPAWNED (sleep) open\""
}

@test "ReadWriteOnce: who has been refused just now does not wait for a second again" {
  cluster -1 data
  hold "$A"
  limit 60 python3 - "$B" <<'PY'
import errno, os, sys, time
took = []
# One that waits takes a second at least. On a busy machine one that does not may be late too, but not every one.
while len(took) < 2 or min(took) > 0.9 and len(took) < 20:
    before = time.monotonic()
    try:
        os.listdir(sys.argv[1])
        sys.exit("not refused")
    except OSError as error:
        assert error.errno == errno.EBUSY, error
    took.append(time.monotonic() - before)
print(took)
assert took[0] > 0.9 > min(took[1:])
PY
}

@test "ReadWriteOnce: a Pod on a node holds it there until the Pod is gone, used or not" {
  cluster -1 data
  pod web node-b
  expect_errno EBUSY limit 10 touch "$A/new"
  limit 10 touch "$B/new"
  wait_for 5 is_told FailedAttachVolume data 'Multi-Attach error for volume "pv-data" Volume is already used by pod(s) web'
  grep -q 'attach=refused .*holder=".*pod web on node-b' "$LOG"
  claimfs delete pod web
  soon touch "$A/newer"
}

@test "ReadWriteOnce: a Pod that has finished leaves its place" {
  cluster -1 data
  pod web node-b
  expect_errno EBUSY limit 10 touch "$A/new"
  claimfs get pod web -o json | jq '.status.phase = "Succeeded"' | claimfs import -f -
  soon touch "$A/new"
}

@test "ReadWriteOnce: two nodes that ask at the same moment: one has it" {
  cluster data
  ask_together 3 "$A" "$B" "$C"
}
# ask_together ROUNDS DIRECTORY…: all at the same moment open a file; one of them is let in, the others find it busy.
ask_together() {
  limit 60 python3 - "$@" <<'PY'
import errno, os, sys, threading
for round in range(int(sys.argv[1])):
    opened, barrier = [], threading.Barrier(len(sys.argv) - 2)
    def ask(path):
        barrier.wait()
        try:
            opened.append(os.open(path + "/file", os.O_RDWR | os.O_CREAT))
        except OSError as error:
            assert error.errno == errno.EBUSY, error
    threads = [threading.Thread(target=ask, args=[path]) for path in sys.argv[2:]]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert len(opened) == 1, f"round {round}: {len(opened)} have it"
    os.close(opened[0])
PY
}

# ReadOnlyMany: any number of nodes, and nobody changes anything.

@test "ReadOnlyMany: all nodes read at the same time" {
  mkdir "$HOST/data"
  fill "$HOST/data"
  cluster data modes=ReadOnlyMany
  hold "$A/file"
  hold "$B/file"
  hold "$C/file"
  local node
  for node in "$A" "$B" "$C"; do
    [ "$(limit 10 cat "$node/file")" = text ]
    [ "$(limit 10 ls "$node" | xargs)" = 'directory file symlink' ]
  done
  [ "$(claimfs get attachments -o 'jsonpath={.items[*].spec.readOnly}')" = 'true true true' ]
}

@test "ReadOnlyMany: every change is refused with EROFS, and changes nothing" {
  mkdir "$HOST/data"
  fill "$HOST/data"
  state_of "$HOST/data" >"$WORK/before"
  cluster -1 data modes=ReadOnlyMany
  every_change_is EROFS "$A"
  every_change_is EROFS "$B"
  expect_errno EROFS limit 10 setfacl -m u:1:r "$A/file"
  state_of "$HOST/data" | diff "$WORK/before" -
  # A private map may be written to: it is the process's own.
  limit 10 python3 -c '
import mmap, os, sys
map = mmap.mmap(os.open(sys.argv[1], os.O_RDONLY), 4, mmap.MAP_PRIVATE)
map[0:4] = b"mine"' "$A/file"
  [ "$(cat "$A/file")" = text ]
}

@test "a mount that is read-only changes nothing, and is a reader to the others" {
  mkdir "$HOST/data"
  fill "$HOST/data"
  state_of "$HOST/data" >"$WORK/before"
  make_volume data modes=ReadWriteMany
  mount_claims data
  mount_node node-b --read-only
  mount_node node-c -o ro
  every_change_is EROFS "$MNT.node-b/default/data"
  every_change_is EROFS "$MNT.node-c/default/data"
  state_of "$HOST/data" | diff "$WORK/before" -
  limit 10 touch "$MNT/default/data/new"
  [ -e "$MNT.node-b/default/data/new" ]
}

# ReadWriteMany: everybody, and what one has closed the next one opens.

@test "ReadWriteMany: all nodes write, and see at open what the others have written and closed" {
  cluster data modes=ReadWriteMany
  hold "$A" && hold "$B" && hold "$C"
  local round node other
  for round in 1 2 3; do
    for node in "$A" "$B" "$C"; do
      echo "$round $node" >"$node/file"
      for other in "$A" "$B" "$C"; do [ "$(cat "$other/file")" = "$round $node" ]; done
    done
  done
  rm "$B/file"
  expect_errno ENOENT limit 10 cat "$A/file"
  echo again >"$C/file"
  [ "$(cat "$A/file")" = again ]
  # Replaced as editors do it.
  echo other >"$B/.file" && mv "$B/.file" "$B/file"
  [ "$(cat "$A/file")" = other ]
  [ "$(cat "$C/file")" = other ]
  [ "$(claimfs get attachments -o name | wc -l)" = 3 ]
}

@test "ReadWriteMany: lines that all nodes append to one file are all there" {
  cluster data modes=ReadWriteMany
  local node jobs=()
  for node in "$A" "$B" "$C"; do
    limit 20 bash -c 'for i in $(seq 100); do echo "$1 $i" >>"$1/file"; done' - "$node" &
    jobs+=($!)
  done
  wait "${jobs[@]}"
  [ "$(sort -u "$HOST/data/file" | wc -l)" = 300 ]
}

@test "ReadWriteMany with other modes is ReadWriteMany" {
  cluster data modes=ReadWriteOnce,ReadOnlyMany,ReadWriteMany
  hold "$A"
  limit 10 touch "$B/b" "$C/c"
  [ "$(ls "$A" | xargs)" = 'b c' ]
}

# ReadWriteOncePod: one pod in the cluster.

POD_BUSY='MountVolume.SetUp failed for volume "pv-data" : volume uses the ReadWriteOncePod access mode and is already in use by another pod'
new_uid() { cat /proc/sys/kernel/random/uuid; }

@test "ReadWriteOncePod: a second pod on the same node is refused, until the first one's last process has ended" {
  cluster -1 data modes=ReadWriteOncePod
  local first second
  first=$(new_uid) second=$(new_uid)
  make_pod_cgroup "$first" && make_pod_cgroup "$second"
  spawn_in_pod "$first" bash -c 'echo first >"$1/file" && exec sleep 300' - "$A"
  wait_for 5 test -s "$HOST/data/file"
  # The first one has nothing open, but it lives, and may go on.
  expect_errno EBUSY in_pod "$second" touch "$A/new"
  [ "$(in_pod "$first" cat "$A/file")" = first ]
  wait_for 5 is_told FailedMount data "$POD_BUSY"
  let_go
  soon_in_pod "$second" touch "$A/new"
  # Nor does the first one's uid come back in between.
  spawn_in_pod "$second" sleep 300
  expect_errno EBUSY in_pod "$first" cat "$A/file"
}
# The command must not be its pod's only process when it is asked whether the pod has ended.
soon_in_pod() {
  local pod=$1
  shift
  wait_for 1 in_pod "$pod" "$@"
}

@test "ReadWriteOncePod: the processes of one pod are one user, in whatever cgroup version" {
  cluster -1 data modes=ReadWriteOncePod
  local hierarchy uid
  for hierarchy in "" /sys/fs/cgroup/systemd /sys/fs/cgroup/memory; do
    if [ -n "$hierarchy" ] && ! grep -q " $hierarchy cgroup " /proc/self/mounts; then continue; fi
    uid=$(new_uid)
    # shellcheck disable=SC2086
    make_pod_cgroup "$uid" $hierarchy
    spawn_in_pod "$uid" bash -c 'exec 7<"$1"; exec sleep 300' - "$A"
    wait_for 5 has_open "$SPAWNED" "$A"
    in_pod "$uid" bash -c 'echo x >>"$1/file" && cat "$1/file"' - "$A"
    [ "$(claimfs get attachments -o 'jsonpath={.items[*].spec.consumer}')" = "$uid" ]
    expect_errno EBUSY limit 10 cat "$A/file"
    let_go
  done
}

@test "ReadWriteOncePod: a pod that has ended but left a handle to others is not over" {
  cluster -1 data modes=ReadWriteOncePod
  local uid
  uid=$(new_uid)
  make_pod_cgroup "$uid"
  # Opened by the pod, kept by somebody outside.
  local keeper root
  root=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/self/mounts)
  keeper=$(in_pod "$uid" bash -c '
    exec 7<>"$1/file"
    echo $$ >"$2/cgroup.procs"
    setsid sleep 300 >/dev/null 2>&1 &
    echo $!' - "$A" "$root")
  echo "$keeper" >>"$WORK/pids"
  expect_errno EBUSY limit 10 cat "$A/file"
  let_go "$keeper"
  soon cat "$A/file"
}

@test "ReadWriteOncePod: looking at a claim never makes the host its user" {
  cluster -1 data modes=ReadWriteOncePod
  echo text >"$HOST/data/file"
  # As kubelet and container runtimes do before a pod starts.
  limit 10 stat "$A" >/dev/null
  limit 10 ls -d "$A" >/dev/null
  limit 10 getfattr --absolute-names -d -m - "$A"
  limit 10 getfattr --absolute-names -n user.claimfs.phase "$A"
  limit 10 stat "$A/file" >/dev/null
  limit 10 stat -f "$A" >/dev/null
  [ -z "$(claimfs get attachments -o 'jsonpath={.items[*].spec.consumer}')" ]
  # df opens what it is asked about, and ls lists it: that is over when they are, whoever has bound the claim meanwhile.
  limit 10 df "$A" >/dev/null
  limit 10 ls "$A" >/dev/null
  [ "$(claimfs get attachments -o 'jsonpath={.items[*].spec.node}')" = node-a ]
  mkdir "$WORK/volume"
  mount --bind "$A" "$WORK/volume"
  local uid
  uid=$(new_uid)
  make_pod_cgroup "$uid"
  in_pod "$uid" cat "$WORK/volume/file"
  [ "$(claimfs get attachments -o 'jsonpath={.items[*].spec.consumer}')" = "$uid" ]
  umount "$WORK/volume"
}

@test "ReadWriteOncePod: a process on the host that opens something is a user like a pod" {
  cluster -1 data modes=ReadWriteOncePod
  echo text >"$HOST/data/file"
  hold "$A/file"
  local uid
  uid=$(new_uid)
  make_pod_cgroup "$uid"
  expect_errno EBUSY in_pod "$uid" cat "$A/file"
  # All of the host are one.
  [ "$(limit 10 cat "$A/file")" = text ]
  let_go
  soon_in_pod "$uid" cat "$A/file"
}

@test "ReadWriteOncePod: a map of the host is its use as well, and a working directory" {
  cluster -1 data modes=ReadWriteOncePod
  echo text >"$HOST/data/file"
  local uid
  uid=$(new_uid)
  make_pod_cgroup "$uid"
  spawn python3 -c '
import mmap, os, sys, time
file = os.open(sys.argv[1], os.O_RDWR)
map = mmap.mmap(file, 4)
os.closerange(3, 100)
open(sys.argv[2], "w").close()
time.sleep(300)' "$A/file" "$WORK/mapped"
  wait_for 5 test -e "$WORK/mapped"
  expect_errno EBUSY in_pod "$uid" cat "$A/file"
  let_go
  soon_in_pod "$uid" cat "$A/file"
  spawn bash -c 'cd "$1" && ls >"$2" && exec sleep 300' - "$A" "$WORK/listed"
  wait_for 5 test -s "$WORK/listed"
  expect_errno EBUSY in_pod "$uid" cat "$A/file"
  let_go
  soon_in_pod "$uid" cat "$A/file"
}

@test "ReadWriteOncePod: another node is refused, also its pod" {
  cluster -1 data modes=ReadWriteOncePod
  local uid
  uid=$(new_uid)
  make_pod_cgroup "$uid"
  echo text >"$A/file"
  hold "$A/file"
  expect_errno EBUSY limit 10 cat "$B/file"
  expect_errno EBUSY in_pod "$uid" cat "$B/file"
  let_go
  spawn_in_pod "$uid" bash -c 'exec 7<"$1"; exec sleep 300' - "$B"
  wait_for 5 has_open "$SPAWNED" "$B"
  expect_errno EBUSY limit 10 cat "$A/file"
  wait_for 5 is_told FailedAttachVolume data "Multi-Attach error for volume \"pv-data\" $ONE_NODE"
}

@test "ReadWriteOncePod: a Pod object is the user, its processes are let in, and nobody else" {
  cluster -1 data modes=ReadWriteOncePod
  pod a-web node-b
  pod b-other node-b
  local web other
  web=$(uid_of_pod a-web) other=$(uid_of_pod b-other)
  make_pod_cgroup "$web" && make_pod_cgroup "$other"
  in_pod "$web" touch "$B/new"
  expect_errno EBUSY in_pod "$other" touch "$B/newer"
  expect_errno EBUSY limit 10 touch "$B/newer"
  expect_errno EBUSY limit 10 touch "$A/newer"
  claimfs delete pod a-web
  soon_in_pod "$other" touch "$B/newer"
}

# ReadWriteOnce with ReadOnlyMany: one that writes, or many that read.

@test "ReadWriteOnce with ReadOnlyMany: many nodes read, and then nobody can begin to write" {
  mkdir "$HOST/data"
  echo text >"$HOST/data/file"
  cluster data modes=ReadWriteOnce,ReadOnlyMany
  hold "$A/file"
  local reader=$SPAWNED
  hold "$B/file"
  [ "$(limit 10 cat "$C/file")" = text ]
  expect_errno EBUSY limit 10 touch "$C/new"
  expect_errno EBUSY limit 10 bash -c 'echo more >>"$1/file"' - "$A"
  # They still read.
  [ "$(limit 10 cat "$A/file")" = text ]
  wait_for 5 is_told FailedAttachVolume data "Multi-Attach error for volume \"pv-data\" $ONE_NODE"
  let_go
  # Alone, with a file open to read: the first write makes a writer of the reader.
  soon bash -c 'echo more >>"$1/file"' - "$A"
  [ "$(claimfs get attachments -o 'jsonpath={.items[*].spec.node} {.items[*].spec.readOnly}')" = 'node-a false' ]
  let_go "$reader"
}

@test "ReadWriteOnce with ReadOnlyMany: while one writes, others do not even read" {
  cluster data modes=ReadWriteOnce,ReadOnlyMany
  echo text >"$A/file"
  hold "$A/file" '>>'
  expect_errno EBUSY limit 10 cat "$B/file"
  expect_errno EBUSY limit 10 ls "$C"
  let_go
  soon cat "$B/file"
  [ "$(limit 10 cat "$C/file")" = text ]
  [ "$(limit 10 cat "$A/file")" = text ]
  [ "$(claimfs get attachments -o 'jsonpath={.items[*].spec.readOnly}')" = 'true true true' ]
}

# A pod's readOnly.

@test "a pod that asked for the claim readOnly changes nothing; its neighbours do" {
  mkdir "$HOST/data"
  fill "$HOST/data"
  state_of "$HOST/data" >"$WORK/before"
  cluster -1 data
  pod reader node-a 'readOnly: true'
  pod writer node-a
  local reader writer
  reader=$(uid_of_pod reader) writer=$(uid_of_pod writer)
  make_pod_cgroup "$reader" && make_pod_cgroup "$writer"
  local cgroup
  cgroup=$(grep -F "/pod$reader/" "$WORK/cgroups")
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    every_change_is EROFS "$A"
  )
  state_of "$HOST/data" | diff "$WORK/before" -
  in_pod "$reader" cat "$A/file"
  in_pod "$writer" touch "$A/new"
  limit 10 touch "$A/newer"
}

# One directory behind several volumes.

@test "volumes that are one directory are one for the exclusive modes, however their paths name it" {
  mkdir -p "$HOST/one/inner"
  ln -s one "$HOST/symlink"
  mkdir "$HOST/bound"
  mount --bind "$HOST/one" "$HOST/bound"
  make_volume one
  make_volume same path="$HOST/one"
  make_volume slashes path="$HOST//one/."
  make_volume inside path="$HOST/one/inner"
  make_volume outside path="$HOST" capacity=2Gi
  make_volume linked path="$HOST/symlink"
  make_volume bound path="$HOST/bound"
  make_volume beside
  mount_claims one same slashes inside outside linked bound beside
  mount_node node-b
  touch "$MNT/default/one/file"
  hold "$MNT/default/one/file"
  local name
  local there=$MNT.node-b/default
  all_expect EBUSY "ls $there/same" "ls $there/slashes" "ls $there/inside" "ls $there/outside" "ls $there/linked" \
    "ls $there/bound"
  # On one node they are what two pods on it are.
  for name in same slashes inside outside linked bound; do limit 10 touch "$MNT/default/$name/of-$name"; done
  limit 10 touch "$MNT.node-b/default/beside/new"
  wait_for 5 is_told FailedAttachVolume same \
    'Multi-Attach error for volume "pv-same" Its directory is also that of default/one, which is attached'
  let_go
  for name in same inside outside linked bound; do
    soon touch "$MNT.node-b/default/$name/new"
  done
  unmount_tree
  claimfs unmount "$MNT.node-b"
  umount "$HOST/bound"
}

@test "volumes that are one directory by a symlink: two nodes that ask at the same moment, and one has it" {
  mkdir "$HOST/one"
  ln -s one "$HOST/symlink"
  make_volume one
  make_volume linked path="$HOST/symlink"
  mount_claims one linked
  mount_node node-b
  wait_for 10 limit 10 test -e "$MNT.node-b/default/linked"
  ask_together 5 "$MNT/default/one" "$MNT.node-b/default/linked"
}

@test "volumes that are one directory are no matter to ReadWriteMany; the stricter one decides" {
  mkdir "$HOST/one"
  make_volume one modes=ReadWriteMany
  make_volume same modes=ReadWriteMany path="$HOST/one"
  make_volume exclusive path="$HOST/one"
  mount_claims one same exclusive
  mount_node node-b
  hold "$MNT/default/one"
  limit 10 touch "$MNT.node-b/default/same/new"
  expect_errno EBUSY limit 10 touch "$MNT.node-b/default/exclusive/new"
}

# What the claim says decides, not what the volume could do.

@test "the claim's access modes decide, not the volume's larger set" {
  make_volume data modes=ReadWriteOnce
  sed -i '0,/accessModes: .*/s//accessModes: [ReadWriteOnce, ReadWriteMany]/' "$MANIFESTS/data.yaml"
  mount_claims data
  mount_node node-b
  hold "$MNT/default/data"
  expect_errno EBUSY limit 10 touch "$MNT.node-b/default/data/new"
}
