#!/usr/bin/env bats
# The tree that is mounted: what is in it, how it comes and goes, and what each refusal says.

load mount.bash

setup() { make_workspace; }

teardown() {
  show_log_of_failure
  drop_workspace
}

attribute() { limit 10 getfattr --absolute-names --only-values -n "user.claimfs.$2" "$MNT/default/$1"; }
# df_of WHERE FIELD: in bytes
df_of() { limit 10 df -B1 --output="$2" "$1" | tail -n 1 | tr -d ' '; }
events() { claimfs get events -A; }

@test "a bound claim is a directory; what is written there is in the host's directory" {
  make_volume data
  mount_claims data
  [ "$(ls "$MNT")" = default ]
  [ "$(ls -A "$MNT")" = $'.claimfs\ndefault' ]
  echo hello >"$MNT/default/data/a"
  [ "$(cat "$HOST/data/a")" = hello ]
  echo from the host >"$HOST/data/b"
  [ "$(cat "$MNT/default/data/b")" = "from the host" ]
  [ "$(stat -c '%a %U' "$MNT/default")" = "555 root" ]
  grep -q " $MNT rw,nosuid,nodev,relatime.* - fuse.claimfs claimfs .*default_permissions,allow_other" /proc/self/mountinfo
}

@test "the manifest of Kubernetes' documentation works unchanged" {
  # pods/storage/pv-volume.yaml and pv-claim.yaml, but for the host's directory.
  cat >"$MANIFESTS/documentation.yaml" <<YAML
apiVersion: v1
kind: PersistentVolume
metadata:
  name: task-pv-volume
  labels:
    type: local
spec:
  storageClassName: manual
  capacity:
    storage: 10Gi
  accessModes:
    - ReadWriteOnce
  hostPath:
    path: "$HOST/data"
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: task-pv-claim
spec:
  storageClassName: manual
  accessModes:
    - ReadWriteOnce
  resources:
    requests:
      storage: 3Gi
YAML
  mkdir "$HOST/data"
  echo 'Hello from Kubernetes storage' >"$HOST/data/index.html"
  mount_claims task-pv-claim
  [ "$(cat "$MNT/default/task-pv-claim/index.html")" = 'Hello from Kubernetes storage' ]
  [ "$(df_of "$MNT/default/task-pv-claim" size)" = $((10 << 30)) ]
}

@test "claims come and go under a running listing" {
  make_volume first
  mount_claims first
  exec 7<"$MNT/default"
  make_volume second
  wait_for 5 in_tree default/second
  make_volume third namespace=other
  wait_for 5 in_tree other/third
  [ "$(ls "$MNT")" = $'default\nother' ]
  rm "$MANIFESTS/second.yaml"
  wait_for 5 not_in_tree default/second
  [ "$(ls /proc/self/fd/7/)" = first ]
  rm "$MANIFESTS/third.yaml"
  wait_for 5 not_in_tree other
  exec 7<&-
  [ "$(ls "$MNT")" = default ]
  # The host's directories are nobody's to remove.
  [ -d "$HOST/second" ]
  [ -d "$HOST/third" ]
}

@test "what apply and delete do shows in the tree without being looked for" {
  make_volume later
  mv "$MANIFESTS/later.yaml" "$WORK"
  mount_tree
  claimfs apply -f "$WORK/later.yaml"
  wait_for 5 in_tree default/later
  claimfs delete pvc later
  wait_for 5 not_in_tree default
  [ "$(claimfs get pv pv-later -o 'jsonpath={.status.phase}')" = Released ]
}

@test "a claim with an open file stays until it is closed, and its user goes on undisturbed" {
  make_volume going
  mount_claims going
  echo kept >"$MNT/default/going/file"
  exec 7<>"$MNT/default/going/file"
  rm "$MANIFESTS/going.yaml"
  wait_for 5 claimfs wait pvc going --for=jsonpath='{.metadata.deletionTimestamp}' --timeout=5s
  [ "$(cat <&7)" = kept ]
  echo more >&7
  in_tree default/going/file
  exec 7<&-
  wait_for 5 not_in_tree default/going
  [ "$(cat "$HOST/going/file")" = $'kept\nmore' ]
}

