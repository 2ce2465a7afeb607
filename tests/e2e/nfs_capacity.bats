#!/usr/bin/env bats
# A claim on an NFS server holds what its capacity allows and no more: writers get ENOSPC at write(2), df agrees, du of the
# server's directory never shows more.
# shellcheck disable=SC2317  # functions that wait_for calls

load mount.bash
load capacity.bash
load nfs.bash

setup() {
  make_workspace
  start_nfs_server
  DATA=$MNT/default/data
}

teardown() {
  show_log_of_failure
  if [ -n "${PROXY:-}" ]; then fault pass >/dev/null 2>&1 || true; fi
  drop_workspace
}

# data_of SIZE…: a claim of that capacity on the server, in the tree.
data_of() {
  make_nfs_volume data capacity="$1" "${@:2}"
  mount_claims data
}

@test "filling a claim on a server: a short write, then ENOSPC at once; df is at 100 %, and one event says so" {
  data_of 20Mi
  run -1 limit 60 python3 - "$DATA/file" <<'PY'
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
sizes = []
try:
    while True:
        sizes.append(os.write(file, bytes(1 << 20)))
except OSError as error:
    print(error.strerror, sizes[-1] < 1 << 20)
    os.fsync(file)  # what was taken in is on the server
    os.close(file)
    sys.exit(1)
PY
  [ "$output" = "No space left on device True" ]
  is_full $((20 * MI))
  [ "$(df_of pcent)" = 100 ]
  [ "$(df_of size)" = $((20 * MI)) ]
  [ $(($(df_of used) + $(df_of avail))) = $((20 * MI)) ]
  [ "$(limit 10 getfattr --absolute-names --only-values -n user.claimfs.used "$DATA")" -ge "$(occupied)" ]
  grep -qE '^default/data +20Mi +accounting ' "$MNT/.claimfs/status"
  one_event() { [ "$(claimfs get events | grep -c 'Warning.*VolumeFull.*persistentvolumeclaim/data')" = 1 ]; }
  wait_for 5 one_event
  for _ in 1 2 3; do expect_errno ENOSPC write "$DATA/more" bs=64k count=1; done
  one_event
  # Removing makes room, at once.
  rm "$DATA/file"
  write "$DATA/other" bs=1M count=18
  truncate -s 1M "$DATA/other"
  write "$DATA/again" bs=1M count=17
}

@test "sixteen writers at once never pass the limit on a server" {
  data_of 64Mi
  for i in $(seq 16); do spawn dd if=/dev/zero of="$DATA/$i" bs=64k; done
  look() {
    occupied >>"$WORK/seen"
    is_full $((64 * MI))
  }
  wait_for 60 look
  # The most that was seen at any moment.
  [ "$(sort -n "$WORK/seen" | tail -n 1)" -le $((64 * MI)) ]
}

@test "holes and hard links on a server cost nothing; what is open without a name does" {
  data_of 20Mi
  truncate -s 1G "$DATA/sparse"
  write "$DATA/sparse" bs=1M count=2 seek=500 conv=notrunc
  write "$DATA/file" bs=1M count=10
  for i in $(seq 20); do ln "$DATA/file" "$DATA/link$i"; done
  [ "$(df_of used)" -lt $((13 * MI)) ]
  rm "$DATA"/link* "$DATA/sparse"
  exec 7<"$DATA/file"
  rm "$DATA/file"
  fill "$DATA/next"
  [ "$(stat -c %s "$DATA/next")" -lt $((10 * MI)) ]
  exec 7<&-
  room() { write "$DATA/next" bs=1M count=18; }
  wait_for 5 room
}

@test "what is there is overwritten in place at the limit of a server's claim" {
  data_of 20Mi
  local db=$DATA/database
  sqlite3 "$db" 'CREATE TABLE t (id INTEGER PRIMARY KEY, text); BEGIN;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
    INSERT INTO t SELECT i, printf("%0100d", i) FROM n; COMMIT'
  fill "$DATA/rest"
  fill "$DATA/rest2" 4k
  sqlite3 "$db" 'PRAGMA journal_mode = MEMORY; UPDATE t SET text = printf("%0100d", id + 1)' >/dev/null
  [ "$(sqlite3 "$db" 'PRAGMA integrity_check; SELECT max(text) + 0 FROM t')" = $'ok\n20001' ]
  mv "$DATA/rest2" "$DATA/rest3"  # a name is found even now
  is_full $((20 * MI))
}

@test "what is stored through a shared map of a server's file is refused at msync" {
  data_of 10Mi
  run -1 limit 60 python3 - "$DATA/mapped" <<'PY'
import mmap, os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
os.truncate(file, 32 << 20)
with mmap.mmap(file, 32 << 20) as memory:
    for at in range(0, 12 << 20, 4096):
        memory[at] = 1
    try:
        memory.flush()
    except OSError as error:
        print(error.strerror)
        os._exit(1)
PY
  [ "$output" = "No space left on device" ]
  [ "$(occupied)" -le $((10 * MI)) ]
}

