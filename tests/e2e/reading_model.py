#!/usr/bin/env python3
"""Reads a file in order, again and again, while another node changes what comes next, and compares it with a model.

  reading_model.py HERE THERE SEED ROUNDS     the file by both nodes

The other node changes and closes; then it is opened here, and from there on what is read is new: also by who has had the
file open all the time.
"""

import os
import random
import sys

SIZE = 1 << 18
COUNT = 100


class Model:
    def __init__(self, there):
        self.there, self.contents, self.version = there, bytearray(), 0

    def write(self, file, number):
        self.version += 1
        text = (f"{self.version} ".encode() * SIZE)[:SIZE]
        end = (number + 1) * SIZE
        self.resize(max(end, len(self.contents)))
        self.contents[end - SIZE:end] = text
        assert os.pwrite(file, text, end - SIZE) == SIZE

    def resize(self, size):
        del self.contents[size:]
        self.contents.extend(bytes(size - len(self.contents)))

    def change(self, near):
        file = os.open(self.there, os.O_WRONLY | os.O_CREAT)
        first = min(near + random.randrange(8), COUNT - 1)
        if random.random() < 0.2:
            size = first * SIZE + random.randrange(SIZE)
            os.ftruncate(file, size)
            self.resize(size)
        for number in range(first, min(first + random.randrange(1, 4), COUNT)):
            self.write(file, number)
        os.close(file)

    def expect(self, file, number):
        read = os.pread(file, SIZE, number * SIZE)
        expected = bytes(self.contents[number * SIZE:(number + 1) * SIZE])
        assert read == expected, f"part {number}: {len(read)} bytes, {read[:12]}, not {len(expected)}, {expected[:12]}"


def main(here, there, seed, rounds):
    random.seed(seed)
    model = Model(there)
    file = os.open(there, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for number in range(COUNT):
        model.write(file, number)
    os.close(file)
    for _ in range(int(rounds)):
        files = [os.open(here, os.O_RDONLY)]
        os.posix_fadvise(files[0], 0, 0, os.POSIX_FADV_DONTNEED)
        first = random.randrange(COUNT // 2)
        for number in range(first, min(first + random.randrange(10, 60), COUNT)):
            if random.random() < 0.1:
                model.change(number)
                files.append(os.open(here, os.O_RDONLY))
            model.expect(files[0], number)
        for file in files:
            os.close(file)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
