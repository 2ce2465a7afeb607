#!/usr/bin/env bats
# What a person who knows kubectl expects: its verbs, its options, its words. No mount is made here.

load mount.bash

setup() {
  make_workspace
  export TMPDIR=$WORK
}

teardown() {
  show_log_of_failure
  drop_workspace
}

# volumes SIZE…: a volume v-SIZE of each, with the label size.
volumes() {
  local size
  for size in "$@"; do
    printf 'apiVersion: v1\nkind: PersistentVolume\nmetadata: {name: v-%s, labels: {size: "%s"}}\n' "${size,,}" "$size"
    printf 'spec: {capacity: {storage: %s}, accessModes: [ReadWriteMany], hostPath: {path: /x}}\n---\n' "$size"
  done | claimfs apply -f - >/dev/null
}

# claim NAME [NAMESPACE]
claim() {
  claimfs apply -f - >/dev/null <<YAML
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: $1, namespace: ${2:-default}}
spec: {storageClassName: manual, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
YAML
}

# expect TEXT COMMAND…: it succeeds and says exactly this, on stdout and stderr together.
expect() {
  local wanted=$1
  shift
  expect_status 0 "$@"
  if [ "$SAID" != "$wanted" ]; then
    diff -u <(printf '%s\n' "$wanted") <(printf '%s\n' "$SAID")
    return 1
  fi
}

# refuse STATUS TEXT COMMAND…: it exits so and says exactly this.
refuse() {
  local wanted=$2
  expect_status "$1" "${@:3}"
  if [ "$SAID" != "$wanted" ]; then
    diff -u <(printf '%s\n' "$wanted") <(printf '%s\n' "$SAID")
    return 1
  fi
}

@test "label says what it did" {
  volumes 1Gi 2Gi
  claim data
  expect 'persistentvolume/v-1gi labeled' claimfs label pv v-1gi tier=gold
  refuse 1 "error: 'tier' already has a value (gold), and --overwrite is false" claimfs label pv v-1gi tier=iron
  refuse 1 "error: 'tier' already has a value (gold), and --overwrite is false" claimfs label pv v-1gi tier=gold
  expect 'persistentvolume/v-1gi not labeled' claimfs label pv v-1gi tier=gold --overwrite
  expect 'persistentvolume/v-1gi labeled' claimfs label pv v-1gi tier=iron --overwrite
  [ "$(claimfs get pv -l tier=iron -o name)" = persistentvolume/v-1gi ]
  expect 'persistentvolume/v-1gi unlabeled' claimfs label pv v-1gi tier-
  expect $'label "tier" not found.\npersistentvolume/v-1gi not labeled' claimfs label pv v-1gi tier-
  expect $'persistentvolume/v-1gi labeled\npersistentvolumeclaim/data labeled' claimfs label pv/v-1gi pvc/data k=v
  expect $'persistentvolume/v-1gi labeled\npersistentvolume/v-2gi labeled' claimfs label pv --all all=yes
  expect 'persistentvolume/v-2gi labeled' claimfs label pv -l size=2Gi few=yes
  expect 'persistentvolume/v-2gi labeled (dry run)' claimfs label pv v-2gi dry=yes --dry-run=client
  [ -z "$(claimfs get pv -l dry -o name)" ]
  expect 'persistentvolumeclaim/data labeled' claimfs label pvc data n=1 -n default
  refuse 1 'Error from server (NotFound): persistentvolumeclaims "data" not found' claimfs label pvc data n=1 -n other
}

@test "files may name what a verb works on" {
  volumes 1Gi 2Gi
  claimfs get pv v-2gi -o yaml >"$WORK/v.yaml"
  expect persistentvolume/v-2gi claimfs get -f "$WORK/v.yaml" -o name
  expect 'persistentvolume/v-2gi labeled' claimfs label -f "$WORK/v.yaml" a=b
  expect 'persistentvolume/v-2gi annotated' claimfs annotate a=b -f "$WORK/v.yaml"
  expect 'persistentvolume/v-2gi patched' claimfs patch -f "$WORK/v.yaml" -p '{"metadata":{"labels":{"a":"c"}}}'
  expect 'persistentvolume/v-2gi condition met' claimfs wait -f "$WORK/v.yaml" --for=jsonpath='{.metadata.labels.a}'=c
  expect_status 65 claimfs get -f - <<<'a: ['
  refuse 64 'error: when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well' \
    claimfs get -f "$WORK/v.yaml" pv
}

