#!/usr/bin/env bats
# Files of all kinds on an NFS server, and how large, long, deep and many things may be there: as in a plain directory, unless
# the protocol has no way for it.

# shellcheck disable=SC2016,SC2153  # programs of Python; HOST is mount.bash's

load mount.bash
load nfs.bash

setup_file() {
  make_workspace
  # All tests of the file have one mount.
  export HANG_LIMIT=600
  start_nfs_server
  make_nfs_volume data capacity=20Gi
  make_nfs_volume shared modes=ReadWriteMany
  mount_claims data shared
  mkdir "$WORK/plain"
  export HOST NFS_PORT MOUNT_PORT
}
teardown_file() { drop_workspace; }

setup() {
  nfs_server_of_file
  DATA=$MNT/default/data
  PLAIN=$WORK/plain
  : >"$WORK/spawned"
}
teardown() { show_log_of_failure; }

# as_plain PROGRAM: says the same in a claim as in a plain directory, which it finds as its working directory.
as_plain() {
  local at
  for at in "$PLAIN" "$DATA"; do
    (cd "$at" && limit 60 python3 -c "$1") >"$WORK/said.${at##*/}" 2>&1 || echo "exit $?" >>"$WORK/said.${at##*/}"
  done
  [ -s "$WORK/said.plain" ]
  diff -U 3 --label plain --label claim "$WORK/said.plain" "$WORK/said.data"
}

@test "chains and loops of symlinks are followed as deep as in a plain directory, and no deeper" {
  as_plain '
import errno, os
os.mkdir("end")
open("end/file", "w").write("text")
os.symlink("end", "1")
for number in range(2, 45):
    os.symlink(str(number - 1), str(number))
for number in (1, 39, 40, 41, 44):
    try:
        print(number, open(f"{number}/file").read())
    except OSError as error:
        print(number, errno.errorcode[error.errno])
# Each on the way counts, wherever it is.
os.symlink("../20/file", "end/across")
for path in "19/across", "20/across":
    try:
        print(path, open(path).read())
    except OSError as error:
        print(path, errno.errorcode[error.errno])
os.symlink("self", "self")
os.symlink("there", "back")
os.symlink("back", "there")
for path in "self", "back", "self/file", "there/file":
    for what in os.stat, os.listdir, lambda path: os.open(path, os.O_WRONLY | os.O_CREAT):
        try:
            what(path)
        except OSError as error:
            print(path, errno.errorcode[error.errno])
    print(os.path.islink(path) and os.readlink(path))
'
  grep -qx '40 text' "$WORK/said.data"
  grep -qx '41 ELOOP' "$WORK/said.data"
}

# nfs-ganesha takes no longer ones by SYMLINK, but tells those that it has.
@test "targets of symlinks are as long as they may be, and have no byte too many" {
  python3 - "$HOST/data" <<'PY'
import os, sys
for length in 4094, 4095:
    os.symlink("t" * length, f"{sys.argv[1]}/theirs-{length}")
PY
  as_plain '
import errno, os
for length in 1, 255, 1023, 4093:
    os.symlink("t" * length, f"ours-{length}")
    assert os.readlink(f"ours-{length}") == "t" * length
    print(length, os.lstat(f"ours-{length}").st_size)
for length in 4096, 5000:
    try:
        os.symlink("t" * length, "ours")
    except OSError as error:
        print(length, errno.errorcode[error.errno])
for length in 4094, 4095:
    if os.path.lexists(f"theirs-{length}"):
        assert os.readlink(f"theirs-{length}") == "t" * length
        assert os.lstat(f"theirs-{length}").st_size == length
# It leads on with as much behind it as a path may have.
os.mkdir("deep")
open("deep/file", "w").write("text")
os.symlink("./" * 2044 + "deep", "dots")
print(open("dots/file").read())
'
  grep -qx '4096 ENAMETOOLONG' "$WORK/said.data"
}

