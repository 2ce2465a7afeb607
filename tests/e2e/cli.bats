#!/usr/bin/env bats
# The command line: objects in and out, and what each failure exits with. No mount is made here.

load mount.bash

setup() { make_workspace; }

teardown() {
  show_log_of_failure
  drop_workspace
}

write_pair() {
  cat >"$WORK/pair.yaml" <<YAML
apiVersion: v1
kind: PersistentVolume
metadata:
  name: task-pv-volume
  labels: {type: local}
spec:
  storageClassName: manual
  capacity: {storage: ${1:-10Gi}}
  accessModes: [ReadWriteOnce]
  hostPath: {path: $HOST/data}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: task-pv-claim}
spec:
  storageClassName: manual
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 3Gi}}
YAML
}

@test "what kubectl printed of the same objects, claimfs prints" {
  CLAIMFS_STATE=$STATE run python3 "$BATS_TEST_DIRNAME/same_as_kubectl.py" "$CLAIMFS_BIN" \
    "$BATS_TEST_DIRNAME/../data/kubectl.json"
  echo "$output"
  [ "$status" = 0 ]
}

@test "apply creates, says what changed, and leaves alone what did not" {
  write_pair
  run claimfs apply -f "$WORK/pair.yaml"
  [ "$output" = $'persistentvolume/task-pv-volume created\npersistentvolumeclaim/task-pv-claim created' ]
  run claimfs apply -f "$WORK/pair.yaml"
  [ "$output" = $'persistentvolume/task-pv-volume unchanged\npersistentvolumeclaim/task-pv-claim unchanged' ]
  write_pair 20Gi
  run claimfs apply -f "$WORK/pair.yaml"
  [ "$output" = $'persistentvolume/task-pv-volume configured\npersistentvolumeclaim/task-pv-claim unchanged' ]
  [ "$(claimfs get pv task-pv-volume -o 'jsonpath={.spec.capacity.storage}')" = 20Gi ]
}

@test "apply keeps what the controller wrote" {
  write_pair
  claimfs apply -f "$WORK/pair.yaml"
  claimfs controller --until-settled
  [ "$(claimfs get pvc task-pv-claim -o 'jsonpath={.status.phase} {.spec.volumeName}')" = "Bound task-pv-volume" ]
  claimfs apply -f "$WORK/pair.yaml"
  claimfs controller --until-settled
  [ "$(claimfs get pvc task-pv-claim -o 'jsonpath={.status.phase}')" = Bound ]
  [ "$(claimfs get pv -o 'jsonpath={.items[0].spec.claimRef.name}')" = task-pv-claim ]
}

@test "create refuses what is there already" {
  write_pair
  claimfs create -f "$WORK/pair.yaml"
  expect_status 1 claimfs create -f "$WORK/pair.yaml"
  expect_text 'Error from server (AlreadyExists): persistentvolumes "task-pv-volume" already exists' "$SAID"
}

@test "a dry run says and does nothing" {
  write_pair
  run claimfs apply --dry-run -f "$WORK/pair.yaml"
  expect_text 'persistentvolume/task-pv-volume created (dry run)' "$output"
  expect_status 1 claimfs get pv task-pv-volume
}

@test "every error of an invalid manifest is listed with its line, and exits 65" {
  cat >"$WORK/bad.yaml" <<'YAML'
apiVersion: v1
kind: PersistentVolume
metadata: {name: bad}
spec:
  accessModes: [Sometimes]
  capacity:
    storage: "0"
  hostPath: {path: /a/../b}
YAML
  expect_status 65 claimfs apply -f "$WORK/bad.yaml"
  expect_text 'The PersistentVolume "bad" is invalid: ' "$SAID"
  expect_text "* spec.accessModes: Unsupported value: \"Sometimes\": supported values: \"ReadOnlyMany\", \"ReadWriteMany\", \"ReadWriteOnce\", \"ReadWriteOncePod\" ($WORK/bad.yaml:5)" "$SAID"
  expect_text "* spec.capacity[storage]: Invalid value: \"0\": must be greater than zero ($WORK/bad.yaml:7)" "$SAID"
  expect_text "* spec.hostPath.path: Invalid value: \"/a/../b\": must not contain '..' ($WORK/bad.yaml:8)" "$SAID"
  expect_status 1 claimfs get pv bad
}

