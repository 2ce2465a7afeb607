"""rename, its flags, and hard links."""

import os

from system_calls import (AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_FOLLOW, RENAME_EXCHANGE, RENAME_NOREPLACE,
                          linkat, renameat2)
from transcript import OWNER, as_user, in_child, read_file, scenario, write_file


def fresh():
    """A directory with one of each kind, in place of the last one."""
    for name in os.listdir("."):
        remove(name)
    write_file("file", b"file")
    write_file("other-file", b"other file")
    os.mkdir("directory")
    os.mkdir("empty")
    write_file("directory/inside", b"inside")
    os.symlink("file", "symlink")
    os.mkfifo("fifo")


def remove(name):
    if os.path.isdir(name) and not os.path.islink(name):
        for child in os.listdir(name):
            remove(os.path.join(name, child))
        os.rmdir(name)
    else:
        os.unlink(name)


def contents():
    found = {}
    for root, directories, files in os.walk("."):
        for name in directories + files:
            path = os.path.relpath(os.path.join(root, name), ".")
            if os.path.islink(path):
                found[path] = "-> " + os.readlink(path)
            elif os.path.isfile(path):
                found[path] = read_file(path).decode()
            else:
                found[path] = "directory" if os.path.isdir(path) else "fifo"
    return sorted(found.items())


@scenario
def rename_kinds(t, place):
    names = ("file", "other-file", "directory", "empty", "symlink", "fifo", "missing", "directory/inside")
    for flags, word in ((0, "plain"), (RENAME_NOREPLACE, "noreplace"), (RENAME_EXCHANGE, "exchange")):
        for source in names:
            for target in names:
                fresh()
                t.get(f"{word} {source} to {target}", renameat2, source, target, flags)
                t.note("  left", str(contents()))
    fresh()
    t.get("both flags", renameat2, "file", "other-file", RENAME_NOREPLACE | RENAME_EXCHANGE)
    t.get("an unknown flag", renameat2, "file", "other-file", 1 << 10)
    t.get("into itself", os.rename, "directory", "directory/below")
    t.get("onto dot", os.rename, "directory", ".")
    t.get("of dot dot", os.rename, "directory/..", "x")
    t.get("a file to a name with a slash", os.rename, "file", "x/")
    t.get("a directory to a name with a slash", os.rename, "directory", "x/")
    t.get("below a file", os.rename, "x", "file/x")


@scenario
def rename_over_open(t, place):
    write_file("old", b"old content")
    write_file("new", b"new content")
    old = os.open("old", os.O_RDWR)
    new = os.open("new", os.O_RDWR)
    t.get("rename over an open file", os.rename, "new", "old")
    t.stat("the replaced one lives", old)
    t.get("and is read", os.pread, old, 100, 0)
    t.get("and written", os.pwrite, old, b"OLD", 0)
    t.get("and read again", os.pread, old, 100, 0)
    t.get("and cut", os.ftruncate, old, 3)
    t.stat("the name is the other", "old")
    t.get("which is read", lambda: read_file("old"))
    t.get("written through its descriptor", os.pwrite, new, b"NEW", 0)
    t.get("is what the name shows", lambda: read_file("old"))
    t.get("and the other side", lambda: read_file(place.on_other("old")))
    os.close(old)
    os.close(new)
    t.get("names", os.listdir, ".")
    write_file("linked")
    os.link("linked", "linked-too")
    t.get("rename onto the same file does nothing", os.rename, "linked", "linked-too")
    t.get("both names stay", lambda: sorted(os.listdir(".")))


