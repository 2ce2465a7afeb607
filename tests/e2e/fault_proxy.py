#!/usr/bin/env python3
"""Stands between an NFS client and its server, and breaks what it is told to break.

  fault_proxy.py SOCKET LISTEN:[ADDRESS:]TARGET…     TCP ports of loopback; told what to do through SOCKET
  fault_proxy.py --tell SOCKET COMMAND               prints the answer; exit 1 when the command is not known

Commands:
  pass              from now on everything passes
  delay SECONDS     every reply comes so much later
  stagger SECONDS   so do those on every other connection: what one asks later than another is answered before that
  stall             nothing passes any more; connections stay, and what was held passes after `pass`
  cut               ends all connections, once
  refuse            ends all connections, and refuses new ones until `pass`
  drop NAME COUNT   the server does the next COUNT calls of this procedure (WRITE, REMOVE, … or ANY), but their replies
                    are lost, and so is the connection: what a client sees whose network fails after the deed
  count             how many connections there are and were, how many calls passed and how many replies were dropped
  overtaken         how many replies went out before that of a call which another connection had asked earlier
  procedures        how many calls of each procedure passed since this was asked last: WRITE=2 COMMIT=1
  waiting NAME      how many calls of this procedure have waited for their replies together, at most, since this was asked last
"""

import asyncio
import collections
import itertools
import os
import socket
import struct
import sys

PROCEDURES = ("NULL GETATTR SETATTR LOOKUP ACCESS READLINK READ WRITE CREATE MKDIR SYMLINK MKNOD REMOVE RMDIR RENAME LINK "
              "READDIR READDIRPLUS FSSTAT FSINFO PATHCONF COMMIT").split()
NFS_PROGRAM = 100003
CHUNK = 1 << 16


class Faults:
    """What is broken now, for all connections."""

    def __init__(self):
        self.may_pass = asyncio.Event()
        self.may_pass.set()
        self.delay = self.stagger = 0.0
        self.refuses = False
        self.to_drop = {}
        self.connections = set()
        self.accepted = self.calls = self.dropped = self.overtaken = 0
        self.open_calls = {}  # the connections of calls without a reply, by the calls' numbers, in order
        self.procedures = collections.Counter()
        self.waiting = collections.Counter()  # for a reply, by procedure
        self.most_waiting = collections.Counter()

    def asked(self, procedure):
        self.procedures[procedure] += 1
        self.waiting[procedure] += 1
        self.most_waiting[procedure] = max(self.most_waiting[procedure], self.waiting[procedure])

    def answered(self, number, connection):
        del self.open_calls[number]
        earlier = itertools.takewhile(lambda call: call[0] < number, self.open_calls.items())
        self.overtaken += any(asker is not connection for _, asker in earlier)

    def cut(self):
        for connection in list(self.connections):
            connection.close()

    def obey(self, words):
        command, *rest = words or [""]
        if command == "pass":
            self.delay, self.stagger, self.refuses, self.to_drop = 0.0, 0.0, False, {}
            self.may_pass.set()
        elif command == "delay":
            self.delay = float(rest[0])
        elif command == "stagger":
            self.stagger = float(rest[0])
        elif command == "stall":
            self.may_pass.clear()
        elif command == "cut":
            self.cut()
        elif command == "refuse":
            self.refuses = True
            self.cut()
        elif command == "drop" and (rest[0] in PROCEDURES or rest[0] == "ANY"):
            self.to_drop[rest[0]] = int(rest[1])
        elif command == "count":
            return (f"connections={len(self.connections)} accepted={self.accepted} calls={self.calls} "
                    f"dropped={self.dropped}")
        elif command == "overtaken":
            return str(self.overtaken)
        elif command == "procedures":
            told = " ".join(f"{name}={count}" for name, count in sorted(self.procedures.items()))
            self.procedures.clear()
            return told
        elif command == "waiting" and rest[0] in PROCEDURES:
            return str(self.most_waiting.pop(rest[0], 0))
        else:
            raise ValueError(f"not a command: {' '.join(words)}")
        return "ok"

    def drops(self, procedure):
        for name in (procedure, "ANY"):
            if self.to_drop.get(name, 0) > 0:
                self.to_drop[name] -= 1
                self.dropped += 1
                return True
        return False