@test "hostile YAML is refused with a message" {
  printf 'a: &x [1]\nb: *x\n' >"$WORK/anchor.yaml"
  expect_status 65 claimfs apply -f "$WORK/anchor.yaml"
  expect_text "$WORK/anchor.yaml:1:" "$SAID"
  printf 'apiVersion: v1\nkind: PersistentVolume\nkind: Pod\n' >"$WORK/twice.yaml"
  expect_status 65 claimfs apply -f "$WORK/twice.yaml"
  expect_text "$WORK/twice.yaml:3:" "$SAID"
  head -c 2000000 /dev/zero | tr '\0' '[' >"$WORK/deep.yaml"
  expect_status 65 claimfs apply -f "$WORK/deep.yaml"
  head -c 4096 /dev/urandom >"$WORK/noise.yaml"
  expect_status 65 claimfs apply -f "$WORK/noise.yaml"
}

@test "unknown kinds and fields are named" {
  printf 'apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n' >"$WORK/kind.yaml"
  expect_status 65 claimfs apply -f "$WORK/kind.yaml"
  expect_text "$WORK/kind.yaml:1: no matches for kind \"Deployment\" in version \"apps/v1\"" "$SAID"
  write_pair
  sed -i 's/  hostPath:/  hostpath:/' "$WORK/pair.yaml"
  expect_status 65 claimfs apply -f "$WORK/pair.yaml"
  expect_text 'strict decoding error: unknown field "spec.hostpath"' "$SAID"
}

@test "lists, JSON, standard input and directories are read" {
  write_pair
  claimfs apply --dry-run -f - <"$WORK/pair.yaml"
  claimfs apply -f "$WORK/pair.yaml"
  claimfs get pv,pvc -o json >"$WORK/all.json"
  claimfs delete pvc task-pv-claim --wait=false
  claimfs controller --until-settled
  claimfs delete pv task-pv-volume --wait=false
  claimfs controller --until-settled
  mkdir "$WORK/directory"
  cp "$WORK/all.json" "$WORK/directory/"
  echo 'not a manifest' >"$WORK/directory/README.txt"
  claimfs apply -f "$WORK/directory"
  [ "$(claimfs get pv,pvc -o name)" = $'persistentvolume/task-pv-volume\npersistentvolumeclaim/task-pv-claim' ]
}

@test "delete waits for the end, and a wait that expires exits 75" {
  write_pair
  claimfs apply -f "$WORK/pair.yaml"
  claimfs controller --until-settled
  # Nobody runs a controller: the finalizer stays.
  expect_status 75 claimfs delete pvc task-pv-claim --timeout 200ms
  [ "$(claimfs get pvc task-pv-claim --no-headers -o 'custom-columns=D:.metadata.deletionTimestamp' | tail -n 1)" != '<none>' ]
  expect_text Terminating "$(claimfs get pvc)"
  claimfs controller --until-settled
  expect_status 1 claimfs get pvc task-pv-claim
  [ "$(claimfs get pv task-pv-volume -o 'jsonpath={.status.phase}')" = Released ]
  expect_status 1 claimfs delete pvc task-pv-claim
  expect_text 'Error from server (NotFound): persistentvolumeclaims "task-pv-claim" not found' "$SAID"
}

@test "delete returns when a controller has let go, and prints kubectl's words" {
  write_pair
  claimfs apply -f "$WORK/pair.yaml"
  spawn "$CLAIMFS_BIN" --state "$STATE" --node n controller
  wait_for 10 test "$(claimfs wait pvc task-pv-claim --for=phase=Bound --timeout 10s)" = "persistentvolumeclaim/task-pv-claim condition met"
  [ "$(claimfs delete pvc task-pv-claim --timeout 20s)" = 'persistentvolumeclaim "task-pv-claim" deleted from default namespace' ]
  expect_status 1 claimfs get pvc task-pv-claim
  [ "$(claimfs delete pv task-pv-volume --timeout 20s)" = 'persistentvolume "task-pv-volume" deleted' ]
}

