"""Look-ups, and what names can be and do."""

import os
import stat

from system_calls import Directory
from transcript import OWNER, STRANGER, as_user, in_child, read_file, scenario, write_file


@scenario
def lookup(t, place):
    t.stat("a missing name", "a")
    t.stat("the missing name again", "a")
    write_file("a", b"one")
    t.stat("after it was created", "a")
    t.stat("below a file", "a/b")
    t.stat("a file with a slash", "a/")
    t.stat("dot", ".")
    t.stat("the empty name", "")
    os.mkdir("directory")
    t.stat("dot dot of a child", "directory/..", fields="type mode uid gid")
    t.stat("through dots", "directory/.././directory/../a")
    os.rename("a", "b")
    t.stat("the old name after a rename", "a")
    t.stat("the new name", "b")
    t.get("names", lambda: sorted(os.listdir(".")))
    os.unlink("b")
    t.stat("after unlink", "b")
    t.stat("case matters", "DIRECTORY")
    # What the host does appears here too.
    write_file(place.on_other("from-the-host"), b"12345")
    t.stat("a name that the other side made", "from-the-host")
    os.mkdir(place.on_other("host-directory"))
    t.stat("a directory that the other side made", "host-directory")
    t.get("a file in it", write_file, "host-directory/inside", b"x")
    t.get("seen on the other side", lambda: read_file(place.on_other("host-directory/inside")))


