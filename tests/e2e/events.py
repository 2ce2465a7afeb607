#!/usr/bin/env python3
"""What inotify tells one process of what others do.

  events.py WATCHED COMMAND…     runs the command as another process; prints the events, in order, each burst of one kind once
"""

import ctypes
import os
import select
import struct
import subprocess
import sys

NAMES = {1: "ACCESS", 2: "MODIFY", 4: "ATTRIB", 8: "CLOSE_WRITE", 16: "CLOSE_NOWRITE", 32: "OPEN", 64: "MOVED_FROM",
         128: "MOVED_TO", 256: "CREATE", 512: "DELETE", 1024: "DELETE_SELF", 2048: "MOVE_SELF", 0x8000: "IGNORED"}
ALL_EVENTS = 0xfff
IS_DIRECTORY = 0x40000000
HEADER = struct.Struct("iIII")
LAST_WAIT_MS = 200


def events_in(data):
    while data:
        _, mask, _, length = HEADER.unpack_from(data)
        name = data[HEADER.size:HEADER.size + length].rstrip(b"\0")
        kind = NAMES.get(mask & ~IS_DIRECTORY, hex(mask)) + (" directory" if mask & IS_DIRECTORY else "")
        yield f"{kind} {os.fsdecode(name)}".rstrip()
        data = data[HEADER.size + length:]


def main():
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_CLOEXEC)
    if libc.inotify_add_watch(descriptor, os.fsencode(sys.argv[1]), ALL_EVENTS) < 0:
        raise OSError(ctypes.get_errno(), "inotify_add_watch")
    subprocess.run(sys.argv[2:], check=True)
    last = None
    while select.select([descriptor], [], [], LAST_WAIT_MS / 1000)[0]:
        for event in events_in(os.read(descriptor, 65536)):
            if event != last:
                print(event)
            last = event


main()
