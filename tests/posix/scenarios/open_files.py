"""Reading and writing through descriptors."""

import ctypes
import errno
import hashlib
import mmap
import os
import signal
import subprocess
import sys

from system_calls import sync_file_range
from transcript import (STRANGER, as_user, in_child, in_time, pattern, read_file, scenario, signal_name, write_file)


@scenario
def unlinked_files(t, place):
    for how in ("unlink", "rename over", "unlink on the other side"):
        write_file("file", b"content")
        descriptor = os.open("file", os.O_RDWR)
        second = os.open("file", os.O_RDONLY)
        if how == "unlink":
            os.unlink("file")
        elif how == "rename over":
            write_file("new", b"new")
            os.rename("new", "file")
        else:
            os.unlink(place.on_other("file"))
            t.note("the other side's unlink shows", in_time(lambda: os.fstat(descriptor).st_nlink == 0))
        t.stat(f"{how}: open", descriptor)
        t.get("  read", os.pread, descriptor, 100, 0)
        t.get("  write", os.pwrite, descriptor, b"CONTENT and more", 0)
        t.get("  by the other descriptor", os.pread, second, 100, 0)
        t.stat("  size", second)
        t.get("  fchmod", os.fchmod, descriptor, 0o640)
        t.get("  fchown", os.fchown, descriptor, 1001, 1001)
        t.get("  futimens", os.utime, descriptor, ns=(10**18, 10**18))
        t.stat("  is", second, fields="mode nlink uid gid size mtime")
        t.get("  ftruncate", os.ftruncate, descriptor, 5)
        t.get("  read", os.pread, second, 100, 0)
        t.get("  setxattr", os.setxattr, descriptor, "user.a", b"1")
        t.get("  getxattr", os.getxattr, second, "user.a")
        t.get("  fsync", os.fsync, descriptor)
        t.get("  fallocate", os.posix_fallocate, descriptor, 0, 10000)
        t.stat("  is", descriptor)
        t.do("  opened again by /proc", lambda: os.close(os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR)))
        t.do("  and cut by it", lambda: os.close(os.open(f"/proc/self/fd/{descriptor}", os.O_RDWR | os.O_TRUNC)))
        t.stat("  is", second)
        os.close(descriptor)
        t.get("  written by nobody, read still", os.pread, second, 100, 0)
        os.close(second)
        t.get("  names", lambda: sorted(os.listdir(".")))
        for name in os.listdir("."):
            os.unlink(name)
    # No hidden names stay behind, and what was there is there for a child that inherits it.
    descriptor = os.open("inherited", os.O_RDWR | os.O_CREAT)
    os.unlink("inherited")
    in_child(lambda: os.pwrite(descriptor, b"by the child", 0))
    t.get("what a child wrote", os.pread, descriptor, 100, 0)
    os.close(descriptor)
    # O_PATH alone keeps it as well.
    write_file("pathed", b"x")
    pathed = os.open("pathed", os.O_PATH)
    os.unlink("pathed")
    t.stat("unlinked, known by O_PATH", pathed)
    t.do("and opened through it", lambda: os.close(os.open(f"/proc/self/fd/{pathed}", os.O_RDONLY)))
    os.close(pathed)