@scenario
def mkdir_rmdir(t, place):
    for mode in (0o777, 0o755, 0o700, 0o1777, 0o2755, 0o000):
        for mask in (0o000, 0o022, 0o077):
            name = f"{mode:o}-{mask:o}"
            before = os.umask(mask)
            os.mkdir(name, mode)
            os.umask(before)
            t.stat(f"mkdir {mode:o} umask {mask:o}", name)
    t.get("mkdir of what is there", os.mkdir, "777-0")
    write_file("file")
    t.get("mkdir over a file", os.mkdir, "file")
    t.get("mkdir below a file", os.mkdir, "file/x")
    t.get("mkdir in what is missing", os.mkdir, "missing/x")
    t.get("mkdir with a trailing slash", os.mkdir, "slashed/")
    os.symlink("nowhere", "dangling")
    t.get("mkdir over a dangling symlink", os.mkdir, "dangling")
    before = os.stat(".").st_nlink
    os.mkdir("counted")
    t.note("a directory counts in its parent", os.stat(".").st_nlink - before)
    os.mkdir("counted/child")
    t.stat("with a child", "counted")
    t.get("rmdir of what is not empty", os.rmdir, "counted")
    t.get("rmdir of a file", os.rmdir, "file")
    t.get("unlink of a directory", os.unlink, "counted")
    t.get("rmdir of dot", os.rmdir, "counted/.")
    t.get("rmdir of dot dot", os.rmdir, "counted/child/..")
    t.get("rmdir of what is missing", os.rmdir, "missing")
    t.get("rmdir", os.rmdir, "counted/child")
    t.stat("the parent afterwards", "counted")
    descriptor = os.open("counted", os.O_RDONLY)
    t.get("rmdir of an open one", os.rmdir, "counted")
    t.stat("the open one lives on", descriptor)
    t.get("listing it", os.listdir, descriptor)
    t.get("creating in it", lambda: os.open("x", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
    t.get("fchmod of it", os.fchmod, descriptor, 0o711)
    os.close(descriptor)

    def removed_under_foot():
        os.mkdir("foot")
        os.chdir("foot")
        t.get("rmdir of the working directory", os.rmdir, "../foot")
        t.get("getcwd", os.getcwd)
        t.get("listing it", os.listdir, ".")
        t.get("creating in it", os.mkdir, "x")

    in_child(removed_under_foot)


@scenario
def symlinks(t, place):
    write_file("target", b"content")
    t.get("symlink", os.symlink, "target", "link")
    t.stat("lstat", "link", follow=False)
    t.stat("stat", "link")
    t.get("readlink", os.readlink, "link")
    t.get("through it", lambda: read_file("link"))
    t.get("symlink over a name", os.symlink, "x", "link")
    t.get("the empty target", os.symlink, "", "empty")
    t.get("readlink of a file", os.readlink, "target")
    for length in (1, 59, 60, 61, 255, 1023, 4094, 4095, 4096):
        os_target = "/" + "x" * (length - 1)
        name = f"long-{length}"
        t.get(f"a target of {length}", os.symlink, os_target, name)
        t.get(f"readlink of {length}", os.readlink, name)
        t.stat(f"size of {length}", name, follow=False)
    t.get("bytes that are not UTF-8", os.symlink, b"\xff\xfe\x80", b"bytes")
    t.get("read back", os.readlink, b"bytes")
    os.symlink("b", "a")
    os.symlink("a", "b")
    t.stat("a loop", "a")
    t.get("open of a loop", os.open, "a", os.O_RDONLY)
    os.mkdir("directory")
    os.symlink("directory", "to-directory")
    t.get("a file through a link to a directory", write_file, "to-directory/x", b"1")
    t.get("rmdir of a link", os.rmdir, "to-directory")
    t.get("rename of a link", os.rename, "link", "renamed")
    t.get("still the link", os.readlink, "renamed")
    t.get("unlink of the link", os.unlink, "renamed")
    t.stat("its target stays", "target")
    os.symlink("..", "up")
    t.get("names through dot dot", lambda: sorted(os.listdir("directory/../directory")))
    chain = "target"
    for number in range(41):
        os.symlink(chain, f"chain-{number}")
        chain = f"chain-{number}"
    t.stat("a chain of 40", "chain-39")
    t.stat("a chain of 41", "chain-40")

    def as_owner():
        t.get("lchown of a link by another", os.chown, "to-directory", 1001, 1001, follow_symlinks=False)
        t.get("unlink in a directory of another", os.unlink, "to-directory")

    as_user(OWNER, as_owner)
    t.get("lchown", os.chown, "to-directory", 1001, 1002, follow_symlinks=False)
    t.stat("the link's owner", "to-directory", follow=False)
    t.stat("the directory's owner", "to-directory")


@scenario
def long_names(t, place):
    for length in (1, 143, 144, 254, 255, 256, 300):
        name = "n" * length
        t.get(f"create {length}", write_file, name, b"x")
        t.stat(f"stat {length}", name)
        t.get(f"mkdir {length}", os.mkdir, "d" * length)
        t.get(f"symlink {length}", os.symlink, "n", "s" * length)
        t.get(f"link {length}", os.link, "n", "l" * length)
        t.get(f"mkfifo {length}", os.mkfifo, "f" * length)
        t.get(f"rename to {length}", os.rename, "d" * min(length, 255), "r" * length)
        t.get(f"unlink {length}", os.unlink, "s" * length)
    t.get("names", lambda: sorted((name[0], len(name)) for name in os.listdir(".")))
    umlauts = "ü" * 127
    t.get("254 bytes in 127 characters", write_file, umlauts, b"x")
    t.get("256 bytes in 128 characters", write_file, umlauts + "ü", b"x")
    t.get("pathconf", os.pathconf, ".", "PC_NAME_MAX")


@scenario
def any_bytes(t, place):
    names = [bytes([byte]) for byte in range(1, 256) if byte not in (0x2E, 0x2F)]
    names += [b"...", b"\n\t", b"-rf", b"a\\b", b"%s%n", b"\xff\xfe", b"\xed\xa0\x80", b"caf\xc3\xa9", b"cafe\xcc\x81"]
    for name in names:
        write_file(name, b"<" + name + b">")
    found = sorted(os.listdir(b"."))
    t.note("as many as were made", len(found) == len(set(names)))
    t.note("the very names", found == sorted(set(names)))
    t.note("each holds its own", all(read_file(name) == b"<" + name + b">" for name in names))
    t.note("the other side has them", sorted(os.listdir(os.fsencode(place.other))) == found)
    for name in names:
        os.rename(name, name + b"+")
    t.note("renamed", sorted(os.listdir(b".")) == sorted({name + b"+" for name in names}))
    for name in os.listdir(b"."):
        os.unlink(name)
    t.get("all gone", os.listdir, b".")


def component(number, size):
    return f"{number:03d}" + "p" * (size - 3)


@scenario
def long_paths(t, place):
    # Relative paths of exactly PATH_MAX - 1 and PATH_MAX bytes: 15 components of 255, and what is missing.
    top = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
    for number in range(15):
        name = component(number, 255)
        os.mkdir(name)
        os.chdir(name)
    os.fchdir(top)
    prefix = "/".join(component(number, 255) for number in range(15)) + "/"
    for total in (4000, 4094, 4095, 4096, 4097):
        path = prefix + "x" * (total - len(prefix))
        t.note("bytes in the path", len(path))
        t.get("create", write_file, path, b"deep")
        t.stat("stat", path)
        t.get("read", lambda: read_file(path))
        t.get("chmod", os.chmod, path, 0o600)
        t.get("rename", os.rename, path, path[:-1] + "y")
        t.get("unlink", os.unlink, path[:-1] + "y")
        t.get("mkdir", os.mkdir, path)
        t.get("rmdir", os.rmdir, path)
    # Deeper than any path: one directory after the other.
    for number in range(40):
        name = component(number, 200)
        os.mkdir(name)
        os.chdir(name)
    t.get("getcwd of 8,000 bytes", lambda: len(os.getcwd()) > 8000)
    t.get("create there", write_file, "bottom", b"found")
    t.stat("stat there", "bottom")
    t.get("rename there", os.rename, "bottom", "renamed")
    t.get("read there", lambda: read_file("renamed"))
    t.get("link there", os.link, "renamed", "linked")
    t.stat("two names", "renamed")
    os.unlink("renamed")
    os.unlink("linked")
    for number in reversed(range(40)):
        os.chdir("..")
        os.rmdir(component(number, 200))
    os.fchdir(top)
    os.close(top)


@scenario
def deep_directories(t, place):
    depth = 1200
    top = os.open(".", os.O_RDONLY)
    for number in range(depth):
        os.mkdir("d")
        os.chdir("d")
    write_file("bottom", b"x")
    t.get("the bottom's path", lambda: len(os.getcwd()) - len(place.here))
    seen = 0
    while not os.path.samestat(os.stat("."), os.fstat(top)):
        os.chdir("..")
        seen += 1
    t.note("levels back up", seen)
    t.get("all the way down at once", lambda: read_file("d/" * depth + "bottom"))
    os.chdir("d/" * depth)
    os.unlink("bottom")
    for number in range(depth):
        os.chdir("..")
        os.rmdir("d")
    t.get("left", os.listdir, ".")


@scenario
def sticky_directories(t, place):
    os.mkdir("sticky")
    os.chmod("sticky", 0o1777)

    def owner_creates():
        for name in ("mine", "to-rename", "to-replace", "to-open"):
            write_file("sticky/" + name, b"owner's", 0o666)
        os.mkdir("sticky/directory")

    as_user(OWNER, owner_creates)

    def stranger_tries():
        write_file("sticky/theirs", b"stranger's")
        t.get("unlink another's file", os.unlink, "sticky/mine")
        t.get("rmdir another's directory", os.rmdir, "sticky/directory")
        t.get("rename another's file", os.rename, "sticky/to-rename", "sticky/renamed")
        t.get("rename over another's file", os.rename, "sticky/theirs", "sticky/to-replace")
        t.get("unlink the own file", os.unlink, "sticky/theirs")
        t.get("append to another's file", lambda: os.write(os.open("sticky/to-open", os.O_WRONLY), b"x"))
        t.get("O_CREAT of another's file", lambda: os.open("sticky/to-open", os.O_WRONLY | os.O_CREAT) > 0)

    as_user(STRANGER, stranger_tries)
    os.chown("sticky", STRANGER.uid, STRANGER.gid)
    as_user(STRANGER, lambda: t.get("the directory's owner may", os.unlink, "sticky/mine"))
    t.get("root may", os.unlink, "sticky/to-open")
    os.chmod("sticky", 0o777)
    as_user(STRANGER, lambda: t.get("without the sticky bit anyone may", os.unlink, "sticky/to-rename"))
    t.get("left", lambda: sorted(os.listdir("sticky")))


@scenario
def inode_numbers(t, place):
    os.mkdir("d")
    for number in range(200):
        write_file(f"d/file-{number}")
        os.mkdir(f"d/directory-{number}")
        os.symlink("x", f"d/link-{number}")
    os.link("d/file-0", "d/second-name")
    numbers = {}
    agree = types_agree = True
    for name, number, kind in Directory("d"):
        if name in (b".", b".."):
            continue
        found = os.lstat(b"d/" + name)
        agree = agree and found.st_ino == number
        types_agree = types_agree and kind == stat.S_IFMT(found.st_mode) >> 12
        numbers.setdefault(found.st_ino, []).append(name)
    t.note("d_ino is st_ino", agree)
    t.note("d_type is the type", types_agree)
    t.note("numbers", len(numbers))
    t.note("shared by", [sorted(names) for names in numbers.values() if len(names) > 1])
    dots = {name: number for name, number, _ in Directory("d") if name in (b".", b"..")}
    t.note("dot is the directory", dots[b"."] == os.stat("d").st_ino)
    t.note("dot dot is its parent", dots[b".."] == os.stat(".").st_ino)
    before = os.stat("d/file-1").st_ino
    os.rename("d/file-1", "d/renamed")
    t.note("a rename keeps the number", os.stat("d/renamed").st_ino == before)
    descriptor = os.open("d/renamed", os.O_RDONLY)
    t.note("fstat has the same", os.fstat(descriptor).st_ino == before)
    t.note("one device", len({os.lstat(f"d/{name}").st_dev for name in os.listdir("d")}))
