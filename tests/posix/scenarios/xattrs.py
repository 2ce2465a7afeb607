"""Extended attributes, file capabilities among them."""

import os
import struct

from transcript import OWNER, STRANGER, as_user, scenario, write_file


def all_of(name, follow=True):
    return sorted((word, os.getxattr(name, word, follow_symlinks=follow))
                  for word in os.listxattr(name, follow_symlinks=follow))


@scenario
def extended_attributes(t, place):
    write_file("file", b"x")
    os.mkdir("directory")
    os.symlink("file", "symlink")
    os.mkfifo("fifo")
    for name in ("file", "directory", "fifo"):
        t.get(f"{name}: none", os.listxattr, name)
        for word in ("user.a", "trusted.a", "security.a", "system.a", "nonsense.a", "user.", "a", ""):
            t.get(f"  set {word}", os.setxattr, name, word, b"value of " + word.encode())
            t.get("    get", os.getxattr, name, word)
        t.get("  all", all_of, name)
        t.get("  on the other side", all_of, place.on_other(name))
        t.get("  create what is there", os.setxattr, name, "user.a", b"2", os.XATTR_CREATE)
        t.get("  replace it", os.setxattr, name, "user.a", b"3", os.XATTR_REPLACE)
        t.get("  replace what is not there", os.setxattr, name, "user.b", b"4", os.XATTR_REPLACE)
        t.get("  create it", os.setxattr, name, "user.b", b"5", os.XATTR_CREATE)
        t.get("  both flags", os.setxattr, name, "user.c", b"6", os.XATTR_CREATE | os.XATTR_REPLACE)
        t.get("  an empty value", os.setxattr, name, "user.empty", b"")
        t.get("    get", os.getxattr, name, "user.empty")
        t.get("  bytes", os.setxattr, name, "user.bytes", bytes(range(256)))
        t.get("    get", os.getxattr, name, "user.bytes")
        t.get("  remove", os.removexattr, name, "user.a")
        t.get("  remove again", os.removexattr, name, "user.a")
        t.get("  get what is gone", os.getxattr, name, "user.a")
        t.get("  all", all_of, name)
    t.get("a symlink's own: user", os.setxattr, "symlink", "user.a", b"1", follow_symlinks=False)
    t.get("a symlink's own: trusted", os.setxattr, "symlink", "trusted.a", b"1", follow_symlinks=False)
    t.get("  all", all_of, "symlink", follow=False)
    t.get("  through it", all_of, "symlink")
    t.get("of a missing name", os.getxattr, "missing", "user.a")
    for length in (1, 250, 251, 255, 256):
        word = "user." + "n" * (length - 5) if length > 5 else "u"
        t.get(f"a name of {length}", os.setxattr, "file", word, b"1")
        t.get("  removed", os.removexattr, "file", word)
    for size in (100, 1000, 3000, 5000, 65536, 65537):
        t.get(f"a value of {size}", os.setxattr, "directory", "user.large", b"v" * size)
        t.get("  get", os.getxattr, "directory", "user.large")
    write_file("many")
    count = 0
    try:
        for count in range(200):
            os.setxattr("many", f"user.number-{count}", b"value")
    except OSError:
        pass
    t.note("as many as fit", count)
    t.note("  all are listed", len(os.listxattr("many")))
    os.rename("file", "renamed")
    os.link("renamed", "linked")
    t.get("kept over a rename", all_of, "renamed")
    t.get("shared by links", all_of, "linked")
    os.removexattr("linked", "user.b")
    t.get("removed for both", os.getxattr, "renamed", "user.b")
    descriptor = os.open("renamed", os.O_RDONLY)
    t.get("by a read-only descriptor", os.setxattr, descriptor, "user.fd", b"1")
    t.get("  get", os.getxattr, descriptor, "user.fd")
    os.close(descriptor)


@scenario
def attributes_of_others(t, place):
    for name, mode in (("open", 0o666), ("readable", 0o644), ("closed", 0o600)):
        write_file(name, b"x")
        os.chmod(name, mode)
        os.setxattr(name, "user.a", b"root's")
        os.setxattr(name, "trusted.a", b"secret")
        os.setxattr(name, "security.a", b"public")
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)
    os.mkdir("shared")
    os.chmod("shared", 0o777)

    def stranger():
        for name in ("open", "readable", "closed"):
            t.get(f"{name}: names", lambda: sorted(os.listxattr(name)))
            for word in ("user.a", "trusted.a", "security.a"):
                t.get(f"  get {word}", os.getxattr, name, word)
                t.get(f"  set {word}", os.setxattr, name, word, b"stranger's")
                t.get(f"  remove {word}", os.removexattr, name, word)
        t.get("a sticky directory of another", os.setxattr, "sticky", "user.a", b"1")
        t.get("a shared directory of another", os.setxattr, "shared", "user.a", b"1")

    as_user(STRANGER, stranger)
    write_file("owned")
    os.chown("owned", OWNER.uid, OWNER.gid)
    as_user(OWNER, lambda: t.get("the owner's", os.setxattr, "owned", "user.a", b"1"))
    as_user(OWNER, lambda: t.get("the owner's security", os.setxattr, "owned", "security.a", b"1"))


# Revision 2, effective, one capability permitted.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)


@scenario
def file_capabilities(t, place):
    def fresh():
        write_file("program", b"content of a program")
        os.chown("program", OWNER.uid, OWNER.gid)
        os.chmod("program", 0o777)
        os.setxattr("program", "security.capability", CAPABILITY)

    def opened(flags, work):
        descriptor = os.open("program", flags)
        try:
            return work(descriptor)
        finally:
            os.close(descriptor)

    changes = {
        "nothing": lambda: None,
        "read": lambda: opened(os.O_RDONLY, lambda fd: os.read(fd, 3)),
        "open alone": lambda: opened(os.O_RDWR, lambda fd: 0),
        "write": lambda: opened(os.O_WRONLY, lambda fd: os.write(fd, b"x")),
        "append": lambda: opened(os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"x")),
        "truncate": lambda: os.truncate("program", 3),
        "O_TRUNC": lambda: opened(os.O_WRONLY | os.O_TRUNC, lambda fd: 0),
        "chown": lambda: os.chown("program", OWNER.uid, OWNER.gid),
        "chmod": lambda: os.chmod("program", 0o755),
        "rename": lambda: (os.rename("program", "p"), os.rename("p", "program")) and None,
    }
    for who, user in (("root", None), ("owner", OWNER), ("stranger", STRANGER)):
        for change, work in changes.items():
            fresh()
            if user is None:
                t.get(f"{who}: {change}", work)
            else:
                as_user(user, lambda: t.get(f"{who}: {change}", work))
            t.get("  left", os.getxattr, "program", "security.capability")
            t.get("  on the other side", os.getxattr, place.on_other("program"), "security.capability")
    as_user(OWNER, lambda: t.get("set by another", os.setxattr, "program", "security.capability", CAPABILITY))
