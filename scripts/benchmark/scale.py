"""How much there may be of everything: claims, and inodes that the kernel remembers."""

import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path

from benchmark.claims import claimfs_mounted, manifest
from benchmark.objects import claim, volume
from benchmark.places import FILE_LOAD, forget
from benchmark.processes import Failed, output_of, run

MILLION = 1_000_000
FREEING_SECONDS = 5


@dataclasses.dataclass(frozen=True)
class Figure:
    """A number of claimfs's own that nothing is compared with."""

    title: str
    value: float
    unit: str

    def __str__(self):
        return f"{self.title}: {self.value:,.{0 if self.value >= 100 else 2}f} {self.unit}"


@dataclasses.dataclass(frozen=True)
class Survey:
    """Finds figures. What it needs it makes in the empty directory that it is given."""

    title: str
    run: Callable[[Path], list[Figure]]


def resident_bytes(mount):
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            if words[0].endswith(b"claimfs") and bytes(mount) in words:
                line = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS:"))
                return int(line.split()[1]) * 1024
        except OSError:  # it has ended meanwhile
            continue
    raise Failed(f"no daemon serves {mount}")


def least_resident_bytes(mount):
    """Of some seconds, in which what is free is given back."""
    least = resident_bytes(mount)
    for _ in range(FREEING_SECONDS):
        time.sleep(1)
        least = min(least, resident_bytes(mount))
    return least


def inodes_of(mount):
    lines = (mount / ".claimfs/metrics").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("claimfs_inodes "))


def many_claims(count, program, work):
    """The time from unbound objects to all claims bound, start and end of the process included."""
    (work / "claims").mkdir()
    settings = ["--state", work / "claims/state"]
    objects = [make(number) for make in (volume, claim) for number in range(count)]
    (work / "objects.yaml").write_text("\n---\n".join(json.dumps(each) for each in objects))
    run(program, *settings, "import", "-f", work / "objects.yaml")
    begin = time.monotonic()
    run(program, *settings, "controller", "--until-settled")
    seconds = time.monotonic() - begin
    bound = output_of(program, *settings, "get", "pvc", "--no-headers").count(" Bound ")
    if bound != count:
        raise Failed(f"only {bound} of {count} claims are bound")
    return [Figure(f"{count:,} claims bound", seconds, "s")]


def many_inodes(count, program, work):
    """Walks a tree whose names the kernel does not know."""
    host = work / "host"
    host.mkdir()
    run(FILE_LOAD, host, "tree", "--files", count)
    with claimfs_mounted(work / "mounted", manifest("bench", f'hostPath: {{path: "{host}"}}'), program) as mount:
        (mount / "default/bench").stat()
        forget(host)
        before, known = resident_bytes(mount), inodes_of(mount)
        (timing,) = json.loads(output_of(FILE_LOAD, mount / "default/bench", "walk", "--files", count)).values()
        used, now = resident_bytes(mount) - before, inodes_of(mount) - known
        forget(host)
        left = max(0, least_resident_bytes(mount) - before)
    return [Figure(f"list and stat a tree of {count:,} files, cold", count / timing["seconds"], "files/s"),
            Figure(f"the daemon's memory for each cached inode of {count:,}", used / now, "bytes"),
            Figure("and what stays of that when the kernel has forgotten them", left / now, "bytes")]


def surveys(sizes, program, full):
    claims, inodes = sizes.files * 2, MILLION if full else sizes.files * 4
    return [Survey("claims bound", lambda work: many_claims(claims, program, work)),
            Survey("a tree of files", lambda work: many_inodes(inodes, program, work))]
