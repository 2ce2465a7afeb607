"""Reading and writing large files, by fio."""

import dataclasses
import json

from benchmark.loads import Load
from benchmark.places import forget
from benchmark.processes import output_of

MIB = 1 << 20


@dataclasses.dataclass(frozen=True)
class Fio:
    title: str
    rw: str  # fio's word for it
    options: tuple[str, ...] = ()
    is_cold: bool = False

    @property
    def is_sequential(self):
        return not self.rw.startswith("rand")


KINDS = (
    Fio("sequential write, new file", "write", ("--unlink=1",)),
    Fio("sequential read, cold", "read", is_cold=True),
    Fio("sequential read, warm", "read"),
    Fio("random 4 KiB write", "randwrite"),
    Fio("random 4 KiB read, cold", "randread", is_cold=True),
    Fio("random 4 KiB read, warm", "randread"),
    Fio("random 4 KiB read of a map, warm", "randread", ("--ioengine=mmap",)),
    Fio("random 4 KiB write to a map, warm", "randwrite", ("--ioengine=mmap",)),
    # Who is faster than the plain directory here has not passed O_DIRECT on (bindfs, fuse-overlayfs).
    Fio("sequential read, O_DIRECT", "read", ("--direct=1",)),
    Fio("random 4 KiB read, O_DIRECT", "randread", ("--direct=1",)),
    Fio("random 4 KiB write, O_DIRECT", "randwrite", ("--direct=1",)),
)


class Data(Load):
    group = "data"

    def __init__(self, work, sizes, kind, jobs):
        super().__init__(work, sizes)
        self.kind, self.jobs = kind, jobs
        self.title = f"{kind.title}, {jobs} job{'s' if jobs > 1 else ''}"
        self.rows = {self.title: "MiB" if kind.is_sequential else "I/O"}

    def prepare(self, hosts):
        """The files that are read and overwritten, the same ones for all rows."""
        block = b"x" * MIB
        for host in hosts:
            (host / "data").mkdir(exist_ok=True)
            for job in range(max(self.sizes.jobs)):
                path = host / f"data/file.{job}"
                if not path.exists():
                    with path.open("wb") as file:
                        for _ in range(self.sizes.size_mib):
                            file.write(block)

    def run(self, place, directory, clock):
        is_new = "--unlink=1" in self.kind.options
        options = [*self.kind.options]
        if self.kind.is_cold:
            forget(place.host, data=True)
        elif "--direct=1" not in options and not is_new:
            options.append("--pre_read=1")
        if not (is_new or (self.kind.is_cold and self.kind.is_sequential)):  # those are done once
            options += ["--time_based=1", f"--runtime={int(self.sizes.seconds * 1000)}ms"]
        with clock.counting() as requests:
            read = fio(directory if is_new else place.directory / "data", self.kind.rw, self.jobs, self.sizes.size_mib,
                       *options)
        count = read["io_bytes"] / MIB if self.kind.is_sequential else read["total_ios"]
        rate = read["bw_bytes"] / MIB if self.kind.is_sequential else read["iops"]
        clock.note(self.title, count, count / rate, requests)


def fio(directory, rw, jobs, size_mib, *options):
    """Runs fio on one file a job, and returns what it says of reading or writing."""
    block = "4k" if rw.startswith("rand") else "1M"
    done = json.loads(output_of(
        "fio", "--name=file", f"--directory={directory}", "--filename_format=file.$jobnum", f"--rw={rw}", f"--bs={block}",
        f"--size={size_mib}M", f"--numjobs={jobs}", "--thread", "--ioengine=psync", "--invalidate=0", "--fallocate=none",
        "--randrepeat=1", "--group_reporting", "--output-format=json", *options))
    return done["jobs"][0]["write" if rw.endswith("write") else "read"]


def data_loads(work, sizes):
    return [Data(work, sizes, kind, jobs) for kind in KINDS for jobs in sizes.jobs]