@test "a claim that a scheduled Pod names is not removed until the Pod is gone" {
  write_pair
  cat >>"$WORK/pair.yaml" <<'YAML'
---
apiVersion: v1
kind: Pod
metadata: {name: user}
spec:
  nodeName: n1
  containers: [{name: c, image: i}]
  volumes: [{name: v, persistentVolumeClaim: {claimName: task-pv-claim}}]
YAML
  claimfs apply -f "$WORK/pair.yaml"
  claimfs controller --until-settled
  claimfs delete pvc task-pv-claim --wait=false
  claimfs controller --until-settled
  expect_text 'Status:        Terminating' "$(claimfs describe pvc task-pv-claim)"
  expect_text 'Used By:       user' "$(claimfs describe pvc task-pv-claim)"
  claimfs delete pod user
  claimfs controller --until-settled
  expect_status 1 claimfs get pvc task-pv-claim
}

@test "patch is kubectl's merge patch, and validates" {
  write_pair
  claimfs apply -f "$WORK/pair.yaml"
  [ "$(claimfs patch pv task-pv-volume -p '{"metadata":{"labels":{"tier":"gold"}}}')" = 'persistentvolume/task-pv-volume patched' ]
  [ "$(claimfs get pv -l tier=gold -o name)" = persistentvolume/task-pv-volume ]
  expect_status 65 claimfs patch pv task-pv-volume -p '{"spec":{"volumeMode":"Block"}}'
  expect_text 'volumeMode: Invalid value: "Block": field is immutable' "$SAID"
  expect_status 64 claimfs patch pv task-pv-volume -p 'no json'
}

@test "what export wrote, import puts back verbatim" {
  write_pair
  claimfs apply -f "$WORK/pair.yaml"
  claimfs controller --until-settled
  claimfs export >"$WORK/backup.yaml"
  claimfs get pv,pvc -o json | jq -S 'del(.items[].metadata.resourceVersion)' >"$WORK/before"
  STATE=$WORK/other claimfs import -f "$WORK/backup.yaml"
  STATE=$WORK/other claimfs get pv,pvc -o json | jq -S 'del(.items[].metadata.resourceVersion)' >"$WORK/after"
  diff "$WORK/before" "$WORK/after"
  # Nothing is left to be done, and nothing is done.
  STATE=$WORK/other claimfs controller --until-settled
  STATE=$WORK/other claimfs get pv,pvc -o json | jq -S 'del(.items[].metadata.resourceVersion)' >"$WORK/settled"
  diff "$WORK/before" "$WORK/settled"
}

@test "flags beat the environment, and the environment the file; anywhere on the line" {
  printf 'state: %s/from-file\n' "$WORK" >"$WORK/c.yaml"
  write_pair
  run env CLAIMFS_CONFIG="$WORK/c.yaml" "$CLAIMFS_BIN" apply -f "$WORK/pair.yaml"
  [ "$status" = 0 ]
  [ -e "$WORK/from-file/store.sqlite" ]
  CLAIMFS_CONFIG=$WORK/c.yaml CLAIMFS_STATE=$WORK/from-env "$CLAIMFS_BIN" apply -f "$WORK/pair.yaml"
  [ -e "$WORK/from-env/store.sqlite" ]
  CLAIMFS_CONFIG=$WORK/c.yaml CLAIMFS_STATE=$WORK/from-env "$CLAIMFS_BIN" apply --state "$WORK/from-flag" -f "$WORK/pair.yaml"
  [ -e "$WORK/from-flag/store.sqlite" ]
  [ "$(stat -c %a "$WORK/from-flag" "$WORK/from-flag/store.sqlite" | xargs)" = '700 600' ]
}

