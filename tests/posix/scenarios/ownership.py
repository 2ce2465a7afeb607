"""chmod, chown, who may what, and what is cleared."""

import os

from system_calls import AT_EACCESS, AT_SYMLINK_NOFOLLOW, faccessat
from transcript import (GROUP_FRIEND, OWNER, STRANGER, User, as_user, scenario, write_file)


@scenario
def change_mode(t, place):
    write_file("file")
    os.mkdir("directory")
    os.mkfifo("fifo")
    for mode in (0o000, 0o400, 0o644, 0o755, 0o1777, 0o2755, 0o4755, 0o6755, 0o7777):
        for name in ("file", "directory", "fifo"):
            t.get(f"chmod {mode:o} {name}", os.chmod, name, mode)
            t.stat("  is", name)
            t.stat("  on the other side", place.on_other(name))
    descriptor = os.open("file", os.O_RDONLY)
    t.get("fchmod", os.fchmod, descriptor, 0o604)
    t.stat("by name", "file")
    os.close(descriptor)
    path_only = os.open("file", os.O_PATH)
    t.get("fchmod of O_PATH", os.fchmod, path_only, 0o600)
    os.close(path_only)
    t.get("a missing name", os.chmod, "missing", 0o600)
    os.symlink("file", "symlink")
    t.get("through a symlink", os.chmod, "symlink", 0o611)
    t.stat("its target", "file")
    write_file("owned")
    os.chown("owned", OWNER.uid, OWNER.gid)

    def as_owner():
        t.get("the owner", os.chmod, "owned", 0o640)
        t.get("another's", os.chmod, "file", 0o777)
        t.get("set-gid of the own group", os.chmod, "owned", 0o2755)
        t.stat("is kept", "owned")

    as_user(OWNER, as_owner)
    os.chown("owned", OWNER.uid, 4711)
    as_user(OWNER, lambda: t.get("set-gid of a strange group", os.chmod, "owned", 0o2755))
    t.stat("is dropped", "owned")
    as_user(User(OWNER.uid, OWNER.gid, (4711,)), lambda: os.chmod("owned", 0o2755))
    t.stat("and kept for a member", "owned")


@scenario
def change_owner(t, place):
    for name in ("file", "directory", "program"):
        os.mkdir(name) if name == "directory" else write_file(name)
    os.chmod("program", 0o6755)
    os.chmod("directory", 0o6755)
    t.get("root gives away", os.chown, "file", OWNER.uid, OWNER.gid)
    t.stat("file", "file")
    t.stat("on the other side", place.on_other("file"))
    t.get("only the group", os.chown, "file", -1, 1002)
    t.get("only the user", os.chown, "file", 1002, -1)
    t.stat("file", "file")
    t.get("nothing", os.chown, "file", -1, -1)
    t.get("of a program", os.chown, "program", OWNER.uid, OWNER.gid)
    t.stat("set-id is cleared", "program")
    t.get("of a directory", os.chown, "directory", OWNER.uid, OWNER.gid)
    t.stat("where it stays", "directory")
    os.chmod("program", 0o2644)
    t.get("of a file with set-gid that no group may run", os.chown, "program", OWNER.uid, 1003)
    t.stat("keeps it", "program")
    t.get("large ids", os.chown, "file", 4_000_000_000, 4_100_000_000)
    t.stat("are kept", "file")
    t.get("a missing name", os.chown, "missing", 0, 0)
    write_file("owned")
    os.chown("owned", OWNER.uid, OWNER.gid)
    os.chmod("owned", 0o6755)

    def as_owner():
        t.get("the owner gives away", os.chown, "owned", STRANGER.uid, -1)
        t.get("to a strange group", os.chown, "owned", -1, 4711)
        t.get("to the own group", os.chown, "owned", -1, OWNER.gid)
        t.stat("set-id was cleared", "owned")
        t.get("to a supplementary group", os.chown, "owned", -1, 1005)
        t.stat("is", "owned")
        t.get("another's", os.chown, "program", -1, OWNER.gid)

    as_user(User(OWNER.uid, OWNER.gid, (1005,)), as_owner)
    descriptor = os.open("owned", os.O_RDONLY)
    t.get("fchown", os.fchown, descriptor, 0, 0)
    t.stat("by descriptor", descriptor)
    os.close(descriptor)


