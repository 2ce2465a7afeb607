"""flock, POSIX range locks and open file description locks, between processes, descriptors and ways to the file."""

import errno
import fcntl
import os
import select
import signal
import struct

from transcript import in_child, scenario, write_file

F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW = 36, 37, 38
FLOCK = struct.Struct("hh4xqqi4x")
TYPES = {fcntl.F_RDLCK: "read", fcntl.F_WRLCK: "write", fcntl.F_UNLCK: "none"}
READ, WRITE, NONE = fcntl.F_RDLCK, fcntl.F_WRLCK, fcntl.F_UNLCK


def set_lock(descriptor, kind, start=0, length=0, command=fcntl.F_SETLK):
    fcntl.fcntl(descriptor, command, FLOCK.pack(kind, os.SEEK_SET, start, length, 0))


def holder(descriptor, kind, start=0, length=0, command=fcntl.F_GETLK):
    """Who is in the way: type, start, length and pid; or none."""
    answer = fcntl.fcntl(descriptor, command, FLOCK.pack(kind, os.SEEK_SET, start, length, 0))
    found, _, at, size, pid = FLOCK.unpack(answer)
    return ("none",) if found == NONE else (TYPES[found], at, size, pid)


def named(found, names):
    """A holder with its pid told by name, since pids differ."""
    return str(found[:-1] + (names.get(found[-1], "another"),) if len(found) > 1 else found)


class GiveUp:
    """Ends a waiting system call after a while with EINTR."""

    def __enter__(self):
        def interrupt(_signal, _frame):
            raise OSError(errno.EINTR, "interrupted")

        self.before = signal.signal(signal.SIGALRM, interrupt)
        signal.setitimer(signal.ITIMER_REAL, 0.15)

    def __exit__(self, *_):
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self.before)


def waited(call, *arguments):
    with GiveUp():
        call(*arguments)


class Other:
    """Another process that does what it is told, one call at a time."""

    def __init__(self):
        ours, self.its_end = os.pipe()
        self.its_orders, theirs = os.pipe()
        self.answers, self.orders = ours, theirs
        self.calls = []
        self.pid = 0

    def run(self, *calls):
        """The calls that it will be told to make, in this order."""
        self.calls = calls
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.orders)
            for call in self.calls:
                if os.read(self.its_orders, 1) == b"":
                    break
                try:
                    call()
                    answer = b"ok"
                except OSError as error:
                    answer = errno.errorcode[error.errno].encode()
                os.write(self.its_end, answer.ljust(16))
            os._exit(0)
        os.close(self.its_orders)
        os.close(self.its_end)
        return self

    def begin(self):
        os.write(self.orders, b".")

    def has_answered(self):
        return bool(select.select([self.answers], [], [], 0)[0])

    def answer(self):
        return os.read(self.answers, 16).decode().strip()

    def next(self):
        self.begin()
        return self.answer()

    def end(self):
        os.close(self.orders)
        os.close(self.answers)
        os.waitpid(self.pid, 0)


