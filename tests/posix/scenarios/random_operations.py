"""A long random history of one file, over several ways to it at once, held against a model in memory at every step."""

import hashlib
import mmap
import os
import random

from system_calls import FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE, FALLOC_FL_ZERO_RANGE, fallocate
from transcript import scenario

LARGEST = 300_000
STEPS = 3_000


class History:
    """What the file should hold, and what was done to it last, for whoever has to find out why it does not."""

    def __init__(self, dice, place):
        self.dice = dice
        self.place = place
        self.model = bytearray()
        self.done = []
        self.counts = {}
        os.close(os.open("file", os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644))
        self.descriptors = [os.open("file", os.O_RDWR) for _ in range(2)]

    def descriptor(self):
        return self.dice.choice(self.descriptors)

    def extent(self, largest=40_000):
        offset = self.dice.randrange(LARGEST)
        return offset, self.dice.randrange(1, min(largest, LARGEST - offset) + 1)

    def grow(self, size):
        if size > len(self.model):
            self.model.extend(bytes(size - len(self.model)))

    def put(self, offset, data):
        self.grow(offset + len(data))
        self.model[offset:offset + len(data)] = data

    def expect(self, what, found, wanted):
        if found != wanted:
            at = next((i for i, pair in enumerate(zip(found, wanted)) if pair[0] != pair[1]), min(len(found), len(wanted)))
            raise AssertionError(f"{what}: {len(found)} bytes, expected {len(wanted)}, differ at {at}; last: {self.done[-12:]}")

    # Operations.

    def write(self):
        offset, length = self.extent()
        data = self.dice.randbytes(length)
        assert os.pwrite(self.descriptor(), data, offset) == length
        self.put(offset, data)
        return offset, length

    def append(self):
        data = self.dice.randbytes(self.dice.randrange(1, 5000))
        if len(self.model) + len(data) > LARGEST:
            return None
        descriptor = os.open("file", os.O_WRONLY | os.O_APPEND)
        assert os.write(descriptor, data) == len(data)
        os.close(descriptor)
        self.put(len(self.model), data)
        return len(data)

    def read(self):
        offset, length = self.extent()
        self.expect(f"read {offset}+{length}", os.pread(self.descriptor(), length, offset),
                    bytes(self.model[offset:offset + length]))
        return offset, length

    def read_on_other_side(self):
        with open(self.place.on_other("file"), "rb") as file:
            self.expect("the other side", file.read(), bytes(self.model))

    def write_on_other_side(self):
        offset, length = self.extent()
        data = self.dice.randbytes(length)
        with open(self.place.on_other("file"), "r+b", buffering=0) as file:
            file.seek(offset)
            file.write(data)
        self.put(offset, data)
        # A change made beside the tree may be unseen for a second, its size at least; opening looks again.
        self.reopen()
        return offset, length

    def truncate(self):
        size = self.dice.randrange(LARGEST)
        if self.dice.random() < 0.5:
            os.ftruncate(self.descriptor(), size)
        else:
            os.truncate("file", size)
        del self.model[size:]
        self.grow(size)
        return size

    def map_read(self):
        if not self.model:
            return
        with mmap.mmap(self.descriptor(), len(self.model), prot=mmap.PROT_READ) as view:
            self.expect("map", bytes(view), bytes(self.model))

    def map_write(self):
        if not self.model:
            return None
        offset = self.dice.randrange(len(self.model))
        data = self.dice.randbytes(min(self.dice.randrange(1, 20_000), len(self.model) - offset))
        with mmap.mmap(self.descriptor(), len(self.model)) as view:
            view[offset:offset + len(data)] = data
            if self.dice.random() < 0.3:
                view.flush()
        self.put(offset, data)
        return offset, len(data)

    def punch(self):
        offset, length = self.extent()
        fallocate(self.descriptor(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length)
        end = min(offset + length, len(self.model))
        if offset < end:
            self.model[offset:end] = bytes(end - offset)
        return offset, length

    def zero(self):
        offset, length = self.extent()
        fallocate(self.descriptor(), FALLOC_FL_ZERO_RANGE, offset, length)
        self.put(offset, bytes(length))
        return offset, length

    def allocate(self):
        offset, length = self.extent()
        os.posix_fallocate(self.descriptor(), offset, length)
        self.grow(offset + length)
        return offset, length

    def copy(self):
        offset, length = self.extent()
        to = self.dice.randrange(LARGEST)
        length = min(length, len(self.model) - offset, LARGEST - to, abs(to - offset))
        if length <= 0:
            return None
        data = bytes(self.model[offset:offset + length])
        copied = 0
        while copied < length:
            copied += os.copy_file_range(self.descriptors[0], self.descriptors[1], length - copied, offset + copied, to + copied)
        self.put(to, data)
        return offset, to, length

    def sync(self):
        (os.fsync if self.dice.random() < 0.5 else os.fdatasync)(self.descriptor())

    def reopen(self):
        which = self.dice.randrange(len(self.descriptors))
        os.close(self.descriptors[which])
        self.descriptors[which] = os.open("file", os.O_RDWR)

    def rename(self):
        os.rename("file", "renamed")
        os.rename("renamed", "file")

    def step(self):
        operation = self.dice.choice(OPERATIONS)
        arguments = operation(self)
        self.done.append((operation.__name__, arguments))
        self.counts[operation.__name__] = self.counts.get(operation.__name__, 0) + 1
        self.expect("size", str(os.fstat(self.descriptor()).st_size), str(len(self.model)))


OPERATIONS = [History.write] * 4 + [History.read] * 6 + [
    History.append, History.read_on_other_side, History.write_on_other_side, History.truncate, History.map_read,
    History.map_write, History.punch, History.zero, History.allocate, History.copy, History.sync, History.reopen,
    History.rename]


@scenario
def random_operations(t, place):
    history = History(random.Random(20261124), place)
    for _ in range(STEPS):
        history.step()
    t.note("steps", str(sorted(history.counts.items())))
    t.note("contents", hashlib.sha256(history.model).hexdigest())
