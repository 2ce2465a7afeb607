"""SQLite and PostgreSQL."""

import contextlib
import shutil
import signal
import sqlite3
import time
from pathlib import Path

from benchmark.loads import Load
from benchmark.processes import Failed, is_true, output_of, run, started

PATIENCE_SECONDS = 20


class Sqlite(Load):
    group = "applications"
    rows = {f"SQLite, journal_mode={mode}": "transaction" for mode in ("delete", "wal")}

    def run(self, place, directory, clock):
        count = max(10, self.sizes.files // 25)
        for mode in ("delete", "wal"):
            with contextlib.closing(sqlite3.connect(directory / mode, isolation_level=None)) as database:
                database.execute(f"PRAGMA journal_mode={mode}")
                database.execute("PRAGMA synchronous=full")
                database.execute("CREATE TABLE facts (number INTEGER PRIMARY KEY, text TEXT)")
                with clock.time(f"SQLite, journal_mode={mode}", count):
                    for number in range(count):
                        database.execute("INSERT INTO facts VALUES (?, ?)", (number, "x" * 200))


class PgBench(Load):
    group = "applications"
    rows = {"pgbench, 4 clients": "transaction"}
    PORT = "5432"  # of a socket in a directory of ours

    def programs(self):
        return max(Path("/usr/lib/postgresql").glob("*/bin"))

    def as_postgres(self, program, *words):
        """The server refuses to be root."""
        return ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", self.programs() / program, *words)

    def prepare(self, hosts):
        """One cluster, which every place gets a copy of."""
        self.cluster, self.sockets = self.work / "cluster", self.work / "sockets"
        for directory in (self.cluster, self.sockets):
            directory.mkdir()
            shutil.chown(directory, "postgres", "postgres")
        run(*self.as_postgres("initdb", "-D", self.cluster, "--no-sync", "-A", "trust"), cwd="/")
        with self.server(self.cluster):
            run(*self.as_postgres("pgbench", "-i", "-q", "-s", "2", *self.at()), cwd="/")
        for host in hosts:
            run("cp", "-a", self.cluster, host)

    def at(self):
        return ("-h", self.sockets, "-p", self.PORT, "postgres")

    @contextlib.contextmanager
    def server(self, cluster):
        command = self.as_postgres("postgres", "-D", cluster, "-k", self.sockets, "-p", self.PORT, "-h", "")
        with started(*command, cwd="/") as server:
            until = time.monotonic() + PATIENCE_SECONDS
            while not is_true(self.programs() / "pg_isready", "-q", *self.at()[:4]):
                if server.poll() is not None or time.monotonic() > until:
                    raise Failed(f"PostgreSQL does not start in {cluster}")
                time.sleep(0.05)
            yield
            server.send_signal(signal.SIGINT)  # who is connected need not finish
            server.wait(PATIENCE_SECONDS)

    def run(self, place, directory, clock):
        with self.server(place.directory / "cluster"):
            with clock.counting() as requests:
                said = output_of(*self.as_postgres("pgbench", "-n", "-c", "4", "-T", max(1, round(self.sizes.seconds * 4)),
                                                   *self.at()), cwd="/")
        rate = float(said.split("tps = ")[1].split()[0])
        count = int(said.split("number of transactions actually processed: ")[1].split()[0])
        clock.note("pgbench, 4 clients", count, count / rate, requests)


def database_loads(work, sizes):
    return [Sqlite(work, sizes), PgBench(work, sizes)]
