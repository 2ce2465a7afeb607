"""How things come to be: modes, umask, open flags, nameless files, special files, inherited groups."""

import fcntl
import itertools
import os
import stat

from system_calls import AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, linkat
from transcript import (GROUP_FRIEND, OWNER, STRANGER, as_user, read_file, scenario, write_file)


@scenario
def create_modes(t, place):
    for mode, mask in itertools.product((0o777, 0o666, 0o644, 0o600, 0o000, 0o4755, 0o2755, 0o1644, 0o6777),
                                        (0o000, 0o022, 0o027, 0o077, 0o777)):
        before = os.umask(mask)
        name = f"{mode:o}-{mask:o}"
        descriptor = t.do(f"create {mode:o} umask {mask:o}", os.open, name, os.O_CREAT | os.O_RDWR, mode)
        os.umask(before)
        t.stat("  descriptor", descriptor)
        t.stat("  name", name)
        t.get("  write", os.write, descriptor, b"x")
        os.close(descriptor)

    os.mkdir("open")
    os.chmod("open", 0o777)

    def as_someone(user):
        for mode, mask in itertools.product((0o777, 0o444, 0o000, 0o6777), (0o000, 0o027)):
            before = os.umask(mask)
            name = f"open/{user.uid}-{mode:o}-{mask:o}"
            descriptor = t.do(f"uid {user.uid} creates {mode:o} umask {mask:o}", os.open, name,
                              os.O_CREAT | os.O_RDWR | os.O_EXCL, mode)
            t.get("  writes though the mode forbids", os.write, descriptor, b"x")
            t.get("  mkdir", os.mkdir, name + "-d", mode)
            os.umask(before)
            t.stat("  file", name)
            t.stat("  directory", name + "-d")
        os.symlink("x", f"open/{user.uid}-link")
        t.stat("  symlink", f"open/{user.uid}-link", follow=False)

    for user in (OWNER, STRANGER, GROUP_FRIEND):
        as_user(user, lambda user=user: as_someone(user))
    t.stat("seen from the other side", place.on_other(f"open/{OWNER.uid}-777-0"))


ACCESS = {"rdonly": os.O_RDONLY, "wronly": os.O_WRONLY, "rdwr": os.O_RDWR, "access-3": 3}
EXTRA = {
    "none": 0, "creat": os.O_CREAT, "excl": os.O_CREAT | os.O_EXCL, "trunc": os.O_TRUNC, "append": os.O_APPEND,
    "creat-trunc": os.O_CREAT | os.O_TRUNC, "directory": os.O_DIRECTORY, "nofollow": os.O_NOFOLLOW,
    "path": os.O_PATH, "path-nofollow": os.O_PATH | os.O_NOFOLLOW, "noatime": os.O_NOATIME,
    "creat-directory": os.O_CREAT | os.O_DIRECTORY, "creat-nofollow": os.O_CREAT | os.O_NOFOLLOW,
    "sync": os.O_SYNC, "dsync": os.O_DSYNC,
}
KINDS = ("missing", "file", "unreadable", "directory", "symlink", "dangling", "to-directory", "fifo", "file/x", "file/")
KEPT = (os.O_ACCMODE | os.O_APPEND | os.O_NONBLOCK | os.O_NOATIME | os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW
        | os.O_SYNC)


def restore():
    for name in ("missing", "file", "unreadable", "symlink", "dangling", "to-directory", "fifo", "nowhere"):
        try:
            os.unlink(name)
        except FileNotFoundError:
            pass
    write_file("file", b"content", 0o666)
    write_file("unreadable", b"secret", 0o000)
    os.makedirs("directory", exist_ok=True)
    os.symlink("file", "symlink")
    os.symlink("nowhere", "dangling")
    os.symlink("directory", "to-directory")
    os.mkfifo("fifo", 0o666)
    os.chmod("fifo", 0o666)


def try_flags(t, name, flags, label):
    descriptor = t.do(label, os.open, name, flags | os.O_NONBLOCK, 0o640)
    if descriptor is None:
        return
    t.note("  flags", oct(fcntl.fcntl(descriptor, fcntl.F_GETFL) & KEPT))
    t.stat("  descriptor", descriptor)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        t.get("  read", os.read, descriptor, 3)
        t.get("  write", os.write, descriptor, b"+")
        t.get("  seek", os.lseek, descriptor, 0, os.SEEK_CUR)
        t.get("  truncate", os.ftruncate, descriptor, 4)
    os.close(descriptor)


@scenario
def open_flags(t, place):
    for kind, (access, access_flag), (extra, extra_flag) in itertools.product(KINDS, ACCESS.items(), EXTRA.items()):
        restore()
        try_flags(t, kind, access_flag | extra_flag, f"{kind} {access} {extra}")
    os.chmod(".", 0o777)
    for kind, (access, access_flag), (extra, extra_flag) in itertools.product(KINDS, ACCESS.items(), EXTRA.items()):
        restore()
        os.chmod("directory", 0o711)
        os.chmod(".", 0o755 if extra in ("creat", "excl") else 0o777)
        if extra in ("none", "creat", "excl", "trunc", "noatime", "path", "creat-trunc"):
            as_user(STRANGER, lambda: try_flags(t, kind, access_flag | extra_flag, f"as a stranger: {kind} {access} {extra}"))


