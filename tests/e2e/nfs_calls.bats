#!/usr/bin/env bats
# What basic operations on an NFS claim cost its server: a call more for each file is not seen by any other test.

# shellcheck disable=SC2016,SC2153  # programs of Python; HOST is mount.bash's

load mount.bash
load nfs.bash

setup() {
  make_workspace
  start_nfs_server
  start_fault_proxy
}
teardown() {
  show_log_of_failure
  drop_workspace
}

# serve K=V…: the claim "data", by the proxy that counts, and in it the directory AT that was just made.
serve() {
  make_nfs_volume data port="$PROXY_PORT" mountPort="$PROXY_MOUNT_PORT" "$@"
  mount_claims data
  AT=$MNT/default/data/directory
  limit 10 mkdir "$AT"
}

# costs CALLS STATEMENT: what each of twenty does, with the file's name as `name`; names are `file0` and so on, from AT.
# What comes only once or some times is not counted. CALLS is a regular expression: on a busy machine names may have been
# forgotten before they are used.
costs() {
  local counted
  fault procedures >/dev/null
  limit 60 python3 -c '
import os, sys
os.chdir(sys.argv[1])
for number in range(20):
    name = f"file{number}"
    exec(sys.argv[2])
' "$AT" "$2"
  counted=$(fault procedures)
  grep -qxE "$1" < <(tr ' ' '\n' <<<"$counted" | awk -F= '$2 >= 20 {printf "%s%s=%d", space, $1, $2 / 20; space = " "}') ||
    { echo "$2: $counted in 20, not $1 in each"; return 1; }
}
CREATE='os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))'
# The kernel believes in names for a second, and looks them up again then. Nothing tells when that is over.
forget_names() { sleep 1.2; }

@test "where nobody else changes names, what we know of them is not asked for again" {
  serve
  costs 'CREATE=1' "$CREATE"
  forget_names
  costs 'RENAME=1' 'os.rename(name, "moved-" + name)'
  forget_names
  costs 'REMOVE=1' 'os.unlink("moved-" + name)'
  # There have been such names.
  costs 'CREATE=1 LOOKUP=1' "$CREATE"
  costs 'ACCESS=1( GETATTR=1)?( LOOKUP=1)?' 'open(name).read()'
  # What is written grows, which decides what room comes back.
  costs 'ACCESS=1( GETATTR=1)? LOOKUP=[12] REMOVE=1 WRITE=1' 'with open(name, "r+") as file: file.write("text")
os.unlink(name)'
}

@test "each directory of a tree is listed by one call, though it is asked for before it is opened" {
  serve
  limit 30 bash -c 'cd "$1" && mkdir file{0..19} && touch file{0..19}/{a,b}' - "$AT"
  fault procedures >/dev/null
  [ "$(limit 30 find "$AT" -type f | wc -l)" = 40 ]
  local calls
  calls=$(fault procedures)
  [[ $calls =~ READDIRPLUS=([0-9]+) ]]
  [ "${BASH_REMATCH[1]}" -le 30 ] || { echo "find: $calls"; return 1; }
}

# As tar and cp -p do it.
UNPACK='made = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
os.write(made, b"text")
os.utime(made, (1, 2))
os.fchown(made, 5, 6)
os.fchmod(made, 0o640)
os.close(made)
assert os.stat(name).st_mode & 0o777 == 0o640'

@test "owner, rights and times of a new file go to the server as one, behind its data" {
  serve
  costs 'CREATE=1( GETATTR=1)? SETATTR=1 WRITE=1' "$UNPACK"
  [ "$(stat -c '%a %u %g %X %Y %s' "$HOST/data/directory/file7")" = '640 5 6 1 2 4' ]
  limit 10 test -e "$AT/file7"
}

@test "on a claim that others may write they are set one by one" {
  serve modes=ReadWriteMany
  costs 'CREATE=1( GETATTR=1)? LOOKUP=2 SETATTR=4 WRITE=1' "$UNPACK"
}

@test "on a claim that others may write every name is asked for" {
  serve modes=ReadWriteMany
  costs 'CREATE=1 LOOKUP=1 SETATTR=1' "$CREATE"
  costs 'LOOKUP=1' 'os.stat(name)'
  costs 'LOOKUP=2 REMOVE=1' 'os.unlink(name)'
}

# read_all WORD: the twenty files, each of which has it.
read_all() {
  limit 60 python3 -c '
import os, sys
os.chdir(sys.argv[1])
for number in range(20):
    text = open(f"file{number}").read()
    assert text == sys.argv[2] * 1000, f"file{number}: {text[:20]}"
' "$AT" "$1"
}
# write_all DIRECTORY WORD: over what is there, whose mtime stays, as rsync -t would have it: the kernel sees no change then.
write_all() {
  limit 60 python3 -c '
import os, sys
os.chdir(sys.argv[1])
for number in range(20):
    file = os.open(f"file{number}", os.O_CREAT | os.O_RDWR)
    before = os.fstat(file)
    os.pwrite(file, sys.argv[2].encode() * 1000, 0)
    os.fsync(file)
    if before.st_size:
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.close(file)
' "$@"
}
are_cached() {
  fault procedures >/dev/null
  read_all "$1"
  ! fault procedures | grep -w READ
}

@test "on a claim that others may write, what nobody has changed is read once" {
  serve modes=ReadWriteMany
  mount_node node-b
  local theirs=$MNT.node-b/default/data/directory
  write_all "$AT" first
  wait_for 10 are_cached first
  # At once, though it is as long as before.
  write_all "$theirs" other
  read_all other
  wait_for 10 are_cached other
  write_all "$AT" third
  read_all third
  wait_for 10 are_cached third
  write_all "$theirs" "fourth "
  read_all "fourth "
}

@test "what another mount of the node does is seen, though we go on changing the directory" {
  serve
  limit 10 bash -c 'cd "$1" && echo zero >file0 && echo one >file1' - "$AT"
  mkdir "$MNT.second"
  claimfs mount "$MNT.second"
  wait_for 10 limit 10 test -e "$MNT.second/default/data/directory/file1"
  # From here on it is known what they stand for, and that they were not written since.
  forget_names
  limit 10 stat "$AT/file0" "$AT/file1"
  limit 10 bash -c 'cd "$1" && mv file1 away && mv file0 file1' - "$MNT.second/default/data/directory"
  forget_names
  limit 10 touch "$AT/ours"
  [ "$(limit 10 cat "$AT/file1")" = zero ]
  expect_errno ENOENT limit 10 cat "$AT/file0"
  [ "$(limit 10 cat "$AT/away")" = one ]
  # Of a file's attributes the directory tells nothing.
  limit 10 chmod 0640 "$MNT.second/default/data/directory/away"
  forget_names
  limit 10 touch "$AT/ours again"
  limit 10 test -e "$AT/away"
  [ "$(limit 10 stat -c %a "$AT/away")" = 640 ]
}
