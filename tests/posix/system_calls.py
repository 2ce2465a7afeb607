"""System calls that Python has no function for."""

import ctypes
import os

LIBC = ctypes.CDLL(None, use_errno=True)

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW = 0x100
AT_SYMLINK_FOLLOW = 0x400
AT_EMPTY_PATH = 0x1000
AT_EACCESS = 0x200

RENAME_NOREPLACE = 1
RENAME_EXCHANGE = 2

FALLOC_FL_KEEP_SIZE = 0x01
FALLOC_FL_PUNCH_HOLE = 0x02
FALLOC_FL_COLLAPSE_RANGE = 0x08
FALLOC_FL_ZERO_RANGE = 0x10
FALLOC_FL_INSERT_RANGE = 0x20

UTIME_NOW = (1 << 30) - 1
UTIME_OMIT = (1 << 30) - 2

STATX_BTIME = 0x800
SYNC_FILE_RANGE_ALL = 7
SPLICE_F_MOVE = 1


def checked(result):
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def encoded(path):
    return os.fsencode(path)


def renameat2(source, target, flags):
    checked(LIBC.renameat2(AT_FDCWD, encoded(source), AT_FDCWD, encoded(target), flags))


def linkat(source_directory, source, target, flags):
    checked(LIBC.linkat(source_directory, encoded(source), AT_FDCWD, encoded(target), flags))


def fallocate(descriptor, mode, offset, length):
    checked(LIBC.fallocate(descriptor, mode, ctypes.c_longlong(offset), ctypes.c_longlong(length)))


def sync_file_range(descriptor, offset, length, flags=SYNC_FILE_RANGE_ALL):
    checked(LIBC.sync_file_range(descriptor, ctypes.c_longlong(offset), ctypes.c_longlong(length), flags))


def faccessat(path, mode, flags):
    checked(LIBC.faccessat(AT_FDCWD, encoded(path), mode, flags))


class Timespec(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long)]


def utimensat(path, access, modification, flags=0):
    """Each time is (seconds, nanoseconds or UTIME_NOW or UTIME_OMIT)."""
    times = (Timespec * 2)(Timespec(*access), Timespec(*modification))
    checked(LIBC.utimensat(AT_FDCWD, encoded(path), times, flags))


class StatxTime(ctypes.Structure):
    _fields_ = [("seconds", ctypes.c_int64), ("nanoseconds", ctypes.c_uint32), ("spare", ctypes.c_int32)]


class Statx(ctypes.Structure):
    _fields_ = [
        ("mask", ctypes.c_uint32), ("blksize", ctypes.c_uint32), ("attributes", ctypes.c_uint64),
        ("nlink", ctypes.c_uint32), ("uid", ctypes.c_uint32), ("gid", ctypes.c_uint32), ("mode", ctypes.c_uint16),
        ("spare0", ctypes.c_uint16), ("ino", ctypes.c_uint64), ("size", ctypes.c_uint64),
        ("blocks", ctypes.c_uint64), ("attributes_mask", ctypes.c_uint64), ("atime", StatxTime),
        ("btime", StatxTime), ("ctime", StatxTime), ("mtime", StatxTime), ("rest", ctypes.c_uint8 * 256),
    ]


def statx(path, mask=0xFFF, flags=0):
    answer = Statx()
    checked(LIBC.statx(AT_FDCWD, encoded(path), flags, mask, ctypes.byref(answer)))
    return answer


class Dirent(ctypes.Structure):
    _fields_ = [
        ("ino", ctypes.c_uint64), ("off", ctypes.c_int64), ("reclen", ctypes.c_ushort), ("type", ctypes.c_ubyte),
        ("name", ctypes.c_char * 256),
    ]


LIBC.opendir.restype = ctypes.c_void_p
LIBC.readdir.restype = ctypes.POINTER(Dirent)
LIBC.telldir.restype = ctypes.c_long


class Directory:
    """A glibc directory stream: opendir, readdir, telldir, seekdir, rewinddir."""

    def __init__(self, path):
        ctypes.set_errno(0)
        stream = LIBC.opendir(encoded(path))
        if not stream:
            raise OSError(ctypes.get_errno(), path)
        self.stream = ctypes.c_void_p(stream)

    def read(self):
        """(name, inode number, d_type), or None at the end."""
        ctypes.set_errno(0)
        entry = LIBC.readdir(self.stream)
        if not entry:
            if ctypes.get_errno():
                raise OSError(ctypes.get_errno(), "readdir")
            return None
        return entry.contents.name, entry.contents.ino, entry.contents.type

    def __iter__(self):
        while (entry := self.read()) is not None:
            yield entry

    def tell(self):
        return LIBC.telldir(self.stream)

    def seek(self, position):
        LIBC.seekdir(self.stream, ctypes.c_long(position))

    def rewind(self):
        LIBC.rewinddir(self.stream)

    def close(self):
        LIBC.closedir(self.stream)
