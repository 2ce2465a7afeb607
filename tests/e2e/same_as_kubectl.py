#!/usr/bin/env python3
"""Imports the objects of a recorded cluster and gives claimfs the recorded kubectl calls; says what differs.

  same_as_kubectl.py CLAIMFS RECORDING [PART OF A CALL]

Ages are compared by their form, and so are the columns whose width they change.
"""

import json
import re
import subprocess
import sys

AGE = re.compile(r"\b(\d+[smhdy])+\b( \(x\d+ over (\d+[smhdy])+\))?")


def comparable(text):
    text = AGE.sub("AGE", text)
    return "\n".join(re.sub(r" {2,}", "  ", line).rstrip() if "AGE" in line or "Age" in line or "----" in line else line
                     for line in text.split("\n"))


def main(claimfs, recording, wanted=""):
    with open(recording) as file:
        recorded = json.load(file)
    objects = json.dumps({"apiVersion": "v1", "kind": "List", "items": recorded["objects"]})
    subprocess.run([claimfs, "import", "-f", "-"], input=objects, text=True, check=True, stdout=subprocess.DEVNULL)
    compared = differences = 0
    for call in recorded["outputs"]:
        words = " ".join(call["args"])
        if wanted not in words:
            continue
        compared += 1
        done = subprocess.run([claimfs, *call["args"]], capture_output=True, text=True, timeout=30)
        for stream in ("stdout", "stderr"):
            expected, actual = comparable(call[stream]), comparable(getattr(done, stream))
            # Versions of objects are each store's own.
            expected, actual = (re.sub(r'resourceVersion: "\d+"', "", text) for text in (expected, actual))
            if expected != actual:
                differences += 1
                print(f"--- kubectl {words} ({stream})\n{expected}\n+++ claimfs\n{actual}")
        if done.returncode != call["rc"]:
            differences += 1
            print(f"{words}: exit {done.returncode}, kubectl {call['rc']}")
    print(f"{compared} calls compared, {differences} differ")
    return 1 if differences or not compared else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