@test "df is the claim's capacity, and the tree's is the sum" {
  make_volume small capacity=10Mi
  make_volume large capacity=1Gi
  mount_claims small large
  head -c 1048576 /dev/zero >"$MNT/default/small/file"
  sync "$MNT/default/small/file"
  [ "$(df_of "$MNT/default/small" size)" = 10485760 ]
  [ "$(df_of "$MNT/default/large" size)" = 1073741824 ]
  wait_for 10 used_is_seen small
  [ "$(df_of "$MNT/default/small" avail)" -le 9437184 ]
  [ "$(df_of "$MNT" size)" = $((10485760 + 1073741824)) ]
  [ "$(df_of "$MNT" used)" -ge 1048576 ]
}
used_is_seen() { [ "$(df_of "$MNT/default/$1" used)" -ge 1048576 ]; }

@test "the state of the mount is in .claimfs" {
  make_volume data
  make_volume unbound capacity=1Gi
  sed -i '/^kind: PersistentVolumeClaim/,$ s/storage: 1Gi/storage: 3Gi/' "$MANIFESTS/unbound.yaml"
  mount_claims data
  local state=$MNT/.claimfs
  [ "$(ls "$state")" = $'claims\nevents\nmetrics\nstatus\nversion\nvolumes' ]
  expect_text "$(claimfs version)" "$(cat "$state/version")"
  expect_text 'node: node-a' "$(cat "$state/status")"
  touch "$MNT/default/data/file"
  grep -qE "^default/data +pv-data +read-write +up +passthrough +0\$" "$state/status"
  [ "$(readlink "$state/volumes/pv-data")" = ../../default/data ]
  [ "$(ls "$state/volumes")" = pv-data ]
  [ "$(ls "$state/claims/default")" = $'data\nunbound' ]
  diff "$state/claims/default/data" <(claimfs describe pvc data)
  # Events grow older and more between the two.
  diff <(ageless <"$state/claims/default/unbound") <(claimfs describe pvc unbound | ageless)
  grep -qx 'claimfs_persistentvolumeclaims{phase="Bound"} 1' "$state/metrics"
  grep -qx 'claimfs_persistentvolumeclaims{phase="Pending"} 1' "$state/metrics"
  head -n 1 "$state/events" | grep -q '^NAMESPACE  *LAST SEEN  *TYPE  *REASON  *OBJECT  *MESSAGE'
  expect_errno EPERM limit 10 touch "$state/mine"
  expect_errno EPERM limit 10 rm "$state/version"
  expect_errno EACCES limit 10 runuser -u nobody -- sh -c "echo >$state/version"
}

@test "the metrics count what the kernel asks for, by operation" {
  make_volume data
  mount_claims data
  local state=$MNT/.claimfs name before after
  requests() { sed -n "s/^claimfs_requests_total{operation=\"$1\"} //p" "$state/metrics"; }
  touch "$MNT/default/data/first"
  [ "$(requests init)" = 1 ]
  [ -z "$(requests symlink)" ]
  before=$(requests create)
  for name in a b c d e; do : >"$MNT/default/data/$name"; done
  after=$(requests create)
  [ $((after - before)) = 5 ]
  ln -s a "$MNT/default/data/link"
  [ "$(requests symlink)" = 1 ]
}

ageless() { sed -E 's/ +[0-9]+s( \(x[0-9]+ over [0-9]+s\))? +/ AGE /'; }

