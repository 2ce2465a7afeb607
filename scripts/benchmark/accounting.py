"""What it costs that a claim holds no more than its capacity."""

from benchmark.archive import Archive
from benchmark.data import MIB, fio
from benchmark.loads import Load


class Accounting(Load):
    group = "accounting"
    rows = {"capacity: sequential write, new file": "MiB", "capacity: random 4 KiB write": "I/O", "capacity: tar x": "file"}

    def compares(self, name):
        return name in ("plain", "claimfs", "enforced")

    def prepare(self, hosts):
        self.archive = Archive(self.work, self.sizes.files // 2)

    def run(self, place, directory, clock):
        with clock.counting() as requests:
            written = fio(directory, "write", 1, self.sizes.size_mib)
        clock.note("capacity: sequential write, new file", self.sizes.size_mib,
                   self.sizes.size_mib / (written["bw_bytes"] / MIB), requests)
        with clock.counting() as requests:
            written = fio(directory, "randwrite", 1, self.sizes.size_mib, "--time_based=1",
                          f"--runtime={int(self.sizes.seconds * 1000)}ms")
        clock.note("capacity: random 4 KiB write", written["total_ios"], written["total_ios"] / written["iops"], requests)
        (directory / "made").mkdir()
        self.archive.tar.read_bytes()  # it is in the page cache for all
        clock.command("capacity: tar x", self.archive.count, "tar", "-xf", self.archive.tar, "-C", directory / "made")
