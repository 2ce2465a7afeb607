#!/usr/bin/env bats
# Directories on an NFS server that claims are given, and what becomes of them: made, removed, kept, moved away and emptied,
# and never anything else.

# shellcheck disable=SC2016  # programs of bash

load mount.bash
load nfs.bash

setup() {
  make_workspace
  start_nfs_server
  mkdir "$HOST/share"
  chmod 0777 "$HOST/share"
}
teardown() {
  show_log_of_failure
  drop_workspace
}

# class NAME PROVISIONER PARAMETERS [POLICY]
class() {
  cat >"$MANIFESTS/class-$1.yaml" <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: $1}
provisioner: $2
parameters: {$3}
reclaimPolicy: ${4:-Delete}
mountOptions: [port=$NFS_PORT, mountport=$MOUNT_PORT]
YAML
}
# claim NAME CLASS
claim() {
  printf 'apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: %s}
spec: {storageClassName: %s, accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}
' "$1" "$2" | claimfs apply -f -
}
volume_of() { claimfs get pvc "$1" -o 'jsonpath={.spec.volumeName}'; }
is_deleted() { ! claimfs get "$1" "$2" >/dev/null 2>&1; }
phase_is() { [ "$(claimfs get pv "$1" -o 'jsonpath={.status.phase}')" = "$2" ]; }
fill() {
  limit 20 bash -c 'cd "$1" && mkdir -p deep/er && echo text >deep/er/file && ln -s /etc link && ln deep/er/file second' - "$MNT/default/$1"
}

@test "claimfs.io/nfs: a directory for each claim, removed with it, and nothing beside it" {
  class made claimfs.io/nfs "server: 127.0.0.1, share: $HOST/share"
  mkdir "$HOST/share/others"
  echo kept >"$HOST/share/others/file"
  mount_tree
  claim data made
  wait_for 20 in_tree default/data
  local volume
  volume=$(volume_of data)
  [ "$(stat -c %a "$HOST/share/$volume")" = 777 ]
  fill data
  # What a symlink in it leads to is not the volume's.
  limit 10 ln -s "$HOST/share/others" "$MNT/default/data/out"
  claimfs delete pvc data
  wait_for 20 is_deleted pv "$volume"
  [ ! -e "$HOST/share/$volume" ]
  [ "$(cat "$HOST/share/others/file")" = kept ]
}

@test "nfs.csi.k8s.io: a template names the directory; a whole tree of thousands goes" {
  class csi nfs.csi.k8s.io "server: 127.0.0.1, share: $HOST/share, subDir: '\${pvc.metadata.namespace}/\${pvc.metadata.name}'"
  mount_tree
  claim data csi
  wait_for 20 in_tree default/data
  [ -d "$HOST/share/default/data" ]
  mkdir -p "$HOST/share/default/data"/{a,b}/{1..20}
  touch "$HOST/share/default/data"/{a,b}/{1..20}/{1..100}
  local volume
  volume=$(volume_of data)
  claimfs delete pvc data
  wait_for 60 is_deleted pv "$volume"
  [ ! -e "$HOST/share/default/data" ]
}

@test "nfs-subdir-external-provisioner: what is deleted is archived, or removed where the class says so" {
  class archived k8s-sigs.io/nfs-subdir-external-provisioner "server: 127.0.0.1, path: $HOST/share"
  class removed k8s-sigs.io/nfs-subdir-external-provisioner "server: 127.0.0.1, path: $HOST/share, archiveOnDelete: 'false'"
  mount_tree
  claim old archived
  claim gone removed
  wait_for 20 in_tree default/old
  wait_for 20 in_tree default/gone
  fill old
  local old gone
  old=$(volume_of old)
  gone=$(volume_of gone)
  claimfs delete pvc old gone
  wait_for 20 is_deleted pv "$old"
  wait_for 20 is_deleted pv "$gone"
  [ "$(cat "$HOST/share/archived-default-old-$old/deep/er/file")" = text ]
  [ "$(ls "$HOST/share")" = "archived-default-old-$old" ]
}

@test "Recycle empties an NFS volume and gives it back" {
  make_nfs_volume used policy=Recycle
  mv "$MANIFESTS/used.yaml" "$WORK"
  claimfs apply -f "$WORK/used.yaml"
  mount_claims used
  fill used
  claimfs delete pvc used
  wait_for 20 phase_is pv-used Available
  [ -d "$HOST/used" ]
  [ -z "$(ls -A "$HOST/used")" ]
}

@test "a server that is down while a claim is made: it is made when the server is back" {
  class made claimfs.io/nfs "server: 127.0.0.1, share: $HOST/share"
  kill_nfs_server
  mount_tree
  claim data made
  wait_for 30 tells_of_failure
  restart_nfs_server
  wait_for 60 in_tree default/data
}
tells_of_failure() { events_told | grep -E '^ProvisioningFailed [0-9]+ data .*127\.0\.0\.1'; }