@test "the tree's own directories do not change by shell, and mv does not copy" {
  make_volume one
  make_volume two
  mount_claims one two
  local tree=$MNT/default
  echo data >"$tree/one/file"
  expect_errno EPERM limit 10 mkdir "$MNT/namespace"
  expect_errno EPERM limit 10 touch "$tree/file"
  expect_errno EPERM limit 10 ln -s x "$tree/link"
  expect_errno EPERM limit 10 mkfifo "$tree/fifo"
  expect_errno EPERM limit 10 mv "$tree/one" "$tree/three"
  expect_errno EPERM limit 10 mv "$tree/one/file" "$tree/file"
  expect_errno EPERM limit 10 mv "$MNT/default" "$MNT/namespace"
  expect_errno EPERM limit 10 rmdir "$MNT/default"
  expect_errno EPERM limit 10 chmod 777 "$MNT/default"
  [ "$(cat "$tree/one/file")" = data ]
}

@test "between claims nothing is renamed or linked" {
  make_volume one
  make_volume two
  mount_claims one two
  local tree=$MNT/default
  echo data >"$tree/one/file"
  expect_errno EXDEV limit 10 ln "$tree/one/file" "$tree/two/link"
  expect_errno EXDEV limit 10 python3 -c 'import os, sys; os.rename(*sys.argv[1:])' "$tree/one/file" "$tree/two/file"
  # So mv does what it does between filesystems.
  limit 10 mv "$tree/one/file" "$tree/two/file"
  [ "$(cat "$HOST/two/file")" = data ]
  [ ! -e "$HOST/one/file" ]
}

@test "inode numbers are unique over claims on different filesystems, and last" {
  mkdir "$HOST/other"
  mount -t tmpfs none "$HOST/other"
  make_volume ext
  make_volume tmp path="$HOST/other"
  mount_claims ext tmp
  for i in $(seq 50); do echo "$i" >"$MNT/default/ext/$i"; echo "$i" >"$MNT/default/tmp/$i"; done
  numbers() { limit 20 find "$MNT" -path "$MNT/.claimfs" -prune -o -printf '%i %P\n' | sort; }
  [ "$(numbers | cut -d ' ' -f 1 | sort | uniq -d)" = "" ]
  [ "$(stat -c %d "$MNT/default/ext")" = "$(stat -c %d "$MNT/default/tmp/1")" ]
  # Those of the listing are those of stat.
  limit 20 python3 - "$MNT/default/ext" <<'PY'
import os, sys
for entry in os.scandir(sys.argv[1]):
    assert entry.inode() == os.stat(entry.path).st_ino, entry.path
PY
  numbers >"$WORK/before"
  unmount_tree
  mount_claims ext tmp
  numbers | grep -v "^[0-9]* $" >"$WORK/after"
  # What the tree itself made up may change; what is stored may not.
  diff <(grep -E '(ext|tmp)/' "$WORK/before") <(grep -E '(ext|tmp)/' "$WORK/after")
  unmount_tree
  umount "$HOST/other"
}

@test "where the kernel passes nothing through, data goes through the daemon and is right" {
  # A layered filesystem may not be passed through, and has no file handles either.
  mkdir "$WORK/lower" "$WORK/upper" "$WORK/layers" "$HOST/layered"
  mount -t overlay overlay -o "lowerdir=$WORK/lower,upperdir=$WORK/upper,workdir=$WORK/layers" "$HOST/layered"
  make_volume layered
  mount_claims layered
  touch "$MNT/default/layered/file"
  grep -qE '^default/layered .* copy \(' "$MNT/.claimfs/status"
  local scenario here
  for scenario in random_operations memory_maps two_descriptors unlinked_files rename_over_open whole_file_locks \
    spliced_ranges inode_numbers set_id_clearing; do
    mkdir -p "$HOST/layered/plain/$scenario" "$HOST/layered/$scenario"
    here=$MNT/default/layered/$scenario
    limit 60 python3 "$POSIX_DIR/steps.py" "$scenario" "$HOST/layered/plain/$scenario" >"$WORK/plain.$scenario"
    # Both sides of it in the tree: what the host does beside the tree may be seen late here.
    diff -U 4 "$WORK/plain.$scenario" <(limit 60 python3 "$POSIX_DIR/steps.py" "$scenario" "$here" "$here" 2>&1)
  done
  unmount_tree
  umount "$HOST/layered"
}