@test "floods of directories and names on a server end at the limit" {
  data_of 5Mi
  limit 120 python3 - "$DATA" <<'PY'
import errno, os, sys
where = sys.argv[1]
made = 0
try:
    while made < 20000:
        os.mkdir(f'{where}/directory{made}')
        made += 1
    raise AssertionError('no end')
except OSError as error:
    assert error.errno == errno.ENOSPC, error
for n in range(300):
    os.rmdir(f'{where}/directory{n}')
open(where + '/plain', 'w').close()
PY
  [ "$(occupied)" -le $((5 * MI)) ]
}

@test "a claim on a server that grows lets its writers go on at once" {
  cat >"$MANIFESTS/data.yaml" <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: shared}
provisioner: nfs.csi.k8s.io
parameters: {server: "$NFS_ADDRESS", share: "$HOST"}
mountOptions: [port=$NFS_PORT, mountport=$MOUNT_PORT]
allowVolumeExpansion: true
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: shared
  resources: {requests: {storage: 10Mi}}
YAML
  mount_claims data
  fill "$DATA/file"
  [ "$(stat -c %s "$DATA/file")" -le $((10 * MI)) ]
  claimfs patch pvc data -p '{"spec":{"resources":{"requests":{"storage":"20Mi"}}}}'
  on() { write "$DATA/more" bs=1M count=9; }
  wait_for 5 on
  expect_errno ENOSPC write "$DATA/over" bs=1M count=3
}

@test "two mounts of one server's volume share its capacity, to the end" {
  data_of 64Mi modes=ReadWriteMany
  two_mounts_fill $((64 * MI))
}

@test "the limit of a server's claim survives the daemon, and what that had reserved is found again" {
  data_of 20Mi
  limit_survives_daemon $((20 * MI))
}

@test "what was on the server before is counted; what others remove there beside us is room" {
  mkdir "$HOST/data"
  dd if=/dev/zero of="$HOST/data/foreign" bs=1M count=15 status=none
  # Another client, for all that the server knows.
  make_nfs_volume whole path="$HOST" modes=ReadWriteMany
  data_of 20Mi modes=ReadWriteMany
  wait_for 10 in_tree default/whole
  fill "$DATA/file"
  [ "$(stat -c %s "$DATA/file")" -lt $((5 * MI)) ]
  rm "$MNT/default/whole/data/foreign"
  room() { write "$DATA/file" bs=1M count=14; }
  wait_for 10 room
}

@test "what only its owner may list is counted on a server that squashes root" {
  local user=65533
  mkdir -p "$EXPORTS/root_squash/data/private"
  dd if=/dev/zero of="$EXPORTS/root_squash/data/private/file" bs=1M count=12 status=none
  chown -R "$user:$user" "$EXPORTS/root_squash/data"
  chmod 0700 "$EXPORTS/root_squash/data/private"
  data_of 20Mi export=root_squash
  as_user() { limit 30 setpriv --reuid "$user" --regid "$user" --clear-groups "$@"; }
  as_user dd if=/dev/zero of="$DATA/seven" bs=1M count=7 status=none
  expect_errno ENOSPC as_user dd if=/dev/zero of="$DATA/more" bs=1M count=3 status=none
  [ "$(limit 10 getfattr --absolute-names --only-values -n user.claimfs.used "$DATA")" -ge $((19 * MI)) ]
}

@test "a server that is silent during the first count stops only who writes to its claim" {
  # Directory after directory, each answer after a while: the first count takes its time.
  mkdir -p "$HOST/data"
  (cd "$HOST/data" && seq 400 | xargs mkdir)
  start_fault_proxy
  fault delay 0.05
  make_volume local capacity=20Mi path="$WORK/local"
  make_nfs_volume data capacity=20Mi port="$PROXY_PORT" mountPort="$PROXY_MOUNT_PORT"
  mount_claims data local
  [ "$(limit 30 ls "$DATA" | wc -l)" = 400 ]
  fault stall
  # In a directory each: who waits holds it for the kernel, too.
  spawn dd if=/dev/zero of="$DATA/1/file" bs=64k count=1
  local impatient=$SPAWNED
  spawn dd if=/dev/zero of="$DATA/2/file" bs=64k count=1
  local writer=$SPAWNED
  for i in $(seq 20); do write "$MNT/default/local/$i" bs=64k count=1; done
  limit 5 cat "$MNT/.claimfs/status"
  kill "$impatient"
  wait_for 10 is_gone "$impatient"
  kill -0 "$writer"
  fault pass
  wait_for 20 is_gone "$writer"
  [ "$(stat -c %s "$DATA/2/file")" = 65536 ]
}

@test "enforcement on a server can be switched off, and quota is none that a server has" {
  for way in none quota; do
    printf 'log: {level: info, file: "%s"}\ncapacity: {enforcement: %s}\n' "$LOG" "$way" >"$CONFIG"
    data_of 5Mi
    write "$DATA/file" bs=1M count=10
    grep -qE '^default/data +5Mi +none ' "$MNT/.claimfs/status"
    unmount_tree
  done
  printf 'log: {level: info, file: "%s"}\n' "$LOG" >"$CONFIG"
  mount_claims data
  expect_errno ENOSPC write "$DATA/more" bs=64k count=1
  rm "$DATA/file"
  write "$DATA/more" bs=1M count=4
}
