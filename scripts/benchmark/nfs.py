"""Compares claims on an NFS server with the server's limit: the same work by libnfs's raw calls.

  sudo scripts/bench nfs [--rounds N] [--files N] [--size MiB] [--only WORDS] [--connections N] [--at DIRECTORY]

The server is a real one, nfs-ganesha on loopback, and what it exports a directory in memory. Every workload is done by
raw calls, on a claim that many may use (ReadWriteMany), on one that nobody else may (ReadWriteOnce), and in a plain
directory in memory, round by round in turn; of the rounds the median counts. Ratios are speed relative to the raw
calls: 1.00 is as fast, 0.50 takes twice the time. The last column is the exclusive claim relative to the plain directory.
Needs the targets claimfs, nfs_raw and file_load: ninja -C build/release claimfs nfs_raw file_load
"""

import argparse
import contextlib
import dataclasses
import io
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from benchmark.nfs_server import nfs_server
from benchmark.places import CLAIMFS, SOURCE, claimfs_mounted, in_turn

RAW = SOURCE / "build/release/nfs_raw"
FILE_LOAD = SOURCE / "build/release/file_load"
MANIFEST = """\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec:
  storageClassName: manual
  capacity: {{storage: 100Gi}}
  accessModes: [{mode}]
  mountOptions: [port={port}, mountport={mount_port}]
  claimRef: {{namespace: default, name: {name}}}
  nfs: {{server: 127.0.0.1, path: "{path}"}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec:
  storageClassName: manual
  accessModes: [{mode}]
  resources: {{requests: {{storage: 100Gi}}}}
---
"""
MODES = {"shared": "ReadWriteMany", "exclusive": "ReadWriteOnce"}


@dataclasses.dataclass(frozen=True)
class Row:
    load: str  # what is run for it
    timing: str  # what that calls it
    title: str
    goal: float | None = None  # at least so much of the raw speed
    local: bool = False  # an exclusive claim should be as fast as the plain directory


ROWS = [
    Row("stream", "write", "write 1 MiB at a time, then fsync, MiB", 0.8),
    Row("stream", "read", "read 1 MiB at a time, page cache dropped, MiB", 0.8),
    Row("stream", "read-again", "read it again, MiB", local=True),
    Row("stream", "random-1", "read 4 KiB anywhere, O_DIRECT, 1 job", 0.8),
    Row("stream", "random-4", "read 4 KiB anywhere, O_DIRECT, 4 jobs", 0.8),
    Row("names", "create-1", "create, 1 job", 0.5),
    Row("names", "create-4", "create, 4 jobs", 0.5),
    Row("names", "unlink-1", "unlink, 1 job", 0.5),
    Row("names", "unlink-4", "unlink, 4 jobs", 0.5),
    Row("names", "stat-1", "stat, names forgotten, 1 job"),
    Row("names", "stat-4", "stat, names forgotten, 4 jobs"),
    Row("names", "stat-again-1", "stat again, 1 job", local=True),
    Row("find", "find", "find: list and stat a tree, names forgotten", 1 / 3),
    Row("tar", "tar", "tar x", 0.5, local=True),
]


class Archive:
    """Files as those of a source tree, in a tar file, and what they are for the raw calls."""

    def __init__(self, work, count):
        self.tar = work / "archive.tar"
        self.members = work / "members"
        dice = random.Random(1)
        lines = []
        with tarfile.open(self.tar, "w") as archive:
            for number in range(count):
                directory = f"d{number // 20}"
                if number % 20 == 0:
                    self.add(archive, directory, tarfile.DIRTYPE, 0o755)
                    lines.append(f"d {directory}")
                size = min(int(dice.lognormvariate(8.3, 1.3)), 1 << 20)  # median 4 kB
                self.add(archive, f"{directory}/f{number}", tarfile.REGTYPE, 0o644, size)
                lines.append(f"f {size} {directory}/f{number}")
        self.members.write_text("\n".join(lines) + "\n")
        self.count = len(lines)

    @staticmethod
    def add(archive, name, kind, mode, size=0):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.mtime = kind, mode, size, 1_000_000_000
        archive.addfile(info, io.BytesIO(b"x" * size))


def json_of(*words):
    done = subprocess.run([str(word) for word in words], check=True, stdout=subprocess.PIPE)
    return {name: found["seconds"] / found["count"] for name, found in json.loads(done.stdout).items()}


