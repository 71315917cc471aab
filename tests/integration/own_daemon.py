"""A Docker daemon of a test's own, which may be stopped and started: the machine's daemon belongs to others.

It has its own data, sockets and bridge, and borrows the images of the machine's daemon.
"""

from __future__ import annotations

import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Final

from tests.integration.borrowed_images import borrow_images
from tests.integration.stacks import docker
from tests.tools import require

READY_S: Final = 60
POOL: Final = "10.199.0.0/17"
BRIDGE_ADDRESS: Final = "10.199.128.1/24"
_OWN_TRAFFIC: Final = ("FORWARD", "--source", POOL, "--destination", POOL, "--jump", "ACCEPT")
_DEFAULT_BRIDGE: Final = "docker0"


def _default_bridge() -> str:
    """Return the address of the machine's docker0; empty where it has none. Nobody may be on it."""
    folder = Path("/sys/class/net") / _DEFAULT_BRIDGE / "brif"
    attached = list(folder.iterdir()) if folder.is_dir() else []
    require(
        not attached, f"containers are on {_DEFAULT_BRIDGE}, which a second daemon takes away for a moment: stop them"
    )
    shown = subprocess.run(
        ["ip", "-4", "-o", "address", "show", "dev", _DEFAULT_BRIDGE], capture_output=True, text=True, check=False
    )
    words = shown.stdout.split()
    return words[words.index("inet") + 1] if "inet" in words else ""


def _restore(address: str) -> None:
    """Make docker0 anew: Engine 20.10 removes it when a daemon with another bridge starts on data that it has used."""
    if not address or Path("/sys/class/net", _DEFAULT_BRIDGE).exists():
        return
    subprocess.run(["ip", "link", "add", _DEFAULT_BRIDGE, "type", "bridge"], check=True)
    subprocess.run(["ip", "address", "add", address, "brd", "+", "dev", _DEFAULT_BRIDGE], check=True)
    subprocess.run(["ip", "link", "set", _DEFAULT_BRIDGE, "up"], check=True)


class OwnDaemon:
    """One dockerd in a folder; `socket` is what a stack's inventory names."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bridge = f"hearth-{secrets.token_hex(3)}"
        self._ran: subprocess.Popen[bytes] | None = None
        self.socket = f"unix://{folder / 'docker.sock'}"
        borrow_images(folder / "data")

    def start(self) -> None:
        """Start it and wait until it answers; containers that should run are started by it."""
        options = {
            "data-root": self._folder / "data",
            "exec-root": self._folder / "exec",
            "pidfile": self._folder / "docker.pid",
            "host": self.socket,
            # A bridge of its own: `none` would remove docker0, which belongs to the machine's daemon.
            "bridge": self._bridge,
            "default-address-pool": f"base={POOL},size=24",
            "iptables": "false",
            "ip-masq": "false",
            "storage-driver": "overlay2",
        }
        if not Path(f"/sys/class/net/{self._bridge}").exists():
            subprocess.run(["ip", "link", "add", self._bridge, "type", "bridge"], check=True)
            subprocess.run(["ip", "address", "add", BRIDGE_ADDRESS, "dev", self._bridge], check=True)
            subprocess.run(["ip", "link", "set", self._bridge, "up"], check=True)
        # The machine's daemon drops what isn't its own traffic, also between two containers on one bridge.
        if subprocess.run(["iptables", "-C", *_OWN_TRAFFIC], capture_output=True, check=False).returncode:
            subprocess.run(["iptables", "-I", *_OWN_TRAFFIC], check=True)
        kept = _default_bridge()
        argv = ["dockerd", *(f"--{name}={value}" for name, value in options.items())]
        with (self._folder / "dockerd.log").open("ab") as log:
            self._ran = subprocess.Popen(argv, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + READY_S
        while not self.answers():
            assert self._ran.poll() is None, (self._folder / "dockerd.log").read_text()[-2000:]
            assert time.monotonic() < deadline, "the daemon doesn't answer"
            time.sleep(0.2)
        _restore(kept)

    def answers(self) -> bool:
        return (
            subprocess.run(["docker", "-H", self.socket, "version"], capture_output=True, check=False).returncode == 0
        )

    def stop(self) -> None:
        """Stop it as a machine that shuts down does: every container gets its signal and its time."""
        assert self._ran is not None
        self._ran.send_signal(signal.SIGTERM)
        self._ran.wait(timeout=120)

    def docker(self, *arguments: str, check: bool = True) -> str:
        return docker("-H", self.socket, *arguments, check=check)

    def remove(self) -> None:
        """End it and all that it runs, and remove its data."""
        if self._ran is not None and self._ran.poll() is None:
            if self.answers():
                ids = self.docker("ps", "-aq", check=False).split()
                if ids:
                    self.docker("rm", "-f", "-v", *ids, check=False)
                for network in self.docker("network", "ls", "-q", "--filter", "type=custom", check=False).split():
                    self.docker("network", "rm", network, check=False)
            self.stop()
        subprocess.run(["ip", "link", "delete", self._bridge], capture_output=True, check=False)
        subprocess.run(["iptables", "-D", *_OWN_TRAFFIC], capture_output=True, check=False)
        for mount in self._mounts():
            subprocess.run(["umount", "-l", mount], check=False)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _mounts(self) -> list[str]:
        rows = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
        return sorted((row[1] for row in rows if row[1].startswith(f"{self._folder}/")), reverse=True)