@test "label does what it can and tells each mistake" {
  volumes 1Gi 2Gi
  claimfs label pv v-1gi k=v
  refuse 1 $'persistentvolume/v-2gi labeled\nerror: \'k\' already has a value (v), and --overwrite is false' \
    claimfs label pv --all k=w
  refuse 1 $'\'k\' already has a value (v), and --overwrite is false\nError from server (NotFound): persistentvolumes "x" not found' \
    claimfs label pv v-1gi x k=w
  refuse 64 'error: at least one label update is required' claimfs label pv v-1gi
  refuse 64 'error: one or more resources must be specified as <resource> <name> or <resource>/<name>' claimfs label a=b
  refuse 64 'error: resource(s) were provided, but no name was specified' claimfs label pv a=b
  refuse 64 'error: cannot set --all and --selector at the same time' claimfs label pv --all -l a=b c=d
  expect_status 64 claimfs label pv v-1gi 'k=no label'
  expect_text "error: invalid label value: \"k=no label\": a valid label must be an empty string or consist of" "$SAID"
  expect_status 65 claimfs label pv v-1gi 'no key=v'
  expect_text 'The PersistentVolume "v-1gi" is invalid: metadata.labels: Invalid value: "no key"' "$SAID"
}

@test "annotate says what it did" {
  volumes 1Gi
  expect 'persistentvolume/v-1gi annotated' claimfs annotate pv v-1gi 'note=a = b, and blanks'
  [ "$(claimfs get pv v-1gi -o 'jsonpath={.metadata.annotations.note}')" = 'a = b, and blanks' ]
  refuse 1 "error: --overwrite is false but found the following declared annotation(s): 'note' already has a value (a = b, and blanks)" \
    claimfs annotate pv v-1gi note=x
  expect 'persistentvolume/v-1gi annotated' claimfs annotate pv v-1gi note=x --overwrite
  expect 'persistentvolume/v-1gi annotated' claimfs annotate pv v-1gi note-
  expect 'persistentvolume/v-1gi annotated' claimfs annotate pv v-1gi note-
  [ "$(claimfs annotate pv v-1gi a=1 -o json | jq -r .metadata.annotations.a)" = 1 ]
  version=$(claimfs get pv v-1gi -o 'jsonpath={.metadata.resourceVersion}')
  expect 'persistentvolume/v-1gi annotated' claimfs annotate pv v-1gi b=1 --resource-version "$version"
  expect_status 1 claimfs annotate pv v-1gi c=1 --resource-version "$version"
  expect_text 'Error from server (Conflict): Operation cannot be fulfilled on persistentvolumes "v-1gi"' "$SAID"
}

# editor COMMAND…: the person's editor; the n-th time it runs the n-th command on $1. What it was shown is in shown.N.
editor() {
  printf '%s\n' "$@" >"$WORK/edits"
  rm -f "$WORK"/shown.*
  cat >"$WORK/editor" <<SH
#!/bin/sh
n=\$((\$(ls "$WORK" | grep -c '^shown') + 1))
cp "\$1" "$WORK/shown.\$n"
eval "\$(sed -n "\${n}p" "$WORK/edits")"
SH
  chmod +x "$WORK/editor"
  export KUBE_EDITOR=$WORK/editor
}
copies() { find "$WORK" -maxdepth 1 -name 'claimfs-edit-*'; }

@test "edit stores what was written, and nothing that was not" {
  volumes 1Gi
  editor true
  expect 'Edit cancelled, no changes made.' claimfs edit pv v-1gi
  head -n 4 "$WORK/shown.1" | diff - <(printf '%s\n' \
    "# Please edit the object below. Lines beginning with a '#' will be ignored," \
    '# and an empty file will abort the edit. If an error occurs while saving this file will be' \
    '# reopened with the relevant failures.' '#')
  diff <(tail -n +5 "$WORK/shown.1") <(claimfs get pv v-1gi -o yaml)
  # shellcheck disable=SC2016  # the editor's own
  editor 'sed -i "s/storage: 1Gi/storage: 5Gi/" "$1"'
  expect 'persistentvolume/v-1gi edited' claimfs edit pv/v-1gi
  [ "$(claimfs get pv v-1gi -o 'jsonpath={.spec.capacity.storage}')" = 5Gi ]
  # shellcheck disable=SC2016
  editor 'echo "# a comment" >>"$1"'
  expect 'Edit cancelled, no changes made.' claimfs edit pv v-1gi
  # shellcheck disable=SC2016
  editor ': >"$1"'
  expect 'Edit cancelled, saved file was empty.' claimfs edit pv v-1gi
  # Somebody else's change in the meantime stays.
  # shellcheck disable=SC2016
  editor "$CLAIMFS_BIN --state $STATE label pv v-1gi other=yes >/dev/null; sed -i 's/storage: 5Gi/storage: 6Gi/' \"\$1\""
  expect 'persistentvolume/v-1gi edited' claimfs edit pv v-1gi
  [ "$(claimfs get pv -l other=yes -o 'jsonpath={.items[0].spec.capacity.storage}')" = 6Gi ]
  refuse 1 'Error from server (NotFound): persistentvolumes "x" not found' claimfs edit pv x
  refuse 1 'error: edit cancelled, no objects found' claimfs edit sc
  [ -z "$(copies)" ]
}

