#!/usr/bin/env python3
"""A server of NFSv3 and MOUNT on one port of loopback that loses what it may: its exports are directories of this host (for
files only), but what is written UNSTABLE is in its memory alone, where it is read, until a COMMIT.

  unstable_server.py PORT FILE SOCKET     writes the name of each procedure to FILE; told what to do through SOCKET

Commands, each with one answer; programs import tell:
  crash                             it loses its memory and all connections, and is there again with another verifier;
                                    the answer is how many bytes it lost
  crash before|after NAME NUMBER…   the same at these calls of this procedure (WRITE, COMMIT, …), counted from now: before
                                    it does what it is asked or after that; the reply is lost in either case
  fail NAME STATUS [COUNT]          the next COUNT calls of it, or all, are answered so: IO, NOSPC, JUKEBOX
  heal                              no more failures, and no crashes that have not come yet
  count NAME                        of calls of a procedure; WRITEs that were UNSTABLE or FILE_SYNC; crashes; bytes that are
                                    "unstable", in its memory alone, or "lost", in all crashes
  wait NAME NUMBER                  answers when that is the count
"""

import collections
import contextlib
import copy
import os
import socket
import socketserver
import sys
import threading

from subtree_server import DIRECTORY, NOTSUPP, REGULAR, UNSTABLE, Connection, Failure, Lost, Server, Tree

STATUS = {"IO": 5, "NOSPC": 28, "JUKEBOX": 10008}


class ForgetfulTree(Tree):
    def __init__(self, log):
        super().__init__(log, "keep")
        self.exports, self.connections = {}, set()
        self.counts, self.crash_at, self.failing = collections.Counter(), {}, {}
        self.verifier = bytearray(b"verifier")
        self.has_news = threading.Condition(self.lock)

    # --- what is on the disk: each node has a descriptor of its own there, and files know which bytes are not

    def export(self, path):
        if path not in self.exports:
            self.exports[path] = self.new(DIRECTORY, 0o777)
            self.exports[path].disk = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        return self.exports[path]

    def make(self, directory, name, kind, mode):
        if kind != REGULAR:
            raise Failure(NOTSUPP)
        made = super().make(directory, name, kind, mode)
        node = directory.names[name]
        node.disk = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=directory.disk)
        node.unstable = bytearray()  # 1 for each such byte
        return made

    def drop(self, directory, name):
        node = directory.names.get(name)
        dropped = super().drop(directory, name)
        os.unlink(name, dir_fd=directory.disk)
        self.mark(node, 0, len(node.data), False)
        os.close(node.disk)
        return dropped

    def rename(self, arguments):
        again = copy.copy(arguments)
        renamed = super().rename(arguments)
        (source, name), (target, new_name) = self.place(again), self.place(again)
        os.rename(name, new_name, src_dir_fd=source.disk, dst_dir_fd=target.disk)
        return renamed

    def link(self, _):
        raise Failure(NOTSUPP)

    def resize(self, node, size):
        self.mark(node, size, max(size, len(node.data)), False)
        super().resize(node, size)
        os.ftruncate(node.disk, size)

    def keep(self, node, begin, end, how):
        self.counts["UNSTABLE" if how == UNSTABLE else "FILE_SYNC"] += 1
        if how == UNSTABLE:
            self.mark(node, begin, end, True)
        else:
            self.settle(node, begin, end)
        return how

    def settle(self, node, begin, end):
        os.pwrite(node.disk, node.data[begin:end], begin)
        self.mark(node, begin, end, False)

    def mark(self, node, begin, end, is_unstable):
        node.unstable.extend(bytes(max(0, end - len(node.unstable))))
        self.counts["unstable"] += is_unstable * (end - begin) - node.unstable.count(1, begin, end)
        node.unstable[begin:end] = bytes([is_unstable]) * (end - begin)

    # --- what goes wrong

    def perform(self, procedure, arguments):
        self.counts[procedure] += 1
        due = self.crash_at.pop((procedure, self.counts[procedure]), None)
        if due == "before":
            self.crash()
            raise Lost
        if procedure in self.failing:
            status, count = self.failing.pop(procedure)
            if count != 1:
                self.failing[procedure] = status, count - 1
            raise Failure(status)
        done = super().perform(procedure, arguments)
        self.has_news.notify_all()
        if due == "after":
            self.crash()
            raise Lost
        return done

    def crash(self):
        lost = self.counts.pop("unstable", 0)
        self.counts["lost"] += lost
        for node in self.nodes.values():
            if node.kind == REGULAR:
                found = os.fstat(node.disk)
                node.data = bytearray(os.pread(node.disk, found.st_size, 0))
                node.unstable, node.changed = bytearray(), found.st_mtime_ns
        # Another byte of it each time, so that nobody may look at a part of it only.
        self.verifier[self.counts["crashes"] % 8] += 1
        self.counts["crashes"] += 1
        # What has come through them and is not done is lost, too.
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()
        self.has_news.notify_all()
        return lost

    def obey(self, command, *rest):
        with self.lock:
            if command == "crash" and not rest:
                return self.crash()
            if command == "crash" and rest[0] in ("before", "after"):
                for number in rest[2:]:
                    self.crash_at[rest[1], self.counts[rest[1]] + int(number)] = rest[0]
            elif command == "fail":
                self.failing[rest[0]] = STATUS[rest[1]], int(rest[2]) if rest[2:] else 0
            elif command == "heal":
                self.failing.clear()
                self.crash_at.clear()
            elif command == "count":
                return self.counts[rest[0]]
            elif command == "wait":
                self.has_news.wait_for(lambda: self.counts[rest[0]] == int(rest[1]))
            else:
                raise ValueError("not a command")
            return "ok"


class MortalConnection(Connection):
    def setup(self):
        super().setup()
        with self.server.tree.lock:
            self.server.tree.connections.add(self.request)

    def handle(self):
        with contextlib.suppress(ConnectionError):
            super().handle()

    def finish(self):
        with self.server.tree.lock:
            self.server.tree.connections.discard(self.request)
        super().finish()

    def reply(self, arguments):
        with self.server.tree.lock:
            if self.request not in self.server.tree.connections:
                raise Lost
            return super().reply(arguments)


class Orders(socketserver.StreamRequestHandler):
    def handle(self):
        words = self.rfile.readline().decode().split()
        try:
            answer = self.server.tree.obey(*words)
        except (TypeError, ValueError, LookupError) as error:
            answer = f"error: {' '.join(words)}: {error}"
        # Who waited may be gone.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(f"{answer}\n".encode())


class OrdersServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


def tell(path, *words):
    """The answer, as a number if it is one."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(" ".join(map(str, words)).encode() + b"\n")
        answer = connection.makefile().readline().strip()
    if not answer or answer.startswith("error"):
        raise ValueError(answer)
    return int(answer) if answer.isdigit() else answer


def main(port, log, path):
    with (open(log, "w", encoding="utf-8") as to, Server(("127.0.0.1", int(port)), MortalConnection) as server,
          OrdersServer(path, Orders) as orders):
        orders.tree = server.tree = ForgetfulTree(to)
        threading.Thread(target=orders.serve_forever, daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
