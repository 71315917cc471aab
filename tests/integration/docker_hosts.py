"""Docker hosts on this one machine, reached by ssh: network namespaces on a bridge, each with an sshd and a dockerd of its own.

A shell over ssh is in the host's namespaces: /run is its own, so that `docker` there talks to that host's daemon, as on any
host. Images are those of the machine's daemon. `python -m tests.integration.docker_hosts` keeps three until Ctrl-C.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from tests.integration import orphans
from tests.integration.borrowed_images import borrow_images
from tests.integration.stacks import docker
from tests.tools import require

NOTES: Final = Path(tempfile.gettempdir()) / "hearth-test-hosts"
READY_S: Final = 60
_FIRST: Final = 11
# The machine's daemon drops what isn't its own traffic, also between two ends of one bridge.
_ACCEPTED: Final = ("FORWARD", "-i", "{bridge}", "-o", "{bridge}", "-j", "ACCEPT")
_SSHD: Final = """
Port 22
ListenAddress {address}
HostKey {folder}/host_key
AuthorizedKeysFile {keys}
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
"""
# /sys stays as it is: with `ip netns exec` it would be mounted anew, without cgroups.
_BOOT: Final = """
mount -t tmpfs tmpfs /run && mkdir -p /run/sshd
/usr/sbin/sshd -f {folder}/sshd_config -E {folder}/sshd.log || exit 1
exec dockerd --data-root {folder}/docker --exec-root /run/docker-exec --pidfile /run/docker.pid \\
  --host unix:///run/docker.sock --host unix://{folder}/docker.sock --storage-driver overlay2 \\
  --bip 172.30.{number}.1/24 --default-address-pool base=172.31.{number}.0/24,size=26 >>{folder}/dockerd.log 2>&1