@test "edit of several objects is a List, and those that stay are skipped" {
  volumes 1Gi 2Gi
  # shellcheck disable=SC2016
  editor 'grep -q "^kind: List" "$1" && sed -i "s/storage: 2Gi/storage: 3Gi/" "$1"'
  expect $'persistentvolume/v-1gi skipped\npersistentvolume/v-2gi edited' claimfs edit pv v-1gi v-2gi
  # shellcheck disable=SC2016
  editor 'jq ".spec.capacity.storage = \"4Gi\"" "$1" >"$1.new" && mv "$1.new" "$1"'
  expect 'persistentvolume/v-2gi edited' claimfs edit pv v-2gi -o json
  [ "$(claimfs get pv v-2gi -o 'jsonpath={.spec.capacity.storage}')" = 4Gi ]
}

@test "an invalid edit comes back with the reasons, until it is right or given up" {
  volumes 1Gi
  # shellcheck disable=SC2016
  editor 'sed -i "s/volumeMode: Filesystem/volumeMode: Block/; s/storage: 1Gi/storage: 7Gi/" "$1"' \
    'sed -i "s/volumeMode: Block/volumeMode: Filesystem/" "$1"'
  expect $'error: persistentvolumes "v-1gi" is invalid\npersistentvolume/v-1gi edited' claimfs edit pv v-1gi
  expect_text '# persistentvolumes "v-1gi" was not valid:' "$(cat "$WORK/shown.2")"
  expect_text 'Invalid value: "Block": field is immutable' "$(grep '^# \* ' "$WORK/shown.2")"
  expect_text 'storage: 7Gi' "$(cat "$WORK/shown.2")"
  [ "$(grep -c '^# Please edit' "$WORK/shown.2")" = 1 ]
  [ "$(claimfs get pv v-1gi -o 'jsonpath={.spec.capacity.storage}')" = 7Gi ]
  [ -z "$(copies)" ]
  # The same mistake twice: given up, and nothing lost.
  # shellcheck disable=SC2016
  editor 'echo "  bad: [" >>"$1"' true
  expect_status 1 claimfs edit pv v-1gi
  expect_text 'error: Edit cancelled, no valid changes were saved.' "$SAID"
  copy=$(copies)
  expect_text "A copy of your changes has been stored to \"$copy\"" "$SAID"
  expect_text '  bad: [' "$(cat "$copy")"
  expect_text '# The edited file had a syntax error: ' "$(cat "$WORK/shown.2")"
  [ "$(stat -c %a "$copy")" = 600 ]
}

@test "an edit that cannot be stored is kept and named" {
  volumes 1Gi
  # shellcheck disable=SC2016
  editor 'sed -i "s/name: v-1gi/name: other/" "$1"'
  expect_status 1 claimfs edit pv v-1gi
  expect_text "A copy of your changes has been stored to \"$(copies)\"" "$SAID"
  expect_text 'error: At least one of apiVersion, kind and name was changed' "$SAID"
  rm "$(copies)"
  editor "sed -i 's/storage: 1Gi/storage: 2Gi/' \"\$1\"
          exit 1"
  sed -i 'N; s/\n */; /' "$WORK/edits"
  expect_status 1 claimfs edit pv v-1gi
  expect_text "error: there was a problem with the editor \"$KUBE_EDITOR\"" "$SAID"
  expect_text 'storage: 2Gi' "$(cat "$(copies)")"
  rm "$(copies)"
  editor false
  refuse 1 "error: there was a problem with the editor \"$KUBE_EDITOR\"" claimfs edit pv v-1gi
  KUBE_EDITOR=/no/such/editor refuse 1 'error: unable to launch the editor "/no/such/editor"' claimfs edit pv v-1gi
  [ -z "$(copies)" ]
  # The object goes while it is edited.
  editor "$CLAIMFS_BIN --state $STATE delete pv v-1gi --wait=false >/dev/null; $CLAIMFS_BIN --state $STATE patch pv v-1gi -p '{\"metadata\":{\"finalizers\":null}}' >/dev/null; sed -i 's/storage: 1Gi/storage: 2Gi/' \"\$1\""
  expect_status 1 claimfs edit pv v-1gi
  expect_text 'error: persistentvolumes "v-1gi" could not be found on the server' "$SAID"
  expect_text "The edits you made on deleted resources have been saved to \"$(copies)\"" "$SAID"
}

@test "the editor may be a command, EDITOR comes second" {
  volumes 1Gi
  unset KUBE_EDITOR
  EDITOR='sed -i s/1Gi/2Gi/' expect 'persistentvolume/v-1gi edited' claimfs edit pv v-1gi
  KUBE_EDITOR="sh -c 'sed -i s/storage:.2Gi/storage:\\ 3Gi/ \"\$1\"' editor" EDITOR=false \
    expect 'persistentvolume/v-1gi edited' claimfs edit pv v-1gi
  [ "$(claimfs get pv v-1gi -o 'jsonpath={.spec.capacity.storage}')" = 3Gi ]
}