class Files:
    """A place of files: loads are done by system calls."""

    def __init__(self, directory, host, archive):
        self.directory, self.host, self.archive = directory, host, archive

    def seconds(self, load, name, sizes):
        directory = self.directory / name
        if not directory.exists():
            directory.mkdir()
        if load != "tar":
            return json_of(FILE_LOAD, directory, load, *sizes)
        begin = time.monotonic()
        subprocess.run(["tar", "-xf", self.archive.tar, "-C", directory], check=True)
        return {"tar": (time.monotonic() - begin) / self.archive.count}


class Raw:
    """The place of the raw calls: a directory of the export."""

    def __init__(self, server, host, archive, connections):
        self.server, self.host, self.archive, self.connections = server, host, archive, connections

    def seconds(self, load, name, sizes):
        exported, port, mount_port = self.server
        (self.host / name).mkdir(exist_ok=True)
        return json_of(RAW, port, mount_port, exported, self.host.relative_to(exported) / name, load, *sizes,
                       "--members", self.archive.members, "--connections", self.connections)


@contextlib.contextmanager
def places_at(work, options):
    """Name to place, the raw one first."""
    archive = Archive(work, options.files // 5)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(nfs_server(work))
        exported, port, mount_port = server
        hosts = {name: exported / name for name in ("raw", *MODES)}
        hosts["plain"] = work / "plain"
        for host in hosts.values():
            host.mkdir()
        manifest = "".join(MANIFEST.format(name=name, mode=mode, port=port, mount_port=mount_port, path=hosts[name])
                           for name, mode in MODES.items())
        mount = stack.enter_context(claimfs_mounted(work, manifest, options.claimfs))
        places = {"raw": Raw(server, hosts["raw"], archive, options.connections)}
        for name in MODES:
            places[name] = Files(mount / "default" / name, hosts[name], archive)
        places["plain"] = Files(hosts["plain"], hosts["plain"], archive)
        yield places


def measure(load, places, options):
    """Place to what was timed to the median of seconds for one operation."""
    sizes = ["--size", options.size, "--files", options.files if load == "find" else options.files // 5]
    if load == "find":
        for place in places.values():
            place.seconds("tree", "tree", sizes)
    rounds = {name: [] for name in places}
    for number in range(options.rounds):
        for name in in_turn(places, number):
            directory = "tree" if load == "find" else f"{load}-{number}"
            rounds[name].append(places[name].seconds(load, directory, sizes))
            if load != "find":
                shutil.rmtree(places[name].host / directory, ignore_errors=True)
    return {name: {timing: statistics.median(found[timing] for found in each) for timing in each[0]}
            for name, each in rounds.items()}


def line_of(row, seconds):
    def ratio(name, base):
        known = row.timing in seconds[name] and row.timing in seconds[base]
        return f"{seconds[base][row.timing] / seconds[name][row.timing]:10.2f}" if known else f"{'':10}"

    raw = f"{1 / seconds['raw'][row.timing]:12,.0f}" if row.timing in seconds["raw"] else f"{'':12}"
    goal = f">= {row.goal:.2f}" if row.goal else ""
    local = ratio("exclusive", "plain") if row.local else ""
    return f"{row.title:46}{raw}{ratio('shared', 'raw')}{ratio('exclusive', 'raw')}{goal:>9}{local}"


def main(arguments):
    parser = argparse.ArgumentParser(prog="bench nfs", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=10_000, help="of the tree for find; elsewhere a fifth of it")
    parser.add_argument("--size", type=int, default=256, help="MiB of large files")
    parser.add_argument("--only", default="", help="rows that have this in them")
    parser.add_argument("--connections", type=int, default=1, help="of the raw side; its operations are dealt to them")
    parser.add_argument("--at", default="/dev/shm", help="where the server's directory is made")
    parser.add_argument("--claimfs", type=Path, default=CLAIMFS, help="the program to measure")
    options = parser.parse_args(arguments)
    if os.geteuid() != 0:
        sys.exit("bench mounts filesystems: run it with sudo")
    for program in (options.claimfs, RAW, FILE_LOAD):
        if not program.exists():
            sys.exit(f"{program} is missing: cmake --preset release && ninja -C build/release claimfs nfs_raw file_load")
    rows = [row for row in ROWS if options.only in row.title]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # what was mounted and started goes with us
    work = Path(tempfile.mkdtemp(prefix="claimfs-bench.", dir=options.at))
    os.chmod(work, 0o755)
    try:
        with places_at(work, options) as places:
            print(f"{'':46}{'raw/s':>12}{'shared':>10}{'exclusive':>10}{'goal':>9}{'/ plain':>10}", flush=True)
            for load in dict.fromkeys(row.load for row in rows):
                seconds = measure(load, places, options)
                for row in rows:
                    if row.load == load:
                        print(line_of(row, seconds), flush=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
