"""Claims of claimfs that work is done in."""

import contextlib
import functools
import re

from benchmark.places import Place, unmounting
from benchmark.processes import MOUNT_SECONDS, output_of, run, uninterrupted

MANIFEST = """\
apiVersion: v1
kind: PersistentVolume
metadata: {{name: {name}}}
spec:
  storageClassName: manual
  capacity: {{storage: 100Gi}}
  accessModes: [{mode}]
  claimRef: {{namespace: default, name: {name}}}
  {source}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: {name}}}
spec:
  storageClassName: manual
  accessModes: [{mode}]
  resources: {{requests: {{storage: 100Gi}}}}
---
"""


def manifest(name, source, mode="ReadWriteOnce"):
    """A volume and the claim that has it. SOURCE: the line of the volume that says where its bytes are."""
    return MANIFEST.format(name=name, source=source, mode=mode)


def requests_of(mount):
    text = (mount / ".claimfs/metrics").read_text()
    counts = re.findall(r'^claimfs_requests_total\{operation="(\w+)"\} (\d+)$', text, re.MULTILINE)
    return {operation: int(count) for operation, count in counts}


@contextlib.contextmanager
def claimfs_mounted(work, objects, program, enforcement="none"):
    """Mounts the tree of these manifests below the directory WORK, which is made; yields the mount point."""
    mount = work / "mount"
    for directory in (work, work / "manifests", mount):
        directory.mkdir()
    (work / "manifests/bench.yaml").write_text(objects)
    (work / "claimfs.yaml").write_text(f'log: {{file: "{work}/log"}}\ncapacity: {{enforcement: {enforcement}}}\n')
    settings = ["--config", work / "claimfs.yaml", "--state", work / "state"]
    with unmounting(mount, program, "unmount", mount, *settings):
        with uninterrupted():
            run(program, "mount", mount, "--manifests", work / "manifests", *settings, patience_seconds=MOUNT_SECONDS)
        yield mount


def place_of(mount, claim, host, program, how):
    return Place(claim, mount / "default" / claim, host, f"claimfs mount; {how}", output_of(program, "version").strip(),
                 requests=functools.partial(requests_of, mount))


@contextlib.contextmanager
def host_path_claim(work, name, host, program, enforcement):
    source = f'hostPath: {{path: "{host}"}}'
    with claimfs_mounted(work / f"{name}.claim", manifest(name, source), program, enforcement) as mount:
        yield place_of(mount, name, host, program, f"ReadWriteOnce, capacity.enforcement: {enforcement}")
