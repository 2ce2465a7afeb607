"""What is measured: loads, which fill rows of the table, and the clock that they are given."""

import contextlib
import dataclasses
import json
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from benchmark.places import FILE_LOAD, forget_removed, in_turn, touch_memory
from benchmark.processes import Failed, output_of, run

# Of a large file: on the server, in the page cache, on its way, and as much again.
MEMORY_FOR_EACH_MIB = 6


@dataclasses.dataclass(frozen=True)
class Sizes:
    files: int  # of the rows about names; a wide directory has 20 times as many, a tree twice, an archive a half
    size_mib: int  # of each large file
    seconds: float  # that rows last which go on for a time
    jobs: tuple[int, ...]  # of the rows about data


class Load:
    """Does the same work in every place. RUN is called once a round and place, with an empty directory, made through the
    place, and a clock, by which it fills its rows."""

    group = ""
    rows = {}  # title: what is counted

    def __init__(self, work, sizes):
        self.work, self.sizes = work, sizes

    def compares(self, name):
        """Whether it is done in the place of that name."""
        return name != "enforced"

    def prepare(self, hosts):
        """Makes what all rounds need in these directories of the host, which nothing shows yet: some filesystems look
        into a directory once for all."""

    def run(self, place, directory, clock):
        raise NotImplementedError


@dataclasses.dataclass
class Sample:
    per_second: float
    requests: dict[str, float] | None  # for each that was counted
    busy: float | None = None  # seconds of all processors for each


class Clock:
    """Notes what a place did in a round."""

    def __init__(self, place):
        self.requests = place.requests
        self.samples = {}

    def note(self, row, count, seconds, requests=None, busy=None):
        each = requests and {operation: number / count for operation, number in requests.items()}
        self.samples[row] = Sample(count / seconds, each, None if busy is None else busy / count)

    @contextlib.contextmanager
    def counting(self):
        """Yields the requests of what is done inside; they are there at the end."""
        counted = {}
        if self.requests is None:
            yield None
            return
        # Reading the counts costs requests, too: how many, the second reading tells.
        first, before = self.requests(), self.requests()
        yield counted
        after = self.requests()
        for operation, number in after.items():
            own = before.get(operation, 0) - first.get(operation, 0)
            counted[operation] = max(0, number - before.get(operation, 0) - own)

    @contextlib.contextmanager
    def time(self, row, count):
        with self.counting() as requests:
            begin = time.monotonic()
            yield
            seconds = time.monotonic() - begin
        self.note(row, count, seconds, requests)

    def command(self, row, count, *words, **how):
        with self.time(row, count):
            run(*words, **how)

    def file_load(self, row, directory, phase, *options):
        """A phase of tests/bench/file_load, which has a clock of its own."""
        with self.counting() as requests:
            (timing,) = json.loads(output_of(FILE_LOAD, directory, phase, *options)).values()
        self.note(row, timing["count"], timing["seconds"], requests, timing["busy"])


def measure(load, places, rounds, progress):
    """Row to name of the place to its samples, one a round; and what those said that could not do the work. PROGRESS is
    told of each step."""
    found = {row: {place.name: [] for place in places} for row in load.rows}
    failures = {}
    for number in range(rounds):
        for place in in_turn(places, number):
            progress(f"{load.group}: round {number + 1} in {place.name}")
            if place.name in failures:
                continue
            try:
                samples = once(load, place, f"{type(load).__name__}-{number}")
            except (Failed, OSError) as failure:
                if not place.may_fail:
                    raise
                failures[place.name] = str(failure)
                samples = {}
                for row in load.rows:
                    found[row][place.name].clear()
            for row, sample in samples.items():
                found[row][place.name].append(sample)
    return found, failures


def once(load, place, name):
    clock = Clock(place)
    # A new name each time: some remember what was removed on the host.
    directory = Path(tempfile.mkdtemp(prefix=f"{name}.", dir=place.directory))
    host = place.host / directory.name
    if load.group == "data":
        touch_memory(MEMORY_FOR_EACH_MIB * load.sizes.size_mib)
    try:
        load.run(place, directory, clock)
    finally:
        has_left_files = any(host.iterdir())
        shutil.rmtree(host)
        if has_left_files:
            forget_removed(host.parent)
    return clock.samples


def quartiles(values):
    """The first one, the median, and the third."""
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")
