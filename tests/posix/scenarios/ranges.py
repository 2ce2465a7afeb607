"""Ranges of files: allocated, punched, copied and spliced."""

import errno
import os
import socket

from system_calls import (FALLOC_FL_COLLAPSE_RANGE, FALLOC_FL_INSERT_RANGE, FALLOC_FL_KEEP_SIZE,
                          FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE, fallocate)
from transcript import pattern, read_file, scenario, write_file

MODES = {
    "allocate": 0,
    "keep size": FALLOC_FL_KEEP_SIZE,
    "punch": FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
    "punch without keep size": FALLOC_FL_PUNCH_HOLE,
    "zero": FALLOC_FL_ZERO_RANGE,
    "zero, keep size": FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
    "nonsense": 1 << 12,
}


def regions(descriptor):
    found = []
    position = 0
    try:
        while True:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
            position = os.lseek(descriptor, start, os.SEEK_HOLE)
            found.append((start, position))
    except OSError as error:
        assert error.errno == errno.ENXIO
    return str(found)


@scenario
def allocation(t, place):
    for word, mode in MODES.items():
        for offset, length in ((0, 4096), (8192, 16384), (100, 5000), (60000, 10000), (200_000, 4096), (0, 0), (-1, 10)):
            write_file("file", pattern(65536))
            descriptor = os.open("file", os.O_RDWR)
            os.fsync(descriptor)
            t.get(f"{word} {offset} + {length}", fallocate, descriptor, mode, offset, length)
            t.stat("  size", descriptor)
            t.get("  content", lambda: read_file("file"))
            t.get("  on the other side", lambda: read_file(place.on_other("file")))
            os.fsync(descriptor)
            t.note("  data", regions(descriptor))
            t.stat("  blocks", place.on_other("file"), fields="blocks")
            os.close(descriptor)
    descriptor = os.open("file", os.O_RDONLY)
    t.get("of a read-only descriptor", fallocate, descriptor, 0, 0, 4096)
    os.close(descriptor)
    os.mkfifo("fifo")
    descriptor = os.open("fifo", os.O_RDWR)
    t.get("of a fifo", fallocate, descriptor, 0, 0, 4096)
    os.close(descriptor)
    # These two the kernel's FUSE never passes on: they are refused cleanly and leave the file alone.
    write_file("file", pattern(65536))
    descriptor = os.open("file", os.O_RDWR)
    for word, mode in (("collapse", FALLOC_FL_COLLAPSE_RANGE), ("insert", FALLOC_FL_INSERT_RANGE)):
        try:
            fallocate(descriptor, mode, 4096, 4096)
            fallocate(descriptor, mode ^ FALLOC_FL_COLLAPSE_RANGE ^ FALLOC_FL_INSERT_RANGE, 4096, 4096)
            answer = "done or EOPNOTSUPP"
        except OSError as error:
            answer = "done or EOPNOTSUPP" if error.errno == errno.EOPNOTSUPP else errno.errorcode[error.errno]
        t.note(word, answer)
        t.stat("  size", descriptor)
    os.close(descriptor)


@scenario
def holes(t, place):
    descriptor = os.open("file", os.O_RDWR | os.O_CREAT)
    os.ftruncate(descriptor, 1 << 20)
    t.note("only a hole", regions(descriptor))
    for offset in (65536, 524288):
        os.pwrite(descriptor, pattern(8192), offset)
    os.fsync(descriptor)
    t.note("two islands", regions(descriptor))
    for offset in (0, 65535, 65536, 70000, 73728, 524288, 1 << 20, (1 << 20) - 1, -1):
        t.get(f"data from {offset}", os.lseek, descriptor, offset, os.SEEK_DATA)
        t.get(f"hole from {offset}", os.lseek, descriptor, offset, os.SEEK_HOLE)
    t.get("punch", fallocate, descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 65536, 8192)
    t.note("one island", regions(descriptor))
    with open(place.on_other("file"), "rb", buffering=0) as other:
        t.note("on the other side", regions(other.fileno()))
    os.close(descriptor)


def copy_all(source, target, size, source_offset, target_offset):
    done = 0
    while done < size:
        step = os.copy_file_range(source, target, size - done, source_offset + done, target_offset + done)
        if step == 0:
            break
        done += step
    return done


@scenario
def copied_ranges(t, place):
    write_file("source", pattern(3_000_000))
    source = os.open("source", os.O_RDWR)
    target = os.open("target", os.O_RDWR | os.O_CREAT)
    for size, from_offset, to_offset in ((3_000_000, 0, 0), (100, 7, 13), (5000, 2_999_000, 0), (10, 4_000_000, 0),
                                         (4096, 4096, 8_000_000), (0, 0, 0)):
        t.get(f"{size} from {from_offset} to {to_offset}", copy_all, source, target, size, from_offset, to_offset)
        t.get("  target", lambda: read_file("target"))
        t.get("  on the other side", lambda: read_file(place.on_other("target")))
    t.get("with the descriptors' positions", os.copy_file_range, source, target, 100)
    t.get("  source is at", os.lseek, source, 0, os.SEEK_CUR)
    t.get("  target is at", os.lseek, target, 0, os.SEEK_CUR)
    t.get("within a file", copy_all, source, source, 1000, 0, 2_000_000)
    t.get("  content", lambda: read_file("source"))
    t.get("over itself", os.copy_file_range, source, source, 1000, 0, 500)
    read_only = os.open("target", os.O_RDONLY)
    t.get("to a read-only descriptor", os.copy_file_range, source, read_only, 10)
    appending = os.open("target", os.O_WRONLY | os.O_APPEND)
    t.get("to an appending descriptor", os.copy_file_range, source, appending, 10)
    write_only = os.open("source", os.O_WRONLY)
    t.get("from a write-only descriptor", os.copy_file_range, write_only, target, 10)
    directory = os.open(".", os.O_RDONLY)
    t.get("from a directory", os.copy_file_range, directory, target, 10)
    for descriptor in (source, target, read_only, appending, write_only, directory):
        os.close(descriptor)


@scenario
def spliced_ranges(t, place):
    write_file("source", pattern(300_000))
    source = os.open("source", os.O_RDONLY)
    target = os.open("target", os.O_RDWR | os.O_CREAT)

    def send(count, offset):
        done = 0
        while done < count:
            step = os.sendfile(target, source, offset + done, count - done)
            if step == 0:
                break
            done += step
        return done

    t.get("sendfile to a file", send, 300_000, 0)
    t.get("  target", lambda: read_file("target"))
    t.get("sendfile over the end", send, 300_000, 250_000)
    t.stat("  target", target)
    ours, theirs = socket.socketpair()
    t.get("sendfile to a socket", os.sendfile, ours.fileno(), source, 1000, 5000)
    t.get("  received", theirs.recv, 10_000)
    read_end, write_end = os.pipe()
    t.get("splice from a file", os.splice, source, write_end, 4000, 100)
    t.get("splice to a file", os.splice, read_end, target, 4000, None, 1_000_000)
    t.get("  target", os.pread, target, 5000, 1_000_000)
    t.get("splice at the end", os.splice, source, write_end, 4000, 300_000)
    appending = os.open("target", os.O_WRONLY | os.O_APPEND)
    os.write(write_end, b"piped")
    t.get("splice to an appending descriptor", os.splice, read_end, appending, 5)
    t.get("on the other side", lambda: read_file(place.on_other("target")))
    for descriptor in (source, target, read_end, write_end, appending):
        os.close(descriptor)
