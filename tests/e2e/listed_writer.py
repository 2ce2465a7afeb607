"""Writes files, and says of each what must outlive a crash from then on; and looks whether it did.

  listed_writer.py write DIRECTORY LIST ROUND SEED   four writers at once, until killed; exit 1 at the first error, which it says
  listed_writer.py check DIRECTORY LIST…             exit 1, and what is wrong, when what is listed is not there, or not whole;
                                                     else how many files are

Rounds may have one directory: their files have other names.

LIST is on a disk that does not crash. A line of it is one fact:
  whole NAME BLOCKS VERSION    the file has so many blocks, each of that version or of one that was written later
  going NAME                   from now on it may be there or not
  gone NAME                    the name is not there
A block is 4 KiB: the file's number, the block's and its version, again and again. None is ever written in pieces, so that
every block says by itself whether it is right, and how old it is.
"""

import os
import random
import struct
import sys
import threading

BLOCK = 4096
FIELDS = struct.Struct("<IIQ")


def block_of(file, number, version):
    return FIELDS.pack(file, number, version) * (BLOCK // FIELDS.size)


def put(descriptor, file, version, first, last):
    """Blocks, in pieces of a few, in any order."""
    starts = list(range(first, last, 5))
    random.shuffle(starts)
    for start in starts:
        data = b"".join(block_of(file, number, version) for number in range(start, min(start + 5, last)))
        if os.pwrite(descriptor, data, start * BLOCK) != len(data):
            sys.exit("a short write")


class Writer:
    def __init__(self, directory, listed, first_file, chance):
        self.directory, self.listed, self.chance = directory, listed, chance
        self.next_file = first_file
        self.files = {}  # name -> number, blocks, version

    def tell(self, *fact):
        os.write(self.listed, (" ".join(map(str, fact)) + "\n").encode())

    def make(self):
        """A file under a name of its own, or moved there when it is complete."""
        self.next_file += 1
        file, name, blocks = self.next_file, f"f{self.next_file}", self.chance.choice([1, 2, 7, 40, 300])
        is_moved = self.chance.random() < 0.5
        path = f"{self.directory}/{'new-' * is_moved}{name}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        put(descriptor, file, 1, 0, blocks)
        self.chance.choice([os.fsync, os.fdatasync])(descriptor)
        os.close(descriptor)
        if is_moved:
            os.rename(path, f"{self.directory}/{name}")
        self.files[name] = file, blocks, 1
        self.tell("whole", name, blocks, 1)

    def change(self):
        """New versions of its blocks, and some more behind them, each once or twice, with O_SYNC or an fsync."""
        name = self.chance.choice(list(self.files))
        file, blocks, version = self.files[name]
        more, version = blocks + self.chance.randrange(3), version + 1
        how = self.chance.choice(["written", "synchronous", "twice"])
        descriptor = os.open(f"{self.directory}/{name}", os.O_RDWR | (os.O_SYNC if how == "synchronous" else 0))
        put(descriptor, file, version, 0, more)
        if how == "twice":
            # What is written again while the first is on its way.
            version += 1
            put(descriptor, file, version, 0, more)
        if how != "synchronous":
            os.fsync(descriptor)
        os.close(descriptor)
        self.files[name] = file, more, version
        self.tell("whole", name, more, version)

    def remove(self):
        name = self.chance.choice(list(self.files))
        self.tell("going", name)
        os.unlink(f"{self.directory}/{name}")
        del self.files[name]
        self.tell("gone", name)

    def run(self):
        try:
            while True:
                self.make()
                for _ in range(self.chance.randrange(4)):
                    self.change()
                if len(self.files) > 4:
                    self.remove()
        except OSError as error:
            print(f"{type(error).__name__}: {error}", flush=True)
            os._exit(1)


def write(directory, listed, round, seed):
    listed = os.open(listed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    firsts = [(int(round) * 4 + number) * 100000 for number in range(4)]
    writers = [Writer(directory, listed, first, random.Random(f"{seed}/{first}")) for first in firsts]
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()


def wrong_in(path, blocks, version):
    file = int(os.path.basename(path)[1:])
    data = open(path, "rb").read()
    if len(data) < blocks * BLOCK:
        return f"has {len(data)} bytes of {blocks * BLOCK}"
    for number in range(blocks):
        block = data[number * BLOCK:(number + 1) * BLOCK]
        is_of, is_block, is_version = FIELDS.unpack_from(block)
        if block != block_of(file, number, is_version) or is_version < version:
            return f"block {number} is block {is_block} of {is_of}, version {is_version}, should be version {version}"
    return None


def check(directory, *lists):
    facts = {}
    for listed in lists:
        for line in open(listed):
            what, name, *rest = line.split()
            facts[name] = what, *map(int, rest)
    wrong = []
    for name, (what, *rest) in facts.items():
        path = f"{directory}/{name}"
        if what == "gone" and os.path.lexists(path):
            wrong.append(f"{name} is there again")
        if what == "whole":
            said = wrong_in(path, *rest) if os.path.exists(path) else "is missing"
            if said:
                wrong.append(f"{name} {said}")
    if wrong:
        sys.exit("\n".join([directory, *wrong]))
    print(sum(what == "whole" for what, *_ in facts.values()))


{"write": write, "check": check}[sys.argv[1]](*sys.argv[2:])
