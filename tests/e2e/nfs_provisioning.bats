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
has_event() { claimfs get events -A | grep -qF -- "$1"; }
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

@test "a directory of a class that another volume in use has too is not deleted" {
  class made claimfs.io/nfs "server: 127.0.0.1, share: $HOST/share"
  mount_tree
  claim data made
  wait_for 20 in_tree default/data
  fill data
  local volume
  volume=$(volume_of data)
  make_nfs_volume twin path="$HOST/share/$volume"
  make_nfs_volume inner path="$HOST/share/$volume/deep"
  wait_for 20 in_tree default/twin
  wait_for 20 in_tree default/inner
  claimfs delete pvc data
  wait_for 20 has_event "the directory $HOST/share/$volume is shared with volume"
  phase_is "$volume" Released
  [ "$(limit 10 cat "$MNT/default/inner/er/file")" = text ]
  # One alone holds it, too.
  rm "$MANIFESTS/inner.yaml"
  wait_for 20 is_deleted pv pv-inner
  claimfs annotate pv "$volume" look=again
  wait_for 20 has_event "the directory $HOST/share/$volume is shared with volume \"pv-twin\", which is in use"
  [ "$(limit 10 cat "$MNT/default/twin/deep/er/file")" = text ]
  rm "$MANIFESTS/twin.yaml"
  wait_for 30 is_deleted pv "$volume"
  [ ! -e "$HOST/share/$volume" ]
}

@test "nfs.csi.k8s.io: a template names the directory; a whole tree of thousands goes, and what is empty above" {
  class csi nfs.csi.k8s.io "server: 127.0.0.1, share: $HOST/share, subDir: '\${pvc.metadata.namespace}/\${pvc.metadata.name}'"
  mount_tree
  claim data csi
  claim other csi
  wait_for 20 in_tree default/data
  wait_for 20 in_tree default/other
  [ -d "$HOST/share/default/data" ]
  mkdir -p "$HOST/share/default/data"/{a,b}/{1..20}
  touch "$HOST/share/default/data"/{a,b}/{1..20}/{1..100}
  local volume
  volume=$(volume_of data)
  claimfs delete pvc data
  wait_for 60 is_deleted pv "$volume"
  [ ! -e "$HOST/share/default/data" ]
  [ -d "$HOST/share/default/other" ]
  volume=$(volume_of other)
  claimfs delete pvc other
  wait_for 20 is_deleted pv "$volume"
  [ -z "$(ls -A "$HOST/share")" ]
}

@test "nfs.csi.k8s.io: a directory's mode is the server's to give unless mountPermissions says one" {
  class usual nfs.csi.k8s.io "server: 127.0.0.1, share: $HOST/share, subDir: 'usual/\${pvc.metadata.name}'"
  class said nfs.csi.k8s.io "server: 127.0.0.1, share: $HOST/share, subDir: said, mountPermissions: '0770'"
  # What is made in such a directory has its group.
  mkdir "$HOST/share/usual"
  chown 0:4321 "$HOST/share/usual"
  chmod 2755 "$HOST/share/usual"
  mount_tree
  claim usual usual
  claim said said
  wait_for 20 in_tree default/usual
  wait_for 20 in_tree default/said
  [ "$(stat -c %a "$HOST/share/usual/usual")" = 2755 ]
  [ "$(stat -c %a "$HOST/share/said")" = 770 ]
}

@test "archives of a nested directory stand in the share" {
  local nested="server: 127.0.0.1, share: $HOST/share, onDelete: archive, subDir: '\${pvc.metadata.namespace}/\${pvc.metadata.name}'"
  class csi nfs.csi.k8s.io "$nested"
  class subdir k8s-sigs.io/nfs-subdir-external-provisioner "server: 127.0.0.1, path: $HOST/share, pathPattern: '\${.PVC.namespace}/\${.PVC.name}'"
  mount_tree
  local name volume round
  for round in first second; do
    for name in csi subdir; do
      claim "$name" "$name"
      wait_for 20 in_tree "default/$name"
      echo "$round" | limit 10 tee "$MNT/default/$name/file"
      volume=$(volume_of "$name")
      claimfs delete pvc "$name"
      wait_for 20 is_deleted pv "$volume"
      [ ! -e "$HOST/share/default/$name" ]
    done
  done
  [ "$(cat "$HOST/share/archived-default/csi/file")" = first ]
  [ "$(cat "$HOST/share/archived-subdir/file")" = first ]
  [ "$(cat "$HOST/share/archived-default/csi-1/file")" = second ]
  [ "$(cat "$HOST/share/archived-subdir-1/file")" = second ]
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
