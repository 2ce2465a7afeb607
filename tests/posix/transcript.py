"""What a scenario writes, and what scenarios are made of."""

import errno
import hashlib
import os
import pickle
import signal
import stat
import sys
import time
import traceback
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    here: str  # the directory under test, also the working directory
    other: str  # the same directory on another way

    def on_other(self, name):
        return os.path.join(self.other, name)


def scenario(function):
    function.is_scenario = True
    return function


def shown(value):
    if value is None:
        return "ok"
    if isinstance(value, (bytes, bytearray)):
        value = bytes(value)
        if len(value) <= 64:
            return repr(value)
        return f"{len(value)} bytes, sha1 {hashlib.sha1(value).hexdigest()}"
    if isinstance(value, str) and len(value) > 120:
        return f"{len(value)} characters, sha1 {hashlib.sha1(value.encode(errors='surrogateescape')).hexdigest()}"
    return repr(value)


class Transcript:
    """Lines `label: answer`, where an answer is a value or an errno's name."""

    def __init__(self, out=sys.stdout):
        self.out = out

    def note(self, label, value):
        print(f"{label}: {shown(value)}", file=self.out, flush=True)

    def get(self, label, call, *arguments, **options):
        """Calls; notes what it returned or the errno; returns it, or None."""
        try:
            value = call(*arguments, **options)
        except OSError as error:
            print(f"{label}: {errno.errorcode.get(error.errno, error)}", file=self.out, flush=True)
            return None
        self.note(label, value)
        return value

    def do(self, label, call, *arguments, **options):
        """As get, for what returns a descriptor or anything else that differs: notes only ok or the errno."""
        try:
            value = call(*arguments, **options)
        except OSError as error:
            print(f"{label}: {errno.errorcode.get(error.errno, error)}", file=self.out, flush=True)
            return None
        print(f"{label}: ok", file=self.out, flush=True)
        return value

    def stat(self, label, path, fields="type mode nlink uid gid size", follow=True):
        try:
            found = os.fstat(path) if isinstance(path, int) else os.stat(path, follow_symlinks=follow)
        except OSError as error:
            print(f"{label}: {errno.errorcode[error.errno]}", file=self.out, flush=True)
            return None
        values = {
            "type": kind_of(found.st_mode),
            "mode": f"{stat.S_IMODE(found.st_mode):04o}",
            "nlink": found.st_nlink,
            "uid": found.st_uid,
            "gid": found.st_gid,
            "size": found.st_size,
            "rdev": (os.major(found.st_rdev), os.minor(found.st_rdev)),
            "atime": found.st_atime_ns,
            "mtime": found.st_mtime_ns,
            "blocks": found.st_blocks,
        }
        wanted = fields.split()
        if values["type"] == "directory" and "size" in wanted:
            wanted.remove("size")
        print(f"{label}: {' '.join(f'{name}={values[name]}' for name in wanted)}", file=self.out, flush=True)
        return found


def kind_of(mode):
    kinds = {
        stat.S_IFREG: "file",
        stat.S_IFDIR: "directory",
        stat.S_IFLNK: "symlink",
        stat.S_IFIFO: "fifo",
        stat.S_IFSOCK: "socket",
        stat.S_IFCHR: "char",
        stat.S_IFBLK: "block",
    }
    return kinds.get(stat.S_IFMT(mode), "unknown")


def in_time(condition, seconds=20):
    """Whether it comes true; for what the other way to the directory shows only after a while."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def write_file(path, content=b"", mode=None):
    """Whatever the umask: the mode, when one is given, is exact."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view):]
        if mode is not None:
            os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def read_file(path):
    with open(path, "rb") as file:
        return file.read()


def pattern(size, seed=1):
    """Bytes that repeat nowhere within a page, the same in each run."""
    block = bytearray()
    counter = 0
    while len(block) < min(size, 1 << 20):
        block += hashlib.sha256(f"{seed}/{counter}".encode()).digest()
        counter += 1
    whole, rest = divmod(size, len(block)) if block else (0, 0)
    return bytes(block) * whole + bytes(block[:rest])


@dataclass(frozen=True)
class User:
    uid: int
    gid: int
    groups: tuple = ()


OWNER = User(1001, 1001)
STRANGER = User(1002, 1002)
GROUP_FRIEND = User(1003, 1003, (1001,))


def become(user):
    os.setgroups(list(user.groups))
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)


def in_child(work):
    """Runs work() in a child and returns (its exit status as os.waitstatus_to_exitcode gives it, what it returned)."""
    read_end, write_end = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(read_end)
            answer = pickle.dumps(work())
            with os.fdopen(write_end, "wb") as out:
                out.write(answer)
            status = 0
        except BaseException:
            traceback.print_exc(file=sys.stdout)
        finally:
            sys.stdout.flush()
            os._exit(status)
    os.close(write_end)
    with os.fdopen(read_end, "rb") as answers:
        answer = answers.read()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), pickle.loads(answer) if answer else None


def as_user(user, work):
    """Runs work() as that user in a child; what it notes goes to the same transcript."""

    def changed():
        become(user)
        return work()

    status, answer = in_child(changed)
    if status != 0:
        print(f"child of uid {user.uid} ended with {status}", flush=True)
    return answer


def signal_name(status):
    return signal.Signals(-status).name if status < 0 else f"exit {status}"
