#!/usr/bin/env bats
# The life of a volume as its user sees it: provisioned, bound, used, grown, released and reclaimed.

load mount.bash

setup() {
  make_workspace
  printf 'reclaim: {hostPathRoots: ["%s"]}\n' "$HOST" >>"$CONFIG"
}

teardown() {
  show_log_of_failure
  drop_workspace
}

# make_class NAME PROVISIONER [parameters=] [more=]
make_class() {
  local name=$1 provisioner=$2 parameters="root: \"$HOST\"" more=''
  shift 2
  if [ $# -gt 0 ]; then local "$@"; fi
  claimfs apply -f - <<YAML
apiVersion: storage.k8s.io/v1
kind: StorageClass
metadata: {name: $name}
provisioner: $provisioner
parameters: {$parameters}
$more
YAML
}

# make_claim NAME CLASS [size=]
make_claim() {
  local name=$1 class=$2 size=1Gi
  shift 2
  if [ $# -gt 0 ]; then local "$@"; fi
  claimfs apply -f - <<YAML
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: $name, annotations: {where: "../../../etc"}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: "$class"
  resources: {requests: {storage: $size}}
YAML
}

volume_of() { claimfs get pvc "$1" -o 'jsonpath={.spec.volumeName}'; }
path_of() { claimfs get pv "$(volume_of "$1")" -o 'jsonpath={.spec.hostPath.path}'; }
phase_of() { claimfs get "$1" "$2" -o 'jsonpath={.status.phase}'; }
has_phase() { [ "$(phase_of "$1" "$2")" = "$3" ]; }
is_no_more() { ! claimfs get "$1" "$2" >"$WORK/out" 2>&1 && grep -q NotFound "$WORK/out"; }
has_event() { claimfs get events -A | grep -qF -- "$1"; }
settle() { claimfs controller --until-settled; }

@test "a claim of a class is a directory at once, and is gone with its data" {
  mount_tree
  make_class fast claimfs.io/host-path
  make_claim data fast
  wait_for 10 in_tree default/data
  echo hello | limit 10 tee "$MNT/default/data/file"
  local path volume
  path=$(path_of data)
  volume=$(volume_of data)
  [ "$(cat "$path/file")" = hello ]
  [ "$(stat -c %a "$path")" = 777 ]
  claimfs delete pvc data
  wait_for 10 is_no_more pv "$volume"
  [ ! -e "$path" ]
  not_in_tree default/data
}

@test "a provisioned claim grows online and df follows; it never shrinks" {
  mount_tree
  make_class fast claimfs.io/host-path more='allowVolumeExpansion: true'
  make_class rigid claimfs.io/host-path
  make_claim data fast
  make_claim stiff rigid
  wait_for 10 in_tree default/data
  wait_for 10 in_tree default/stiff
  [ "$(limit 10 df -B1 --output=size "$MNT/default/data" | tail -1)" -eq $((1 << 30)) ]
  claimfs patch pvc data -p '{"spec":{"resources":{"requests":{"storage":"3Gi"}}}}'
  wait_for 10 claimfs wait pvc data --for='jsonpath={.status.capacity.storage}=3Gi' --timeout 5s
  grew() { [ "$(limit 10 df -B1 --output=size "$MNT/default/data" | tail -1)" -eq $((3 << 30)) ]; }
  wait_for 10 grew
  run ! claimfs patch pvc data -p '{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}'
  [[ $output == *'field can not be less than status.capacity'* ]]
  run ! claimfs patch pvc stiff -p '{"spec":{"resources":{"requests":{"storage":"3Gi"}}}}'
  [[ $output == *'only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize'* ]]
}

@test "a policy changed afterwards decides, and onDelete archives" {
  make_class keeps claimfs.io/host-path parameters="root: \"$HOST\", onDelete: archive"
  make_class fast claimfs.io/host-path
  make_claim kept keeps
  make_claim retained fast
  settle
  local archive retained volume
  archive=$(path_of kept)
  retained=$(path_of retained)
  volume=$(volume_of retained)
  touch "$archive/file" "$retained/file"
  claimfs patch pv "$volume" -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'
  settle
  [ "$(claimfs get pv "$volume" -o 'jsonpath={.metadata.finalizers}')" = '["kubernetes.io/pv-protection"]' ]
  claimfs delete pvc kept retained --wait=false
  settle
  [ -e "$HOST/archived-$(basename "$archive")/file" ]
  [ -e "$retained/file" ]
  has_phase pv "$volume" Released
  # Decided the other way, it goes.
  claimfs patch pv "$volume" -p '{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}'
  settle
  is_no_more pv "$volume"
  [ ! -e "$retained" ]
}

@test "manifests of local-path work unchanged: the first pod's node decides" {
  make_class local-path rancher.io/local-path parameters="nodePath: \"$HOST\"" more='volumeBindingMode: WaitForFirstConsumer'
  make_claim data local-path
  settle
  has_phase pvc data Pending
  has_event 'waiting for first consumer to be created before binding'
  claimfs apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  nodeName: $NODE
  containers: [{name: web, image: nginx}]
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
YAML
  settle
  has_phase pvc data Bound
  [ "$(path_of data)" = "$HOST/$(volume_of data)_default_data" ]
  [ "$(claimfs get pv "$(volume_of data)" -o 'jsonpath={.spec.nodeAffinity.required.nodeSelectorTerms[0].matchExpressions[0].values[0]}')" = "$NODE" ]
}

@test "a mount serves its own node's pods, and attach is a first consumer too" {
  mount_tree
  make_class late claimfs.io/host-path more='volumeBindingMode: WaitForFirstConsumer'
  make_claim data late
  make_claim other late
  claimfs apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  nodeName: $NODE
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
YAML
  wait_for 10 in_tree default/data
  has_phase pvc other Pending
  claimfs attach default/other
  in_tree default/other
  claimfs delete pvc other --wait=false
  run -75 claimfs delete pvc other --timeout 1s
  [ "$(claimfs get pvc other --no-headers | awk '{print $2}')" = Terminating ]
  claimfs detach default/other
  wait_for 10 is_no_more pvc other
}

@test "an ephemeral volume lives as long as its pod" {
  mount_tree
  make_class fast claimfs.io/host-path
  claimfs apply -f - <<YAML
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  nodeName: $NODE
  volumes:
    - name: scratch
      ephemeral:
        volumeClaimTemplate:
          spec:
            accessModes: [ReadWriteOnce]
            storageClassName: fast
            resources: {requests: {storage: 1Gi}}
YAML
  wait_for 10 in_tree default/web-scratch
  echo kept | limit 10 tee "$MNT/default/web-scratch/file"
  # A container that is restarted is the same pod.
  claimfs label pod web restarted=yes
  [ "$(limit 10 cat "$MNT/default/web-scratch/file")" = kept ]
  claimfs delete pod web
  wait_for 10 is_no_more pvc web-scratch
  no_directories() { [ -z "$(ls -A "$HOST")" ]; }
  wait_for 10 no_directories
}

# What Kubernetes documents for a volume whose policy is Retain.
@test "Retain: the administrator looks at the data, cleans it, and gives the volume back" {
  make_volume data class=manual
  mount_claims data
  echo precious | limit 10 tee "$MNT/default/data/file"
  rm "$MANIFESTS/data.yaml"
  wait_for 10 is_no_more pvc data
  # The volume's manifest went with it: its object does, too, and its data stays.
  wait_for 10 is_no_more pv pv-data
  [ "$(cat "$HOST/data/file")" = precious ]

  # Where the daemon does not look.
  mkdir "$WORK/aside"
  MANIFESTS=$WORK/aside make_volume again path="$HOST/data"
  sed '/^---/,$d; /claimRef/d' "$WORK/aside/again.yaml" >"$WORK/pv.yaml"
  claimfs apply -f "$WORK/pv.yaml"
  make_claim first manual
  wait_for 10 has_phase pvc first Bound
  claimfs delete pvc first
  wait_for 10 has_phase pv pv-again Released
  # Nobody gets the data of another's claim.
  make_claim second manual
  wait_for 10 has_event 'storageclass.storage.k8s.io "manual" not found'
  has_phase pvc second Pending
  rm "$HOST/data/file"
  claimfs patch pv pv-again -p '{"spec":{"claimRef":null}}'
  wait_for 10 has_phase pvc second Bound
}

@test "Delete of a static volume: within the roots it goes, outside it is Failed and says why" {
  mkdir -p "$HOST/in" "$WORK/out-of-it"
  touch "$HOST/in/file" "$WORK/out-of-it/file"
  local name
  for name in in out; do
    local path=$HOST/in
    [ $name = in ] || path=$WORK/out-of-it
    claimfs apply -f - <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: $name}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Delete
  storageClassName: $name
  hostPath: {path: "$path"}
YAML
    make_claim "$name" "$name"
  done
  settle
  has_phase pvc in Bound
  has_phase pvc out Bound
  claimfs delete pvc in out --wait=false
  settle
  is_no_more pv in
  [ ! -e "$HOST/in" ]
  has_phase pv out Failed
  has_event "host_path deleter only supports /tmp/.+ but received provided $WORK/out-of-it"
  [ -e "$WORK/out-of-it/file" ]
}

@test "Recycle: scrubbed by its rules, whatever is planted inside" {
  mkdir -p "$HOST/pv/a/.b" "$WORK/precious"
  touch "$WORK/precious/file" "$HOST/pv/a/.b/file"
  ln -s "$WORK/precious" "$HOST/pv/link"
  mkdir "$HOST/pv/mounted"
  mount --bind "$WORK/precious" "$HOST/pv/mounted"
  claimfs apply -f - <<YAML
apiVersion: v1
kind: PersistentVolume
metadata: {name: pv}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Recycle
  storageClassName: manual
  hostPath: {path: "$HOST/pv"}
YAML
  make_claim data manual
  settle
  claimfs delete pvc data --wait=false
  settle
  has_phase pv pv Failed
  has_event "Recycle failed: failed to recycle volume: something is mounted on '$HOST/pv/mounted'"
  [ -e "$HOST/pv/a/.b/file" ]
  umount "$HOST/pv/mounted"
  settle
  has_phase pv pv Available
  has_event 'Volume recycled'
  [ -z "$(ls -A "$HOST/pv")" ]
  [ -e "$WORK/precious/file" ]
}

@test "a long removal outlives its daemon, and nothing else waits for it" {
  mount_tree
  make_class fast claimfs.io/host-path
  make_claim big fast
  wait_for 10 in_tree default/big
  local path volume
  path=$(path_of big)
  volume=$(volume_of big)
  python3 - "$path" <<'PYTHON'
import os, sys
for directory in range(150):
    os.mkdir(f"{sys.argv[1]}/{directory}")
    for file in range(1000):
        os.mknod(f"{sys.argv[1]}/{directory}/{file}")
PYTHON
  claimfs delete pvc big --wait=false
  removal_began() { ! has_phase pv "$volume" Bound; }
  wait_for 10 removal_began
  make_claim small fast
  wait_for 10 in_tree default/small
  kill -9 "$(daemon_pid)"
  limit 10 umount -l "$MNT"
  mount_tree
  wait_for 120 is_no_more pv "$volume"
  [ ! -e "$path" ]
  in_tree default/small
}

@test "a path template cannot leave its base, and a refusal says why" {
  make_class escape claimfs.io/host-path parameters="root: \"$HOST/base\", subDir: \"../\${pvc.metadata.name}\""
  make_class mistyped claimfs.io/host-path parameters="root: \"$HOST/base\", onDelte: retain"
  make_class relative claimfs.io/host-path parameters='root: some/where'
  make_class annotated rancher.io/local-path parameters="nodePath: \"$HOST/base\", allowUnsafePathPattern: \"true\", pathPattern: \"{{ .PVC.Annotations.where }}\""
  local class
  for class in escape mistyped relative annotated; do make_claim "$class" "$class"; done
  claimfs annotate pvc annotated volume.kubernetes.io/selected-node="$NODE"
  settle
  has_event "failed to provision volume with StorageClass \"annotated\": the path \"../../../etc\" must not contain '..'"
  has_event "failed to provision volume with StorageClass \"escape\": the path \"../escape\" must not contain '..'"
  has_event 'failed to provision volume with StorageClass "mistyped": invalid parameter "onDelte" in storage class'
  has_event 'failed to provision volume with StorageClass "relative": parameter "root": "some/where" is not an absolute path'
  [ -z "$(ls -A "$HOST")" ]
  # A symlink that somebody put into the base is not followed either.
  mkdir -p "$HOST/base" "$WORK/elsewhere"
  ln -s "$WORK/elsewhere" "$HOST/base/default"
  make_class linked claimfs.io/host-path parameters="root: \"$HOST/base\", subDir: \"\${pvc.metadata.namespace}/\${pvc.metadata.name}\""
  make_claim linked linked
  settle
  has_phase pvc linked Pending
  [ -z "$(ls -A "$WORK/elsewhere")" ]
}