@scenario
def nameless_files(t, place):
    for mode, mask in ((0o666, 0o022), (0o600, 0), (0o6777, 0o002)):
        before = os.umask(mask)
        descriptor = t.do(f"O_TMPFILE {mode:o} umask {mask:o}", os.open, ".", os.O_TMPFILE | os.O_RDWR, mode)
        os.umask(before)
        t.stat("  nameless", descriptor)
        t.get("  write", os.write, descriptor, b"nameless content")
        t.get("  read", os.pread, descriptor, 100, 0)
        t.get("  no name is made", os.listdir, ".")
        t.get("  link by /proc", linkat, AT_FDCWD, f"/proc/self/fd/{descriptor}", "named", AT_SYMLINK_FOLLOW)
        t.stat("  named", "named")
        t.stat("  its descriptor", descriptor)
        t.get("  read by name", lambda: read_file("named"))
        t.get("  link again by descriptor", linkat, descriptor, "", "again", AT_EMPTY_PATH)
        t.get("  link over a name", linkat, descriptor, "", "named", AT_EMPTY_PATH)
        t.get("  written later", os.pwrite, descriptor, b"N", 0)
        t.get("  seen by the other side", lambda: read_file(place.on_other("again")))
        os.close(descriptor)
        t.stat("  with two names", "again")
        os.unlink("named")
        os.unlink("again")
    descriptor = t.do("O_TMPFILE O_EXCL", os.open, ".", os.O_TMPFILE | os.O_WRONLY | os.O_EXCL, 0o600)
    t.get("cannot be linked", linkat, AT_FDCWD, f"/proc/self/fd/{descriptor}", "x", AT_SYMLINK_FOLLOW)
    os.close(descriptor)
    t.do("O_TMPFILE for reading", os.open, ".", os.O_TMPFILE | os.O_RDONLY, 0o600)
    write_file("file")
    t.do("O_TMPFILE in a file", os.open, "file", os.O_TMPFILE | os.O_RDWR, 0o600)
    t.do("O_TMPFILE in what is missing", os.open, "missing", os.O_TMPFILE | os.O_RDWR, 0o600)
    as_user(STRANGER, lambda: t.do("O_TMPFILE where one may not write", os.open, ".", os.O_TMPFILE | os.O_RDWR, 0o600))
    os.mkdir("group")
    os.chown("group", -1, 1001)
    os.chmod("group", 0o2777)

    def in_set_gid():
        nameless = os.open("group", os.O_TMPFILE | os.O_RDWR, 0o2775)
        t.stat("in a set-gid directory", nameless)
        linkat(AT_FDCWD, f"/proc/self/fd/{nameless}", "group/named", AT_SYMLINK_FOLLOW)
        t.stat("and named", "group/named")

    as_user(STRANGER, in_set_gid)


@scenario
def special_files(t, place):
    kinds = {"fifo": stat.S_IFIFO, "socket": stat.S_IFSOCK, "char": stat.S_IFCHR, "block": stat.S_IFBLK,
             "regular": stat.S_IFREG, "bare": 0, "directory": stat.S_IFDIR, "symlink": stat.S_IFLNK}
    os.mkdir("open")
    os.chmod("open", 0o777)

    def make(prefix):
        for kind, bits in kinds.items():
            for mode, device in ((0o666, os.makedev(1, 3)), (0o4711, os.makedev(511, 70000))):
                name = f"{prefix}-{kind}-{mode:o}"
                t.get(f"mknod {name}", os.mknod, name, bits | mode, device)
                t.stat(f"  {name}", name, fields="type mode nlink uid gid rdev")

    make("open/root")
    as_user(OWNER, lambda: make("open/owner"))
    t.get("over a name", os.mknod, "open/root-fifo-666", stat.S_IFIFO | 0o600)
    t.get("chmod of a device", os.chmod, "open/root-char-666", 0o600)
    t.get("chown of a device", os.chown, "open/root-char-666", 1001, 1001)
    t.get("rename of a device", os.rename, "open/root-char-666", "open/renamed")
    t.stat("renamed", "open/renamed", fields="type mode nlink uid gid rdev")
    t.stat("on the other side", place.on_other("open/renamed"), fields="type mode nlink uid gid rdev")
    t.get("names and types", lambda: sorted((entry.name, stat.S_IFMT(entry.stat(follow_symlinks=False).st_mode))
                                            for entry in os.scandir("open")))
    for name in os.listdir("open"):
        os.unlink("open/" + name)
    t.get("left", os.listdir, "open")


@scenario
def set_gid_inheritance(t, place):
    os.mkdir("parent")
    os.chown("parent", 0, 1001)
    os.chmod("parent", 0o2777)

    def make(prefix):
        for mode in (0o755, 0o775, 0o2755, 0o2775, 0o2644):
            write_file(f"parent/{prefix}-{mode:o}")
            os.unlink(f"parent/{prefix}-{mode:o}")
            os.close(os.open(f"parent/{prefix}-{mode:o}", os.O_CREAT | os.O_WRONLY, mode))
            t.stat(f"{prefix} file {mode:o}", f"parent/{prefix}-{mode:o}")
            os.mkdir(f"parent/{prefix}-{mode:o}-d", mode)
            t.stat(f"{prefix} directory {mode:o}", f"parent/{prefix}-{mode:o}-d")
        os.mkfifo(f"parent/{prefix}-fifo", 0o2777)
        t.stat(f"{prefix} fifo", f"parent/{prefix}-fifo")
        os.symlink("x", f"parent/{prefix}-link")
        t.stat(f"{prefix} symlink", f"parent/{prefix}-link", follow=False)
        os.makedirs(f"parent/{prefix}-a/b/c")
        t.stat(f"{prefix} grandchild", f"parent/{prefix}-a/b/c")

    before = os.umask(0)
    make("root")
    as_user(STRANGER, lambda: make("stranger"))
    as_user(GROUP_FRIEND, lambda: make("friend"))
    os.umask(before)
