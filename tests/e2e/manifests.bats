#!/usr/bin/env bats
# Manifest directories as desired state: what a person sees who edits files in them.

load mount.bash

setup() { make_workspace; }

teardown() {
  show_log_of_failure
  drop_workspace
}

logged() { grep -qF -- "$1" "$LOG"; }

# field KIND NAME JSONPATH
field() { claimfs get "$1" "$2" -o "jsonpath={$3}"; }
is_field() { [ "$(field "$1" "$2" "$3")" = "$4" ]; }
is_kept() { [ "$(uid_of "$1" "$2")" != "" ] && is_field "$1" "$2" .metadata.deletionTimestamp ''; }
# Nothing happens to it, for longer than a deletion would take.
stays() {
  expect_status 75 claimfs wait "$1" "$2" --for=delete --timeout 2s
  is_kept "$1" "$2"
}
is_terminating() { [ -n "$(field "$1" "$2" .metadata.deletionTimestamp)" ]; }
is_no_object() { ! claimfs get "$1" "$2" >/dev/null 2>&1; }
uid_of() { field "$1" "$2" .metadata.uid; }

# make_class NAME [EXPANSION]
make_class() {
  printf 'apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata: {name: %s}\nprovisioner: claimfs.io/none\nallowVolumeExpansion: %s\n' \
    "$1" "${2:-false}"
}

@test "what is put in a manifest directory, changed and taken away is in the tree so" {
  make_volume data
  mount_claims data
  make_volume more
  wait_for 5 in_tree default/more
  make_volume more capacity=3Gi
  wait_for 5 is_field pv pv-more .spec.capacity.storage 3Gi
  rm "$MANIFESTS/more.yaml"
  wait_for 10 not_in_tree default/more
  [ -d "$HOST/more" ]
  in_tree default/data
}

@test "what disappeared or changed while no daemon ran is so at the next start" {
  make_volume data
  make_volume gone
  mount_claims data gone
  unmount_tree
  rm "$MANIFESTS/gone.yaml"
  make_volume data capacity=3Gi
  make_volume new
  mount_claims data new
  wait_for 10 not_in_tree default/gone
  is_field pv pv-data .spec.capacity.storage 3Gi
}

@test "a manifest that is renamed keeps its objects, and the files open in them" {
  make_volume data
  mount_claims data
  local uid
  uid=$(uid_of pvc data)
  exec 7>"$MNT/default/data/file"
  mv "$MANIFESTS/data.yaml" "$MANIFESTS/renamed.yml"
  wait_for 5 is_field pvc data '.metadata.annotations.claimfs\.io/manifest' "$MANIFESTS/renamed.yml"
  echo still here >&7
  exec 7>&-
  [ "$(uid_of pvc data)" = "$uid" ]
  is_kept pvc data
  [ "$(cat "$HOST/data/file")" = 'still here' ]
}

@test "what editors do to a manifest deletes nothing" {
  make_volume data
  mount_claims data
  local uid
  uid=$(uid_of pvc data)
  make_class unfinished >"$MANIFESTS/.class.yaml.swp"
  make_class unfinished >"$MANIFESTS/class.yaml~"
  make_class unfinished >"$MANIFESTS/#class.yaml#"
  make_class unfinished >"$MANIFESTS/4913"
  # As vim with a backup: away, and written anew.
  mv "$MANIFESTS/data.yaml" "$MANIFESTS/data.yaml~"
  make_class seen >"$MANIFESTS/seen.yaml"
  wait_for 5 claimfs get sc seen
  sed 's/storage: 2Gi/storage: 3Gi/' "$MANIFESTS/data.yaml~" >"$MANIFESTS/data.yaml"
  wait_for 5 is_field pv pv-data .spec.capacity.storage 3Gi
  # As sed -i: beside, and renamed over.
  sed -i 's/ReadWriteOnce/ReadWriteOnce/; 1i # a comment' "$MANIFESTS/data.yaml"
  # Emptied, and written by a program that takes its time.
  : >"$MANIFESTS/data.yaml"
  wait_for 5 logged "data.yaml: is empty"
  stays pvc data
  cp "$MANIFESTS/data.yaml~" "$MANIFESTS/data.yaml"
  wait_for 5 is_field pv pv-data .spec.capacity.storage 2Gi
  [ "$(uid_of pvc data)" = "$uid" ]
  is_kept pvc data
  expect_status 1 claimfs get sc unfinished
}

