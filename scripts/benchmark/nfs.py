"""Claims on an NFS server beside the server's limit: the same work by libnfs's raw calls.

The server is a real one, nfs-ganesha on loopback. A claim that many may use (shared), one that nobody else may
(exclusive), and a plain directory of the filesystem that the server exports from.
"""

import contextlib
import dataclasses
import json

from benchmark import metadata
from benchmark.archive import Archive
from benchmark.claims import claimfs_mounted, manifest, place_of
from benchmark.loads import Load
from benchmark.nfs_server import further_away, nfs_server
from benchmark.places import FILE_LOAD, SOURCE, Place, forget
from benchmark.processes import output_of, run

RAW = SOURCE / "build/release/nfs_raw"
MODES = {"shared": "ReadWriteMany", "exclusive": "ReadWriteOnce"}


@dataclasses.dataclass(frozen=True)
class Export(Place):
    """A directory of the server, for raw calls."""

    at: tuple[str, ...] = ()  # PORT MOUNT_PORT EXPORT

    def raw(self, load, directory, *options):
        return json.loads(output_of(RAW, *self.at, directory.relative_to(self.at[2]), load, *options))


class Raw(Load):
    """A load that nfs_raw knows, too. RAW_ROWS: what it calls those of the rows that it has."""

    raw_load = ""
    raw_rows = {}

    def options(self):
        return ("--files", self.sizes.files, "--size", self.sizes.size_mib)

    def run(self, place, directory, clock):
        if not isinstance(place, Export):
            self.run_files(place, directory, clock)
            return
        timings = place.raw(self.raw_load, directory, *self.options())
        for name, row in self.raw_rows.items():
            clock.note(row, timings[name]["count"], timings[name]["seconds"], busy=timings[name]["busy"])

    def run_files(self, place, directory, clock):
        raise NotImplementedError


class Stream(Raw):
    group = "data"
    rows = {
        "write 1 MiB at a time, then fsync": "MiB",
        "read 1 MiB at a time, cold": "MiB",
        "read 1 MiB at a time, warm": "MiB",
        "read 4 KiB anywhere, O_DIRECT, 1 job": "I/O",
        "read 4 KiB anywhere, O_DIRECT, 4 jobs": "I/O",
    }
    raw_load = "stream"
    raw_rows = dict(zip(("write", "read", "random-1", "random-4"), [row for row in rows if not row.endswith("warm")]))
    phases = ("write", "read-cold", "read", "direct", "direct")

    def run_files(self, place, directory, clock):
        for row, phase in zip(self.rows, self.phases):
            threads = 4 if row.endswith("4 jobs") else 1
            clock.file_load(row, directory, phase, "--size", self.sizes.size_mib, "--threads", threads)


class Names(Raw, metadata.Names):
    raw_load = "names"
    raw_rows = {f"{raw}-{jobs}": metadata.title(name, jobs) for jobs in metadata.JOBS
                for raw, name in (("create", "create"), ("stat", "stat, cold"), ("unlink", "unlink"))}
    run_files = metadata.Names.run


class Find(Raw):
    group = "metadata"
    rows = {"list and stat a tree, cold": "file"}
    raw_load = "find"
    raw_rows = {"find": "list and stat a tree, cold"}

    def options(self):
        return ("--files", self.sizes.files * 2)

    def prepare(self, hosts):
        for host in hosts:
            (host / "tree").mkdir()
            run(FILE_LOAD, host / "tree", "tree", *self.options())

    def run(self, place, directory, clock):
        super().run(place, place.directory / "tree", clock)

    def run_files(self, place, directory, clock):
        forget(place.host)
        clock.file_load("list and stat a tree, cold", directory, "walk", *self.options())


class Tar(Raw):
    group = "applications"
    rows = {"tar x": "file"}
    raw_load = "tar"
    raw_rows = {"tar": "tar x"}

    def prepare(self, hosts):
        self.archive = Archive(self.work, self.sizes.files // 2)

    def options(self):
        return ("--members", self.archive.members)

    def run(self, place, directory, clock):
        self.archive.tar.read_bytes()  # it is in the page cache for all
        super().run(place, directory, clock)

    def run_files(self, place, directory, clock):
        clock.command("tar x", self.archive.count, "tar", "-xf", self.archive.tar, "-C", directory)


@contextlib.contextmanager
def nfs_places(work, program, prepare, delay_ms=0):
    """The raw calls first, then the plain directory, and the claims. PREPARE is given the directories."""
    with nfs_server(work) as (exported, *ports), further_away(work, delay_ms, *ports) as (port, mount_port):
        hosts = {name: exported / name for name in ("raw", *MODES)}
        hosts["plain"] = work / "plain"
        for host in hosts.values():
            host.mkdir()
        prepare(hosts)
        objects = "".join(
            manifest(name, f'nfs: {{server: 127.0.0.1, path: "{hosts[name]}"}}\n  mountOptions: [port={port}, mountport={mount_port}]',
                     mode)
            for name, mode in MODES.items())
        with claimfs_mounted(work / "claims", objects, program) as mount:
            yield [
                Export("raw", hosts["raw"], hosts["raw"], "calls of libnfs, one connection",
                       at=(str(port), str(mount_port), str(exported))),
                Place("plain", hosts["plain"], hosts["plain"], "a directory of the filesystem that is exported"),
                *(place_of(mount, name, hosts[name], program, mode) for name, mode in MODES.items()),
            ]


def nfs_loads(work, sizes):
    return [Stream(work, sizes), Names(work, sizes), Find(work, sizes), Tar(work, sizes)]
