# Containers of runc. Beside mount.bash.
#
#   make_container BUNDLE CLAIM COMMAND    busybox, with the tree as its /volumes (rslave) and the directory CLAIM as its /data
#   end_containers                         in teardown

make_container() {
  local bundle=$1 claim=$2 command=$3 name
  mkdir -p "$bundle/rootfs/bin" "$bundle/rootfs/proc" "$bundle/rootfs/data" "$bundle/rootfs/volumes" "$bundle/rootfs/tmp"
  cp /bin/busybox "$bundle/rootfs/bin/busybox"
  for name in sh cat chown df id ls mkdir stat tail test touch usleep; do ln -sf busybox "$bundle/rootfs/bin/$name"; done
  (cd "$bundle" && runc spec)
  jq --arg data "$claim" --arg tree "$MNT" --arg command "$command" '
    .process.terminal = false | .process.args = ["/bin/sh", "-c", $command] | .root.readonly = false
    | .process.user = {uid: 1000, gid: 1000, additionalGids: [2000]}
    | .mounts = [{destination: "/proc", type: "proc", source: "proc"},
        {destination: "/data", type: "bind", source: $data, options: ["rbind", "rw"]},
        {destination: "/volumes", type: "bind", source: $tree, options: ["rbind", "rslave", "rw"]}]
    | .linux.namespaces |= map(select(.type == "pid" or .type == "mount" or .type == "ipc" or .type == "uts"))
    | del(.linux.resources, .linux.maskedPaths, .linux.readonlyPaths)
    ' "$bundle/config.json" >"$bundle/config.new"
  mv "$bundle/config.new" "$bundle/config.json"
}
end_containers() {
  local name
  [ -d "$WORK/runc" ] || return 0
  for name in $(limit 10 runc --root "$WORK/runc" list -q); do limit 20 runc --root "$WORK/runc" delete --force "$name"; done
}
