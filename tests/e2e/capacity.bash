# What a claim named data holds, against its capacity: for tests that fill it. Beside mount.bash.
#
#   fill FILE [BLOCK]        zeros, until ENOSPC
#   is_full BYTES            du shows so much at most, and nearly that

# shellcheck disable=SC2034,SC2317  # what the tests read; functions that wait_for calls

MI=$((1 << 20))

# What the claim occupies where it is kept, as du counts.
occupied() { du -s --block-size=1 "$HOST/data" | cut -f1; }
# df_of FIELD: in bytes
df_of() { limit 10 df -B1 --output="$1" "$DATA" | tail -n 1 | tr -d ' %'; }
# write FILE OPTIONS…: zeros, with dd
write() { limit 120 dd if=/dev/zero of="$1" "${@:2}" status=none; }
fill() { expect_errno ENOSPC write "$1" bs="${2:-1M}"; }
is_full() { [ "$(occupied)" -le "$1" ] && [ "$(occupied)" -gt $(($1 - $1 / 50)) ]; }

# Half of the claim DATA is written, the daemon killed, and the rest filled through the next one.
limit_survives_daemon() { # BYTES
  local pid
  write "$DATA/file" bs=1M count=$(($1 / 2 / MI))
  pid=$(daemon_pid)
  kill -9 "$pid"
  wait_for 10 is_gone "$pid"
  umount -l "$MNT"
  mount_claims data
  fill "$DATA/rest"
  is_full "$1"
}

# From the claim DATA on, on two nodes that fill it together: each is refused at the end, and has what the other removes.
two_mounts_fill() { # BYTES
  mkdir "$MNT.second"
  NODE=node-b claimfs mount "$MNT.second"
  watch_for_hang "$MNT.second" 120
  for i in 1 2 3; do
    spawn dd if=/dev/zero of="$DATA/first$i" bs=64k
    spawn dd if=/dev/zero of="$MNT.second/default/data/second$i" bs=64k
  done
  wait_for 60 is_full "$1"
  for i in 1 2 3; do
    expect_errno ENOSPC write "$DATA/first$i" bs=1M conv=notrunc oflag=append
    expect_errno ENOSPC write "$MNT.second/default/data/second$i" bs=1M conv=notrunc oflag=append
  done
  is_full "$1"
  # What one removes the other may write.
  rm "$DATA"/first*
  room() { write "$MNT.second/default/data/more" bs=1M count=8; }
  wait_for 10 room
  [ "$(occupied)" -le "$1" ]
  claimfs unmount "$MNT.second"
}
