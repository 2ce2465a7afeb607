"""Files like those of a source tree, in a tar file."""

import io
import random
import tarfile

FILES_IN_DIRECTORY = 20


class Archive:
    def __init__(self, work, count):
        self.tar = work / f"archive-{count}.tar"
        self.members = work / f"members-{count}"  # the same for nfs_raw
        dice = random.Random(1)
        lines = []
        with tarfile.open(self.tar, "w") as archive:
            for number in range(count):
                directory = f"d{number // FILES_IN_DIRECTORY}"
                if number % FILES_IN_DIRECTORY == 0:
                    self.add(archive, directory, tarfile.DIRTYPE, 0o755)
                    lines.append(f"d {directory}")
                size = min(int(dice.lognormvariate(8.3, 1.3)), 1 << 20)  # median 4 kB
                self.add(archive, f"{directory}/f{number}", tarfile.REGTYPE, 0o644, size)
                lines.append(f"f {size} {directory}/f{number}")
        self.members.write_text("\n".join(lines) + "\n")
        self.count = len(lines)

    @staticmethod
    def add(archive, name, kind, mode, size=0):
        info = tarfile.TarInfo(name)
        info.type, info.mode, info.size, info.mtime = kind, mode, size, 1_000_000_000
        archive.addfile(info, io.BytesIO(b"x" * size))
