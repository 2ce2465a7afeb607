#!/usr/bin/env python3
"""Three mounts of one store, and a dozen processes that use its claims at random, in all ways that the kernel has.

    contention.py --work DIRECTORY [--seed N] [--seconds S]

While they do, claims are deleted and made again, and daemons killed and mounted again. A ledger says who holds what:
it is written *inside* the time of a hold, so that whatever overlaps in it overlapped in truth. Held to all the time:

* never do two nodes hold a claim whose access modes do not admit both, not even by what a dead mount left behind;
* a claim that somebody holds is not gone;
* what was written is read back, on whichever node;
* no errno but those that have a reason, and no call that does not return.

When all have ended, every claim can be written to on every node within three seconds, no attachment is left of a mount
that is dead, and every daemon ends when asked.
"""

import argparse
import collections
import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import random
import signal
import socket
import struct
import subprocess
import sys
import time

NODES = ["node-a", "node-b", "node-c"]
ONCE, MANY, WRITER_OR_READERS = ["ReadWriteOnce"], ["ReadWriteMany"], ["ReadWriteOnce", "ReadOnlyMany"]
CLAIMS = {"once": ONCE, "twice": ONCE, "many": MANY, "either": WRITER_OR_READERS, "goes": ONCE, "goes-many": MANY}
GOING = ["goes", "goes-many"]
WORKERS = 13
LONGEST_CALL = 20.0
# Of a mount that lives; and of one that has been killed.
EXPECTED = {errno.EBUSY, errno.ESTALE, errno.ENOENT}
EXPECTED_OF_THE_DEAD = EXPECTED | {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO}

MANIFEST = """\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: pv-{name}}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [{modes}]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: manual
  claimRef: {{namespace: default, name: {name}}}
  hostPath: {{path: "{path}"}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}, namespace: default}}
spec:
  accessModes: [{modes}]
  storageClassName: manual
  resources: {{requests: {{storage: 1Gi}}}}
"""

libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    pass


