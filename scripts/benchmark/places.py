"""Where the same work is done: a plain directory, and directories of filesystems that show one."""

import contextlib
import dataclasses
import mmap
from collections.abc import Callable
from pathlib import Path

from benchmark.processes import Failed, run

SOURCE = Path(__file__).resolve().parents[2]
CLAIMFS = SOURCE / "build/release/claimfs"
FILE_LOAD = SOURCE / "build/release/file_load"


@dataclasses.dataclass(frozen=True)
class Place:
    name: str
    directory: Path  # where the work is done
    host: Path  # the same on the host: what was done is removed there
    how: str  # the command that mounted it, or what it is
    version: str = ""
    may_fail: bool = False  # somebody else's: what it cannot do is told, and the rest goes on
    requests: Callable[[], dict[str, int]] | None = None  # of the kernel so far, by operation; None: not counted


def in_turn(places, number):
    """The places in the order of that round: no place always comes after the same one."""
    first = number % len(places)
    return places[first:] + places[:first]


def forget(at, data=False):
    """The kernel forgets the names and attributes that it knows, with `data` what it has read, too. AT: a directory of the
    filesystem on which that must be clean for it."""
    run("sync", "-f", at)
    Path("/proc/sys/vm/drop_caches").write_text("3" if data else "2")


def forget_removed(at):
    """So that what is done next does not depend on what was removed before. Some filesystems keep a file as long as the
    kernel knows it; and ext4 without a journal looks, for each new file, through all inodes that it has freed in the last
    minutes and still has in memory (recently_deleted() in fs/ext4/ialloc.c): 1 ms a file after some thousand."""
    forget(at, data=True)


def touch_memory(mib):
    """So that what is written next finds memory that the machine has. A virtual machine gives free memory back to its host
    (free page reporting) and gets it again page by page: then that is what is measured, and of those most who need most."""
    with mmap.mmap(-1, mib << 20) as memory:
        for _ in range(mib):
            memory.write(b"touched!" * (1 << 17))


@contextlib.contextmanager
def unmounting(mount, *command):
    """What is mounted inside is unmounted at the end, by the command; what is still in use, lazily."""
    try:
        yield
    finally:
        try:
            run(*command)
        except Failed:
            with contextlib.suppress(Failed):  # nothing was mounted
                run("umount", "--lazy", mount)
