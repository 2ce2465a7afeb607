"""What the numbers depend on, for whoever reads them later."""

import os
import platform
import sqlite3
from pathlib import Path

from benchmark import io_uring
from benchmark.processes import Failed, output_of

VERSIONS = {
    "fio": ("fio", "--version"),
    "git": ("git", "--version"),
    "tar": ("tar", "--version"),
    "postgresql": ("pgbench", "--version"),
    "nfs-ganesha": ("dpkg-query", "-W", "-f", "${Version}", "nfs-ganesha"),
    "libc": ("ldd", "--version"),
}


def first_line(*command):
    try:
        return output_of(*command).splitlines()[0]
    except (Failed, OSError, IndexError):
        return "unknown"


def field_of(file, name):
    for line in Path(file).read_text().splitlines():
        key, _, value = line.replace("=", ":", 1).partition(":")
        if key.strip() == name:
            return value.strip().strip('"')
    return "unknown"


def machine(work):
    return {
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "processor": field_of("/proc/cpuinfo", "model name"),
        "processors": os.cpu_count(),
        "processors_used": sorted(os.sched_getaffinity(0)),
        "memory": field_of("/proc/meminfo", "MemTotal"),
        "distribution": field_of("/etc/os-release", "PRETTY_NAME"),
        "io_uring": io_uring.is_enabled(),
        "filesystem": output_of("stat", "-f", "-c", "%T", work).strip(),
        "load_average": os.getloadavg(),
        "versions": {**{name: first_line(*command) for name, command in VERSIONS.items()}, "sqlite": sqlite3.sqlite_version},
    }