@test "a broken manifest is an event and a line in the log, keeps its objects over a restart, and heals" {
  make_volume data
  mount_claims data
  echo 'broken: [' >>"$MANIFESTS/data.yaml"
  wait_for 5 logged "data.yaml:"
  wait_for 5 expect_text "data.yaml:" "$(claimfs get events -A)"
  unmount_tree
  mount_claims data
  is_kept pvc data
  make_volume data capacity=3Gi
  wait_for 5 is_field pv pv-data .spec.capacity.storage 3Gi
}

@test "of two manifests that declare the same, the first counts, and the log names both" {
  make_class same false >"$MANIFESTS/a.yaml"
  make_class same true >"$MANIFESTS/b.yaml"
  mount_tree
  wait_for 5 logged "$MANIFESTS/b.yaml: storageclass"
  wait_for 5 logged "already declared in $MANIFESTS/a.yaml, which counts"
  is_field sc same .allowVolumeExpansion false
  rm "$MANIFESTS/a.yaml"
  wait_for 5 is_field sc same .allowVolumeExpansion true
}

@test "what is changed or deleted by hand comes back" {
  make_class kept >"$MANIFESTS/kept.yaml"
  mount_tree
  claimfs patch sc kept -p '{"allowVolumeExpansion": true}'
  wait_for 15 is_field sc kept .allowVolumeExpansion false
  claimfs delete sc kept --wait=false
  wait_for 15 claimfs get sc kept
}

@test "a manifest directory that is unmounted, or away, deletes nothing" {
  mount -t tmpfs none "$MANIFESTS"
  make_volume data
  mount_claims data
  umount "$MANIFESTS"
  wait_for 10 logged "is another filesystem than before"
  stays pvc data
  rmdir "$MANIFESTS"
  wait_for 10 logged "cannot be listed"
  stays pvc data
  unmount_tree
  # At the start it is empty: perhaps something should be mounted there.
  mkdir "$MANIFESTS"
  mount_claims data
  wait_for 10 logged "is empty, and 2 objects came from it"
  is_kept pvc data
  : >"$MANIFESTS/none.yaml"
  wait_for 10 not_in_tree default/data
}

@test "removing the manifest of a claim that a Pod uses waits for the Pod" {
  make_volume data
  mount_claims data
  cat >"$WORK/pod.yaml" <<'YAML'
apiVersion: v1
kind: Pod
metadata: {name: user}
spec:
  nodeName: node-a
  containers: [{name: c, image: i}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]
YAML
  claimfs apply -f "$WORK/pod.yaml"
  echo still here >"$MNT/default/data/file"
  rm "$MANIFESTS/data.yaml"
  wait_for 10 is_terminating pvc data
  expect_status 75 claimfs wait pvc data --for=delete --timeout 2s
  claimfs delete pod user
  wait_for 10 is_no_object pvc data
  [ "$(cat "$HOST/data/file")" = 'still here' ]
}

# Hardly a tick (of 10 ms) in two seconds.
is_idle() {
  local pid before after
  pid=$(daemon_pid)
  before=$(awk '{print $14 + $15}' "/proc/$pid/stat")
  expect_status 75 claimfs wait sc class-1 --for=delete --timeout 2s
  after=$(awk '{print $14 + $15}' "/proc/$pid/stat")
  echo "$((after - before)) ticks"
  [ $((after - before)) -le 5 ]
}

@test "a thousand manifests at once are there soon, and then nothing is done" {
  mount_tree
  local count
  mkdir "$WORK/new"
  for ((count = 0; count < 1000; ++count)); do make_class "class-$count" >"$WORK/new/$count.yaml"; done
  cp "$WORK/new"/* "$MANIFESTS"
  wait_for 120 claimfs get sc class-999
  thousand() { [ "$(claimfs get sc --no-headers | wc -l)" = 1000 ]; }
  wait_for 60 thousand
  wait_for 30 is_idle
}