@scenario
def whole_file_locks(t, place):
    write_file("file", b"x" * 100)
    for flags, word in ((os.O_RDONLY, "read-only"), (os.O_WRONLY, "write-only"), (os.O_RDWR, "read-write")):
        first = os.open("file", flags)
        second = os.open("file", flags)
        for held in (fcntl.LOCK_SH, fcntl.LOCK_EX):
            t.get(f"{word}: lock {held}", fcntl.flock, first, held)
            t.get("  another shared", fcntl.flock, second, fcntl.LOCK_SH | fcntl.LOCK_NB)
            t.get("  another exclusive", fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            t.get("  unlock of the other", fcntl.flock, second, fcntl.LOCK_UN)
            t.get("  the same again", fcntl.flock, first, held | fcntl.LOCK_NB)
            t.get("  waiting is interrupted", waited, fcntl.flock, second,
                  fcntl.LOCK_EX if held == fcntl.LOCK_SH else fcntl.LOCK_SH)
            t.get("  unlock", fcntl.flock, first, fcntl.LOCK_UN)
            t.get("  free", fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)
            t.get("  unlock", fcntl.flock, second, fcntl.LOCK_UN)
        os.close(first)
        os.close(second)

    first = os.open("file", os.O_RDWR)
    copy = os.dup(first)
    second = os.open("file", os.O_RDWR)
    fcntl.flock(first, fcntl.LOCK_EX)
    t.get("a duplicate has the same lock", fcntl.flock, copy, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(first)
    t.get("and keeps it", fcntl.flock, second, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(copy)
    t.get("until it is closed", fcntl.flock, second, fcntl.LOCK_SH | fcntl.LOCK_NB)
    third = os.open("file", os.O_RDWR)
    t.get("shared by two", fcntl.flock, third, fcntl.LOCK_SH | fcntl.LOCK_NB)
    t.get("no upgrade past the other", fcntl.flock, third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(second, fcntl.LOCK_UN)
    t.get("upgrade", fcntl.flock, third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    t.get("downgrade", fcntl.flock, third, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(third)
    # A child has its parent's lock, for it is the description's.
    fcntl.flock(second, fcntl.LOCK_EX)
    in_child(lambda: t.get("a child unlocks", fcntl.flock, second, fcntl.LOCK_UN))
    third = os.open("file", os.O_RDWR)
    t.get("its parent's lock", fcntl.flock, third, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(third)
    os.close(second)
    # The end of a process is the end of its locks, and wakes who waits.
    waiting = os.open("file", os.O_RDWR)

    def lock_by_itself():
        mine = os.open("file", os.O_RDWR)
        fcntl.flock(mine, fcntl.LOCK_EX)

    other = Other().run(lock_by_itself, lambda: os.kill(os.getpid(), signal.SIGKILL))
    t.note("another process locks", other.next())
    t.get("is in the way", fcntl.flock, waiting, fcntl.LOCK_EX | fcntl.LOCK_NB)
    other.begin()
    t.get("granted when it is killed", fcntl.flock, waiting, fcntl.LOCK_EX)
    other.end()
    # On the other side of the directory the same locks hold.
    outside = os.open(place.on_other("file"), os.O_RDWR)
    t.get("from the other side", fcntl.flock, outside, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(waiting)
    t.get("free for the other side", fcntl.flock, outside, fcntl.LOCK_EX)
    waiting = os.open("file", os.O_RDWR)
    t.get("the other side's lock", fcntl.flock, waiting, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(outside)
    t.get("let go", fcntl.flock, waiting, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(waiting)
    for name in ("directory", "fifo"):
        os.mkdir(name) if name == "directory" else os.mkfifo(name)
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK)
        t.get(f"flock of a {name}", fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(descriptor)


@scenario
def range_locks(t, place):
    write_file("file", b"x" * 100)
    mine = os.open("file", os.O_RDWR)
    names = {os.getpid(): "me"}

    def elsewhere(kind, start=0, length=0):
        """What another process meets."""
        theirs = os.open("file", os.O_RDWR)
        try:
            set_lock(theirs, kind, start, length)
            return "granted"
        except OSError as error:
            return errno.errorcode[error.errno]

    def seen(kind, start=0, length=0):
        _, found = in_child(lambda: holder(mine, kind, start, length))
        return named(found, names)

    set_lock(mine, WRITE, 10, 20)
    for start, length in ((0, 10), (0, 11), (9, 1), (10, 1), (29, 1), (30, 1), (30, 0), (0, 0), (15, 5)):
        t.note(f"{start} + {length}: seen", seen(WRITE, start, length))
        t.note("  read lock", in_child(lambda: elsewhere(READ, start, length))[1])
    t.get("the own is not in the way", lambda: named(holder(mine, WRITE, 0, 0), names))
    set_lock(mine, READ, 15, 5)
    t.note("split, before", seen(READ, 0, 15))
    t.note("split, within", seen(READ, 15, 5))
    t.note("split, within, for writing", seen(WRITE, 15, 5))
    t.note("split, behind", seen(READ, 20, 0))
    set_lock(mine, NONE, 12, 2)
    t.note("a hole", seen(WRITE, 12, 2))
    set_lock(mine, WRITE, 10, 20)
    t.note("joined again", seen(READ, 0, 0))
    set_lock(mine, WRITE, 25, 0)
    t.note("to the end of all files", seen(READ, 1 << 40, 0))
    set_lock(mine, NONE)
    t.note("all unlocked", seen(WRITE))
    for start, length in ((50, -10), (5, -10), (-1, 5), ((1 << 63) - 1, 1), ((1 << 63) - 1, 2)):
        t.get(f"the range {start} + {length}", set_lock, mine, WRITE, start, length)
        t.note("  seen", seen(WRITE))
        set_lock(mine, NONE)
    os.lseek(mine, 40, os.SEEK_SET)
    fcntl.fcntl(mine, fcntl.F_SETLK, FLOCK.pack(WRITE, os.SEEK_CUR, 2, 3, 0))
    t.note("from the position", seen(WRITE))
    fcntl.fcntl(mine, fcntl.F_SETLK, FLOCK.pack(WRITE, os.SEEK_END, -3, 0, 0))
    t.note("from the end", seen(WRITE, 50, 0))
    # Closing any descriptor of the file lets go of the process's locks.
    second = os.open("file", os.O_RDONLY)
    os.close(second)
    t.note("after a close of another descriptor", seen(WRITE))
    read_only = os.open("file", os.O_RDONLY)
    write_only = os.open("file", os.O_WRONLY)
    t.get("write lock of a read-only descriptor", set_lock, read_only, WRITE)
    t.get("read lock of it", set_lock, read_only, READ)
    t.get("read lock of a write-only descriptor", set_lock, write_only, READ)
    t.get("write lock of it", set_lock, write_only, WRITE)
    os.close(read_only)
    os.close(write_only)
    # A child has none of its parent's locks.
    set_lock(mine, WRITE, 0, 10)
    t.note("a child that inherits the descriptor", in_child(lambda: elsewhere(WRITE, 0, 10))[1])

    def close_in_child():
        os.close(mine)

    in_child(close_in_child)
    t.note("a child's close takes nothing", seen(WRITE))
    set_lock(mine, NONE)

    # Waiting: granted when the holder lets go, or ends; interrupted by signals; refused when it would never end.
    their = Other()
    theirs = os.open("file", os.O_RDWR)
    names_of = {}
    other = their.run(lambda: set_lock(theirs, WRITE, 0, 10), lambda: set_lock(theirs, NONE, 0, 10),
                      lambda: set_lock(theirs, WRITE, 20, 10),
                      lambda: set_lock(theirs, WRITE, 0, 10, fcntl.F_SETLKW),
                      lambda: set_lock(theirs, WRITE, 0, 100),
                      lambda: os.kill(os.getpid(), signal.SIGKILL))
    names_of[other.pid] = "the other"
    t.note("another locks", other.next())
    t.get("seen with its pid", lambda: named(holder(mine, WRITE), names_of))
    t.get("not granted", set_lock, mine, WRITE, 5, 1)
    t.get("waiting is interrupted", waited, set_lock, mine, WRITE, 5, 1, fcntl.F_SETLKW)
    other.begin()
    t.get("granted when it unlocks", set_lock, mine, WRITE, 5, 1, fcntl.F_SETLKW)
    t.note("it did", other.answer())
    t.note("it locks elsewhere", other.next())
    other.begin()
    # Each waits for the other: whoever begins to wait last is refused, which may be either.
    refused, other_was_refused = None, False
    while not refused:
        try:
            with GiveUp():
                set_lock(mine, WRITE, 20, 10, fcntl.F_SETLKW)
            refused = "granted"
        except OSError as error:
            if error.errno != errno.EINTR:
                refused = errno.errorcode[error.errno]
            elif other.has_answered():
                refused = other.answer()
                other_was_refused = True
    t.note("each waits for the other", refused)
    set_lock(mine, NONE)
    t.note("it goes on", "ok" if other_was_refused else other.answer())
    t.note("it locks all", other.next())
    other.begin()
    t.get("granted when it is killed", set_lock, mine, WRITE, 0, 0, fcntl.F_SETLKW)
    other.end()
    os.close(theirs)
    t.note("our close of the file let go", seen(WRITE))

    # The other side of the directory.
    set_lock(mine, WRITE, 0, 50)

    def outside(kind, start, length):
        descriptor = os.open(place.on_other("file"), os.O_RDWR)
        set_lock(descriptor, kind, start, length)

    in_child(lambda: t.get("from the other side", outside, WRITE, 0, 10))
    in_child(lambda: t.get("what is free, from the other side", outside, WRITE, 50, 10))
    set_lock(mine, NONE)
    in_child(lambda: t.get("unlocked, from the other side", outside, WRITE, 0, 10))
    their = Other()

    def lock_outside():
        descriptor = os.open(place.on_other("file"), os.O_RDWR)
        set_lock(descriptor, WRITE, 0, 10)

    other = their.run(lock_outside, lambda: None)
    t.note("the other side locks", other.next())
    t.get("its lock is in the way", set_lock, mine, READ, 0, 1)
    t.note("  and seen", holder(mine, READ, 0, 0)[0:3])
    t.get("behind it is free", set_lock, mine, READ, 10, 1)
    other.end()
    t.get("free when it has ended", set_lock, mine, READ, 0, 1)
    os.unlink("file")
    t.get("of an unlinked file", set_lock, mine, WRITE, 0, 0)
    os.close(mine)


@scenario
def description_locks(t, place):
    write_file("file", b"x" * 100)
    first = os.open("file", os.O_RDWR)
    second = os.open("file", os.O_RDWR)

    def ofd(descriptor, kind, start=0, length=0):
        set_lock(descriptor, kind, start, length, F_OFD_SETLK)

    def seen(descriptor, kind, start=0, length=0):
        found = holder(descriptor, kind, start, length, F_OFD_GETLK)
        return str(found)

    t.get("lock", ofd, first, WRITE, 0, 10)
    t.get("another description of the same process", ofd, second, WRITE, 5, 1)
    t.get("sees it without a pid", seen, second, WRITE)
    t.get("a POSIX lock meets it too", set_lock, second, READ, 0, 1)
    t.get("what is free", ofd, second, READ, 10, 10)
    t.get("seen by the first", seen, first, WRITE, 10, 0)
    t.get("waiting is interrupted", waited, set_lock, second, WRITE, 0, 1, F_OFD_SETLKW)
    third = os.open("file", os.O_RDWR)
    os.close(third)
    t.get("a close of another description takes nothing", ofd, second, WRITE, 5, 1)
    copy = os.dup(first)
    os.close(first)
    t.get("nor one of a duplicate", ofd, second, WRITE, 5, 1)
    in_child(lambda: t.get("a child has its parent's", ofd, copy, WRITE, 0, 20))
    in_child(lambda: t.get("and may let go of it", ofd, copy, NONE, 0, 0))
    t.get("for its parent", ofd, second, WRITE, 0, 5)
    os.close(second)
    t.get("the last close lets go", ofd, copy, WRITE, 0, 0)
    os.close(copy)
    # POSIX and description locks of one process are strangers to each other.
    first = os.open("file", os.O_RDWR)
    second = os.open("file", os.O_RDWR)
    t.get("POSIX lock", set_lock, first, WRITE, 0, 10)
    t.get("description lock beside it", ofd, second, WRITE, 0, 1)
    t.get("a wrong pid", lambda: fcntl.fcntl(second, F_OFD_SETLK, FLOCK.pack(WRITE, 0, 50, 1, 4711)) and None)
    os.close(first)
    os.close(second)

    def outside(kind):
        descriptor = os.open(place.on_other("file"), os.O_RDWR)
        ofd(descriptor, kind)

    first = os.open("file", os.O_RDWR)
    ofd(first, READ)
    t.get("read lock from the other side", outside, READ)
    t.get("write lock from the other side", outside, WRITE)
    os.close(first)
    t.get("afterwards", outside, WRITE)


@scenario
def many_lockers(t, place):
    """Processes that count in a file under a lock lose nothing."""
    def count(take, let_go):
        descriptor = os.open("counter", os.O_RDWR)
        for _ in range(100):
            take(descriptor)
            value = int(os.pread(descriptor, 20, 0) or b"0")
            os.pwrite(descriptor, str(value + 1).encode(), 0)
            let_go(descriptor)

    ways = {
        "flock": (lambda fd: fcntl.flock(fd, fcntl.LOCK_EX), lambda fd: fcntl.flock(fd, fcntl.LOCK_UN)),
        "POSIX": (lambda fd: set_lock(fd, WRITE, 0, 1, fcntl.F_SETLKW), lambda fd: set_lock(fd, NONE, 0, 1)),
        "description": (lambda fd: set_lock(fd, WRITE, 0, 1, F_OFD_SETLKW),
                        lambda fd: set_lock(fd, NONE, 0, 1, F_OFD_SETLK)),
    }
    for word, (take, let_go) in ways.items():
        write_file("counter", b"0")
        children = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                count(take, let_go)
                os._exit(0)
            children.append(pid)
        ends = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
        t.note(f"{word}: they ended with", ends)
        with open(place.on_other("counter"), "rb") as counter:
            t.note("  and counted to", counter.read())