class Connection:
    """One client's connection and ours to the server. RPC records are passed on whole (RFC 5531, 11)."""

    def __init__(self, faults, client, server):
        self.faults = faults
        self.client_reader, self.client_writer = client
        self.server_reader, self.server_writer = server
        self.procedures = {}  # of calls without a reply, by xid
        self.numbers = {}  # of the same, in the order in which all were asked

    def close(self):
        for writer in (self.client_writer, self.server_writer):
            writer.transport.abort()
        self.faults.connections.discard(self)
        self.faults.waiting.subtract(self.procedures.values())
        self.procedures.clear()
        for number in self.numbers.values():
            self.faults.open_calls.pop(number, None)
        self.numbers.clear()

    async def serve(self):
        self.faults.connections.add(self)
        self.faults.accepted += 1
        self.is_slow = self.faults.accepted % 2 == 0
        try:
            tasks = [asyncio.create_task(self.pass_calls()), asyncio.create_task(self.pass_replies())]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self.close()

    async def pass_calls(self):
        async for record, payload in records(self.client_reader):
            self.faults.calls += 1
            xid, _, _, program, _, procedure = struct.unpack_from(">6I", payload)
            known = program == NFS_PROGRAM and procedure < len(PROCEDURES)
            self.procedures[xid] = PROCEDURES[procedure] if known else ""
            self.faults.asked(self.procedures[xid])
            self.numbers[xid] = self.faults.calls
            self.faults.open_calls[self.faults.calls] = self
            await self.faults.may_pass.wait()
            self.server_writer.write(record)
            await self.server_writer.drain()

    async def pass_replies(self):
        loop = asyncio.get_running_loop()
        async for record, payload in records(self.server_reader):
            arrived = loop.time()
            xid = struct.unpack_from(">I", payload)[0]
            if self.faults.drops(self.procedures.get(xid, "")):
                return
            await self.faults.may_pass.wait()
            # Later, but no further apart than they came: a delay is not a narrow pipe.
            delay = self.faults.delay + (self.faults.stagger if self.is_slow else 0)
            if delay:
                loop.call_at(arrived + delay, self.answer, xid, record)
            else:
                self.answer(xid, record)
                await self.client_writer.drain()

    def answer(self, xid, record):
        if xid in self.procedures:
            self.faults.waiting[self.procedures.pop(xid)] -= 1
            self.faults.answered(self.numbers.pop(xid), self)
        self.client_writer.write(record)


async def records(reader):
    """Whole records: as they came, and their payload without the marks of fragments."""
    while True:
        record, payload, is_last = b"", b"", False
        while not is_last:
            try:
                mark = await reader.readexactly(4)
                size = struct.unpack(">I", mark)[0]
                fragment = await reader.readexactly(size & 0x7FFFFFFF)
            except (asyncio.IncompleteReadError, ConnectionError):
                return
            record, payload, is_last = record + mark + fragment, payload + fragment, size >> 31
        yield record, payload


async def listen(faults, port, address, target):
    async def accepted(reader, writer):
        if faults.refuses:
            writer.transport.abort()
            return
        try:
            server = await asyncio.open_connection(address, target, limit=CHUNK)
        except OSError:
            writer.transport.abort()
            return
        await Connection(faults, (reader, writer), server).serve()

    await asyncio.start_server(accepted, "127.0.0.1", port, limit=CHUNK)


async def control(faults, path):
    async def told(reader, writer):
        try:
            answer = faults.obey((await reader.readline()).decode().split())
        except (ValueError, IndexError) as error:
            answer = f"error: {error}"
        writer.write(answer.encode() + b"\n")
        await writer.drain()
        writer.close()

    await asyncio.start_unix_server(told, path)


def tell(path, words):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(path)
        connection.sendall(" ".join(words).encode() + b"\n")
        answer = connection.makefile().readline().strip()
    print(answer)
    return 1 if answer.startswith("error") else 0


async def run(path, pairs):
    faults = Faults()
    for pair in pairs:
        port, _, target = pair.partition(":")
        address, _, target = target.rpartition(":")
        await listen(faults, int(port), address or "127.0.0.1", int(target))
    await control(faults, path)
    await asyncio.Event().wait()


def main(arguments):
    if len(arguments) >= 3 and arguments[0] == "--tell":
        return tell(arguments[1], arguments[2:])
    if len(arguments) < 2 or arguments[0].startswith("--"):
        print(__doc__, file=sys.stderr)
        return 64
    if os.path.exists(arguments[0]):
        os.unlink(arguments[0])
    asyncio.run(run(arguments[0], arguments[1:]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
