"""Times, birth, and what the filesystem says of itself."""

import os
import time

from system_calls import (AT_SYMLINK_NOFOLLOW, STATX_BTIME, UTIME_NOW, UTIME_OMIT, statx, utimensat)
from transcript import OWNER, STRANGER, as_user, in_time, scenario, write_file

LONG_AGO = (1_000_000_000, 123_456_789)
LATER = (1_500_000_000, 987_654_321)


def recent(nanoseconds):
    return abs(time.time_ns() - nanoseconds) < 30_000_000_000


@scenario
def set_times(t, place):
    write_file("file", b"x")
    os.mkdir("directory")
    os.symlink("file", "symlink")
    os.mkfifo("fifo")
    for name in ("file", "directory", "fifo"):
        t.get(f"{name}: to the nanosecond", utimensat, name, LONG_AGO, LATER)
        t.stat("  is", name, fields="atime mtime")
        t.stat("  on the other side", place.on_other(name), fields="atime mtime")
        t.get("  only access", utimensat, name, (5, 6), (0, UTIME_OMIT))
        t.stat("  is", name, fields="atime mtime")
        t.get("  only modification", utimensat, name, (0, UTIME_OMIT), (7, 8))
        t.stat("  is", name, fields="atime mtime")
        before = os.stat(name).st_ctime_ns
        t.get("  neither", utimensat, name, (0, UTIME_OMIT), (0, UTIME_OMIT))
        t.note("  leaves the change time", os.stat(name).st_ctime_ns == before)
        t.get("  access now", utimensat, name, (0, UTIME_NOW), (0, UTIME_OMIT))
        t.note("  it is now", recent(os.stat(name).st_atime_ns))
        t.note("  modification stays", os.stat(name).st_mtime_ns)
        t.get("  both now", utimensat, name, (0, UTIME_NOW), (0, UTIME_NOW))
        t.note("  they are now", recent(os.stat(name).st_atime_ns) and recent(os.stat(name).st_mtime_ns))
    t.get("a symlink's own", utimensat, "symlink", LONG_AGO, LATER, AT_SYMLINK_NOFOLLOW)
    t.stat("is", "symlink", fields="mtime", follow=False)
    t.note("its target's is not", recent(os.stat("file").st_mtime_ns))
    descriptor = os.open("file", os.O_RDONLY)
    t.get("by descriptor", os.utime, descriptor, ns=(1_234_567_890_123_456_789, 1_111_111_111_000_000_001))
    t.stat("is", "file", fields="atime mtime")
    os.close(descriptor)
    for seconds in (0, 1, 2**31 - 1, 2**31, 2**32, 2**33, -1, -(2**31)):
        t.get(f"{seconds} seconds", utimensat, "file", (seconds, 0), (seconds, 999_999_999))
        t.stat("  is", "file", fields="atime mtime")
    t.get("nanoseconds beyond a second", utimensat, "file", (0, 1_000_000_000), (0, 0))
    t.get("a missing name", utimensat, "missing", LONG_AGO, LATER)
    os.chmod("file", 0o666)

    def stranger():
        t.get("a writer may set now", utimensat, "file", (0, UTIME_NOW), (0, UTIME_NOW))
        t.get("but no other time", utimensat, "file", LONG_AGO, LATER)
        t.get("nor one of them", utimensat, "file", (0, UTIME_OMIT), (0, UTIME_NOW))
        t.get("nor anything of what it may not write", utimensat, "directory", (0, UTIME_NOW), (0, UTIME_NOW))

    as_user(STRANGER, stranger)
    os.chown("file", OWNER.uid, OWNER.gid)
    as_user(OWNER, lambda: t.get("the owner may", utimensat, "file", LONG_AGO, LATER))
    t.stat("is", "file", fields="atime mtime")


