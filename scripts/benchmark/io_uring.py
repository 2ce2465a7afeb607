"""Whether the kernel hands its requests over by io_uring to those that ask for it when they are mounted."""

import contextlib
from pathlib import Path

from benchmark.processes import Failed

PARAMETER = Path("/sys/module/fuse/parameters/enable_uring")


def is_enabled():
    return PARAMETER.exists() and PARAMETER.read_text().strip() == "Y"


@contextlib.contextmanager
def io_uring_enabled():
    try:
        before = PARAMETER.read_text()
    except FileNotFoundError:
        raise Failed("this kernel has no FUSE over io_uring: Linux 6.14 and newer do") from None
    PARAMETER.write_text("Y")
    try:
        yield
    finally:
        PARAMETER.write_text(before)
