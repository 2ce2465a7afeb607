"""Counts what the kernel asks the daemon for, for basic operations in a claim, and holds it against a table.

  request_counts.py MOUNT CLAIM HOST SECONDS <TABLE    CLAIM is a claim's directory in MOUNT, HOST where it is kept

A line of TABLE is an operation, and what one such operation costs:
  OPERATION REQUEST=COUNT REQUEST<=COUNT …
Requests that a line does not name must not come at all. FORGETs come when the kernel likes, and are not counted. Each
operation is done once without counting and then some times: it follows one like it, and what comes only once is in no line.

Prints what differs, then what was counted, as such a table; exit 1 when anything differs. Names and attributes are
believed for a second, and the kernel forgets what it has when it needs memory, so that a machine that is busy adds to
counts: the least is meant, of three, and of as many as there are in SECONDS.
"""

import collections
import concurrent.futures
import contextlib
import ctypes
import itertools
import mmap
import os
import re
import subprocess
import sys
import tempfile
import time

TRIES = 3
PATIENCE_SECONDS = 20
TRUST_SECONDS = 1
PAGE = bytes(4096)
UNCOUNTED = {"forget", "batch_forget"}

libc = ctypes.CDLL(None, use_errno=True)
AT_EMPTY_PATH, AT_STATX_FORCE_SYNC = 0x1000, 0x2000


def begin_belief(descriptor):
    """Attributes are believed for a second from now on, however long ago they were asked for."""
    into = ctypes.create_string_buffer(256)
    if libc.statx(descriptor, b"", AT_EMPTY_PATH | AT_STATX_FORCE_SYNC, 0x7FF, into) != 0:
        raise OSError(ctypes.get_errno(), "statx")


