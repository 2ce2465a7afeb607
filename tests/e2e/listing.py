#!/usr/bin/env python3
"""Everything that a tree is, one line an entry: two trees are the same when their listings are.

  listing.py DIRECTORY

An entry's line has its name, kind and mode, owner, time to the nanosecond, extended attributes (access lists are some of
them), and by kind: size and checksum, whether it has holes, its other names; a link's target; a device's number.
"""

import hashlib
import os
import stat
import sys


def entries_of(root):
    yield b"."
    for directory, directories, files in os.walk(root):
        for name in directories + files:
            yield os.path.relpath(os.path.join(directory, name), root)


def checksum_of(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256") if hasattr(hashlib, "file_digest") else hashlib.sha256(file.read())


def attributes_of(path):
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return [f"{name}={os.getxattr(path, name, follow_symlinks=False).hex()}" for name in names]


def describe(path, state, names):
    yield stat.filemode(state.st_mode)
    yield f"{state.st_uid}:{state.st_gid}"
    yield f"{state.st_mtime_ns}"
    if not stat.S_ISDIR(state.st_mode):
        yield f"names {state.st_nlink} {' '.join(ascii(os.fsdecode(name)) for name in names)}"
    if stat.S_ISREG(state.st_mode):
        yield f"size {state.st_size} {checksum_of(path).hexdigest()}"
        yield "has holes" if state.st_blocks * 512 < state.st_size // 2 else "whole"
    elif stat.S_ISLNK(state.st_mode):
        yield f"to {ascii(os.fsdecode(os.readlink(path)))}"
    elif stat.S_ISCHR(state.st_mode) or stat.S_ISBLK(state.st_mode):
        yield f"device {os.major(state.st_rdev)}:{os.minor(state.st_rdev)}"
    yield from attributes_of(path)


def main():
    root = os.fsencode(sys.argv[1])
    states = {name: os.lstat(os.path.join(root, name)) for name in entries_of(root)}
    names_of = {}
    for name, state in sorted(states.items()):
        names_of.setdefault((state.st_dev, state.st_ino), []).append(name)
    for name, state in sorted(states.items()):
        words = describe(os.path.join(root, name), state, names_of[state.st_dev, state.st_ino])
        print(ascii(os.fsdecode(name)), *words)


main()