class Ledger:
    """What is held, by whom; and what the files have in them. One file, one lock."""

    def __init__(self, work):
        self.path, self.log, self.failures = work + "/ledger", work + "/history", work + "/failures"

    def create(self):
        generations = {node: 0 for node in NODES}
        self._write({"holds": {}, "next": 1, "generations": generations, "contents": {}})

    def _write(self, state):
        with open(self.path + ".new", "w") as file:
            json.dump(state, file)
        os.rename(self.path + ".new", self.path)

    @contextlib.contextmanager
    def locked(self):
        with open(self.path + ".lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            with open(self.path) as file:
                state = json.load(file)
            yield state
            self._write(state)

    def note(self, *words):
        with open(self.log, "a") as file:
            print(f"{time.monotonic():.4f} {os.getpid()}", *words, file=file)

    def fail(self, *words):
        with open(self.failures, "a") as file:
            print(*words, file=file)
        self.note("FAILED", *words)


def exclude(modes, one, other):
    if one["node"] == other["node"] or "ReadWriteMany" in modes:
        return False
    return "ReadOnlyMany" not in modes or one["writes"] or other["writes"]


# An odd generation is that of a daemon that is being killed, and not mounted again yet.
def is_alive(state, node, generation):
    return state["generations"][node] == generation and generation % 2 == 0


class Worker:
    def __init__(self, work, number, seed, slots):
        self.work, self.number, self.slots = work, number, slots
        self.random = random.Random(seed * 1000 + number)
        self.ledger = Ledger(work)
        self.node, self.claim, self.generation = NODES[0], "once", 0
        self.count = 0
        self.errors = collections.Counter()

    def run(self):
        kinds = ["write"] * 4 + ["read"] * 3 + ["map", "fork", "pass", "chdir", "bind", "unlink", "look"]
        while not self.slots[-1]:
            self.node = self.random.choice(NODES)
            self.claim = self.random.choice(list(CLAIMS))
            with self.ledger.locked() as state:
                self.generation = state["generations"][self.node]
            kind = self.random.choice(kinds)
            try:
                getattr(self, kind)()
                self.errors["done"] += 1
            except OSError as error:
                self.judge(kind, error)
            time.sleep(self.random.random() * 0.05)
        self.ledger.note("ended", json.dumps(self.errors))

    def judge(self, kind, error):
        self.errors[errno.errorcode.get(error.errno, "?")] += 1
        self.ledger.note("errno", kind, self.claim, self.node, errno.errorcode.get(error.errno, "?"))
        with self.ledger.locked() as state:
            is_dead = not is_alive(state, self.node, self.generation)
        if error.errno not in (EXPECTED_OF_THE_DEAD if is_dead else EXPECTED):
            self.ledger.fail(f"{kind} of {self.claim} on {self.node}: {error!r}")

    # A call that may not return: whoever watches sees since when.
    def call(self, function, *arguments):
        self.slots[self.number] = time.monotonic()
        try:
            return function(*arguments)
        finally:
            self.slots[self.number] = 0.0

    def path(self, name=""):
        return f"{self.work}/{self.node}/default/{self.claim}/{name}"

    def linger(self):
        time.sleep(self.random.choice([0, 0.01, 0.05, 0.3, 1.5]) * self.random.random())

    @contextlib.contextmanager
    def hold(self, kind, writes, descriptor=None):
        mine = {"claim": self.claim, "node": self.node, "generation": self.generation, "writes": writes, "kind": kind}
        with self.ledger.locked() as state:
            key = str(state["next"])
            state["next"] += 1
            alive = lambda hold: is_alive(state, hold["node"], hold["generation"])
            for other_key, other in state["holds"].items():
                if other["claim"] != self.claim or not exclude(CLAIMS[self.claim], mine, other) or not alive(mine):
                    continue
                if alive(other):
                    self.ledger.fail(f"{self.claim} is held twice: {key} {mine} and {other_key} {other}")
                else:
                    other["overtaken"] = key
            state["holds"][key] = mine
            self.ledger.note("hold", key, kind, self.claim, self.node, self.generation, "writes" if writes else "reads")
        try:
            yield
        finally:
            with self.ledger.locked() as state:
                gone = state["holds"].pop(key)
                self.ledger.note("let go", key, kind, self.claim, self.node)
                # The mount is dead, and somebody else was let in: so this must not reach the file any more.
                if "overtaken" in gone and descriptor is not None and writes:
                    with contextlib.suppress(OSError):
                        self.call(os.pwrite, descriptor, b"late", 4096)
                        self.ledger.fail(f"{self.claim}: {key} {gone} still writes, and {gone['overtaken']} may")

    def open(self, name, flags):
        return self.call(os.open, self.path(name), flags, 0o644)

    def name(self):
        return f"data-{self.random.randrange(3)}"

    # Writes under the ledger's lock, so that what must be there is known.
    def put(self, descriptor, name):
        token = f"{self.number}-{self.count}".ljust(32)
        self.count += 1
        with self.ledger.locked() as state:
            contents = state["contents"]
            before = contents.get(f"{self.claim}/{name}", [None])
            contents[f"{self.claim}/{name}"] = before + [token]  # as long as nobody has said that it is done
            written = self.call(os.pwrite, descriptor, token.encode(), 0)
            if written == len(token):
                contents[f"{self.claim}/{name}"] = [token]

    def check(self, descriptor, name):
        with self.ledger.locked() as state:
            text = self.call(os.pread, descriptor, 32, 0).decode() or None
            expected = state["contents"].get(f"{self.claim}/{name}", [None])
            is_dead = not is_alive(state, self.node, self.generation)
            if text not in expected and not is_dead and CLAIMS[self.claim] is not MANY:
                self.ledger.fail(f"{self.claim}/{name} on {self.node}: {text!r}, not {expected}")

    def read(self):
        name = self.name()
        descriptor = self.open(name, os.O_RDONLY)
        try:
            with self.hold("read", False):
                self.check(descriptor, name)
                self.linger()
                self.check(descriptor, name)
        finally:
            self.call(os.close, descriptor)

    def write(self):
        name = self.name()
        descriptor = self.open(name, os.O_RDWR | os.O_CREAT)
        try:
            with self.hold("write", True, descriptor):
                for _ in range(self.random.randrange(1, 4)):
                    self.check(descriptor, name)
                    self.put(descriptor, name)
                    self.linger()
        finally:
            self.call(os.close, descriptor)

    def map(self):
        descriptor = self.open("map", os.O_RDWR | os.O_CREAT)
        try:
            self.call(os.ftruncate, descriptor, 8192)
            mapped = self.call(mmap.mmap, descriptor, 8192)
        finally:
            self.call(os.close, descriptor)
        with contextlib.closing(mapped), self.hold("map", True):
            self.linger()

    # In a child, whose end is the end of the hold.
    def in_child(self, body):
        child = os.fork()
        if child == 0:
            code = 0
            try:
                body()
            except OSError as error:
                code = error.errno
            except BaseException as error:  # pylint: disable=broad-except
                self.ledger.fail(f"worker {self.number}: {error!r}")
            os._exit(code)
        return child

    def ended(self, child):
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code < 0:
            self.ledger.fail(f"worker {self.number}: child ended by signal {-code}")
        if code > 0:
            raise OSError(code, os.strerror(code))

    def fork(self):
        descriptor = self.open("forked", os.O_RDWR | os.O_CREAT)

        def body():
            with self.hold("fork", True, descriptor):
                self.linger()
                self.call(os.pwrite, descriptor, b"child", 0)

        child = self.in_child(body)
        self.call(os.close, descriptor)
        self.ended(child)

    # A descriptor that only a socket has.
    def pass_(self):
        descriptor = self.open("passed", os.O_RDWR | os.O_CREAT)
        left, right = socket.socketpair()
        with left, right:
            with self.hold("pass", True):
                left.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, struct.pack("i", descriptor))])
                self.call(os.close, descriptor)
                self.linger()
                _, ancillary, _, _ = right.recvmsg(1, socket.CMSG_SPACE(4))
                descriptor = struct.unpack("i", ancillary[0][2])[0]
            self.call(os.close, descriptor)

    def chdir(self):
        def body():
            self.call(os.chdir, self.path())
            self.call(os.listdir, ".")  # who is let in while they hold it, holds it
            with self.hold("chdir", False):
                self.linger()

        self.ended(self.in_child(body))

    def bind(self):
        def body():
            if libc.unshare(0x20000) != 0 or libc.mount(b"none", b"/", None, 0x4000 | 0x40000, None) != 0:
                raise RuntimeError("no mount namespace")
            target = f"{self.work}/bind-{self.number}"
            if self.call(libc.mount, self.path().encode(), target.encode(), None, 0x1000, None) != 0:
                raise OSError(ctypes.get_errno(), "mount --bind")
            self.call(os.listdir, target)
            with self.hold("bind", False):
                self.linger()
            self.call(libc.umount2, target.encode(), 0)

        self.ended(self.in_child(body))

    def unlink(self):
        name = f"unlinked-{self.number}-{self.count}"
        self.count += 1
        descriptor = self.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL)
        try:
            with self.hold("unlink", True, descriptor):
                self.call(os.pwrite, descriptor, name.encode(), 0)
                self.call(os.unlink, self.path(name))
                self.linger()
                if self.call(os.pread, descriptor, 100, 0).decode() != name:
                    self.ledger.fail(f"{self.claim}/{name} on {self.node}: not what was written")
        finally:
            self.call(os.close, descriptor)

    # Names that are not there hold their directory, too.
    def look(self):
        for _ in range(3):
            with contextlib.suppress(FileNotFoundError):
                self.call(os.stat, self.path(f"nothing-{self.random.randrange(100)}"))
        self.call(os.listdir, self.path())