@test "a configuration with a mistake exits 78 and names file, line and the nearest key" {
  printf 'node: n\nmanifest: [/a]\n' >"$WORK/c.yaml"
  expect_status 78 "$CLAIMFS_BIN" --config "$WORK/c.yaml" get pv
  expect_text "$WORK/c.yaml:2:" "$SAID"
  expect_text 'manifests' "$SAID"
  expect_status 78 "$CLAIMFS_BIN" --config "$WORK/missing.yaml" get pv
  expect_status 78 "$CLAIMFS_BIN" --store etcd://127.0.0.1:2379 --state "$STATE" get pv
  printf 'metrics: {listen: "127.0.0.1:9"}\n' >"$WORK/c.yaml"
  expect_status 78 "$CLAIMFS_BIN" --config "$WORK/c.yaml" get pv
}

@test "usage errors exit 64, an unusable store 69, a foreign one 77" {
  expect_status 64 claimfs
  expect_status 64 claimfs frobnicate default/data
  expect_text 'unknown command "frobnicate"' "$SAID"
  expect_status 64 claimfs get widgets
  expect_status 64 claimfs get pv -o sideways
  expect_status 64 claimfs apply
  expect_status 64 claimfs delete pv x --timeout soon
  : >"$WORK/file"
  expect_status 69 "$CLAIMFS_BIN" --state "$WORK/file/state" get pv
  claimfs get pv
  expect_status 77 setpriv --reuid 65534 --regid 65534 --clear-groups "$CLAIMFS_BIN" --state "$STATE" get pv
}

@test "get: selectors, sorting, columns and a watch" {
  for size in 3Gi 1Gi 2Gi; do
    printf 'apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v-%s, labels: {size: "%s"}}\nspec: {capacity: {storage: %s}, accessModes: [ReadWriteMany], hostPath: {path: /x}}\n---\n' \
      "${size,,}" "$size" "$size"
  done >"$WORK/three.yaml"
  claimfs apply -f "$WORK/three.yaml"
  [ "$(claimfs get pv -l 'size in (1Gi,2Gi)' -o name | xargs)" = 'persistentvolume/v-1gi persistentvolume/v-2gi' ]
  [ "$(claimfs get pv -l 'size!=1Gi,size' -o name | xargs)" = 'persistentvolume/v-2gi persistentvolume/v-3gi' ]
  [ "$(claimfs get pv --sort-by .spec.capacity.storage -o 'jsonpath={range .items[*]}{.metadata.name}{"\n"}{end}' | xargs)" = 'v-1gi v-2gi v-3gi' ]
  [ "$(claimfs get pv -o 'custom-columns=N:.metadata.name,NONE:.x.y' | sed -n 2p | xargs)" = 'v-1gi <none>' ]
  claimfs get pv v-1gi -o json | jq -e '.kind == "PersistentVolume"'
  claimfs get pv -o json | jq -e '.kind == "List" and (.items | length) == 3'
  spawn "$CLAIMFS_BIN" --state "$STATE" get pv -w -o name
  wait_for 10 grep -q v-3gi "$WORK/spawned"
  claimfs patch pv v-2gi -p '{"metadata":{"labels":{"seen":"yes"}}}'
  wait_for 10 awk '/v-2gi/ {n++} END {exit n < 2}' "$WORK/spawned"
}

@test "help and version need neither state nor root" {
  run setpriv --reuid 65534 --regid 65534 --clear-groups "$CLAIMFS_BIN" --help
  [ "$status" = 0 ]
  for verb in mount unmount controller apply create get label annotate edit patch wait describe delete completion export import status version; do
    expect_text "$verb" "$output"
    setpriv --reuid 65534 --regid 65534 --clear-groups "$CLAIMFS_BIN" "$verb" --help >/dev/null
  done
  run "$CLAIMFS_BIN" version
  expect_text 'claimfs 0.1.0' "$output"
}
