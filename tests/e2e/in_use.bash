# Claims that are held, and what that keeps. Beside mount.bash, with node-b mounted.
#
#   keep_in_use HOW…    MAKE_VOLUME makes their claims, if not make_volume

is_deleted() { ! claimfs get pvc "$1" >/dev/null 2>&1; }
field() { claimfs get "$1" "$2" -o "jsonpath={$3}"; }
has_field() { [ "$(field "$1" "$2" "$3")" = "$4" ] || { field "$1" "$2" "$3"; return 1; }; }

# Of two claims that are held in each of hold.py's ways, one is refused to another node and the deletion of the other waits,
# until the holder is gone; then both come true within a second.
keep_in_use() {
  local how claim busy=()
  local -A holders
  for how in "$@"; do
    for claim in "$how" "$how-deleted"; do
      mkdir -p "$HOST/$claim/directory"
      echo text >"$HOST/$claim/file"
      "${MAKE_VOLUME:-make_volume}" "$claim"
    done
  done
  mkdir "$WORK/claims"
  mv "$MANIFESTS"/* "$WORK/claims"
  claimfs apply -f "$WORK/claims"
  for how in "$@"; do
    for claim in "$how" "$how-deleted"; do
      wait_for 10 in_tree "default/$claim"
      wait_for 10 limit 10 test -e "$MNT.node-b/default/$claim"
      hold_by "$how" "$MNT/default/$claim"
      holders[$claim]=$SPAWNED
    done
    busy+=("ls $MNT.node-b/default/$how")
  done
  claimfs delete pvc "${@/%/-deleted}" --timeout 1s >"$WORK/deletion" 2>&1 &
  local deletion=$!
  all_expect EBUSY "${busy[@]}"
  wait "$deletion" && return 1
  [ "$?" = 75 ]
  for how in "$@"; do
    echo "in use: $how"
    expect_errno EBUSY limit 10 ls "$MNT.node-b/default/$how"
    [ -n "$(field pvc "$how-deleted" .metadata.deletionTimestamp)" ]
    let_go "${holders[$how]}"
    soon ls "$MNT.node-b/default/$how"
    let_go "${holders[$how-deleted]}"
    wait_for 1 is_deleted "$how-deleted"
  done
}