class Metrics:
    """The daemon's counts. Reading them costs requests, too, the same ones each time: `reads` says how often."""

    def __init__(self, mount):
        # By a descriptor, which needs no look-up of names.
        self.file = os.open(f"{mount}/.claimfs/metrics", os.O_PATH)
        self.reads = 0

    def read(self):
        file = os.open(f"/proc/self/fd/{self.file}", os.O_RDONLY)
        try:
            text = os.read(file, 1 << 20).decode()
        finally:
            os.close(file)
        self.reads += 1
        found = re.findall(r'^claimfs_requests_total\{operation="(\w+)"\} (\d+)$', text, re.MULTILINE)
        return collections.Counter({name: int(count) for name, count in found if name not in UNCOUNTED})

    def settled(self, handles):
        """When no more than so many files and directories are open: the kernel sends RELEASE when close(2) has returned."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            counts = self.read()
            # The one that was just being read is open as well.
            files = counts["open"] + counts["create"] + counts["tmpfile"] - counts["release"] - 1
            if files + counts["opendir"] - counts["releasedir"] == handles:
                return counts
            if time.monotonic() > deadline:
                sys.exit(f"not all files were released: {dict(counts)}")


def difference(after, before):
    counts = collections.Counter(after)
    counts.subtract(before)
    return counts


def without(counts, price, times):
    """And without those that are none."""
    left = difference(counts, {name: count * times for name, count in price.items()})
    return {name: count for name, count in left.items() if count != 0}


class Uneven(Exception):
    """Reading the counts did not cost the same before and after."""


def counted(metrics, handles, work):
    begin_belief(metrics.file)
    first = metrics.settled(handles)
    reads = metrics.reads
    before = metrics.settled(handles)
    if metrics.reads != reads + 1:
        raise Uneven
    price = difference(before, first)
    work()
    after = metrics.settled(handles)
    done = metrics.reads
    last = metrics.settled(handles)
    if without(difference(last, after), price, metrics.reads - done):
        raise Uneven
    return without(difference(after, before), price, done - reads - 1)


class Operation:
    """Works in a directory of its own, `at`, which is kept in `host`; nothing else does meanwhile."""

    times = 20
    handles = 0  # what is open while it is counted

    def __init__(self, at, host, closing):
        self.host = host
        self.path = at
        self.closing = closing
        # Without a request.
        self.at = self.keep(os.open(at, os.O_PATH | os.O_DIRECTORY))

    def keep(self, descriptor):
        self.closing.callback(os.close, descriptor)
        return descriptor

    def open(self, name, flags):
        return os.open(name, flags, 0o644, dir_fd=self.at)

    def make(self, name, data=b""):
        file = self.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        if data:
            os.write(file, data)
        os.close(file)

    def look(self, name):
        return os.stat(name, dir_fd=self.at, follow_symlinks=False)

    def make_beside(self, name, data=b""):
        """Not through the mount: the kernel does not know of it."""
        with open(f"{self.host}/{name}", "xb") as file:
            file.write(data)

    def prepare(self, number):
        """For what is done NUMBER; 0 is not counted."""

    def finish_preparing(self):
        pass

    def do(self, number):
        raise NotImplementedError


class Create(Operation):
    def do(self, number):
        self.make(f"new{number}")


class WriteNew(Operation):
    def do(self, number):
        self.make(f"new{number}", PAGE)


class Rewrite(Operation):
    """As a shell does it."""

    def prepare(self, number):
        self.make(f"file{number}", PAGE)
        self.look(f"file{number}")

    def do(self, number):
        file = self.open(f"file{number}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(file, PAGE)
        os.close(file)


class OpenForReading(Operation):
    """4 KiB of a file that the kernel has never heard of."""

    def prepare(self, number):
        self.make_beside(f"file{number}", PAGE)

    def do(self, number):
        file = self.open(f"file{number}", os.O_RDONLY)
        if len(os.read(file, len(PAGE))) != len(PAGE):
            sys.exit("a short read")
        os.close(file)


class ReadAgain(OpenForReading):
    def prepare(self, number):
        super().prepare(number)
        self.do(number)


class StatAgain(Operation):
    def prepare(self, number):
        self.make(f"file{number}")
        self.look(f"file{number}")

    def do(self, number):
        self.look(f"file{number}")


class StatCold(Operation):
    def prepare(self, number):
        self.make_beside(f"file{number}")

    def do(self, number):
        self.look(f"file{number}")


class StatLater(StatAgain):
    """When what was known is not believed any more."""

    def finish_preparing(self):
        # Nothing tells when the kernel stops to believe.
        time.sleep(1.1 * TRUST_SECONDS)
        os.stat(self.path)


class Absent(Operation):
    def do(self, number):
        with contextlib.suppress(FileNotFoundError):
            self.look(f"absent{number}")
            sys.exit("an absent name is there")


class AbsentTwice(Absent):
    """What a request too many looks like."""

    def do(self, number):
        super().do(number)
        super().do(number)


class AbsentAgain(Absent):
    def prepare(self, number):
        self.do(number)


class Rename(StatAgain):
    def do(self, number):
        os.rename(f"file{number}", f"moved{number}", src_dir_fd=self.at, dst_dir_fd=self.at)


class Unlink(StatAgain):
    def do(self, number):
        os.unlink(f"file{number}", dir_fd=self.at)


class Chmod(StatAgain):
    def do(self, number):
        os.chmod(f"file{number}", 0o600, dir_fd=self.at)


class Mkdir(Operation):
    def do(self, number):
        os.mkdir(f"directory{number}", dir_fd=self.at)


class Rmdir(Mkdir):
    def prepare(self, number):
        super().do(number)

    def do(self, number):
        os.rmdir(f"directory{number}", dir_fd=self.at)


class List(Operation):
    """Ten names of a directory that the kernel knows."""

    times = 5
    files = 10

    def prepare(self, number):
        os.mkdir(f"{self.host}/{number}")
        for file in range(self.files):
            self.make_beside(f"{number}/{file}")
        self.age(number)
        self.look(f"{number}")

    def age(self, number):
        pass

    def do(self, number):
        directory = self.open(f"{number}", os.O_RDONLY | os.O_DIRECTORY)
        names = os.listdir(directory)
        if len(names) != self.files:
            sys.exit("a name is missing")
        self.look_at(directory, names)
        os.close(directory)

    def look_at(self, directory, names):
        pass


class ListAgain(List):
    """Whose names the kernel has been told, and that has not changed for a while."""

    changed_seconds_ago = 10

    def age(self, number):
        when = time.time() - self.changed_seconds_ago
        os.utime(f"{self.host}/{number}", (when, when))

    def prepare(self, number):
        super().prepare(number)
        # The time of access is asked for anew when names have been read, once.
        self.do(number)
        self.do(number)


class ListAgainSoon(ListAgain):
    """That was changed just now: what changes next might not show by its time."""

    changed_seconds_ago = 0


class ListAndStat(List):
    """By a thread that does it again and again, which is what its second listing shows."""

    def look_at(self, directory, names):
        for name in names:
            os.stat(name, dir_fd=directory, follow_symlinks=False)


class Find(List):
    """Four directories, by find, which wants to know more than names."""

    times = 1

    def prepare(self, number):
        os.mkdir(f"{self.host}/{number}")
        for directory in range(4):
            os.mkdir(f"{self.host}/{number}/{directory}")
            for file in range(self.files):
                self.make_beside(f"{number}/{directory}/{file}")

    def do(self, number):
        said = subprocess.run(["timeout", "60", "find", f"{self.path}/{number}", "-type", "f", "-size", "0"], check=True,
                              stdout=subprocess.PIPE, text=True).stdout
        if len(said.splitlines()) != 4 * self.files:
            sys.exit("find missed a file")


class OpenFile(Operation):
    """What is done to a file of 128 KiB that stays open. Small is 64 bytes, of which pages have a whole number."""

    times = 1
    handles = 1
    size = 32 * len(PAGE)
    flags = os.O_RDWR

    def finish_preparing(self):
        self.make_beside("file", bytes(self.size))
        self.file = self.keep(self.open("file", self.flags))


class SmallWrites(OpenFile):
    """A thousand."""

    def do(self, number):
        for at in range(1000):
            os.pwrite(self.file, b"x" * 64, at * 64)


class SmallReads(OpenFile):
    """A thousand, of a file of which nothing has been read."""

    handles = 2
    flags = os.O_RDONLY

    def finish_preparing(self):
        self.files = []
        for name in "01":
            self.make_beside(name, bytes(self.size))
            self.files.append(self.keep(self.open(name, self.flags)))

    def do(self, number):
        for at in range(1000):
            if len(os.pread(self.files[number], 64, at * 64)) != 64:
                sys.exit("a short read")


class MapAndStore(OpenFile):
    """In every page; then they are written."""

    def finish_preparing(self):
        super().finish_preparing()
        self.map = self.closing.enter_context(mmap.mmap(self.file, self.size))

    def do(self, number):
        for at in range(0, self.size, len(PAGE)):
            self.map[at] = 1 + number
        self.map.flush()


class WriteAndFsync(OpenFile):
    times = 20

    def do(self, number):
        os.pwrite(self.file, PAGE, 0)
        os.fsync(self.file)


class WriteAndStat(OpenFile):
    """As who appends to a log and looks how long it is."""

    times = 20

    def do(self, number):
        os.pwrite(self.file, PAGE, 0)
        os.fstat(self.file)


OPERATIONS = {
    "create": Create,
    "write-new": WriteNew,
    "rewrite": Rewrite,
    "read": OpenForReading,
    "read-again": ReadAgain,
    "stat-cold": StatCold,
    "stat-again": StatAgain,
    "stat-later": StatLater,
    "absent": Absent,
    "absent-again": AbsentAgain,
    "absent-twice": AbsentTwice,
    "rename": Rename,
    "unlink": Unlink,
    "chmod": Chmod,
    "mkdir": Mkdir,
    "rmdir": Rmdir,
    "list": List,
    "list-again": ListAgain,
    "list-again-soon": ListAgainSoon,
    "list-and-stat": ListAndStat,
    "find": Find,
    "small-writes": SmallWrites,
    "small-reads": SmallReads,
    "map-and-store": MapAndStore,
    "write-and-fsync": WriteAndFsync,
    "write-and-stat": WriteAndStat,
}


def count_once(metrics, kind, claim, host):
    with contextlib.ExitStack() as closing:
        # Not through the mount: of a directory that it made itself it may know for a second that nothing else is in it.
        name = os.path.basename(tempfile.mkdtemp(prefix="requests-", dir=host))
        operation = kind(f"{claim}/{name}", f"{host}/{name}", closing)
        for number in range(operation.times + 1):
            operation.prepare(number)
        operation.finish_preparing()
        begin_belief(operation.at)
        operation.do(0)

        def work():
            for number in range(1, operation.times + 1):
                operation.do(number)

        return counted(metrics, operation.handles, work)


def differences(expected, requests, times):
    """Expected: name -> (is it a bound only, count)."""
    for name in sorted(expected.keys() | requests.keys()):
        is_bound, wanted = expected.get(name, (False, 0))
        found, wanted = requests.get(name, 0), wanted * times
        if found < 0 or (found > wanted if is_bound else found != wanted):
            yield f"{name}: {found} instead of {'at most ' * is_bound}{wanted} in {times}"


def shown(requests, times):
    return " ".join(f"{name}={count // times if count % times == 0 else f'{count}/{times}'}"
                    for name, count in sorted(requests.items()))


def count_evenly(metrics, kind, claim, host):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            # What a thread did after it has listed a directory is remembered: each count has one of its own.
            with concurrent.futures.ThreadPoolExecutor(1) as thread:
                return thread.submit(count_once, metrics, kind, claim, host).result()
        except Uneven:
            if time.monotonic() > deadline:
                sys.exit("reading the counts never cost the same twice")


def hold(metrics, name, expected, claim, host, patience):
    """A line of what was counted, and what differs."""
    kind = OPERATIONS[name]
    least = None
    deadline = time.monotonic() + patience
    for number in itertools.count(1):
        requests = count_evenly(metrics, kind, claim, host)
        wrong = list(differences(expected, requests, kind.times))
        if least is None or not wrong or sum(requests.values()) < sum(least[0].values()):
            least = requests, wrong
        if not wrong or (number >= TRIES and time.monotonic() > deadline):
            break
    requests, wrong = least
    return f"{name:16}{shown(requests, kind.times)}".rstrip(), [f"{name}: {what}" for what in wrong]


def read_table(lines):
    for line in lines:
        words = line.split("#")[0].split()
        if words:
            found = [re.fullmatch(r"(\w+)(<?=)(\d+)", word) for word in words[1:]]
            yield words[0], {name: (sign == "<=", int(count)) for name, sign, count in (each.groups() for each in found)}


def main(mount, claim, host, patience):
    metrics = Metrics(mount)
    held = [hold(metrics, name, expected, claim, host, float(patience)) for name, expected in read_table(sys.stdin)]
    wrong = [what for _, each in held for what in each]
    print("\n".join(wrong + [line for line, _ in held]))
    sys.exit(0 if held and not wrong else 1)


main(*sys.argv[1:])
