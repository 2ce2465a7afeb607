"""Other filesystems that show a host directory, each with the options that make it fastest."""

import contextlib
import dataclasses
import functools
import re

from benchmark import io_uring
from benchmark.claims import host_path_claim
from benchmark.places import SOURCE, Place, unmounting
from benchmark.processes import MOUNT_SECONDS, output_of, run, uninterrupted

# Nobody else changes what they show: what they know they may believe for a day. A claim believes it for a second.
DAY = 86400


@dataclasses.dataclass(frozen=True)
class Peer:
    name: str
    command: tuple[str, ...]  # {host}, {mount}, and {lower} and {work}, which are empty directories
    version: str


def version_of(program):
    line = next(line for line in output_of(program, "--version").splitlines() if line.startswith(program))
    return re.search(r"\d+(\.\d+)+", line)[0]


def peers():
    built = max((SOURCE / "build/deps").glob("passthrough_hp-*[0-9]"))  # by scripts/bootstrap --bench
    return [
        Peer("bindfs", ("bindfs", "--multithreaded", "-o",
                        f"kernel_cache,entry_timeout={DAY},attr_timeout={DAY},negative_timeout={DAY}", "{host}", "{mount}"),
             version_of("bindfs")),
        Peer("mergerfs", ("mergerfs", "-o", "allow_other,use_ino,category.create=ff,minfreespace=0,cache.files=auto-full,"
                          f"cache.readdir=true,cache.symlinks=true,cache.attr={DAY},cache.entry={DAY},"
                          f"cache.negative_entry={DAY},cache.open={DAY}", "{host}", "{mount}"),
             version_of("mergerfs")),
        Peer("fuse-overlayfs", ("fuse-overlayfs", "-o", "allow_other,lowerdir={lower},upperdir={host},workdir={work}", "{mount}"),
             version_of("fuse-overlayfs")),
        Peer("passthrough_hp", (str(built), "-o", "allow_other" + (",io_uring" if io_uring.is_enabled() else ""), "{host}", "{mount}"),
             built.name.rpartition("-")[2]),
    ]


@contextlib.contextmanager
def peer_mounted(work, host, peer):
    own = {name: work / f"{peer.name}.{name}" for name in ("mount", "lower", "work")}
    for directory in own.values():
        directory.mkdir()
    with unmounting(own["mount"], "umount", own["mount"]):
        with uninterrupted():
            run(*(word.format(host=host, **own) for word in peer.command), patience_seconds=MOUNT_SECONDS)
        yield Place(peer.name, own["mount"], host, " ".join(peer.command), peer.version, may_fail=True)


@contextlib.contextmanager
def host_places(work, program, prepare):
    """The plain directory, and what shows another one of the same filesystem. PREPARE is given all of them by name before
    anything is mounted."""
    ways = {
        "claimfs": functools.partial(host_path_claim, program=program, enforcement="none"),
        "enforced": functools.partial(host_path_claim, program=program, enforcement="accounting"),
    }
    with contextlib.ExitStack() as stack:
        others = peers()
        hosts = {name: work / "host" / name for name in ("plain", *ways, *(peer.name for peer in others))}
        for host in hosts.values():
            host.mkdir(parents=True)
        prepare(hosts)
        places = [Place("plain", hosts["plain"], hosts["plain"], "the directory itself")]
        for name, way in ways.items():
            places.append(stack.enter_context(way(work, name, hosts[name])))
        for peer in others:
            places.append(stack.enter_context(peer_mounted(work, hosts[peer.name], peer)))
        yield places
