"""An NFS server of the benchmark's own: nfs-ganesha on free ports of loopback."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from benchmark.places import SOURCE
from benchmark.processes import Failed, output_of, started

CONFIGURATION = """\
NFS_CORE_PARAM {{
  NFS_Port = {port}; MNT_Port = {mount_port}; Protocols = 3; Bind_addr = 127.0.0.1;
  Enable_NLM = false; Enable_RQUOTA = false; Enable_UDP = false; fsid_device = true; Plugins_Dir = {plugins};
}}
NFSV4 {{ Graceless = true; RecoveryBackend = fs; RecoveryRoot = {work}/recovery; }}
NFS_KRB5 {{ Active_krb5 = false; }}
EXPORT {{
  Export_Id = 1; Path = {exported}; Pseudo = /export; Protocols = 3; Transports = TCP; SecType = sys;
  Squash = No_Root_Squash; Access_Type = RW; PrivilegedPort = false;
  MaxRead = 1048576; MaxWrite = 1048576; PrefRead = 1048576; PrefWrite = 1048576; FSAL {{ Name = VFS; }}
}}
LOG {{ Default_Log_Level = EVENT; }}
"""
# A server of NFSv3 registers with the host's port mapper, or ends. This one tells nobody.
NO_PORT_MAPPER = """\
#include <stdbool.h>
bool rpcb_set(unsigned program, unsigned version, const void* network, const void* address) { return true; }
bool rpcb_unset(unsigned program, unsigned version, const void* network) { return true; }
"""
PATIENCE_SECONDS = 20


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


@contextlib.contextmanager
def nfs_server(work):
    """Exports WORK/export; yields (export, port, mount port)."""
    plugins = next(Path("/usr/lib").rglob("libfsalvfs.so"), None)
    if plugins is None:
        raise Failed("an NFS server of our own takes the packages nfs-ganesha and nfs-ganesha-vfs")
    exported = work / "export"
    exported.mkdir()
    (work / "recovery").mkdir()
    port, mount_port = free_ports(2)
    (work / "ganesha.conf").write_text(CONFIGURATION.format(
        port=port, mount_port=mount_port, plugins=plugins.parent, work=work, exported=exported))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", work / "no_port_mapper.so", "-x", "c", "-"], input=NO_PORT_MAPPER,
                   text=True, check=True)
    command = ("ganesha.nfsd", "-F", "-f", work / "ganesha.conf", "-L", work / "ganesha.log", "-p", work / "ganesha.pid")
    with started(*command, env=dict(os.environ, LD_PRELOAD=str(work / "no_port_mapper.so"))) as server:
        wait_until_listening(server, port, mount_port, failed=lambda: (work / "ganesha.log").read_text())
        yield exported, port, mount_port


def wait_until_listening(process, *ports, failed=lambda: ""):
    until = time.monotonic() + PATIENCE_SECONDS
    while not all(map(listens, ports)):
        if process.poll() is not None or time.monotonic() > until:
            raise Failed(f"{process.args[0]} does not start:\n{failed()}")
        time.sleep(0.01)


@contextlib.contextmanager
def further_away(work, delay_ms, *ports):
    """Yields other ports, by which each reply comes so much later: those themselves for 0."""
    if not delay_ms:
        yield ports
        return
    proxy, control = SOURCE / "tests/e2e/fault_proxy.py", work / "proxy"
    nearer = free_ports(len(ports))
    with started(sys.executable, proxy, control, *(f"{near}:{far}" for near, far in zip(nearer, ports))) as process:
        wait_until_listening(process, *nearer)
        output_of(sys.executable, proxy, "--tell", control, "delay", str(delay_ms / 1000))
        yield nearer
