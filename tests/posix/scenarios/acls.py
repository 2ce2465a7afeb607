"""POSIX access control lists, as the attributes that setfacl writes."""

import os
import stat
import struct

from system_calls import AT_FDCWD, AT_SYMLINK_FOLLOW, linkat
from transcript import GROUP_FRIEND, OWNER, STRANGER, User, as_user, read_file, scenario, write_file

ACCESS = "system.posix_acl_access"
DEFAULT = "system.posix_acl_default"
TAGS = {"user::": 0x01, "user": 0x02, "group::": 0x04, "group": 0x08, "mask": 0x10, "other": 0x20}
NOBODY = 0xFFFFFFFF


def acl(text):
    """user::rwx user:1001:r-- group::r-x mask::r-x other::--- as the kernel has it."""
    packed = struct.pack("<I", 2)
    for entry in text.split():
        tag, subject, rights = entry.split(":")
        kind = TAGS[tag if subject or tag in ("mask", "other") else tag + "::"]
        bits = sum(value for letter, value in (("r", 4), ("w", 2), ("x", 1)) if letter in rights)
        packed += struct.pack("<HHI", kind, bits, int(subject) if subject else NOBODY)
    return packed


def shown(packed):
    words = {value: word for word, value in TAGS.items()}
    entries = []
    for at in range(4, len(packed), 8):
        kind, bits, subject = struct.unpack_from("<HHI", packed, at)
        rights = "".join(letter if bits & value else "-" for letter, value in (("r", 4), ("w", 2), ("x", 1)))
        entries.append(f"{words[kind].rstrip(':')}:{'' if subject == NOBODY else subject}:{rights}")
    return " ".join(entries)


def of(name, kind=ACCESS):
    return shown(os.getxattr(name, kind))


FULL = "user::rwx user:1002:rw- group::r-x group:1003:r-- mask::rwx other::---"


@scenario
def access_lists(t, place):
    write_file("file", b"content")
    os.chmod("file", 0o640)
    t.get("none", of, "file")
    t.get("set", os.setxattr, "file", ACCESS, acl(FULL))
    t.get("is", of, "file")
    t.get("on the other side", of, place.on_other("file"))
    t.stat("the mask is the group's bits", "file")
    t.get("names", os.listxattr, "file")
    os.chmod("file", 0o704)
    t.get("chmod changes the mask", of, "file")
    t.stat("mode", "file")
    os.chmod("file", 0o770)
    t.get("and gives it back", of, "file")
    t.get("a minimal one", os.setxattr, "file", ACCESS, acl("user::rw- group::r-- other::r--"))
    t.stat("is only a mode", "file")
    t.get("no list is left", of, "file")
    t.get("removal of none", os.removexattr, "file", ACCESS)
    os.setxattr("file", ACCESS, acl(FULL))
    t.get("removal", os.removexattr, "file", ACCESS)
    t.stat("leaves the mode", "file")
    wrong = {
        "without a mask": "user::rwx user:1002:rw- group::r-x other::---",
        "without other": "user::rwx group::r-x",
        "two owners": "user::rwx user::rwx group::r-x other::---",
        "out of order": "other::--- user::rwx group::r-x",
        "the same user twice": "user::rwx user:1002:rw- user:1002:r-- group::r-x mask::rwx other::---",
    }
    for word, text in wrong.items():
        t.get(word, os.setxattr, "file", ACCESS, acl(text))
    for word, value in (("too short", b"\2\0\0"), ("another version", acl(FULL).replace(b"\2", b"\3", 1)),
                        ("torn", acl(FULL)[:-3]), ("empty", b""), ("only a head", struct.pack("<I", 2))):
        t.get(word, os.setxattr, "file", ACCESS, value)
    t.get("a default of a file", os.setxattr, "file", DEFAULT, acl(FULL))
    os.symlink("file", "symlink")
    t.get("of a symlink itself", os.setxattr, "symlink", ACCESS, acl(FULL), follow_symlinks=False)
    as_user(STRANGER, lambda: t.get("by another", os.setxattr, "file", ACCESS, acl(FULL)))
    os.chown("file", OWNER.uid, OWNER.gid)
    as_user(OWNER, lambda: t.get("by the owner", os.setxattr, "file", ACCESS, acl(FULL)))
    # Who is outside of the file's group loses its set-gid bit with it.
    for user, word in ((OWNER, "a member"), (User(OWNER.uid, 4711), "no member"),
                       (User(OWNER.uid, 4711, (OWNER.gid,)), "a supplementary member")):
        os.removexattr("file", ACCESS)
        os.chmod("file", 0o2755)
        as_user(user, lambda: t.get(f"set-gid, by {word}", os.setxattr, "file", ACCESS, acl(FULL)))
        t.stat("  is", "file")
    t.get("by root", os.setxattr, "file", ACCESS, acl(FULL))
    t.stat("  is", "file")