@test "delete: all of a kind, by selector, and what may not stand together" {
  volumes 1Gi 2Gi 3Gi
  claim a
  claim b other
  expect 'persistentvolume "v-1gi" deleted (dry run)' claimfs delete pv -l size=1Gi --dry-run=client
  expect 'persistentvolume "v-1gi" deleted' claimfs delete pv -l size=1Gi --wait=false
  expect 'No resources found' claimfs delete pv -l size=9Gi
  expect $'persistentvolumeclaim "a" deleted from default namespace\npersistentvolumeclaim "b" deleted from other namespace' \
    claimfs delete pvc --all -A --wait=false
  expect 'No resources found' claimfs delete pvc --all -n nobody
  expect '' claimfs delete pv x --ignore-not-found
  refuse 1 'Error from server (NotFound): persistentvolumes "x" not found' claimfs delete pv x
  refuse 64 'error: name cannot be provided when a selector is specified' claimfs delete pv x --all
  refuse 64 'error: name cannot be provided when a selector is specified' claimfs delete pv x -l a=b
  refuse 64 'error: selectors and the all flag cannot be used when passing resource/name arguments' claimfs delete pv/x --all
  refuse 64 'error: cannot set --all and --selector at the same time' claimfs delete pv --all -l a=b
  refuse 64 'error: resource(s) were provided, but no name was specified' claimfs delete pv
  refuse 64 'error: when paths, URLs, or stdin is provided as input, you may not specify resource arguments as well' \
    claimfs delete -f /dev/null pv x
  refuse 64 'error: a resource cannot be retrieved by name across all namespaces' claimfs delete pvc x -A
  claimfs controller --until-settled
  expect persistentvolume/v-2gi claimfs delete pv v-2gi -o name --wait=false
  refuse 64 'error: cannot set --all and --field-selector at the same time' \
    claimfs delete pv --all --field-selector metadata.name=v-3gi
  expect $'Warning: deleting cluster-scoped resources, not scoped to the provided namespace\npersistentvolume "v-3gi" deleted' \
    claimfs delete pv -n default --field-selector metadata.name=v-3gi --wait=false
}

@test "delete -f, and a wait that is not long enough" {
  claim data
  claimfs get pvc data -o yaml >"$WORK/data.yaml"
  refuse 75 $'persistentvolumeclaim "data" deleted from default namespace\nerror: timed out waiting for the condition on persistentvolumeclaims/data\nIt is in use or has finalizers: see claimfs describe.' \
    claimfs delete -f "$WORK/data.yaml" --timeout 100ms
  claimfs controller --until-settled
  expect '' claimfs delete -f "$WORK/data.yaml" --ignore-not-found
}

@test "get of several kinds, in each format" {
  volumes 1Gi
  claim data
  expect_status 0 claimfs get pv,pvc,sc
  [ "$(awk '{print $1}' <<<"$SAID" | xargs)" = 'NAME persistentvolume/v-1gi NAME persistentvolumeclaim/data' ]
  [ "$(sed -n 3p <<<"$SAID")" = '' ]
  [ "$(claimfs get pv,pvc --no-headers | awk '{print $1}' | xargs)" = 'persistentvolume/v-1gi persistentvolumeclaim/data' ]
  [ "$(claimfs get pv,pvc --no-headers | wc -l)" = 2 ]
  [ "$(claimfs get pv v-1gi --show-kind --no-headers | awk '{print $1}')" = persistentvolume/v-1gi ]
  expect $'persistentvolume/v-1gi\npersistentvolumeclaim/data' claimfs get pv,pvc -o=name
  expect $'persistentvolume/v-1gi\npersistentvolumeclaim/data\npersistentvolume/v-1gi' claimfs get pv/v-1gi pvc/data pv/v-1gi -o name
  refuse 1 $'persistentvolume/v-1gi\nError from server (NotFound): persistentvolumes "x" not found' claimfs get pv v-1gi x -o name
  expect persistentvolume/v-1gi claimfs get pv v-1gi x -o name --ignore-not-found
  claimfs get pv,pvc -o json | jq -e '.kind == "List" and (.items | length) == 2'
  claimfs get pv v-1gi -o yaml | grep -qx 'kind: PersistentVolume'
  claimfs get sc -o json | jq -e '.kind == "List" and .items == []'
  # shellcheck disable=SC1083  # a path
  printf '{range .items[*]}{.metadata.name}:{.spec.capacity.storage}{"\\n"}{end}' >"$WORK/path"
  expect v-1gi:1Gi claimfs get pv -o "jsonpath-file=$WORK/path"
  expect $'[\n    "v-1gi"\n]' claimfs get pv -o 'jsonpath-as-json={.items[*].metadata.name}'
  expect $'N       SIZE\nv-1gi   1Gi' claimfs get pv -o 'custom-columns=N:metadata.name,SIZE:{.spec.capacity.storage}'
  expect 'v-1gi   <none>' claimfs get pv -o custom-columns=N:.metadata.name,X:.x.y --no-headers
  printf 'NAME MODE\nmetadata.name {.spec.volumeMode}\n' >"$WORK/columns"
  expect $'NAME    MODE\nv-1gi   Filesystem' claimfs get pv -o "custom-columns-file=$WORK/columns"
  [ "$(claimfs get pv -L size --show-labels | sed -n 1p | awk '{print $(NF-1), $NF}')" = 'SIZE LABELS' ]
  [ "$(claimfs get pv -L size --show-labels --no-headers | awk '{print $(NF-1), $NF}')" = '1Gi size=1Gi' ]
  [ "$(claimfs get pvc -A --no-headers -o wide | awk '{print $1, $2, $NF}')" = 'default data Filesystem' ]
  expect_status 64 claimfs get pv -o sideways
  expect_text 'error: unable to match a printer suitable for the output format "sideways", allowed formats are: ' "$SAID"
  refuse 64 'error: --show-labels option cannot be used with json printer' claimfs get pv --show-labels -o json
}