@scenario
def times_of_changes(t, place):
    """Which of the times a change moves. Each is first set long ago; ctime is compared with its value before."""
    write_file("file", b"content")
    os.mkdir("directory")

    def moved(label, subject, work):
        utimensat(subject, LONG_AGO, LONG_AGO)
        before = os.stat(subject)
        time.sleep(0.005)
        work()
        after = os.stat(subject)
        answers = [name for name in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")
                   if getattr(after, name) != getattr(before, name)]
        t.note(label, " ".join(answers))
        other = os.stat(place.on_other(subject))
        t.note("  the other side agrees", all(getattr(other, name) == getattr(after, name) for name in
                                              ("st_mtime_ns", "st_ctime_ns", "st_size")))

    def opened(flags, work):
        descriptor = os.open("file", flags)
        work(descriptor)
        os.close(descriptor)

    moved("read", "file", lambda: opened(os.O_RDONLY, lambda fd: os.read(fd, 4)))
    moved("read with O_NOATIME", "file", lambda: opened(os.O_RDONLY | os.O_NOATIME, lambda fd: os.read(fd, 4)))
    moved("write", "file", lambda: opened(os.O_WRONLY, lambda fd: os.write(fd, b"x")))
    moved("write of nothing", "file", lambda: opened(os.O_WRONLY, lambda fd: os.write(fd, b"")))
    moved("truncate to another size", "file", lambda: os.truncate("file", 3))
    moved("truncate to the same size", "file", lambda: os.truncate("file", 3))
    moved("ftruncate to the same size", "file", lambda: opened(os.O_WRONLY, lambda fd: os.ftruncate(fd, 3)))
    moved("O_TRUNC", "file", lambda: opened(os.O_WRONLY | os.O_TRUNC, lambda fd: None))
    moved("fallocate", "file", lambda: opened(os.O_WRONLY, lambda fd: os.posix_fallocate(fd, 0, 5000)))
    moved("chmod", "file", lambda: os.chmod("file", 0o640))
    moved("chown", "file", lambda: os.chown("file", 1, 1))
    moved("link", "file", lambda: os.link("file", "linked"))
    moved("rename", "file", lambda: (os.rename("file", "renamed"), os.rename("renamed", "file")))
    moved("unlink of the other name", "file", lambda: os.unlink("linked"))
    moved("setxattr", "file", lambda: os.setxattr("file", "user.a", b"1"))
    moved("stat", "file", lambda: os.stat("file"))
    moved("create in a directory", "directory", lambda: write_file("directory/a", b"x"))
    moved("write to a file in it", "directory", lambda: write_file("directory/a", b"y"))
    moved("mkdir in it", "directory", lambda: os.mkdir("directory/d"))
    moved("symlink in it", "directory", lambda: os.symlink("x", "directory/s"))
    moved("link in it", "directory", lambda: os.link("directory/a", "directory/b"))
    moved("rename in it", "directory", lambda: os.rename("directory/a", "directory/c"))
    moved("rename out of it", "directory", lambda: os.rename("directory/c", "out"))
    moved("rename into it", "directory", lambda: os.rename("out", "directory/c"))
    moved("unlink in it", "directory", lambda: os.unlink("directory/b"))
    moved("rmdir in it", "directory", lambda: os.rmdir("directory/d"))
    moved("listing it", "directory", lambda: os.listdir("directory"))
    moved("rename of it", "directory", lambda: (os.rename("directory", "d2"), os.rename("d2", "directory")))


@scenario
def birth(t, place):
    start = time.time_ns()
    write_file("file", b"x")
    os.mkdir("directory")
    os.symlink("x", "symlink")
    for name in ("file", "directory", "symlink"):
        found = statx(name, flags=AT_SYMLINK_NOFOLLOW)
        other = statx(place.on_other(name), flags=AT_SYMLINK_NOFOLLOW)
        born = found.btime.seconds * 10**9 + found.btime.nanoseconds
        t.note(f"{name}: has a birth time", bool(found.mask & STATX_BTIME))
        t.note("  it is now", abs(born - start) < 30_000_000_000)
        t.note("  the same on the other side",
               (found.btime.seconds, found.btime.nanoseconds) == (other.btime.seconds, other.btime.nanoseconds))
        t.note("  statx and stat agree", found.mode == os.lstat(name).st_mode and found.ino == os.lstat(name).st_ino)
        t.note("  block size", found.blksize)
    before = statx("file").btime.nanoseconds
    os.rename("file", "renamed")
    os.chmod("renamed", 0o600)
    write_file("renamed", b"more")
    t.note("it stays", statx("renamed").btime.nanoseconds == before)


@scenario
def filesystem_state(t, place):
    write_file("file", b"x")
    for name in (".", "file"):
        found = os.statvfs(name)
        t.note(f"{name}: longest name", found.f_namemax)
        t.note("  fragments", found.f_frsize)
        t.note("  free is not more than all", found.f_bavail <= found.f_bfree <= found.f_blocks)
        t.note("  has files", found.f_files > found.f_ffree > 0)
    descriptor = os.open("file", os.O_RDWR)
    t.note("fstatfs", os.fstatvfs(descriptor).f_blocks == os.statvfs(".").f_blocks)
    t.get("a missing name", os.statvfs, "missing")
    free = os.statvfs(".").f_bavail
    os.posix_fallocate(descriptor, 0, 64 << 20)
    os.fsync(descriptor)
    os.close(descriptor)

    def taken():
        state = os.statvfs(".")
        return (free - state.f_bavail) * state.f_frsize

    t.note("64 MiB show", in_time(lambda: taken() >= 60 << 20))
    os.unlink("file")