setattr(Worker, "pass", Worker.pass_)


class Driver:
    def __init__(self, work, binary, seed):
        self.work, self.binary, self.seed = work, binary, seed
        self.random = random.Random(seed)
        self.ledger = Ledger(work)
        self.slots = None
        self.workers = []

    def claimfs(self, *arguments, node=NODES[0], code=0, limit=30):
        command = [self.binary, "--config", f"{self.work}/{node}.yaml", "--state", f"{self.work}/state", "--node", node]
        try:
            done = subprocess.run(command + list(arguments), timeout=limit, text=True, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        except subprocess.TimeoutExpired as expired:
            raise Failed(f"{arguments} does not end: {expired.stdout} {expired.stderr}") from expired
        if code is not None and done.returncode != code:
            raise Failed(f"{arguments}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done

    def mount(self, node):
        self.claimfs("mount", f"{self.work}/{node}", node=node)

    def apply(self, name):
        text = MANIFEST.format(name=name, modes=", ".join(CLAIMS[name]), path=f"{self.work}/host/{name}")
        path = f"{self.work}/{name}.yaml"
        with open(path, "w") as file:
            file.write(text)
        self.claimfs("apply", "-f", path)

    def set_up(self):
        for name in CLAIMS:
            os.makedirs(f"{self.work}/host/{name}")
        os.makedirs(f"{self.work}/state", exist_ok=True)
        for number in range(WORKERS):
            os.mkdir(f"{self.work}/bind-{number}")
        self.ledger.create()
        for node in NODES:
            os.mkdir(f"{self.work}/{node}")
            with open(f"{self.work}/{node}.yaml", "w") as file:
                file.write(f'log: {{level: info, file: "{self.work}/{node}.log"}}\n')
            self.mount(node)
        for name in CLAIMS:
            self.apply(name)
        for name in CLAIMS:
            self.claimfs("wait", "pvc", name, "--for=phase=Bound", "--timeout", "10s")
        # One word for each worker, and the last for "it is time to end".
        self.slots = memoryview(mmap.mmap(-1, 8 * (WORKERS + 1))).cast("d")
        for number in range(WORKERS):
            child = os.fork()
            if child == 0:
                code = 1
                worker = Worker(self.work, number, self.seed, self.slots)
                try:
                    worker.run()
                    code = 0
                except BaseException as error:  # pylint: disable=broad-except
                    worker.ledger.fail(f"worker {number}: {error!r} in line {error.__traceback__.tb_lineno}")
                os._exit(code)
            self.workers.append(child)

    def run(self, seconds):
        end = time.monotonic() + seconds
        next_kill = time.monotonic() + self.random.uniform(2, 6)
        next_deletion = time.monotonic() + 1
        going = None
        while time.monotonic() < end:
            time.sleep(0.05)
            self.look()
            if time.monotonic() > next_kill:
                self.kill(self.random.choice(NODES))
                next_kill = time.monotonic() + self.random.uniform(2, 8)
            if going is None and time.monotonic() > next_deletion:
                going = self.random.choice(GOING)
                self.ledger.note("delete", going)
                self.claimfs("delete", "pvc", going, "--wait=false")
            if going is not None and self.make_again(going):
                going = None
                next_deletion = time.monotonic() + self.random.uniform(0.2, 2)
        return going

    # What nobody may do while it runs.
    def look(self):
        with contextlib.suppress(FileNotFoundError):
            with open(self.ledger.failures) as file:
                raise Failed(file.read())
        for number, since in enumerate(self.slots[:-1]):
            if since and time.monotonic() - since > LONGEST_CALL:
                raise Failed(f"worker {number} hangs: {self.stack(self.workers[number])}")

    def stack(self, pid):
        said = ""
        for each in [pid] + [int(child) for child in subprocess.run(
                ["pgrep", "-P", str(pid)], stdout=subprocess.PIPE, text=True, check=False).stdout.split()]:
            with contextlib.suppress(OSError), open(f"/proc/{each}/stack") as file:
                said += f"\n{each}:\n{file.read()}"
        return said

    # When the claim has gone, it and its volume are made anew, over the same directory.
    def make_again(self, name):
        if self.claimfs("get", "pvc", name, code=None).returncode == 0:
            return False
        with self.ledger.locked() as state:
            self.ledger.note("gone", name)
            for key, hold in state["holds"].items():
                if hold["claim"] == name and is_alive(state, hold["node"], hold["generation"]):
                    self.ledger.fail(f"{name} is gone, and held: {key} {hold}")
        self.claimfs("delete", "pv", f"pv-{name}")
        self.apply(name)
        return True

    def kill(self, node):
        pids = self.daemons(node)
        if not pids:
            raise Failed(f"no daemon of {node}")
        with self.ledger.locked() as state:
            state["generations"][node] += 1
            self.ledger.note("kill", node, state["generations"][node])
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        time.sleep(self.random.random() * 0.3)
        # Another daemon may have done it, where files were open by passthrough.
        subprocess.run(["umount", "-l", f"{self.work}/{node}"], stderr=subprocess.DEVNULL, check=False)
        # A process is dead when its last thread is.
        deadline = time.monotonic() + 5
        while any(self.threads(pid) for pid in pids):
            if time.monotonic() > deadline:
                raise Failed(f"killed, and does not end: {pids}")
            time.sleep(0.01)
        self.mount(node)
        with self.ledger.locked() as state:
            state["generations"][node] += 1

    # Those that have not ended.
    def threads(self, pid):
        running = []
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/status") as file:
                    if "State:\tZ" not in file.read():
                        running.append(task)
        return running

    def daemons(self, node):
        pids = []
        for name in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError), open(f"/proc/{name}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
                if words[0].endswith(b"claimfs") and f"{self.work}/{node}".encode() in words:
                    pids.append(int(name))
        return pids

    def settle(self, going):
        self.slots[-1] = 1.0
        running = set(self.workers)
        deadline = time.monotonic() + LONGEST_CALL + 10
        while running:
            self.look()
            if time.monotonic() > deadline:
                raise Failed(f"workers do not end: {[self.stack(pid) for pid in running]}")
            running = {pid for pid in running if os.waitpid(pid, os.WNOHANG)[0] == 0}
            time.sleep(0.02)
        self.workers = []
        self.look()
        end = time.monotonic()
        while going is not None and not self.make_again(going):
            if time.monotonic() > end + 3:
                raise Failed(f"{going} does not go: {self.claimfs('describe', 'pvc', going).stdout}")
        # Every node can have everything now, one after the other.
        for node in NODES:
            for name in CLAIMS:
                self.write_once(node, name)
        attachments = json.loads(self.claimfs("get", "attachment", "-o", "json").stdout)["items"]
        for attachment in attachments:
            if attachment.get("status", {}).get("draining"):
                raise Failed(f"left draining: {attachment}")
        live = [attachment["spec"]["mount"] for attachment in attachments]
        if len(set(live)) > len(NODES):
            raise Failed(f"attachments of dead mounts: {live}")
        for node in NODES:
            self.claimfs("unmount", f"{self.work}/{node}", node=node)
            if pids := [pid for pid in self.daemons(node) if not self.has_ended(pid)]:
                raise Failed(f"daemon of {node} goes on: {pids}")
        if left := json.loads(self.claimfs("get", "attachment", "-o", "json").stdout)["items"]:
            raise Failed(f"attachments of nobody: {left}")

    def has_ended(self, pid):
        for _ in range(100):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
                if "State:\tZ" not in file.read():
                    time.sleep(0.05)
                    continue
            return True
        return False

    def write_once(self, node, name):
        path, deadline = f"{self.work}/{node}/default/{name}/last", time.monotonic() + 3
        while True:
            done = subprocess.run(["timeout", "-k", "1", "10", "sh", "-c", 'echo "$1" >"$1"', "sh", path],
                                  stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode == 0:
                return
            if time.monotonic() > deadline:
                raise Failed(f"{name} on {node} is not to be had: {done.stderr}")

    def tear_down(self):
        for pid in self.workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        with open("/proc/self/mountinfo") as file:
            mounts = [line.split() for line in file]
        for node in NODES:
            for pid in self.daemons(node):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for mount in mounts:
                if mount[4] == f"{self.work}/{node}":
                    with contextlib.suppress(OSError):
                        with open(f"/sys/fs/fuse/connections/{mount[2].split(':')[1]}/abort", "w") as abort:
                            abort.write("1")
            subprocess.run(["umount", "-l", f"{self.work}/{node}"], stderr=subprocess.DEVNULL, check=False)

    def tell(self, failure):
        print(f"FAILED with --seed {self.seed}: {failure}")
        claims = [name for name in CLAIMS if f"{name} " in f"{failure} " or f"{name}/" in str(failure)] or list(CLAIMS)
        with open(self.ledger.log) as file:
            lines = [line for line in file if any(f" {name} " in line or f" {name}\n" in line for name in claims)
                     or " kill " in line]
        print(f"--- history of {', '.join(claims)}\n" + "".join(lines[-60:]))
        for node in NODES:
            with contextlib.suppress(OSError), open(f"{self.work}/{node}.log") as file:
                print(f"--- log of {node}\n" + "".join(file.readlines()[-40:]))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--work", required=True)
    parser.add_argument("--binary", default=os.environ.get("CLAIMFS_BIN"))
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.seconds} seconds", flush=True)
    driver = Driver(arguments.work, arguments.binary, arguments.seed)
    try:
        driver.set_up()
        driver.settle(driver.run(arguments.seconds))
    except Failed as failure:
        driver.tell(failure)
        return 1
    finally:
        driver.tear_down()
    totals = collections.Counter()
    with open(driver.ledger.log) as file:
        for line in file:
            if " ended {" in line:
                totals.update(json.loads(line[line.index("{"):]))
            else:
                totals[line.split()[2]] += 1
    print(dict(totals))
    return 0


if __name__ == "__main__":
    sys.exit(main())