@test "get: what is not found is said on stderr" {
  volumes 1Gi
  claim data
  refuse 0 'No resources found' claimfs get sc
  refuse 0 'No resources found in other namespace.' claimfs get pvc -n other
  refuse 0 'No resources found' claimfs get pod -A
  refuse 0 'No resources found' claimfs get sc,pvc -n other
  refuse 0 '' claimfs get pvc -n other --ignore-not-found
  [ "$(claimfs describe pv v- | head -n 1)" = 'Name:            v-1gi' ]
  refuse 1 'Error from server (NotFound): persistentvolumes "x" not found' claimfs describe pv x
  [ -z "$(claimfs get pvc -n other 2>/dev/null)" ]
  refuse 0 '' claimfs get pvc -n other -o name
  expect persistentvolumeclaim/data claimfs get pvc --field-selector metadata.namespace=default,metadata.name!=x -A -o name
  refuse 0 'No resources found' claimfs get pv --field-selector metadata.name=x
  expect_status 1 claimfs get pv --field-selector spec.volumeMode=Block
  expect_text '"spec.volumeMode" is not a known field selector: only "metadata.name", "metadata.namespace"' "$SAID"
}

@test "get sorts quantities, times, numbers and names" {
  volumes 10Gi 9Gi 1Ti 512Mi
  names() { claimfs get pv -o 'jsonpath={.items[*].metadata.name}' "$@"; }
  expect 'v-512mi v-9gi v-10gi v-1ti' names --sort-by .spec.capacity.storage
  expect 'v-1ti v-9gi v-10gi v-512mi' names --sort-by '{.metadata.name}'
  expect 'v-10gi v-9gi v-1ti v-512mi' names --sort-by=metadata.resourceVersion
  claimfs get pv --sort-by .metadata.creationTimestamp
  [ "$(claimfs get pv --sort-by .spec.capacity.storage --no-headers | awk '{print $1}' | xargs)" = 'v-512mi v-9gi v-10gi v-1ti' ]
  claimfs label pv v-9gi order=1
  [ "$(names --sort-by .metadata.labels.order | awk '{print $NF}')" = v-9gi ]
  refuse 1 "error: couldn't find any field with path \"{.x}\" in the list of objects" names --sort-by .x
  # All kinds of one document are sorted together.
  claim v-9
  expect $'persistentvolume/v-1ti\npersistentvolumeclaim/v-9\npersistentvolume/v-9gi\npersistentvolume/v-10gi\npersistentvolume/v-512mi' \
    claimfs get pv,pvc --sort-by .metadata.name -o name
}

has_lines() { [ "$(wc -l <"$WORK/spawned")" -ge "$1" ]; }

@test "a watch begins with what there is and follows what changes" {
  volumes 1Gi
  spawn "$CLAIMFS_BIN" --state "$STATE" get pv -w -l size --output-watch-events
  wait_for 10 has_lines 2
  volumes 100Gi
  wait_for 10 has_lines 3
  claimfs label pv v-1gi a=b
  wait_for 10 has_lines 4
  # What the selector no longer finds is gone, to this watch.
  claimfs label pv v-1gi size-
  wait_for 10 has_lines 5
  claimfs label pv v-1gi unseen=yes
  claimfs patch pv v-100gi -p '{"metadata":{"finalizers":null}}'
  claimfs delete pv v-100gi
  wait_for 10 has_lines 7
  [ "$(awk '{print $1, $2}' "$WORK/spawned" | paste -sd,)" = \
    'EVENT NAME,ADDED v-1gi,ADDED v-100gi,MODIFIED v-1gi,DELETED v-1gi,MODIFIED v-100gi,DELETED v-100gi' ]
  # Its columns stay where they are, but for those that had to widen.
  [ "$(awk 'NR > 3 {print index($0, "RWX")}' "$WORK/spawned" | uniq | wc -l)" = 1 ]
}

@test "a watch prints documents too" {
  volumes 1Gi
  spawn "$CLAIMFS_BIN" --state "$STATE" get pv -w -o json
  wait_for 10 jq -es 'length == 1 and .[0].kind == "PersistentVolume"' "$WORK/spawned"
  claimfs label pv v-1gi a=b
  wait_for 10 jq -es 'length == 2 and .[1].metadata.labels.a == "b"' "$WORK/spawned"
}

