#!/usr/bin/env python3
"""A server of NFSv3 and MOUNT on one port of loopback, with a tree in memory, whose handles say in which directory a file
is, as those of exports with subtree_check do: after a move into another directory the old one is stale.

  subtree_server.py PORT FILE [keep|verify|strict|PROCEDURE]
       writes the name of each procedure to FILE, and STALE for each stale handle; keep: handles stay as they were;
       verify: a listing goes on only as long as its directory has not changed, and BAD_COOKIE is written when it has;
       strict: the same, and who has no verifier is refused, too, but at the beginning;
       PROCEDURE: the reply to the first call of it is lost with the connection, and the second is to come again later
"""

import socketserver
import struct
import sys
import threading
import time

OK, NOENT, EXIST, NOTEMPTY, STALE, BAD_COOKIE, NOTSUPP, JUKEBOX = 0, 2, 17, 66, 70, 10003, 10004, 10008
DIRECTORY, REGULAR = 2, 1
UNSTABLE, FILE_SYNC = 0, 2
VERIFIER, NO_VERIFIER = b"verifier", bytes(8)
NAMES_IN_REPLY = 100
PROCEDURES = ("NULL GETATTR SETATTR LOOKUP ACCESS READLINK READ WRITE CREATE MKDIR SYMLINK MKNOD REMOVE RMDIR RENAME LINK "
              "READDIR READDIRPLUS FSSTAT FSINFO PATHCONF COMMIT").split()


class Failure(Exception):
    def __init__(self, status):
        super().__init__(status)
        self.status = status


class Lost(Exception):
    """It is done, and nobody hears of it."""


class Arguments:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, form):
        values = struct.unpack_from(">" + form, self.data, self.at)
        self.at += struct.calcsize(">" + form)
        return values[0] if len(values) == 1 else values

    def opaque(self):
        size = self.take("I")
        value = self.data[self.at:self.at + size]
        self.at += (size + 3) & ~3
        return value

    def changes(self):
        """sattr3: the mode and the size, which are all that this server keeps."""
        mode = self.take("I") if self.take("I") else None
        for _ in ("uid", "gid"):
            if self.take("I"):
                self.take("I")
        size = self.take("Q") if self.take("I") else None
        for _ in ("atime", "mtime"):
            if self.take("I") == 2:
                self.take("II")
        return mode, size


def opaque(data):
    return struct.pack(">I", len(data)) + data + b"\0" * (-len(data) % 4)


class Node:
    def __init__(self, number, kind, mode):
        self.number, self.kind, self.mode, self.links = number, kind, mode, 1
        self.names, self.data, self.changed = {}, bytearray(), time.time_ns()

    def attributes(self):
        when = struct.pack(">II", *divmod(self.changed, 10**9))
        size = len(self.data)
        numbers = self.kind, self.mode & 0o7777, self.links, 0, 0, size, size, 0, 0, 1, self.number
        return struct.pack(">5I QQ II QQ", *numbers) + 3 * when

    def optional(self):
        return struct.pack(">I", 1) + self.attributes()


NO_CHANGE = struct.pack(">II", 0, 0)  # wcc_data
NO_ATTRIBUTES = struct.pack(">I", 0)
FAILED = {"GETATTR": b"", "LOOKUP": NO_ATTRIBUTES, "ACCESS": NO_ATTRIBUTES, "READ": NO_ATTRIBUTES,
          "READDIRPLUS": NO_ATTRIBUTES, "FSSTAT": NO_ATTRIBUTES, "FSINFO": NO_ATTRIBUTES, "PATHCONF": NO_ATTRIBUTES,
          "RENAME": 2 * NO_CHANGE, "LINK": NO_ATTRIBUTES + NO_CHANGE}