@scenario
def access_by_lists(t, place):
    lists = {
        "named user": "user::rw- user:1002:r-- group::--- mask::rw- other::---",
        "named user beyond the mask": "user::rw- user:1002:rw- group::--- mask::r-- other::---",
        "named user less than other": "user::rw- user:1002:--- group::--- mask::rwx other::rw-",
        "named group": "user::rw- group::--- group:1002:rw- mask::rw- other::---",
        "one of two groups": "user::rw- group::r-- group:1003:-w- mask::rw- other::---",
        "group less than other": "user::rw- group::--- mask::rw- other::rw-",
        "owner": "user::--- user:1001:rw- group::rw- mask::rw- other::rw-",
    }
    users = {"owner": OWNER, "stranger": STRANGER, "friend": GROUP_FRIEND, "far": User(1009, 1009)}
    for word, text in lists.items():
        write_file("file", b"content", 0o600)
        os.chown("file", OWNER.uid, OWNER.gid)
        t.get(word, os.setxattr, "file", ACCESS, acl(text))

        def tried():
            answers = []
            for flags, letter in ((os.O_RDONLY, "r"), (os.O_WRONLY, "w"), (os.O_RDWR, "b")):
                try:
                    os.close(os.open("file", flags))
                    answers.append(letter)
                except PermissionError:
                    answers.append("-")
            return "".join(answers)

        for who, user in users.items():
            t.note(f"  {who}", as_user(user, tried))
        os.unlink("file")
    os.mkdir("directory")
    write_file("directory/file", b"inside", 0o644)
    for text in ("user::rwx user:1002:r-x group::--- mask::rwx other::---",
                 "user::rwx user:1002:--x group::--- mask::rwx other::---",
                 "user::rwx user:1002:rwx group::--- mask::rwx other::---"):
        os.setxattr("directory", ACCESS, acl(text))
        as_user(STRANGER, lambda: (t.get(f"{text}: list", os.listdir, "directory"),
                                   t.get("  read", lambda: read_file("directory/file")),
                                   t.get("  create", write_file, "directory/new", b"x"),
                                   t.get("  remove", os.unlink, "directory/new")))


@scenario
def default_lists(t, place):
    os.mkdir("directory")
    t.get("set", os.setxattr, "directory", DEFAULT, acl("user::rwx user:1002:rwx group::r-x mask::rwx other::r-x"))
    t.get("is", of, "directory", DEFAULT)
    t.stat("the directory's mode stays", "directory")
    t.get("names", os.listxattr, "directory")
    os.chmod("directory", 0o777)

    def make(prefix):
        for mask in (0o000, 0o022, 0o077):
            before = os.umask(mask)
            for mode in (0o777, 0o666, 0o640, 0o700):
                name = f"directory/{prefix}-{mask:o}-{mode:o}"
                os.close(os.open(name, os.O_CREAT | os.O_WRONLY, mode))
                t.stat(f"{prefix} umask {mask:o} file {mode:o}", name)
                t.get("  list", of, name)
                t.get("  default", of, name, DEFAULT)
                os.mkdir(name + "-d", mode)
                t.stat("  directory", name + "-d")
                t.get("  list", of, name + "-d")
                t.get("  default", of, name + "-d", DEFAULT)
            os.mkfifo(f"directory/{prefix}-{mask:o}-fifo", 0o666)
            t.stat("  fifo", f"directory/{prefix}-{mask:o}-fifo")
            t.get("  list", of, f"directory/{prefix}-{mask:o}-fifo")
            os.mknod(f"directory/{prefix}-{mask:o}-node", stat.S_IFREG | 0o664)
            t.stat("  node", f"directory/{prefix}-{mask:o}-node")
            os.symlink("x", f"directory/{prefix}-{mask:o}-link")
            t.get("  symlink", os.listxattr, f"directory/{prefix}-{mask:o}-link", follow_symlinks=False)
            nameless = os.open("directory", os.O_TMPFILE | os.O_RDWR, 0o666)
            t.stat("  nameless", nameless)
            linkat(AT_FDCWD, f"/proc/self/fd/{nameless}", f"directory/{prefix}-{mask:o}-named", AT_SYMLINK_FOLLOW)
            t.get("  named", of, f"directory/{prefix}-{mask:o}-named")
            os.close(nameless)
            os.umask(before)

    make("root")
    as_user(STRANGER, lambda: make("stranger"))
    os.makedirs("directory/a/b/c")
    t.get("handed down", of, "directory/a/b/c", DEFAULT)
    t.get("on the other side", of, place.on_other("directory/a/b/c"), DEFAULT)
    before = os.umask(0o027)
    t.get("removed", os.removexattr, "directory", DEFAULT)
    write_file("directory/plain")
    t.stat("the umask counts again", "directory/plain")
    os.umask(before)
    os.setxattr("directory", DEFAULT, acl("user::rwx group::r-- other::---"))
    write_file("directory/minimal")
    t.stat("a minimal default", "directory/minimal")
    t.get("gives no list", of, "directory/minimal")
    # A move takes nothing from where it goes.
    write_file("moved")
    os.rename("moved", "directory/moved")
    t.get("what is moved in inherits nothing", of, "directory/moved")