@test "a watch of changes only, of one object" {
  volumes 1Gi 2Gi
  spawn "$CLAIMFS_BIN" --state "$STATE" get pv v-2gi --watch-only -o 'jsonpath={.metadata.name} {.metadata.labels.n}{"\n"}'
  # It is there when it says something: changes are made until it does.
  n=0
  change() { n=$((n + 1)) && claimfs label pv v-1gi "n=$n" --overwrite && claimfs label pv v-2gi "n=$n" --overwrite; }
  until has_lines 1; do change >/dev/null; done
  grep -q '^v-2gi [0-9]' "$WORK/spawned"
  run ! grep -q v-1gi "$WORK/spawned"
  refuse 64 'error: you may only specify a single resource type' claimfs get pv,pvc -w
  refuse 1 'Error from server (NotFound): persistentvolumes "x" not found' claimfs get pv x -w
}

@test "apply takes what get printed" {
  volumes 1Gi
  claim data
  claimfs get pv,pvc -o yaml >"$WORK/got.yaml"
  grep -q '^    resourceVersion: ' "$WORK/got.yaml"
  sed -i 's/storage: 1Gi/storage: 2Gi/; s/phase: Pending/phase: Failed/' "$WORK/got.yaml"
  sed -i '/kind: PersistentVolumeClaim/,$s/storage: 2Gi/storage: 1Gi/' "$WORK/got.yaml"
  expect $'persistentvolume/v-1gi configured\npersistentvolumeclaim/data configured' claimfs apply -f "$WORK/got.yaml"
  [ "$(claimfs get pv v-1gi -o 'jsonpath={.spec.capacity.storage} {.status.phase}')" = '2Gi Pending' ]
  # The version in the manifest is not the object's any more.
  expect_status 1 claimfs apply -f "$WORK/got.yaml"
  expect_text 'Error from server (Conflict): error when applying patch:' "$SAID"
  expect_text 'Resource: "/v1, Resource=persistentvolumes", GroupVersionKind: "/v1, Kind=PersistentVolume"
Name: "v-1gi", Namespace: ""
for: "'"$WORK"'/got.yaml": Operation cannot be fulfilled on persistentvolumes "v-1gi": the object has been modified; please apply your changes to the latest version and try again' "$SAID"
  sed -i '/resourceVersion:/d' "$WORK/got.yaml"
  claimfs apply -f "$WORK/got.yaml"
  sed -i 's/^    uid: .*/    uid: 00000000-0000-4000-8000-000000000000/' "$WORK/got.yaml"
  expect_status 65 claimfs apply -f "$WORK/got.yaml"
  expect_text 'metadata.uid: Invalid value: "00000000-0000-4000-8000-000000000000": field is immutable' "$SAID"
}

@test "apply warns of objects that it did not make" {
  volumes 1Gi
  claimfs get pv v-1gi -o json | jq 'del(.metadata.annotations, .metadata.uid, .metadata.resourceVersion) | .metadata.name = "made"' >"$WORK/made.json"
  claimfs create -f "$WORK/made.json"
  expect 'Warning: resource persistentvolumes/made is missing the kubectl.kubernetes.io/last-applied-configuration annotation which is required by kubectl apply. kubectl apply should only be used on resources created declaratively by either kubectl create --save-config or kubectl apply. The missing annotation will be patched automatically.
persistentvolume/made configured' claimfs apply -f "$WORK/made.json"
  expect 'persistentvolume/made unchanged' claimfs apply -f "$WORK/made.json"
  sed -i 's/"made"/"saved"/' "$WORK/made.json"
  claimfs create --save-config -f "$WORK/made.json"
  expect 'persistentvolume/saved unchanged' claimfs apply -f "$WORK/made.json"
  claimfs apply -f "$WORK/made.json" -o json | jq -e '.metadata.name == "saved" and .metadata.uid != null'
}