@scenario
def two_descriptors(t, place):
    write_file("file", pattern(10000))
    first = os.open("file", os.O_RDWR)
    second = os.open("file", os.O_RDWR)
    appending = os.open("file", os.O_WRONLY | os.O_APPEND)
    t.get("pread", os.pread, first, 100, 5000)
    t.get("pread over the end", os.pread, first, 100, 9950)
    t.get("pread beyond the end", os.pread, first, 100, 20000)
    t.get("pread before the start", os.pread, first, 100, -1)
    t.get("pwrite", os.pwrite, second, b"second", 10)
    t.get("read by the first", os.pread, first, 10, 8)
    t.get("append", os.write, appending, b"appended")
    t.stat("size", first)
    t.get("pwrite beyond the end", os.pwrite, second, b"far", 30000)
    t.get("the gap", os.pread, first, 20, 10000)
    t.get("append again", os.write, appending, b"+again")
    t.get("the end", os.pread, first, 100, 30000)
    t.get("pwrite of an appending descriptor", os.pwrite, appending, b"pwritten", 0)
    t.stat("goes to the end too", first)
    t.get("position of the appending", os.lseek, appending, 0, os.SEEK_CUR)
    t.get("readv", lambda: os.preadv(first, buffers := [bytearray(7), bytearray(9)], 3) and b"".join(buffers))
    t.get("writev", os.pwritev, second, [b"abc", b"defg"], 100)
    t.get("what it wrote", os.pread, first, 10, 99)
    t.get("the whole, by name", lambda: read_file("file"))
    t.get("the whole, on the other side", lambda: read_file(place.on_other("file")))
    with open(place.on_other("file"), "r+b", buffering=0) as other:
        other.write(b"from the other side")
    t.get("what the other side wrote", os.pread, first, 25, 0)
    t.get("truncate under all", os.truncate, "file", 50)
    t.get("read beyond", os.pread, first, 100, 60)
    t.get("write beyond", os.pwrite, second, b"x", 70)
    t.get("zeroes between", os.pread, first, 100, 48)
    t.get("grow", os.ftruncate, first, 100_000)
    t.get("zeroes", os.pread, second, 70_000, 1000)
    t.get("truncate of a negative size", os.ftruncate, first, -1)
    t.get("truncate of a directory", os.truncate, ".", 0)
    read_only = os.open("file", os.O_RDONLY)
    t.get("write to a read-only descriptor", os.write, read_only, b"x")
    t.get("ftruncate of it", os.ftruncate, read_only, 0)
    t.get("read of a write-only descriptor", os.read, appending, 1)
    t.get("read of a directory", lambda: os.read(os.open(".", os.O_RDONLY), 1))
    for descriptor in (first, second, appending, read_only):
        os.close(descriptor)
    # Two processes append: nothing is lost, nothing torn.
    def append_many(letter):
        descriptor = os.open("appended", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        for _ in range(500):
            os.write(descriptor, letter * 99 + b"\n")

    children = []
    for letter in (b"a", b"b", b"c"):
        pid = os.fork()
        if pid == 0:
            append_many(letter)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    lines = read_file("appended").split(b"\n")
    t.note("lines", len(lines))
    t.note("whole ones of each", {chr(letter): lines.count(bytes([letter]) * 99) for letter in b"abc"})


@scenario
def direct_io(t, place):
    write_file("file", pattern(65536))
    buffer = mmap.mmap(-1, 65536)

    def aligned(size, start=0):
        return memoryview(buffer)[start:start + size]

    for flags, word in ((os.O_RDWR | os.O_DIRECT, "direct"), (os.O_RDWR | os.O_DIRECT | os.O_SYNC, "direct, sync")):
        descriptor = t.do(f"open {word}", os.open, "file", flags)
        for size, offset, start in ((4096, 0, 0), (65536, 0, 0), (4096, 61440, 0), (8192, 61440, 0), (4096, 65536, 0),
                                    (512, 512, 0), (4096, 100, 0), (100, 0, 0), (4096, 0, 1), (4096, 0, 512)):
            what = f"{size} at {offset} from {start} in the page"
            t.get(f"  read {what}", lambda: os.preadv(descriptor, [aligned(size, start)], offset))
            t.get("    sha1", lambda: hashlib.sha1(bytes(aligned(size, start))).hexdigest())
            buffer[:] = pattern(65536, seed=size + offset + start)
            t.get(f"  write {what}", lambda: os.pwritev(descriptor, [aligned(size, start)], offset))
            t.get("    the file", lambda: read_file("file"))
            t.get("    on the other side", lambda: read_file(place.on_other("file")))
        t.get("  append", os.pwritev, descriptor, [aligned(4096)], os.fstat(descriptor).st_size & ~4095)
        t.stat("  size", descriptor)
        os.close(descriptor)
    # Buffered and direct descriptors of one file see each other.
    direct = os.open("file", os.O_RDWR | os.O_DIRECT)
    buffered = os.open("file", os.O_RDWR)
    os.pwrite(buffered, b"buffered", 4096)
    t.get("direct reads what was buffered", lambda: os.preadv(direct, [aligned(4096)], 4096) and bytes(aligned(8)))
    buffer[0:8] = b"directly"
    os.pwritev(direct, [aligned(4096)], 8192)
    t.get("buffered reads what was direct", os.pread, buffered, 8, 8192)
    os.close(direct)
    os.close(buffered)


@scenario
def sparse_files(t, place):
    gib = 1 << 30
    descriptor = os.open("file", os.O_RDWR | os.O_CREAT)
    for offset in (0, 2 * gib - 3, 4 * gib - 3, 5 * gib, 7 * gib):
        t.get(f"write at {offset}", os.pwrite, descriptor, b"hello", offset)
        t.stat("  size", descriptor)
        t.get("  read", os.pread, descriptor, 7, max(offset - 1, 0))
        t.get("  seek to the end", os.lseek, descriptor, 0, os.SEEK_END)
        t.get("  data from here", os.lseek, descriptor, offset, os.SEEK_DATA)
        t.get("  hole from here", os.lseek, descriptor, offset, os.SEEK_HOLE)
    t.get("a hole", os.pread, descriptor, 4096, 3 * gib)
    os.fsync(descriptor)
    t.note("little is allocated", os.stat("file").st_blocks < 1024)
    t.get("truncate to 6 GiB", os.ftruncate, descriptor, 6 * gib)
    t.get("truncate to a TiB", os.ftruncate, descriptor, 1 << 40)
    t.stat("size", "file")
    t.stat("on the other side", place.on_other("file"))
    t.get("truncate beyond the filesystem's limit", os.ftruncate, descriptor, (1 << 63) - 1)
    t.get("write beyond the filesystem's limit", os.pwrite, descriptor, b"x", (1 << 63) - 2)
    position = 0
    regions = []
    try:
        while True:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
            position = os.lseek(descriptor, start, os.SEEK_HOLE)
            regions.append((start, position))
    except OSError as error:
        t.note("no more data", errno.errorcode[error.errno])
    t.note("data", str(regions))
    t.get("data beyond the end", os.lseek, descriptor, 1 << 41, os.SEEK_DATA)
    t.get("hole beyond the end", os.lseek, descriptor, 1 << 41, os.SEEK_HOLE)
    t.get("a negative seek", os.lseek, descriptor, -1, os.SEEK_SET)
    os.close(descriptor)
    os.unlink("file")


@scenario
def synchronising(t, place):
    write_file("file", pattern(100_000))
    os.mkdir("directory")
    for flags in (os.O_RDWR, os.O_RDONLY, os.O_WRONLY):
        descriptor = os.open("file", flags)
        t.get("fsync", os.fsync, descriptor)
        t.get("fdatasync", os.fdatasync, descriptor)
        t.get("sync_file_range", sync_file_range, descriptor, 0, 4096)
        t.get("sync_file_range of a strange range", sync_file_range, descriptor, -1, 4096)
        t.get("fadvise", os.posix_fadvise, descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    t.get("after dropped caches", lambda: read_file("file"))
    directory = os.open("directory", os.O_RDONLY)
    write_file("directory/x", b"1")
    t.get("fsync of a directory", os.fsync, directory)
    t.get("fdatasync of a directory", os.fdatasync, directory)
    os.close(directory)
    path_only = os.open("file", os.O_PATH)
    t.get("fsync of O_PATH", os.fsync, path_only)
    os.close(path_only)
    for flags in (os.O_SYNC, os.O_DSYNC):
        descriptor = os.open("synced", os.O_CREAT | os.O_WRONLY | flags)
        t.get("a synchronous write", os.write, descriptor, b"x" * 5000)
        t.get("is on the other side", lambda: len(read_file(place.on_other("synced"))))
        os.close(descriptor)


@scenario
def programs(t, place):
    source = "/bin/busybox" if os.path.exists("/bin/busybox") else "/bin/true"
    write_file("program", read_file(source), 0o755)
    os.symlink("program", "true")
    t.get("run", lambda: subprocess.run(["./true"], check=False).returncode)
    write_file("script", b"#!/bin/sh\nexit 3\n", 0o755)
    t.get("run a script", lambda: subprocess.run(["./script"], check=False).returncode)
    t.get("run by another", lambda: as_user(STRANGER, lambda: subprocess.run(["./script"], check=False).returncode))
    os.chmod("script", 0o644)
    t.get("without the x bit", lambda: subprocess.run(["./script"], check=False).returncode)
    os.chmod("script", 0o711)
    t.get("unreadable script by another",
          lambda: as_user(STRANGER, lambda: subprocess.run(["./script"], check=False, stderr=subprocess.DEVNULL).returncode))
    os.chmod("program", 0o711)
    t.get("unreadable program by another",
          lambda: as_user(STRANGER, lambda: subprocess.run(["./true"], check=False).returncode))
    os.chmod("program", 0o755)
    write_file("sleeper", read_file(source), 0o755)
    writer = os.open("sleeper", os.O_WRONLY)
    t.do("run while open for writing", subprocess.run, ["./sleeper"], check=False)
    os.close(writer)
    os.link("sleeper", "sleep")
    # Runs until its standard input ends.
    os.link("sleeper", "cat")
    running = subprocess.Popen(["./cat"], stdin=subprocess.PIPE)
    t.do("open for writing while it runs", os.open, "sleeper", os.O_WRONLY)
    t.do("truncate while it runs", os.truncate, "cat", 0)
    t.get("unlink while it runs", os.unlink, "cat")
    running.stdin.close()
    t.note("it ended", running.wait(timeout=20))
    t.do("open for writing afterwards", os.open, "sleeper", os.O_WRONLY)
    t.get("replace a program by rename", lambda: (write_file("new", b"#!/bin/sh\nexit 4\n", 0o755), os.rename("new", "true")) and None)
    t.get("run the new one", lambda: subprocess.run(["./true"], check=False).returncode)


@scenario
def memory_maps(t, place):
    size = 3 * mmap.PAGESIZE
    write_file("file", pattern(size))
    descriptor = os.open("file", os.O_RDWR)
    shared = mmap.mmap(descriptor, size)
    private = mmap.mmap(descriptor, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE)
    reading = mmap.mmap(descriptor, size, prot=mmap.PROT_READ)
    t.note("the map is the file", shared[:] == pattern(size))
    shared[0:6] = b"shared"
    t.get("a store is read by pread", os.pread, descriptor, 10, 0)
    t.note("and by another map", bytes(reading[0:6]))
    t.note("and by an untouched private map", bytes(private[0:6]))
    private[0:7] = b"private"
    t.get("a private store is not read", os.pread, descriptor, 10, 0)
    t.get("nor on the other side", lambda: read_file(place.on_other("file"))[:10])
    os.pwrite(descriptor, b"written", 5000)
    t.note("a write shows in the map", bytes(shared[5000:5007]))
    shared[6000:6006] = b"flushd"
    t.get("msync", shared.flush)
    t.get("is on the other side", lambda: read_file(place.on_other("file"))[6000:6006])
    with open(place.on_other("file"), "r+b", buffering=0) as other:
        other.seek(7000)
        other.write(b"other side")
    t.get("the other side's write, read", os.pread, descriptor, 10, 7000)
    t.note("the other side's write, mapped", bytes(reading[7000:7010]))
    with open(place.on_other("file"), "r+b") as other, mmap.mmap(other.fileno(), size) as other_map:
        other_map[8000:8009] = b"other map"
        t.note("the other side's map, mapped", bytes(shared[8000:8009]))
        shared[8100:8108] = b"this map"
        t.note("this map, on the other side's map", bytes(other_map[8100:8108]))
    os.utime("file", (1_000_000_000, 1_000_000_000))
    shared[100:105] = b"later"
    shared.flush()
    os.close(descriptor)
    t.note("a map outlives its descriptor", bytes(shared[100:105]))
    t.note("a store moved the modification time", os.stat("file").st_mtime != 1_000_000_000)
    shared[200:204] = b"last"
    shared.close()
    t.get("read after munmap", lambda: read_file("file")[200:204])
    t.get("and on the other side", lambda: read_file(place.on_other("file"))[200:204])
    os.unlink("file")
    t.note("a map outlives its name", bytes(reading[0:6]))
    reading.close()
    private.close()

    write_file("second", pattern(size))
    read_only = os.open("second", os.O_RDONLY)
    write_only = os.open("second", os.O_WRONLY)
    t.do("a shared writable map of a read-only descriptor", mmap.mmap, read_only, size)
    t.do("a private writable map of it", mmap.mmap, read_only, size, flags=mmap.MAP_PRIVATE,
         prot=mmap.PROT_READ | mmap.PROT_WRITE)
    t.do("a map of a write-only descriptor", mmap.mmap, write_only, size, prot=mmap.PROT_READ)
    os.close(write_only)

    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]

    def beyond_the_end():
        both = os.open("second", os.O_RDWR)
        address = libc.mmap(None, 4 * size, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, both, 0)
        t.note("within", ctypes.string_at(address, 4) == pattern(4))
        os.ftruncate(both, mmap.PAGESIZE)
        t.note("the first page after a truncate", ctypes.string_at(address, 4) == pattern(4))
        sys.stdout.flush()
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        ctypes.string_at(address + 2 * mmap.PAGESIZE, 4)

    t.note("beyond the end", signal_name(in_child_status(beyond_the_end)))
    t.stat("size", "second")
    # The last page's rest reads as zeroes, and what is stored there is not written.
    write_file("short", b"short")
    short = os.open("short", os.O_RDWR)
    with mmap.mmap(short, 5) as part:
        t.note("rest of the page", part[:])
    address = libc.mmap(None, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_WRITE, mmap.MAP_SHARED, short, 0)
    t.note("bytes after the end", ctypes.string_at(address, 12))
    ctypes.memmove(address + 5, b"junk", 4)
    os.fsync(short)
    t.get("are not the file's", lambda: read_file("short"))
    os.ftruncate(short, 100)
    t.get("and zero when it grows", lambda: read_file("short").rstrip(b"\0")[:5])
    os.close(short)

    def written_by_child():
        with open("shared", "r+b") as file, mmap.mmap(file.fileno(), 4096) as child_map:
            child_map[0:5] = b"child"

    write_file("shared", b"\0" * 4096)
    with open("shared", "r+b") as file, mmap.mmap(file.fileno(), 4096) as parent_map:
        in_child(written_by_child)
        t.note("a child's store in the parent's map", bytes(parent_map[0:5]))


def in_child_status(work):
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