"""


@dataclass(frozen=True)
class DockerHost:
    """One host. `address` is where it is reached, `folder` where it keeps its data."""

    name: str
    address: str
    folder: Path
    namespace: str
    link: str
    ssh_options: tuple[str, ...]

    @property
    def connection(self) -> str:
        return f"ssh://root@{self.address}"

    def section(self) -> dict[str, Any]:
        """Return the host as an inventory says it."""
        return {"connection": self.connection, "address": self.address, "ssh_options": list(self.ssh_options)}

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Run the docker client against this host's daemon, by a socket that a cut line doesn't cut."""
        return docker("-H", f"unix://{self.folder / 'docker.sock'}", *arguments, check=check)

    def run(self, command: str) -> str:
        """Run a command in a shell of the host, over ssh."""
        argv = ["ssh", "-o", "BatchMode=yes", *self.ssh_options, f"root@{self.address}", command]
        return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, timeout=60).stdout.strip()

    def cut(self) -> None:
        """Pull its cable; what runs goes on."""
        subprocess.run(["ip", "link", "set", self.link, "down"], check=True)

    def heal(self) -> None:
        subprocess.run(["ip", "link", "set", self.link, "up"], check=True)

    def boot(self, number: int, keys: Path) -> subprocess.Popen[bytes]:
        """Start its sshd and its daemon, and return the latter when both answer."""
        self.folder.mkdir()
        borrow_images(self.folder / "docker")
        _keygen(self.folder / "host_key")
        (self.folder / "sshd_config").write_text(_SSHD.format(address=self.address, folder=self.folder, keys=keys))
        script = _BOOT.format(folder=self.folder, number=number)
        inside = ["nsenter", f"--net=/run/netns/{self.namespace}", "unshare", "--mount", "--propagation", "private"]
        with (self.folder / "boot.log").open("ab") as log:
            started = subprocess.Popen([*inside, "sh", "-c", script], stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + READY_S
        while not self.docker("version", "--format", "{{.Server.Version}}", check=False)[:1].isdecimal():
            said = "".join(file.read_text()[-2000:] for file in self.folder.glob("*.log"))
            assert started.poll() is None, f"{self.name} ended: {said}"
            assert time.monotonic() < deadline, f"{self.name} doesn't answer: {said}"
            time.sleep(0.2)
        return started


@contextlib.contextmanager
def docker_hosts(names: Sequence[str]) -> Iterator[dict[str, DockerHost]]:
    """Give running hosts by name, and remove all of them; what a killed run left is removed first."""
    require(os.geteuid() == 0, "hosts of a test need root")
    require(Path("/usr/sbin/sshd").exists(), "sshd is not installed: apt-get install openssh-server")
    remove_orphans()
    own = secrets.token_hex(3)
    folder = Path(tempfile.mkdtemp(prefix=f"hearth-hosts-{own}-"))
    NOTES.mkdir(exist_ok=True)
    note = NOTES / f"{own}.json"
    note.write_text(json.dumps({**orphans.owner(), "folder": str(folder), "hosts": len(names)}))
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        yield _made(own, folder, names, daemons)
    finally:
        _remove(note)
        for daemon in daemons:
            daemon.wait(timeout=30)


def remove_orphans() -> list[str]:
    """Remove hosts whose process has ended; return their numbers."""
    found = [note for note in sorted(NOTES.glob("*.json")) if not orphans.is_owned(note)]
    for note in found:
        _remove(note)
    return [note.stem for note in found]


def _made(
    own: str, folder: Path, names: Sequence[str], daemons: list[subprocess.Popen[bytes]]
) -> dict[str, DockerHost]:
    bridge = f"hh{own}"
    net = _free_net()
    _ip("link", "add", bridge, "type", "bridge")
    _ip("address", "add", f"{net}.1/24", "dev", bridge)
    _ip("link", "set", bridge, "up")
    subprocess.run(["iptables", "-I", *(part.format(bridge=bridge) for part in _ACCEPTED)], check=True)
    _keygen(folder / "key")
    known = folder / "known_hosts"
    options = ("-i", str(folder / "key"), "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes")
    hosts = {
        name: DockerHost(
            name, f"{net}.{_FIRST + number}", folder / name, f"hh{own}-{number}", f"hh{own}{number}", options
        )
        for number, name in enumerate(names)
    }
    for host in hosts.values():
        _ip("netns", "add", host.namespace)
        _ip("link", "add", host.link, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        _ip("link", "set", host.link, "master", bridge, "up")
        for command in (f"addr add {host.address}/24 dev eth0", "link set eth0 up", "link set lo up"):
            _ip("-n", host.namespace, *command.split())
        _ip("-n", host.namespace, "route", "add", "default", "via", f"{net}.1")
    with ThreadPoolExecutor(len(hosts)) as pool:
        daemons += pool.map(lambda item: item[1].boot(item[0], folder / "key.pub"), enumerate(hosts.values()))
    known.write_text("".join(f"{host.address} {(host.folder / 'host_key.pub').read_text()}" for host in hosts.values()))
    return hosts


def _remove(note: Path) -> None:
    """End every process of the hosts, in whatever state they are, and remove what was made for them."""
    written = json.loads(note.read_text())
    bridge, folder = f"hh{note.stem}", Path(written["folder"])
    for number in range(written["hosts"]):
        namespace = f"hh{note.stem}-{number}"
        for sent in (signal.SIGTERM, signal.SIGKILL):
            _end(namespace, sent)
        _ip("netns", "delete", namespace, check=False)
        _ip("link", "delete", f"hh{note.stem}{number}", check=False)
    rule = [part.format(bridge=bridge) for part in _ACCEPTED]
    subprocess.run(["iptables", "-D", *rule], capture_output=True, check=False)
    _ip("link", "delete", bridge, check=False)
    # Mounts of the layers went with the namespaces of their daemons.
    shutil.rmtree(folder, ignore_errors=True)
    note.unlink()


def _end(namespace: str, sent: signal.Signals) -> None:
    """Send a signal to everything in a namespace, and wait for its end for a while.

    Containers have namespaces of their own: their shims are in this one, and a killed daemon's containers end with it.
    """
    deadline = time.monotonic() + 10
    for pid in _pids(namespace):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sent)
    while _pids(namespace) and time.monotonic() < deadline:
        time.sleep(0.1)


def _pids(namespace: str) -> list[int]:
    listed = subprocess.run(["ip", "netns", "pids", namespace], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]


def _free_net() -> str:
    taken = subprocess.run(["ip", "-4", "-o", "address"], capture_output=True, text=True, check=True).stdout
    return next(net for number in range(100, 200) if f" {(net := f'10.77.{number}')}." not in taken)


def _keygen(file: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", file.name, "-f", str(file)], check=True)


def _ip(*arguments: str, check: bool = True) -> None:
    ran = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    assert not check or ran.returncode == 0, f"ip {' '.join(arguments)}: {ran.stderr}"


if __name__ == "__main__":
    with docker_hosts(("box", "gpu-1", "gpu-2")) as running:
        print(yaml.safe_dump({"hosts": {name: host.section() for name, host in running.items()}}), flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
