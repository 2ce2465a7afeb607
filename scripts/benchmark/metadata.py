"""Names, attributes, directories and small files."""

from benchmark.loads import Load
from benchmark.places import FILE_LOAD, forget, forget_removed
from benchmark.processes import run

JOBS = (1, 4)
# Title of the row, phase of file_load, whether the kernel has forgotten the names before. In this order.
PHASES = (
    ("create", "create", False),
    ("stat, cold", "stat", True),
    ("stat, warm", "stat", False),
    ("look up what is not there", "absent", False),
    ("rename", "rename", False),
    ("write a file of 4 KiB", "write-small", False),
    ("read a file of 4 KiB", "read-small", False),
    ("unlink", "unlink", False),
)


def title(name, jobs):
    return f"{name}, {jobs} job{'s' if jobs > 1 else ''}"


class Names(Load):
    group = "metadata"
    rows = {title(name, jobs): "file" for jobs in JOBS for name, _, _ in PHASES}

    def run(self, place, directory, clock):
        for jobs in JOBS:
            forget_removed(place.host)  # by the jobs before
            (directory / str(jobs)).mkdir()
            for name, phase, is_cold in PHASES:
                if is_cold:
                    forget(place.host)
                clock.file_load(title(name, jobs), directory / str(jobs), phase, "--files", self.sizes.files, "--threads", jobs)


class Made(Load):
    """Works on files that all rounds find, made on the host."""

    group = "metadata"
    name = phase = ""

    @property
    def count(self):
        raise NotImplementedError

    def prepare(self, hosts):
        for host in hosts:
            (host / self.name).mkdir()
            run(FILE_LOAD, host / self.name, self.phase, "--files", self.count)

    def cold_and_warm(self, place, clock, work, *command):
        for title_, is_cold in ((f"{work}, cold", True), (f"{work}, warm", False)):
            if is_cold:
                forget(place.host)
            clock.command(title_, self.count, *command, place.directory / self.name)


class WideDirectory(Made):
    rows = {f"{work} of a wide directory, {state}": "entry" for work in ("readdir", "ls -l") for state in ("cold", "warm")}
    name, phase = "wide", "create"

    @property
    def count(self):
        return self.sizes.files * 20

    def run(self, place, directory, clock):
        self.cold_and_warm(place, clock, "readdir of a wide directory", "ls", "-f")
        self.cold_and_warm(place, clock, "ls -l of a wide directory", "ls", "-l")


class Tree(Made):
    rows = {f"{work}, {state}": "file" for work in ("find", "ls -lR") for state in ("cold", "warm")}
    name, phase = "tree", "tree"

    @property
    def count(self):
        return self.sizes.files * 2

    def run(self, place, directory, clock):
        self.cold_and_warm(place, clock, "find", "find")
        self.cold_and_warm(place, clock, "ls -lR", "ls", "-lR")


def metadata_loads(work, sizes):
    return [Names(work, sizes), WideDirectory(work, sizes), Tree(work, sizes)]