@scenario
def rename_directories(t, place):
    os.makedirs("a/b/c")
    write_file("a/b/c/file", b"x")

    def inside():
        os.chdir("a/b/c")
        os.rename(place.here + "/a/b", place.here + "/moved")
        t.get("getcwd after the parent moved", lambda: os.path.relpath(os.getcwd(), place.here))
        t.get("a file here", lambda: read_file("file"))
        t.get("a new one here", write_file, "new", b"y")
        t.get("dot dot", lambda: sorted(os.listdir("..")))
        t.stat("dot dot twice", "../..", fields="type mode")
        t.note("it is the top", os.path.samestat(os.stat("../.."), os.stat(place.here)))

    in_child(inside)
    t.get("the new name", lambda: sorted(os.listdir("moved/c")))
    t.stat("the old name", "a/b")
    t.stat("the old parent lost a link", "a")
    os.makedirs("x/y")
    os.mkdir("z")
    t.stat("before: x", "x")
    t.stat("before: z", "z")
    os.rename("x/y", "z/y")
    t.stat("after: x", "x")
    t.stat("after: z", "z")
    t.get("exchange of a directory and a file", renameat2, "z/y", "moved/c/file", RENAME_EXCHANGE)
    t.stat("z/y", "z/y")
    t.stat("moved/c/file", "moved/c/file")
    t.stat("z", "z")
    t.stat("moved/c", "moved/c")
    # ".." of a moved directory needs its owner's permission to be rewritten.
    os.mkdir("open", 0o777)
    os.chmod("open", 0o777)
    os.mkdir("open/roots")
    os.mkdir("open/target")
    os.chmod("open/target", 0o777)
    as_user(OWNER, lambda: t.get("another's directory to a new parent", os.rename, "open/roots", "open/target/x"))
    as_user(OWNER, lambda: t.get("another's directory, same parent", os.rename, "open/roots", "open/renamed"))


@scenario
def hard_links(t, place):
    write_file("first", b"content")
    for name in ("second", "third"):
        t.get(f"link {name}", os.link, "first", name)
        for known in ("first", "second", "third"):
            t.stat(f"  {known}", known)
    t.note("one inode", len({os.stat(name).st_ino for name in ("first", "second", "third")}))
    t.get("written through one", write_file, "second", b"longer content")
    t.stat("seen through another", "third")
    t.get("read through another", lambda: read_file("first"))
    os.chmod("third", 0o640)
    t.stat("mode of all", "first")
    descriptor = os.open("first", os.O_RDONLY)
    os.unlink("first")
    t.stat("after one went: second", "second")
    t.stat("after one went: third", "third")
    t.stat("after one went: open", descriptor)
    os.rename("second", "renamed")
    t.stat("after a rename: third", "third")
    write_file("replacing")
    os.rename("replacing", "renamed")
    t.stat("after one was replaced: third", "third")
    t.stat("after one was replaced: open", descriptor)
    os.unlink("third")
    t.stat("without a name", descriptor)
    t.get("link of what is gone, by descriptor", linkat, descriptor, "", "again", AT_EMPTY_PATH)
    os.close(descriptor)
    os.mkdir("directory")
    t.get("link of a directory", os.link, "directory", "x")
    t.get("link over a name", os.link, "renamed", "directory")
    t.get("link of what is missing", os.link, "missing", "x")
    t.get("link into what is missing", os.link, "renamed", "missing/x")
    os.symlink("renamed", "symlink")
    t.get("link of a symlink", linkat, AT_FDCWD, "symlink", "symlink-too", 0)
    t.stat("is a symlink", "symlink-too", follow=False)
    t.get("link through a symlink", linkat, AT_FDCWD, "symlink", "followed", AT_SYMLINK_FOLLOW)
    t.stat("is the file", "followed", follow=False)
    os.mkfifo("fifo")
    t.get("link of a fifo", os.link, "fifo", "fifo-too")
    t.stat("its links", "fifo")
    # protected_hardlinks and permission are the kernel's.
    os.chmod(".", 0o777)
    os.chmod("renamed", 0o600)
    as_user(OWNER, lambda: t.get("link of another's file", os.link, "renamed", "stolen"))
    # A link that the other side made or took away shows when it is looked up.
    write_file("shared")
    os.link(place.on_other("shared"), place.on_other("shared-too"))
    t.stat("a link made on the other side", "shared-too")
    count = 0
    try:
        for count in range(1, 500):
            os.link("shared", f"many-{count}")
    except OSError:
        pass
    t.note("many links", count)
    t.stat("their number", "many-250")