class Tree:
    verifier = VERIFIER  # of what is written

    def __init__(self, log, habit):
        self.log, self.keeps, self.lost, self.lock, self.last = log, habit == "keep", habit, threading.RLock(), 1
        self.verifies, self.is_strict = habit in ("verify", "strict"), habit == "strict"
        self.lost_calls = 0
        self.root = Node(1, DIRECTORY, 0o777)
        self.nodes = {1: self.root}

    def told(self, word):
        self.log.write(word + "\n")
        self.log.flush()

    def handle(self, node, directory):
        is_found_there = node.kind == REGULAR and not self.keeps
        return struct.pack(">QQ", node.number, directory.number if is_found_there else 0)

    def node(self, arguments):
        number, where = struct.unpack(">QQ", arguments.opaque())
        node, directory = self.nodes.get(number), self.nodes.get(where)
        is_there = where == 0 or (directory is not None and node in directory.names.values())
        if node is None or not is_there:
            self.told("STALE")
            raise Failure(STALE)
        return node

    def place(self, arguments):
        return self.node(arguments), arguments.opaque().decode()

    def new(self, kind, mode):
        self.last += 1
        node = self.nodes[self.last] = Node(self.last, kind, mode)
        return node

    def make(self, directory, name, kind, mode):
        if name in directory.names:
            raise Failure(EXIST)
        node = directory.names[name] = self.new(kind, mode)
        directory.changed = time.time_ns()
        return struct.pack(">I", 1) + opaque(self.handle(node, directory)) + node.optional() + NO_CHANGE

    def drop(self, directory, name):
        node = directory.names.pop(name, None)
        if node is None:
            raise Failure(NOENT)
        directory.changed = time.time_ns()
        node.links -= 1
        if node.links == 0 or node.kind == DIRECTORY:
            del self.nodes[node.number]
        return NO_CHANGE

    def answer(self, procedure, arguments):
        with self.lock:
            self.told(procedure)
            try:
                return struct.pack(">I", OK) + self.perform(procedure, arguments)
            except Failure as failure:
                return struct.pack(">I", failure.status) + FAILED.get(procedure, NO_CHANGE)

    def perform(self, procedure, arguments):
        self.lost_calls += procedure == self.lost
        if procedure == self.lost and self.lost_calls == 2:
            raise Failure(JUKEBOX)
        done = getattr(self, procedure.lower())(arguments)
        if procedure == self.lost and self.lost_calls == 1:
            raise Lost
        return done

    def getattr(self, arguments):
        return self.node(arguments).attributes()

    def setattr(self, arguments):
        node = self.node(arguments)
        mode, size = arguments.changes()
        if mode is not None:
            node.mode = mode
        if size is not None:
            self.resize(node, size)
        node.changed = time.time_ns()
        return struct.pack(">I", 0) + node.optional()

    def resize(self, node, size):
        node.data = node.data[:size].ljust(size, b"\0")

    def lookup(self, arguments):
        directory, name = self.place(arguments)
        node = directory.names.get(name)
        if node is None:
            raise Failure(NOENT)
        return opaque(self.handle(node, directory)) + node.optional() + directory.optional()

    def access(self, arguments):
        node = self.node(arguments)
        return node.optional() + struct.pack(">I", arguments.take("I"))

    def read(self, arguments):
        node = self.node(arguments)
        offset, count = arguments.take("QI")
        data = bytes(node.data[offset:offset + count])
        return node.optional() + struct.pack(">II", len(data), offset + len(data) >= len(node.data)) + opaque(data)

    def write(self, arguments):
        node = self.node(arguments)
        offset, count, how = arguments.take("QII")
        data = arguments.opaque()[:count]
        node.data[len(node.data):offset] = b"\0" * (offset - len(node.data))
        node.data[offset:offset + len(data)] = data
        node.changed = time.time_ns()
        return NO_CHANGE + struct.pack(">II", len(data), self.keep(node, offset, offset + len(data), how)) + self.verifier

    def keep(self, _node, _begin, _end, _how):
        """What was written: where it is kept, at least as wanted. Memory is all that there is."""
        return FILE_SYNC

    def settle(self, _node, _begin, _end):
        """What is to be on the disk now."""

    def create(self, arguments):
        directory, name = self.place(arguments)
        mode = 0o600
        if arguments.take("I") < 2:
            mode = arguments.changes()[0] or 0
        return self.make(directory, name, REGULAR, mode)

    def mkdir(self, arguments):
        directory, name = self.place(arguments)
        return self.make(directory, name, DIRECTORY, arguments.changes()[0] or 0)

    def remove(self, arguments):
        return self.drop(*self.place(arguments))

    def rmdir(self, arguments):
        directory, name = self.place(arguments)
        if name in directory.names and directory.names[name].names:
            raise Failure(NOTEMPTY)
        return self.drop(directory, name)

    def rename(self, arguments):
        (source, name), (target, new_name) = self.place(arguments), self.place(arguments)
        node = source.names.get(name)
        if node is None:
            raise Failure(NOENT)
        if new_name in target.names and target.names[new_name] is not node:
            self.drop(target, new_name)
        del source.names[name]
        target.names[new_name] = node
        source.changed = target.changed = time.time_ns()
        return 2 * NO_CHANGE

    def link(self, arguments):
        node = self.node(arguments)
        directory, name = self.place(arguments)
        if name in directory.names:
            raise Failure(EXIST)
        directory.names[name] = node
        node.links += 1
        return node.optional() + NO_CHANGE

    def readdirplus(self, arguments):
        directory = self.node(arguments)
        cookie, asked_with = arguments.take("Q8s")
        verifier = struct.pack(">Q", directory.changed) if self.verifies else VERIFIER
        if self.verifies and cookie and asked_with not in (verifier, verifier if self.is_strict else NO_VERIFIER):
            self.told("BAD_COOKIE")
            raise Failure(BAD_COOKIE)
        reply = directory.optional() + verifier
        # By age; a name's cookie is its file's number, which stays whatever comes and goes.
        names = sorted((node.number, name, node) for name, node in directory.names.items() if node.number > cookie)
        for number, name, node in names[:NAMES_IN_REPLY]:
            reply += (struct.pack(">IQ", 1, number) + opaque(name.encode()) + struct.pack(">Q", number) +
                      node.optional() + struct.pack(">I", 1) + opaque(self.handle(node, directory)))
        return reply + struct.pack(">II", 0, len(names) <= NAMES_IN_REPLY)

    def fsstat(self, arguments):
        return self.node(arguments).optional() + struct.pack(">6QI", *[1 << 30] * 6, 0)

    def fsinfo(self, arguments):
        sizes = [1 << 20, 1 << 20, 4096] * 2 + [1 << 16]
        return self.node(arguments).optional() + struct.pack(">7I Q II I", *sizes, 1 << 40, 0, 1, 0x1B)

    def pathconf(self, arguments):
        return self.node(arguments).optional() + struct.pack(">6I", 1, 255, 1, 1, 0, 1)

    def commit(self, arguments):
        node = self.node(arguments)
        begin, count = arguments.take("QI")
        self.settle(node, begin, min(begin + count, len(node.data)) if count else len(node.data))
        return NO_CHANGE + self.verifier

    def mnt(self, arguments):
        root = self.export(arguments.opaque().decode())
        return opaque(self.handle(root, root)) + struct.pack(">II", 1, 1)

    def export(self, _path):
        return self.root


