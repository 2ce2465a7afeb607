"""Programs as people run them."""

import os

from benchmark.archive import Archive
from benchmark.loads import Load
from benchmark.places import forget
from benchmark.processes import run


class Tar(Load):
    group = "applications"
    rows = {"tar x": "file", "tar c": "file", "rm -rf": "file"}

    def prepare(self, hosts):
        self.archive = Archive(self.work, self.sizes.files // 2)

    def run(self, place, directory, clock):
        made = directory / "made"
        made.mkdir()
        self.archive.tar.read_bytes()  # it is in the page cache for all
        clock.command("tar x", self.archive.count, "tar", "-xf", self.archive.tar, "-C", made)
        forget(place.host)
        # To a file: tar reads nothing for an archive that is /dev/null.
        clock.command("tar c", self.archive.count, "tar", "-cf", self.work / "packed.tar", "-C", made, ".")
        clock.command("rm -rf", self.archive.count, "rm", "-rf", made)


class Git(Load):
    group = "applications"
    rows = {"git clone": "file", "git status": "file"}
    settings = dict(os.environ, GIT_CONFIG_GLOBAL=os.devnull, GIT_CONFIG_NOSYSTEM="1")

    def prepare(self, hosts):
        archive = Archive(self.work, self.sizes.files // 2)
        self.count, self.origin = archive.count, self.work / "origin"
        self.origin.mkdir()
        run("tar", "-xf", archive.tar, "-C", self.origin)
        for words in (("init", "-q"), ("add", "."), ("commit", "-q", "-m", "all")):
            run("git", "-c", "user.name=x", "-c", "user.email=x", "-C", self.origin, *words, env=self.settings)

    def run(self, place, directory, clock):
        clone = directory / "clone"
        run("tar", "-cf", self.work / "packed.tar", "-C", self.origin, ".")  # it is in the page cache for all
        clock.command("git clone", self.count, "git", "clone", "-q", "--no-hardlinks", self.origin, clone, env=self.settings)
        # The first one writes down what it has looked at.
        run("git", "-C", clone, "status", env=self.settings)
        clock.command("git status", self.count, "git", "-C", clone, "status", env=self.settings)


def application_loads(work, sizes):
    return [Tar(work, sizes), Git(work, sizes)]