@test "read-only uses refuse changes: ReadOnlyMany, and a mount that is read-only" {
  make_volume many modes=ReadOnlyMany
  make_volume data
  echo here >"$HOST/many/file"
  mount_claims many data
  expect_errno EROFS limit 10 touch "$MNT/default/many/new"
  expect_errno EROFS limit 10 rm "$MNT/default/many/file"
  expect_errno EROFS limit 10 chmod 600 "$MNT/default/many/file"
  expect_errno EROFS limit 10 sh -c "echo x >>$MNT/default/many/file"
  expect_errno EROFS limit 10 setfattr -n user.x -v y "$MNT/default/many/file"
  [ "$(cat "$MNT/default/many/file")" = here ]
  touch "$MNT/default/data/new"
  unmount_tree
  mount_tree --read-only
  expect_errno EROFS limit 10 touch "$MNT/default/data/another"
  [ -e "$MNT/default/data/new" ]
  unmount_tree
  mount_tree -o ro
  expect_errno EROFS limit 10 touch "$MNT/default/data/another"
  [ "$(ls "$HOST/data")" = new ]
}

@test "a volume that cannot be mounted is EIO, and an event says why" {
  make_volume missing directory=no type=Directory
  make_volume relative path=some/where directory=no
  make_volume file type=File
  mount_tree
  wait_for 10 in_tree default/missing
  expect_errno EIO limit 10 ls "$MNT/default/missing"
  expect_errno EIO limit 10 touch "$MNT/default/missing/x"
  wait_for 5 expect_event "hostPath type check failed: $HOST/missing is not a directory"
  wait_for 10 in_tree default/file
  expect_errno EIO limit 10 ls "$MNT/default/file"
  wait_for 5 expect_event "hostPath type check failed: $HOST/file is not a file"
  # As soon as the directory is there, so is the volume.
  mkdir "$HOST/missing"
  wait_for 10 limit 10 touch "$MNT/default/missing/x"
}
expect_event() { expect_text "FailedMount" "$(events)" && expect_text "$1" "$(events)"; }

@test "hostPath types are made or checked at first use" {
  make_volume or-create directory=no type=DirectoryOrCreate
  make_volume unset directory=no
  mount_claims or-create
  touch "$MNT/default/or-create/file"
  [ "$(stat -c '%a %U:%G' "$HOST/or-create")" = "755 root:root" ]
  wait_for 10 in_tree default/unset
}

@test "a claim's attributes are in user.claimfs, and are not set by hand" {
  make_volume data modes=ReadWriteMany
  mount_claims data
  head -c 300000 /dev/zero >"$MNT/default/data/file"
  [ "$(attribute data phase)" = Bound ]
  [ "$(attribute data volume)" = pv-data ]
  [ "$(attribute data capacity)" = 2Gi ]
  [ "$(attribute data accessModes)" = RWX ]
  [ "$(attribute data storageClass)" = manual ]
  [ "$(attribute data reclaimPolicy)" = Retain ]
  [ "$(attribute data usedBy)" = '<none>' ]
  [ "$(attribute data used)" -ge 4096 ]
  exec 7<"$MNT/default/data/file"
  # Also whoever has inherited it.
  expect_text "node-a pid $BASHPID (bash) open" "$(attribute data usedBy)"
  exec 7<&-
  expect_errno EPERM limit 10 setfattr -n user.claimfs.phase -v Lost "$MNT/default/data"
  expect_errno EPERM limit 10 setfattr -x user.claimfs.phase "$MNT/default/data"
  # cp -a would carry them away.
  [ "$(limit 10 getfattr --absolute-names -d -m - "$MNT/default/data")" = "" ]
}