@test "import takes a real cluster's objects, as many as there are" {
  cat >"$WORK/cluster.json" <<'JSON'
{"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": ""}, "items": [
  {"apiVersion": "v1", "kind": "PersistentVolume",
   "metadata": {"name": "pvc-1", "uid": "u1", "resourceVersion": "77", "selfLink": "/x",
                "managedFields": [{"manager": "kube-controller-manager", "operation": "Update", "apiVersion": "v1",
                                   "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {"f:capacity": {".": {}}}}}]},
   "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "newField": {"a": [1, 2.5, null]},
            "csi": {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1", "volumeAttributes": {"k": "v"}}},
   "status": {"phase": "Bound", "unknownStatus": {"x": 1}}},
  {"apiVersion": "v1", "kind": "Pod",
   "metadata": {"name": "web-0", "namespace": "shop", "ownerReferences": [{"kind": "StatefulSet", "name": "web"}]},
   "spec": {"containers": [{"name": "c", "image": "nginx", "ports": [{"containerPort": 80}],
                            "resources": {"limits": {"cpu": "500m"}}, "livenessProbe": {"httpGet": {"path": "/"}}}],
            "volumes": [{"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}}],
            "tolerations": [{"key": "a", "operator": "Exists"}]},
   "status": {"phase": "Running", "containerStatuses": [{"name": "c", "ready": true}], "qosClass": "Burstable"}}]}
JSON
  expect $'persistentvolume/pvc-1 imported\npod/web-0 imported' claimfs import -f "$WORK/cluster.json"
  claimfs get pv pvc-1 -o json --show-managed-fields | jq -e '.spec.newField.a == [1, 2.5, null] and .status.unknownStatus.x == 1 and
    .metadata.managedFields[0].manager == "kube-controller-manager" and .metadata.uid == "u1"'
  claimfs get pv pvc-1 -o json | jq -e '.metadata | has("managedFields") | not'
  claimfs get pod -n shop -o json | jq -e '.items[0].spec.containers[0].livenessProbe.httpGet.path == "/"'
  claimfs describe pv pvc-1 >/dev/null
  claimfs controller --until-settled
  # More than a manifest may have: 1,000 volumes, in kubectl's JSON and in our own YAML.
  jq '.items = [.items[0] as $pv | range(1000) | . as $i | $pv | .metadata.name = "big-\($i)" | .metadata.uid = "big-\($i)"]' \
    "$WORK/cluster.json" >"$WORK/big.json"
  [ "$(claimfs import -f "$WORK/big.json" | wc -l)" = 1000 ]
  claimfs export >"$WORK/big.yaml"
  [ "$(STATE=$WORK/other claimfs import -f "$WORK/big.yaml" | grep -c '^persistentvolume/')" = 1001 ]
}

@test "create makes names up, apply does not" {
  printf 'apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {generateName: data-}\nspec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n' >"$WORK/c.yaml"
  claimfs create -f "$WORK/c.yaml"
  claimfs create -f "$WORK/c.yaml"
  [ "$(claimfs get pvc -o name | grep -cE '^persistentvolumeclaim/data-[bcdfghjklmnpqrstvwxz2456789]{5}$')" = 2 ]
  expect_status 65 claimfs apply -f "$WORK/c.yaml"
  expect_text 'error: from data-: cannot use generate name with apply' "$SAID"
}

@test "patch: merge and JSON patches" {
  volumes 1Gi
  expect 'persistentvolume/v-1gi patched' claimfs patch pv v-1gi --type=merge -p '{"metadata":{"labels":{"a":"b"}}}'
  expect 'persistentvolume/v-1gi patched (no change)' claimfs patch pv v-1gi --type merge -p '{"metadata":{"labels":{"a":"b"}}}'
  expect 'persistentvolume/v-1gi patched' claimfs patch pv v-1gi -p 'metadata: {labels: {a: c}}'
  expect 'persistentvolume/v-1gi patched' claimfs patch pv v-1gi --type=json \
    -p '[{"op": "test", "path": "/metadata/labels/a", "value": "c"}, {"op": "remove", "path": "/metadata/labels/a"}]'
  [ -z "$(claimfs get pv -l a -o name)" ]
  expect_status 65 claimfs patch pv v-1gi --type=json -p '[{"op": "remove", "path": "/metadata/labels/a"}]'
  expect_text 'The request is invalid' "$SAID"
  echo '{"metadata":{"labels":{"a":"d"}}}' >"$WORK/patch"
  [ "$(claimfs patch pv v-1gi --patch-file "$WORK/patch" -o 'jsonpath={.metadata.labels.a}')" = d ]
  refuse 64 'error: must specify one of --patch or --patch-file' claimfs patch pv v-1gi
  refuse 1 'Error from server (NotFound): persistentvolumes "x" not found' claimfs patch pv x -p '{}'
  expect_status 1 claimfs patch pv v-1gi -p '{"metadata":{"resourceVersion":"1","labels":{"a":"e"}}}'
  expect_text 'Error from server (Conflict): Operation cannot be fulfilled on persistentvolumes "v-1gi"' "$SAID"
}

@test "wait: what it waits for, and for how long" {
  claim data
  refuse 75 'error: timed out waiting for the condition on persistentvolumeclaims/data' \
    claimfs wait pvc/data --for=phase=Bound --timeout=100ms
  refuse 75 'error: condition not met for persistentvolumeclaims/data' claimfs wait pvc data --for=phase=Bound --timeout=0
  expect 'persistentvolumeclaim/data condition met' claimfs wait pvc data "--for=jsonpath='{.status.phase}'=Pending"
  expect 'persistentvolumeclaim/data condition met' claimfs wait pvc --all --for=jsonpath='{.metadata.uid}'
  refuse 1 'Error from server (NotFound): persistentvolumeclaims "x" not found' claimfs wait pvc x --for=condition=Ready
  refuse 1 'error: no matching resources found' claimfs wait pvc -l a=b --for=condition=Ready
  expect '' claimfs wait pvc x --for=delete
  refuse 64 'error: unrecognized condition: "lunch"' claimfs wait pvc data --for=lunch
  spawn "$CLAIMFS_BIN" --state "$STATE" wait pvc later --for=create --timeout=60s
  claim later
  wait_for 10 grep -qx 'persistentvolumeclaim/later condition met' "$WORK/spawned"
  spawn "$CLAIMFS_BIN" --state "$STATE" wait pvc data --for=delete --timeout=-1s
  claimfs delete pvc data --wait=false
  claimfs controller --until-settled
  wait_for 10 grep -qx 'persistentvolumeclaim/data condition met' "$WORK/spawned"
}

# completed WORD…: what bash offers for the last word, as readline would ask.
completed() {
  PATH=$WORK/bin:$PATH bash --norc -c '
    source "$1"
    shift
    COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
    COMP_LINE="${COMP_WORDS[*]}" COMP_POINT=${#COMP_LINE}
    _claimfs
    printf "%s\n" "${COMPREPLY[@]}"' bash "$WORK/claimfs.bash" claimfs "$@" | paste -sd' '
}

@test "bash completes verbs, options, kinds, names, namespaces and formats" {
  mkdir "$WORK/bin"
  ln -s "$CLAIMFS_BIN" "$WORK/bin/claimfs"
  claimfs completion bash >"$WORK/claimfs.bash"
  diff "$WORK/claimfs.bash" "$BATS_TEST_DIRNAME/../../scripts/completion/claimfs.bash"
  export CLAIMFS_STATE=$STATE
  volumes 1Gi 2Gi
  claim data
  claim web shop
  [ "$(completed d)" = 'delete describe detach' ]
  [ "$(completed __)" = '' ]
  [ "$(completed get persistentvolume)" = 'persistentvolumeclaims persistentvolumes' ]
  [ "$(completed get pv,pv)" = 'pv,pv pv,pvc' ]
  [ "$(completed get pv '')" = 'v-1gi v-2gi' ]
  [ "$(completed get pv v-1gi '')" = v-2gi ]
  [ "$(completed --state "$STATE" delete pv v-2)" = v-2gi ]
  [ "$(completed describe pvc/)" = pvc/data ]
  [ "$(completed describe pvc -n shop '')" = web ]
  [ "$(completed edit -nshop pvc '')" = web ]
  [ "$(completed get pvc --namespace = shop '')" = web ]
  [ "$(completed get pvc -n '')" = 'default shop' ]
  [ "$(completed get pv -o j)" = 'json jsonpath-as-json= jsonpath-file= jsonpath=' ]
  [ "$(completed get pv --output = w)" = wide ]
  [ "$(completed edit pv x -o '')" = 'json yaml' ]
  [ "$(completed get pv --show-l)" = --show-labels ]
  [ "$(completed delete --ig)" = --ignore-not-found ]
  [ "$(completed wait pvc data --for = del)" = delete ]
  [ "$(completed completion '')" = 'bash zsh' ]
  touch "$WORK/file.yaml"
  [ "$(completed apply -f "$WORK/fil")" = "$WORK/file.yaml" ]
  [ "$(completed apply --filename = "$WORK/fil")" = "$WORK/file.yaml" ]
  [ "$(completed unmount "$WORK/man")" = "$MANIFESTS" ]
}

@test "completion asks nothing of a store that is not there, and says nothing of mistakes" {
  expect '' "$CLAIMFS_BIN" __complete --state "$WORK/nowhere" get pv ''
  [ ! -e "$WORK/nowhere" ]
  expect '' "$CLAIMFS_BIN" __complete --config "$WORK/no.yaml" get pv ''
  expect '' "$CLAIMFS_BIN" __complete get nonsense ''
  expect '' "$CLAIMFS_BIN" __complete
  expect '' setpriv --reuid 65534 --regid 65534 --clear-groups "$CLAIMFS_BIN" __complete --state "$STATE" get pv ''
  volumes 1Gi
  # Whoever holds the store's lock makes nobody wait at a prompt for long.
  spawn python3 -c '
import sqlite3, sys, time
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute("begin exclusive")
print("locked", flush=True)
time.sleep(60)' "$STATE/store.sqlite"
  wait_for 10 grep -q locked "$WORK/spawned"
  expect_status 0 timeout 5 "$CLAIMFS_BIN" __complete --state "$STATE" get pv ''
}

@test "zsh completes the same" {
  command -v zsh >/dev/null || skip 'there is no zsh'
  mkdir "$WORK/bin"
  ln -s "$CLAIMFS_BIN" "$WORK/bin/claimfs"
  export CLAIMFS_STATE=$STATE
  volumes 1Gi 2Gi
  # Without a terminal there is no line to complete: what the function offers is caught instead.
  offered() {
    PATH=$WORK/bin:$PATH zsh -f -c '
      compdef() { :; }
      source <(claimfs completion zsh)
      compadd() { while [[ $1 != -- ]]; do shift; done; shift; (( $# )) && print -l -- "$@"; }
      words=("$@") CURRENT=$# PREFIX=${@[-1]}
      _claimfs' zsh claimfs "$@" | sort | paste -sd' '
  }
  [ "$(offered d)" = 'delete describe detach' ]
  [ "$(offered get pv '')" = 'v-1gi v-2gi' ]
  [ "$(offered get pv --output=j)" = '--output=json --output=jsonpath-as-json= --output=jsonpath-file= --output=jsonpath=' ]
  [ "$(offered get pv x-)" = '' ]
}