@test "data behind 4 GiB, and holes before it" {
  as_plain '
import mmap, os
GIB = 1 << 30
file = os.open("large", os.O_RDWR | os.O_CREAT)
def put(at, data):
    assert os.pwrite(file, data, at) == len(data)
def get(at, size):
    return os.pread(file, size, at)
put(5 * GIB, b"five")
print(os.fstat(file).st_size)
# Unsynced, and read from the server.
for time in 1, 2:
    assert get(5 * GIB, 10) == b"five"
    for at in 0, 4 * GIB - 4096, 4 * GIB, 5 * GIB - 65536:
        assert get(at, 65536) == bytes(65536), at
    os.fsync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
# Across what 32 bits tell, signed and not.
put(2 * GIB - 3, b"across two")
put(4 * GIB - 3, b"across four")
os.fsync(file)
os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
print(get(2 * GIB - 4, 12), get(4 * GIB - 4, 13), get(5 * GIB - 1, 6), get(1, 11))
with mmap.mmap(file, 8192, offset=4 * GIB - 4096) as place:
    print(place[4093:4104])
    place[4096:4098] = b"MM"
    place.flush()
os.fsync(file)
print(get(4 * GIB - 3, 11))
os.ftruncate(file, 6 * GIB + 1)
print(os.stat("large").st_size, get(6 * GIB, 10))
os.lseek(file, 0, os.SEEK_END)
os.write(file, b"end")
os.ftruncate(file, 4 * GIB + 2)
print(os.stat("large").st_size, get(4 * GIB - 3, 100))
os.ftruncate(file, 5 * GIB + 4)
print(get(5 * GIB, 100))
os.close(file)
appended = os.open("large", os.O_WRONLY | os.O_APPEND)
os.write(appended, b"appended")
os.close(appended)
print(os.stat("large").st_size)
file = os.open("large", os.O_RDONLY)
print(get(5 * GIB + 1, 100))
'
  # Holes have not become data, and what is data is the same.
  limit 60 python3 - "$PLAIN/large" "$HOST/data/large" <<'PY'
import errno, os, sys
def blocks(path):
    file = os.open(path, os.O_RDONLY)
    found, at, size = {}, 0, os.fstat(file).st_size
    assert os.fstat(file).st_blocks < 100000, os.fstat(file).st_blocks
    while True:
        try:
            at = os.lseek(file, at, os.SEEK_DATA)
        except OSError as error:
            assert error.errno == errno.ENXIO
            return size, found
        end = os.lseek(file, at, os.SEEK_HOLE)
        for at in range(at // 4096 * 4096, end, 4096):
            data = os.pread(file, 4096, at)
            if any(data):
                found[at] = data
        at = end
plain, ours = map(blocks, sys.argv[1:])
assert plain == ours, (plain[0], ours[0], {at for at in plain[1].keys() | ours[1].keys() if plain[1].get(at) != ours[1].get(at)})
PY
  rm "$PLAIN/large"
  limit 10 rm "$DATA/large"
}

@test "devices, sockets and pipes are made, are what they are, and work as far as the mount lets them" {
  as_plain '
import errno, os, socket, stat
os.umask(0o027)
os.mkdir("kinds")
os.chdir("kinds")
for name, kind, device in (("char", stat.S_IFCHR, os.makedev(1, 3)), ("block", stat.S_IFBLK, os.makedev(259, 1048575)),
                           ("large", stat.S_IFCHR, os.makedev(4095, 256)), ("socket", stat.S_IFSOCK, 0),
                           ("pipe", stat.S_IFIFO, 0), ("regular", stat.S_IFREG, 0)):
    os.mknod(name, kind | 0o666, device)
    found = os.lstat(name)
    print(name, oct(found.st_mode), os.major(found.st_rdev), os.minor(found.st_rdev), found.st_size, found.st_nlink)
    try:
        os.mknod(name, kind | 0o666, device)
    except OSError as error:
        print(errno.errorcode[error.errno])
print(sorted((entry.name, entry.is_file(), entry.is_dir()) for entry in os.scandir(".")))
os.link("pipe", "linked")
os.chmod("linked", 0o600)
os.rename("char", "moved")
print(oct(os.lstat("pipe").st_mode), os.lstat("pipe").st_nlink, os.lstat("moved").st_rdev == os.makedev(1, 3))
if os.fork() == 0:
    with open("pipe", "w") as pipe:
        pipe.write("through the pipe")
    os._exit(0)
print(open("linked").read())
os.wait()
server = socket.socket(socket.AF_UNIX)
server.bind("bound")
server.listen()
client = socket.socket(socket.AF_UNIX)
client.connect("bound")
client.sendall(b"through the socket")
print(server.accept()[0].recv(100), stat.S_ISSOCK(os.lstat("bound").st_mode))
os.setresgid(1, 1, 1)
os.setresuid(1, 1, 1)
os.umask(0)
for name, kind in ("char", stat.S_IFCHR), ("pipe", stat.S_IFIFO):
    try:
        os.mknod("/tmp/../" + os.getcwd() + "/" + name, kind | 0o666, os.makedev(1, 3))
    except OSError as error:
        print(name, errno.errorcode[error.errno])
'
  diff <(cd "$PLAIN/kinds" && stat -c '%n %F %a %t %T %h' -- *) <(cd "$HOST/data/kinds" && stat -c '%n %F %a %t %T %h' -- *)
  # A claim is mounted nodev, as man claimfs says.
  expect_errno EACCES limit 10 cat "$DATA/kinds/moved"
  limit 10 rm -r "$DATA/kinds"
  [ ! -e "$HOST/data/kinds" ]
}

@test "extended attributes and access control lists are not supported, and that is what everybody is told" {
  local claim
  for claim in data shared; do
    limit 20 python3 - "$MNT/default/$claim" <<'PY'
import errno, os, sys
def refused(code, what, *arguments):
    try:
        result = what(*arguments)
    except OSError as error:
        assert error.errno == code, f"{what.__name__}{arguments}: {error}"
    else:
        raise AssertionError(f"{what.__name__}{arguments}: {result}")
os.chdir(sys.argv[1])
open("file", "w").close()
os.mkdir("directory")
for path in "file", "directory":
    for name in "user.a", "trusted.a":
        refused(errno.ENOTSUP, os.setxattr, path, name, b"value")
        refused(errno.ENOTSUP, os.setxattr, path, name, b"value", os.XATTR_REPLACE)
        refused(errno.ENOTSUP, os.getxattr, path, name)
        refused(errno.ENOTSUP, os.removexattr, path, name)
    refused(errno.ENOTSUP, os.listxattr, path)
    # There are none, which is no error.
    for name in "system.posix_acl_access", "system.posix_acl_default":
        refused(errno.ENODATA, os.getxattr, path, name)
PY
    local at=$MNT/default/$claim
    expect_errno ENOTSUP limit 10 setfacl -m u:1234:rw "$at/file"
    expect_errno ENOTSUP limit 10 setfacl -d -m g:1234:rx "$at/directory"
    [ "$(limit 10 getfacl -c --omit-header "$at/file" | grep -c :)" = 3 ]
    # What copies them if there are any copies what there is.
    limit 10 cp -a "$at/file" "$at/copy"
    limit 10 cp --preserve=mode,timestamps "$at/copy" "$at/again"
    [ "$(limit 10 find "$at/file" -perm 644 | wc -l)" = 1 ]
    limit 10 rm -r "$at/file" "$at/directory" "$at/copy" "$at/again"
  done
}

@test "a hundred thousand names are listed, each once, while others come and go" {
  # Beside the mount that is fast.
  mkdir "$HOST/data/many"
  python3 - "$HOST/data/many" <<'PY'
import os, sys
os.chdir(sys.argv[1])
for number in range(100000):
    os.close(os.open(f"name-{number}", os.O_CREAT | os.O_WRONLY))
PY
  limit 120 python3 - "$DATA/many" <<'PY'
import os, sys
os.chdir(sys.argv[1])
names = os.listdir(".")
assert len(names) == 100000 and len(set(names)) == 100000, (len(names), len(set(names)))
# What stays is seen once. What goes lies anywhere, before and behind where the listing is.
seen = []
with os.scandir(".") as listing:
    for number, entry in enumerate(listing):
        seen.append(entry.name)
        if number % 60 == 0:
            os.unlink(f"name-{number}")
            os.close(os.open(f"new-{number}", os.O_CREAT | os.O_WRONLY))
        if number % 60 == 30:
            os.rename(f"name-{number}", f"renamed-{number}")
stay = {f"name-{number}" for number in range(100000) if number % 30}
assert stay <= set(seen) and len(seen) == len(set(seen)), (len(seen), len(set(seen)), len(stay - set(seen)))
names = os.listdir(".")
assert stay <= set(names) and len(names) == len(set(names)) == 100000, (len(names), len(set(names)))
PY
  [ "$(find "$HOST/data/many" -type f | wc -l)" = 100000 ]
  rm -r "$HOST/data/many"
}

@test "thousands of names are made, and removed with their directory" {
  limit 10 mkdir "$DATA/made"
  limit 60 python3 - "$DATA/made" <<'PY'
import os, sys
os.chdir(sys.argv[1])
for number in range(2000):
    os.close(os.open(f"name-{number}", os.O_CREAT | os.O_WRONLY))
assert sorted(os.listdir(".")) == sorted(f"name-{number}" for number in range(2000))
PY
  limit 60 rm -r "$DATA/made"
  [ ! -e "$HOST/data/made" ]
}
