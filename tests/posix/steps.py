#!/usr/bin/env python3
"""Runs a named scenario of system calls in a directory and prints what each answered.

  steps.py SCENARIO DIRECTORY [OTHER]     OTHER: the same directory on another way (the host's), default DIRECTORY
  steps.py --list

Transcripts are free of what may differ (inode numbers, times, offsets of directories), so the transcript of a mounted
directory is compared with that of a plain one, line by line.
"""

import importlib
import os
import pkgutil
import sys

import scenarios
from transcript import Place, Transcript


def all_scenarios():
    found = {}
    for module in pkgutil.iter_modules(scenarios.__path__):
        contents = importlib.import_module(f"scenarios.{module.name}")
        for name, function in vars(contents).items():
            if getattr(function, "is_scenario", False):
                found[name] = function
    return found


def main(arguments):
    found = all_scenarios()
    if arguments == ["--list"]:
        print("\n".join(sorted(found)))
        return 0
    if len(arguments) not in (2, 3) or arguments[0] not in found:
        print(__doc__, file=sys.stderr)
        return 64
    os.umask(0o022)
    os.chdir(arguments[1])
    here = os.getcwd()
    place = Place(here, arguments[2] if len(arguments) == 3 else here)
    found[arguments[0]](Transcript(), place)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
