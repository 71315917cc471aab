"""Docker Engine: the one that answers, else the installed one, else Debian's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Final

from bootstrap import console, paths

NAME: Final = "docker engine"
_PID_FILE: Final = paths.HOME / "dockerd.pid"
_LOG: Final = paths.HOME / "dockerd.log"
_ANSWERS_WITHIN_S: Final = 60
_apt = threading.Lock()


def ensure() -> None:
    """Leave with a daemon that answers."""
    if version():
        console.done(NAME, f"{version()} (running)")
        return
    if os.environ.get("DOCKER_HOST"):
        host = os.environ["DOCKER_HOST"]
        raise console.StepError(f"{NAME}: DOCKER_HOST={host} doesn't answer. Start that daemon, or unset DOCKER_HOST.")
    if not shutil.which("dockerd", path=_sbin_path()):
        install(NAME, "docker.io")
    _start()
    console.done(NAME, f"{version()} (started)")


def version() -> str:
    """Return the daemon's version; empty when none answers."""
    try:
        ran = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""


def install(name: str, *packages: str) -> None:
    """Install Debian packages, one caller at a time."""
    with _apt:
        if not console.is_root() or not shutil.which("apt-get"):
            raise console.StepError(
                f"{name}: {', '.join(packages)} missing. Install it (as root: apt-get install {' '.join(packages)})."
            )
        console.doing(name, f"installing Debian's {', '.join(packages)}")
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        console.run_logged("apt update", ["apt-get", "update", "-q"], env=env)
        console.run_logged("apt install", ["apt-get", "install", "-q", "-y", *packages], env=env)


def stop() -> None:
    """Stop the daemon, if it is the one that Hearth started."""
    pid = _our_pid()
    if pid is None:
        console.done(NAME, "not started by Hearth: left alone")
        return
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _ANSWERS_WITHIN_S
    while _our_pid() is not None and time.monotonic() < deadline:
        time.sleep(0.2)
    _PID_FILE.unlink(missing_ok=True)
    console.done(NAME, "stopped")


def _start() -> None:
    if Path("/run/systemd/system").is_dir() and console.succeeds(["systemctl", "start", "docker"]):
        pass
    elif console.is_root():
        console.doing(NAME, "starting dockerd: no init system does it here")
        paths.HOME.mkdir(exist_ok=True)
        with _LOG.open("ab") as log:
            child = subprocess.Popen(
                ["dockerd"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PATH": _sbin_path()},
            )
        _PID_FILE.write_text(str(child.pid), encoding="utf-8")
    else:
        raise console.StepError(
            f"{NAME}: installed but not running. Start it (sudo systemctl start docker), then run make up again."
        )
    deadline = time.monotonic() + _ANSWERS_WITHIN_S
    while not version():
        if time.monotonic() > deadline:
            raise console.StepError(f"{NAME}: no answer after {_ANSWERS_WITHIN_S} s. See {_LOG}.")
        time.sleep(0.5)


def _our_pid() -> int | None:
    try:
        pid = int(_PID_FILE.read_text(encoding="utf-8"))
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    # A pid can be given to another program after a reboot; a zombie has ended.
    return pid if "(dockerd)" in state and ") Z " not in state else None


def _sbin_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