class Connection(socketserver.StreamRequestHandler):
    def handle(self):
        while True:
            call, is_last = b"", False
            while not is_last:
                mark = self.rfile.read(4)
                if len(mark) < 4:
                    return
                size = struct.unpack(">I", mark)[0]
                fragment = self.rfile.read(size & 0x7FFFFFFF)
                if len(fragment) < size & 0x7FFFFFFF:
                    return
                call, is_last = call + fragment, size >> 31
            try:
                reply = self.reply(Arguments(call))
            except Lost:
                return
            self.wfile.write(struct.pack(">I", 0x80000000 | len(reply)) + reply)

    def reply(self, arguments):
        xid, _, _, program, _, number = arguments.take("6I")
        for _ in ("credentials", "verifier"):
            arguments.take("I")
            arguments.opaque()
        accepted = struct.pack(">6I", xid, 1, 0, 0, 0, 0)
        tree = self.server.tree
        if number == 0:
            return accepted
        if program == 100005:
            return accepted + (tree.answer("MNT", arguments) if number == 1 else b"")
        procedure = PROCEDURES[number]
        if not hasattr(tree, procedure.lower()):
            return accepted + struct.pack(">I", NOTSUPP) + NO_CHANGE
        return accepted + tree.answer(procedure, arguments)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


def main(port, log, habit=""):
    with open(log, "w", encoding="utf-8") as to, Server(("127.0.0.1", int(port)), Connection) as server:
        server.tree = Tree(to, habit)
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
