"""Listing directories: positions, what comes and goes meanwhile, many entries, many users."""

import ctypes
import errno
import os
import stat

from system_calls import LIBC, Directory
from transcript import OWNER, STRANGER, as_user, become, in_child, scenario, write_file

DOTS = (b".", b"..")
MANY = 10_000


def names_of(stream):
    return [name for name, _, _ in stream if name not in DOTS]


def each_once(names):
    return len(names) == len(set(names))


@scenario
def large_directory(t, place):
    os.mkdir("large")
    made = [f"name-{number:05d}".encode() for number in range(MANY)]
    for name in made:
        os.close(os.open(b"large/" + name, os.O_CREAT | os.O_WRONLY, 0o644))
    stream = Directory("large")
    names = names_of(stream)
    t.note("all are listed", sorted(names) == made)
    t.note("each once", each_once(names))
    stream.rewind()
    t.note("again", sorted(names_of(stream)) == made)
    t.note("on the other side", sorted(names_of(Directory(place.on_other("large")))) == made)
    t.note("scandir", sum(1 for entry in os.scandir("large") if entry.is_file(follow_symlinks=False)))

    # Every position leads to the name that came after it.
    stream.rewind()
    positions = []
    for _ in range(MANY // 2):
        position = stream.tell()
        positions.append((position, stream.read()[0]))
    wrong = 0
    for position, name in positions[::97] + positions[::-101]:
        stream.seek(position)
        wrong += stream.read()[0] != name
    t.note("positions that led elsewhere", wrong)

    # Others create and delete meanwhile: what stays is met exactly once.
    stream.rewind()
    met = []
    for _ in range(MANY // 3):
        met.append(stream.read()[0])
    middle = stream.tell()

    def change():
        for name in made[::3]:
            os.unlink(b"large/" + name)
        for number in range(2000):
            os.close(os.open(f"large/new-{number}", os.O_CREAT | os.O_WRONLY, 0o644))
        for name in made[1::300]:
            os.rename(b"large/" + name, b"large/renamed-" + name)

    in_child(change)
    met += [name for name, _, _ in stream]
    met = [name for name in met if name not in DOTS]
    stays = set(made) - set(made[::3]) - set(made[1::300])
    t.note("each at most once", each_once(met))
    t.note("missed of what stays", len(stays - set(met)))
    t.note("strangers", len([name for name in met if not name.startswith((b"name-", b"new-", b"renamed-"))]))
    stream.seek(middle)
    second = names_of(stream)
    t.note("from the middle again: each once", each_once(second))
    first_half = set(met[:MANY // 3])
    t.note("what stays and was not met before the middle", len((stays - first_half) - set(second)))
    stream.rewind()
    fresh = names_of(stream)
    t.note("rewound: all there is", sorted(fresh) == sorted(os.listdir(b"large")))
    t.note("their number", len(fresh))
    stream.close()

    # As rm -r does: each is deleted as it is met.
    stream = Directory("large")
    deleted = 0
    for name, _, _ in stream:
        if name not in DOTS:
            os.unlink(b"large/" + name)
            deleted += 1
    stream.close()
    t.note("deleted as they were met", deleted)
    t.get("left", os.listdir, "large")
    t.get("rmdir", os.rmdir, "large")


@scenario
def directory_streams(t, place):
    os.mkdir("d")
    for name in ("a", "b", "c"):
        write_file(f"d/{name}")
    first = Directory("d")
    second = Directory("d")
    t.note("two streams, each its own position", (len(names_of(first)), len(names_of(second))))
    write_file("d/late")
    t.note("the end stays the end", first.read())
    first.rewind()
    t.note("rewound", sorted(names_of(first)))
    first.close()
    second.close()
    descriptor = os.open("d", os.O_RDONLY)
    t.get("listdir of a descriptor", lambda: sorted(os.listdir(descriptor)))
    t.get("and again", lambda: sorted(os.listdir(descriptor)))
    buffer = ctypes.create_string_buffer(4096)

    def getdents(size):
        os.lseek(descriptor, 0, os.SEEK_SET)
        ctypes.set_errno(0)
        filled = LIBC.syscall(217, descriptor, buffer, size)
        if filled < 0:
            raise OSError(ctypes.get_errno(), "getdents64")
        return filled > 0

    for size in (4096, 64, 24, 8):
        t.get(f"getdents64 into {size}", getdents, size)
    t.get("getdents64 of a file", lambda: LIBC.syscall(217, os.open("d/a", os.O_RDONLY), buffer, 4096))
    t.get("seek to the start", os.lseek, descriptor, 0, os.SEEK_SET)
    t.get("a negative seek", os.lseek, descriptor, -5, os.SEEK_SET)
    os.close(descriptor)
    path_only = os.open("d", os.O_PATH | os.O_DIRECTORY)
    t.get("listdir of O_PATH", os.listdir, path_only)
    os.close(path_only)
    # In a removed directory nothing is listed, and an open stream ends.
    os.mkdir("gone")
    stream = Directory("gone")
    os.rmdir("gone")
    t.note("names in a removed directory", names_of(stream))
    stream.close()
    # Kinds are told with the names.
    os.mkdir("kinds")
    write_file("kinds/file")
    os.mkdir("kinds/directory")
    os.symlink("file", "kinds/symlink")
    os.mkfifo("kinds/fifo")
    os.mknod("kinds/socket", stat.S_IFSOCK | 0o600)
    os.mknod("kinds/char", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.mknod("kinds/block", stat.S_IFBLK | 0o600, os.makedev(7, 0))
    t.note("d_type", str(sorted((name, kind) for name, _, kind in Directory("kinds"))))
    os.chmod("d", 0o300)
    as_user(STRANGER, lambda: t.get("list without the right", os.listdir, "d"))
    os.chown("d", OWNER.uid, OWNER.gid)
    as_user(OWNER, lambda: t.get("list by the owner without the right", os.listdir, "d"))
    os.chmod("d", 0o500)
    as_user(OWNER, lambda: t.get("list by the owner with it", lambda: sorted(os.listdir("d"))))


def in_processes(count, work):
    """work(number) in so many processes at once; the answers' list."""
    gate_out, gate_in = os.pipe()
    children = []
    for number in range(count):
        answers, answer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(gate_in)
            os.read(gate_out, 1)  # ends when the parent opens the gate
            try:
                text = str(work(number))
            except OSError as error:
                text = errno.errorcode[error.errno]
            os.write(answer, text.encode())
            os._exit(0)
        os.close(answer)
        children.append((pid, answers))
    os.close(gate_out)
    os.close(gate_in)
    results = []
    for pid, answers in children:
        results.append(os.read(answers, 4096).decode())
        os.close(answers)
        os.waitpid(pid, 0)
    return results


@scenario
def at_once(t, place):
    """Several processes at one name: exactly one makes it, and what each makes belongs to its maker."""
    def how_many(word, results):
        t.note(word, {answer: results.count(answer) for answer in sorted(set(results))})

    for round_number in range(10):
        name = f"name-{round_number}"

        def exclusive(_):
            os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            return "made"

        def any_of_them(number):
            descriptor = os.open("any-" + name, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
            os.write(descriptor, bytes([65 + number]))
            return "opened"

        def directory(_):
            os.mkdir("directory-" + name)
            return "made"

        def link(_):
            os.link(name, "link-" + name)
            return "made"

        def unlink(_):
            os.unlink(name)
            return "removed"

        how_many("O_EXCL", in_processes(4, exclusive))
        how_many("O_CREAT", in_processes(4, any_of_them))
        with open("any-" + name, "rb") as file:
            t.note("  one file has all", sorted(file.read()))
        how_many("mkdir", in_processes(4, directory))
        how_many("link", in_processes(4, link))
        how_many("unlink", in_processes(4, unlink))
    t.note("names", len(os.listdir(".")))

    os.mkdir("open")
    os.chmod("open", 0o777)

    def make_own(number):
        from transcript import User
        user = User(2000 + number, 3000 + number)
        become(user)
        os.umask(0o001 * number)
        wrong = 0
        for count in range(60):
            for path, make in ((f"open/{number}-{count}", lambda path: os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o666))),
                               (f"open/{number}-{count}-d", lambda path: os.mkdir(path, 0o777)),
                               (f"open/{number}-{count}-l", lambda path: os.symlink("x", path))):
                make(path)
                found = os.lstat(path)
                wrong += (found.st_uid, found.st_gid) != (user.uid, user.gid)
                if not stat.S_ISLNK(found.st_mode):
                    wrong += (found.st_mode & 0o111 & (0o001 * number)) != 0
        return wrong

    t.note("not their maker's", in_processes(6, make_own))
    t.note("made", len(os.listdir("open")))

    # Renames back and forth, look-ups and listings at once: no name is ever missing from both places.
    os.mkdir("here")
    os.mkdir("there")
    for number in range(4):
        write_file(f"here/{number}", str(number).encode())

    def move(number):
        missing = 0
        for _ in range(100):
            os.rename(f"here/{number}", f"there/{number}")
            missing += not os.path.exists(f"there/{number}")
            os.rename(f"there/{number}", f"here/{number}")
            missing += not os.path.exists(f"here/{number}")
        return missing

    t.note("missing after a rename", in_processes(4, move))
    t.note("all are here", sorted(os.listdir("here")))
    t.note("none is there", os.listdir("there"))