@test "rmdir deletes a claim that is empty and unused" {
  make_volume data
  mv "$MANIFESTS/data.yaml" "$WORK"
  claimfs apply -f "$WORK/data.yaml"
  mount_claims data
  touch "$MNT/default/data/file"
  expect_errno ENOTEMPTY limit 10 rmdir "$MNT/default/data"
  rm "$MNT/default/data/file"
  spawn sh -c "cd '$MNT/default/data' && exec sleep 60"
  wait_for 5 is_in "$SPAWNED" "$MNT/default/data"
  expect_errno EBUSY limit 10 rmdir "$MNT/default/data"
  kill -9 "$SPAWNED"
  wait_for 5 is_gone "$SPAWNED"
  mkdir "$WORK/bound"
  mount --bind "$MNT/default/data" "$WORK/bound"
  expect_errno EBUSY limit 10 rmdir "$MNT/default/data"
  umount "$WORK/bound"
  limit 10 rmdir "$MNT/default/data"
  wait_for 5 not_in_tree default/data
  expect_status 1 claimfs get pvc data
  [ -d "$HOST/data" ]
}
is_in() { [ "$(readlink "/proc/$1/cwd")" = "$2" ]; }

@test "a Block claim is one file of its capacity, over a device and over a file" {
  truncate -s 80M "$HOST/disk"
  local device
  device=$(losetup -f --show "$HOST/disk")
  make_volume block volumeMode=Block capacity=64Mi path="$device" type=BlockDevice directory=no
  truncate -s 64M "$HOST/image"
  make_volume image volumeMode=Block capacity=64Mi path="$HOST/image" type=File directory=no
  mkdir "$HOST/directory"
  make_volume directory volumeMode=Block capacity=64Mi path="$HOST/directory" directory=no
  mount_claims block image directory
  local name
  for name in block image; do
    [ "$(stat -c '%F %s' "$MNT/default/$name")" = "regular empty file 67108864" ] ||
      [ "$(stat -c '%F %s' "$MNT/default/$name")" = "regular file 67108864" ]
    limit 60 mkfs.ext4 -q -F "$MNT/default/$name"
    mkdir "$WORK/$name"
    limit 30 mount -o loop "$MNT/default/$name" "$WORK/$name"
    echo inside >"$WORK/$name/file"
    limit 30 umount "$WORK/$name"
    expect_errno ENOSPC limit 10 dd if=/dev/zero of="$MNT/default/$name" bs=1M seek=64 count=1 conv=notrunc
    expect_errno EPERM limit 10 truncate -s 10M "$MNT/default/$name"
  done
  sync
  # The very bytes are on the device.
  limit 30 mount -o loop,ro "$HOST/image" "$WORK/image"
  [ "$(cat "$WORK/image/file")" = inside ]
  umount "$WORK/image"
  limit 30 cmp -n 67108864 "$MNT/default/block" "$device"
  expect_errno EIO limit 10 cat "$MNT/default/directory"
  unmount_tree
  losetup -d "$device"
}

@test "names of a directory that the kernel keeps are those that it has, whoever changes them" {
  make_volume data
  mkdir "$HOST/data/kept"
  touch "$HOST/data/kept"/{a,b,c}
  touch -d '1 minute ago' "$HOST/data/kept"
  mount_claims data
  local at=$MNT/default/data/kept
  names_are 'a b c'
  names_are 'a b c'
  # Through the tree: at once.
  touch "$at/d"
  names_are 'a b c d'
  mv "$at/a" "$at/e"
  names_are 'b c d e'
  mkdir "$at/f"
  rm "$at/b"
  names_are 'c d e f'
  mv "$at/c" "$MNT/default/data/c"
  ln "$at/d" "$at/g"
  names_are 'd e f g'
  # Beside it: within a second, also when the kernel had them for long.
  touch -d '1 minute ago' "$HOST/data/kept"
  wait_for 5 kept_by_kernel 'd e f g'
  touch "$HOST/data/kept/h"
  wait_for 5 names_are 'd e f g h'
  rm "$HOST/data/kept/d"
  wait_for 5 names_are 'e f g h'
  # Also by one who sets the time of change back, as tar and rsync do.
  touch -d '1 minute ago' "$HOST/data/kept" "$WORK/then"
  touch -r "$WORK/then" "$HOST/data/kept"
  wait_for 5 kept_by_kernel 'e f g h'
  touch "$HOST/data/kept/i"
  touch -r "$WORK/then" "$HOST/data/kept"
  wait_for 5 names_are 'e f g h i'
}
names_are() { [ "$(limit 10 ls "$MNT/default/data/kept" | tr '\n' ' ')" = "$1 " ]; }
listings() { sed -n 's/^claimfs_requests_total{operation="readdir\(plus\)\?"} //p' "$MNT/.claimfs/metrics" | awk '{sum += $1} END {print sum}'; }
# A second listing asks for no names.
kept_by_kernel() {
  local before
  names_are "$1"
  before=$(listings)
  names_are "$1"
  [ "$(listings)" = "$before" ]
}