@scenario
def set_id_clearing(t, place):
    # Not set-gid without group execution, once the mark of mandatory locking: ARCHITECTURE.md, known differences.
    modes = (0o6777, 0o4777, 0o2777, 0o6755)

    def fresh(mode):
        write_file("program", b"content of a program")
        os.chown("program", OWNER.uid, OWNER.gid)
        os.chmod("program", mode)
        os.stat("program")

    def opened(flags, work):
        descriptor = os.open("program", flags)
        try:
            return work(descriptor)
        finally:
            os.close(descriptor)

    changes = {
        "write": lambda: opened(os.O_WRONLY, lambda fd: os.write(fd, b"x")),
        "append": lambda: opened(os.O_WRONLY | os.O_APPEND, lambda fd: os.write(fd, b"x")),
        "pwrite": lambda: opened(os.O_RDWR, lambda fd: os.pwrite(fd, b"x", 3)),
        "empty write": lambda: opened(os.O_WRONLY, lambda fd: os.write(fd, b"")),
        "truncate": lambda: os.truncate("program", 3),
        "ftruncate": lambda: opened(os.O_WRONLY, lambda fd: os.ftruncate(fd, 3)),
        "O_TRUNC": lambda: opened(os.O_WRONLY | os.O_TRUNC, lambda fd: 0),
        "fallocate": lambda: opened(os.O_RDWR, lambda fd: os.posix_fallocate(fd, 0, 8192)),
        "open alone": lambda: opened(os.O_RDWR, lambda fd: 0),
        "read": lambda: opened(os.O_RDONLY, lambda fd: os.read(fd, 3)),
    }
    root = User(0, 0)
    for who, user in (("stranger", STRANGER), ("root", root), ("group friend", GROUP_FRIEND), ("owner", OWNER)):
        for mode in modes:
            for change, work in changes.items():
                fresh(mode)
                as_user(user, lambda: t.get(f"{who}: {change} of {mode:o}", work))
                t.stat("  by name", "program", fields="mode")
                t.stat("  on the other side", place.on_other("program"), fields="mode")

    # The very descriptor that wrote shows the cleared mode too.
    fresh(0o6777)

    def write_and_look():
        descriptor = os.open("program", os.O_RDWR)
        os.write(descriptor, b"x")
        t.stat("the writer's descriptor", descriptor, fields="mode")

    as_user(STRANGER, write_and_look)


@scenario
def access_of_others(t, place):
    users = {"root": User(0, 0), "owner": OWNER, "stranger": STRANGER, "friend": GROUP_FRIEND}
    tests = {"F": os.F_OK, "R": os.R_OK, "W": os.W_OK, "X": os.X_OK, "RWX": os.R_OK | os.W_OK | os.X_OK}
    for mode in (0o000, 0o400, 0o040, 0o004, 0o700, 0o070, 0o007, 0o711, 0o644, 0o750):
        for kind in ("file", "directory"):
            name = f"{kind}-{mode:o}"
            if kind == "file":
                write_file(name, b"x")
            else:
                os.mkdir(name)
                write_file(name + "/inside", b"x", 0o666)
            os.chown(name, OWNER.uid, OWNER.gid)
            os.chmod(name, mode)
    for who, user in users.items():
        def look():
            for name in sorted(os.listdir(".")):
                answers = []
                for word, bits in tests.items():
                    try:
                        faccessat(name, bits, AT_EACCESS)
                        answers.append(word)
                    except PermissionError:
                        answers.append("-")
                t.note(f"{who} {name}", " ".join(answers))
                if name.startswith("directory"):
                    t.get("  list", lambda: sorted(os.listdir(name)))
                    t.stat("  stat inside", name + "/inside", fields="type mode size")
                    t.get("  create inside", write_file, name + f"/{who}", b"x")
                    t.get("  remove inside", os.unlink, name + f"/{who}")
                else:
                    t.do("  read", lambda: os.read(os.open(name, os.O_RDONLY), 1))
                    t.do("  write", lambda: os.write(os.open(name, os.O_WRONLY), b"x"))
                    t.get("  truncate", os.truncate, name, 1)
                    t.do("  execute", lambda: os.access(name, os.X_OK))

        as_user(user, look)
    write_file("plain")

    def real_and_effective():
        # access(2) asks for the real user, faccessat(AT_EACCESS) for the effective one.
        os.chmod("plain", 0o600)
        os.setresuid(OWNER.uid, 0, 0)
        t.note("real", os.access("plain", os.R_OK))
        t.note("effective", os.access("plain", os.R_OK, effective_ids=True))

    as_user(User(0, 0), real_and_effective)
    os.symlink("missing", "dangling")
    t.get("a dangling symlink", faccessat, "dangling", os.F_OK, 0)
    t.get("the symlink itself", faccessat, "dangling", os.F_OK, AT_SYMLINK_NOFOLLOW)
