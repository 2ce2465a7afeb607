"""What every benchmark stands on: the program that is measured, a mount of it, turns."""

import contextlib
import subprocess
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
CLAIMFS = SOURCE / "build/release/claimfs"


def run(*words):
    subprocess.run([str(word) for word in words], check=True)


@contextlib.contextmanager
def claimfs_mounted(work, manifest, program=CLAIMFS):
    """The tree of these objects, at WORK/claimfs."""
    (work / "manifests").mkdir()
    (work / "manifests/bench.yaml").write_text(manifest)
    (work / "claimfs.yaml").write_text(f'log: {{file: "{work}/log"}}\n')
    globals_ = ["--config", work / "claimfs.yaml", "--state", work / "state"]
    mount = work / "claimfs"
    mount.mkdir()
    run(program, "mount", mount, "--manifests", work / "manifests", *globals_)
    try:
        yield mount
    finally:
        run(program, "unmount", mount, *globals_)


def in_turn(places, number):
    """The places in the order of that round: no place always comes after the same one."""
    names = list(places)
    return names[number % len(names):] + names[:number % len(names)]