@test "twenty thousand files are walked and read with few descriptors" {
  make_volume many
  # As many again as descriptors, many times over.
  limit 60 python3 - "$HOST/many" <<'PY'
import os, sys
for directory in range(200):
    path = f"{sys.argv[1]}/{directory}"
    os.mkdir(path)
    for number in range(100):
        with open(f"{path}/{number}", "w") as file:
            file.write(str(number))
PY
  ulimit -n 1024
  mount_claims many
  limit 60 ls -d "$MNT/default/many/0" >/dev/null
  local before peak
  before=$(resident)
  [ "$(limit 60 find "$MNT/default/many" -type f | wc -l)" = 20000 ]
  limit 120 tar -C "$MNT/default/many" -cf - . | tar -C / -df - --no-same-owner -C "$HOST/many"
  # Also from where the kernel remembers nothing, nor the daemon.
  peak=$(resident)
  echo 2 >/proc/sys/vm/drop_caches
  case $CLAIMFS_BIN in */asan/* | */tsan/*) ;; *) wait_for 10 memory_has_gone_back "$before" "$peak" ;; esac
  [ "$(limit 60 grep -r -c . "$MNT/default/many" | wc -l)" = 20000 ]
  [ "$(find "/proc/$(daemon_pid)/fd" -mindepth 1 | wc -l)" -lt 1000 ]
}
resident() { awk '$1 == "VmRSS:" {print $2}' "/proc/$(daemon_pid)/status"; }
# Most of what came with the files.
memory_has_gone_back() {
  local now
  now=$(resident)
  [ $((now - $1)) -lt $((($2 - $1) / 2)) ] || { echo "$1 kB before, $2 kB with the files, $now kB now"; return 1; }
}

@test "a person who is not root sees what permissions let him see" {
  make_volume data
  chmod 755 "$HOST/data"
  mount_claims data
  echo secret >"$MNT/default/data/secret"
  chmod 600 "$MNT/default/data/secret"
  mkdir "$MNT/default/data/his"
  chown nobody "$MNT/default/data/his"
  expect_errno EACCES limit 10 runuser -u nobody -- cat "$MNT/default/data/secret"
  expect_errno EACCES limit 10 runuser -u nobody -- touch "$MNT/default/data/file"
  limit 10 runuser -u nobody -- touch "$MNT/default/data/his/file"
  [ "$(stat -c %U "$HOST/data/his/file")" = nobody ]
}

@test "set-id and device nodes are powerless unless the mount says otherwise" {
  make_volume data
  mount_claims data
  cp /usr/bin/id "$MNT/default/data/id"
  chmod 4755 "$MNT/default/data/id"
  mknod "$MNT/default/data/null" c 1 3
  [ "$(limit 10 runuser -u nobody -- "$MNT/default/data/id" -u)" = "$(id -u nobody)" ]
  expect_errno EACCES limit 10 sh -c "echo >$MNT/default/data/null"
  unmount_tree
  mount_tree -o suid,dev
  [ "$(limit 10 runuser -u nobody -- "$MNT/default/data/id" -u)" = 0 ]
  limit 10 sh -c "echo >$MNT/default/data/null"
}
