"""Holds a claim in one of the ways in which one can, until it is killed.

  hold.py HOW DIRECTORY READY    DIRECTORY has "file", "directory" and "program"; READY is made when it is held
"""

import array
import ctypes
import mmap
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x20000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
AT_FDCWD, OPEN_TREE, OPEN_TREE_CLONE = -100, 428, 1
kept = []


def checked(result):
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def mount(source, target, kind, flags, data=None):
    checked(libc.mount(source.encode(), target.encode(), kind and kind.encode(), flags, data and data.encode()))


def own_mounts():
    checked(libc.unshare(CLONE_NEWNS))
    mount("none", "/", None, MS_REC | MS_PRIVATE)


def elsewhere():
    return tempfile.mkdtemp(dir=os.environ["WORK"])


def opened():
    kept.append(os.open("file", os.O_RDWR))


def listed():
    kept.append(os.open("directory", os.O_RDONLY | os.O_DIRECTORY))


def mapped():
    file = os.open("file", os.O_RDWR)
    kept.append(mmap.mmap(file, 4))
    os.closerange(3, 64)  # its own, and the one that Python keeps for the map


def unlinked():
    kept.append(os.open("file", os.O_RDWR))
    os.unlink("file")


def unnamed():
    kept.append(os.open(".", os.O_RDWR | os.O_TMPFILE, 0o600))


def path():
    kept.append(os.open("directory", os.O_PATH))


def sent():
    """A descriptor that is in no process's table: on its way from one socket to another."""
    ends = socket.socketpair()
    file = os.open("file", os.O_RDONLY)
    ends[0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [file]))])
    os.close(file)
    kept.append(ends)


def stands():
    os.chdir("directory")
    return "stay"


def rooted():
    os.chroot("directory")
    return "stay"


def runs():
    os.spawnv(os.P_NOWAIT, "./program", ["./program", "300"])


def bound():
    own_mounts()
    mount("directory", elsewhere(), None, MS_BIND)


def namespace():
    """A bind mount in a mount namespace that no process is in: only a descriptor holds it."""
    child = os.fork()
    if child == 0:
        own_mounts()
        mount("directory", elsewhere(), None, MS_BIND)
        os.chdir("/")
        open("/proc/self/comm", "w").write("bound")
        time.sleep(300)
    while open(f"/proc/{child}/comm").read() != "bound\n":
        time.sleep(0.01)
    kept.append(os.open(f"/proc/{child}/ns/mnt", os.O_RDONLY))
    os.kill(child, 9)
    os.waitpid(child, 0)


def detached():
    """A mount that is in no table."""
    kept.append(checked(libc.syscall(OPEN_TREE, AT_FDCWD, b"directory", OPEN_TREE_CLONE)))


def nested():
    own_mounts()
    mount("none", "directory", "tmpfs", 0)


def lower():
    own_mounts()
    at = elsewhere()
    for name in ("upper", "work", "merged"):
        os.mkdir(f"{at}/{name}")
    mount("overlay", f"{at}/merged", "overlay", 0, f"lowerdir={os.getcwd()},upperdir={at}/upper,workdir={at}/work")


def device():
    name = subprocess.run(["losetup", "-f", "--show", "file"], check=True, capture_output=True, text=True).stdout.strip()
    kept.append(os.open(name, os.O_RDONLY))
    subprocess.run(["losetup", "-d", name], check=True)  # when it is closed


def watched():
    watcher = checked(libc.inotify_init())
    checked(libc.inotify_add_watch(watcher, b"directory", 0x100))
    kept.append(watcher)


how, directory, ready = sys.argv[1:]
home = os.getcwd()
os.chdir(directory)
if how == "runs":
    shutil.copy("/bin/sleep", "program")
# Whoever has another root finds it by its descriptor.
place = os.open(os.path.dirname(ready), os.O_PATH)
if globals()[how]() != "stay":
    os.chdir(home)
if how == "mapped":
    place = os.open(os.path.dirname(ready), os.O_PATH)
os.close(os.open(os.path.basename(ready), os.O_CREAT | os.O_WRONLY, dir_fd=place))
time.sleep(300)
