# Every kind of change to a directory, for claims that refuse them. Beside mount.bash.
#
#   fill DIRECTORY                     makes something in it for every change to find
#   every_change_is ERRNO DIRECTORY    tries all of them
#   state_of DIRECTORY                 names, contents and attributes, to be compared

# shellcheck disable=SC2016  # programs of bash and Python

# Every kind of change, below DIRECTORY and to its "file", each with what came of it.
try_changes() {
  limit 20 python3 - "$1" <<'PY'
import ctypes, errno, fcntl, mmap, os, struct, sys

os.chdir(sys.argv[1])
READ, WRITE = os.O_RDONLY, os.O_RDWR

def change_with(flags, path, what):
    descriptor = os.open(path, flags, 0o600)
    try:
        return what(descriptor)
    finally:
        os.close(descriptor)

def copy(descriptor):
    change_with(READ, "file", lambda source: os.copy_file_range(source, descriptor, 1))

def set_flags(descriptor):
    flags = bytearray(struct.pack("l", 0))
    fcntl.ioctl(descriptor, 0x80086601, flags)                       # FS_IOC_GETFLAGS
    noatime = struct.pack("l", struct.unpack("l", flags)[0] | 0x80)
    fcntl.ioctl(descriptor, 0x40086602, noatime)                     # FS_IOC_SETFLAGS

ACL = struct.pack("<I" + "HHI" * 3, 2, 1, 6, 2**32 - 1, 4, 4, 2**32 - 1, 32, 4, 2**32 - 1)
CHANGES = {
    "write": lambda: change_with(WRITE, "file", lambda file: os.write(file, b"x")),
    "append": lambda: change_with(os.O_WRONLY | os.O_APPEND, "file", lambda file: os.write(file, b"x")),
    "open-truncate": lambda: change_with(os.O_WRONLY | os.O_TRUNC, "file", lambda file: None),
    "read-truncate": lambda: change_with(READ | os.O_TRUNC, "file", lambda file: None),
    "truncate": lambda: os.truncate("file", 1),
    "fallocate": lambda: change_with(WRITE, "file", lambda file: os.posix_fallocate(file, 0, 100)),
    "copy_file_range": lambda: change_with(WRITE, "file", copy),
    "shared-map": lambda: change_with(WRITE, "file", lambda file: mmap.mmap(file, 1)),
    "create": lambda: change_with(WRITE | os.O_CREAT, "new", lambda file: None),
    "create-exclusive": lambda: change_with(WRITE | os.O_CREAT | os.O_EXCL, "newer", lambda file: None),
    "tmpfile": lambda: change_with(WRITE | os.O_TMPFILE, ".", lambda file: None),
    "mkdir": lambda: os.mkdir("new-directory"),
    "mknod": lambda: os.mknod("new-fifo", 0o10600),
    "symlink": lambda: os.symlink("file", "new-symlink"),
    "link": lambda: os.link("file", "new-link"),
    "rename": lambda: os.rename("file", "renamed"),
    "rename-directory": lambda: os.rename("directory", "renamed"),
    "unlink": lambda: os.unlink("file"),
    "rmdir": lambda: os.rmdir("directory"),
    "chmod": lambda: os.chmod("file", 0o640),
    "fchmod": lambda: change_with(READ, "file", lambda file: os.fchmod(file, 0o640)),
    "chmod-root": lambda: os.chmod(".", 0o700),
    "chown": lambda: os.chown("file", 1, 1),
    "lchown": lambda: os.lchown("symlink", 1, 1),
    "utimens": lambda: os.utime("file", (1, 1)),
    "touch": lambda: os.utime("file"),
    "setxattr": lambda: os.setxattr("file", "user.x", b"y"),
    "setxattr-root": lambda: os.setxattr(".", "user.x", b"y"),
    "removexattr": lambda: os.removexattr("file", "user.there"),
    "setfacl": lambda: os.setxattr("file", "system.posix_acl_access", ACL),
    "chattr": lambda: change_with(READ, "file", set_flags),
}
for name, change in CHANGES.items():
    try:
        change()
        print(name, "done")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
PY
}
every_change_is() {
  local said
  said=$(try_changes "$2")
  [ "$(wc -l <<<"$said")" -gt 25 ]
  # There are no flags for chattr in the tree, neither to read nor to set.
  said=$(grep -vx 'chattr ENOTTY' <<<"$said")
  if [ "$(cut -d ' ' -f 2 <<<"$said" | sort -u)" != "$1" ]; then
    grep -v " $1\$" <<<"$said"
    return 1
  fi
}

# A directory that every change would find something in.
fill() {
  mkdir "$1/directory"
  echo text >"$1/file"
  ln -s file "$1/symlink"
  setfattr -n user.there -v y "$1/file"
}
# Names, contents and attributes of it.
state_of() {
  limit 20 bash -c 'cd "$1" && find . -printf "%P %y %m %U:%G %s %T@ %l\n" | sort && cat file && getfattr -d -m - -R .' - "$1"
}
