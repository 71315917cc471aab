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

from bootstrap import console, leftovers, paths

NAME: Final = "docker engine"
_PID_FILE: Final = paths.HOME / "dockerd.pid"
_LOG: Final = paths.HOME / "dockerd.log"
_ANSWERS_WITHIN_S: Final = 60
_LOOK_EVERY_S: Final = 0.5
# Another package installation may be at work: unattended upgrades of a fresh machine, or that of a killed run.
_APT_LOCK_WITHIN_S: Final = 300
_apt = threading.Lock()
_lists_are_fresh = threading.Event()


def ensure(*also: str) -> None:
    """Leave with a daemon that answers; Debian packages named in `also` come along when Docker's are installed."""
    found, problem = _ask()
    if found:
        console.done(NAME, f"{found} (running)")
        return
    if os.environ.get("DOCKER_HOST"):
        host = os.environ["DOCKER_HOST"]
        raise console.StepError(f"{NAME}: DOCKER_HOST={host} doesn't answer. Start that daemon, or unset DOCKER_HOST.")
    if "permission denied" in problem:
        raise console.StepError(f"{NAME}: it runs, but not for you. `sudo usermod -aG docker $USER`, then log in anew.")
    if not shutil.which("dockerd", path=_sbin_path()):
        # Since Debian 13 the client is a package of its own.
        install(NAME, *(name for name in ("docker.io", "docker-cli", *also) if name != "docker-cli" or _has(name)))
    _start()
    console.done(NAME, f"{version()} (started)")


def version() -> str:
    """Return the daemon's version; empty when none answers."""
    return _ask()[0]


def install(name: str, *packages: str) -> None:
    """Install Debian packages, one caller at a time; an interrupted installation is finished first.

    Raises StepError where that takes root or another package program.
    """
    with _apt:
        if not console.is_root() or not shutil.which("apt-get"):
            raise console.StepError(
                f"{name}: {', '.join(packages)} missing. Install it (as root: apt-get install {' '.join(packages)})."
            )
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        apt = ["apt-get", "-q", "-y", "-o", f"DPkg::Lock::Timeout={_APT_LOCK_WITHIN_S}"]
        if _is_interrupted():
            console.warn(name, "an earlier package installation was interrupted: it is finished first")
            console.run_logged("dpkg configure", ["dpkg", "--configure", "-a"], env=env, stoppable=False)
        console.doing(name, f"installing Debian's {', '.join(packages)}")
        if not _lists_are_fresh.is_set():
            try:
                console.run_logged("apt update", [*apt, "update"], env=env)
            except console.StoppedError:
                raise
            except console.StepError:
                # One broken list of somebody else's packages doesn't matter, as long as the others have these.
                console.warn(name, f"apt-get update failed, see {paths.LOGS / 'apt-update.log'}; trying all the same")
            _lists_are_fresh.set()
        console.run_logged("apt install", [*apt, "install", *packages], env=env, stoppable=False)


def stop() -> None:
    """Stop the daemon, if it is the one that Hearth started.

    Raises StepError when it doesn't end within a minute.
    """
    pid = our_pid()
    if pid is None:
        console.done(NAME, "not started by Hearth: left alone")
        return
    console.doing(NAME, f"stopping dockerd (pid {pid})")
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _ANSWERS_WITHIN_S
    while our_pid() is not None:
        if time.monotonic() > deadline:
            raise console.StepError(f"{NAME}: pid {pid} still runs after {_ANSWERS_WITHIN_S} s. See {_LOG}.")
        time.sleep(0.2)
    _PID_FILE.unlink(missing_ok=True)
    console.done(NAME, "stopped")


def our_pid() -> int | None:
    """Return the pid of the daemon that Hearth started, while it runs."""
    try:
        pid, began = (int(word) for word in _PID_FILE.read_text(encoding="utf-8").split())
    except (OSError, ValueError):
        return None
    # A pid is given to another program after a reboot; its moment of birth is not.
    return pid if _birth(pid) == began else None


def _ask() -> tuple[str, str]:
    """Return the daemon's version, or what the client said instead."""
    argv = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        ran = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=20)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", str(error)
    return (ran.stdout.strip(), "") if ran.returncode == 0 else ("", ran.stderr)


def _start() -> None:
    """Start a daemon, unless one is starting or ending: the first comes to answer, the second holds what ours needs."""
    started = told = False
    deadline = time.monotonic() + _ANSWERS_WITHIN_S
    while not version():
        if time.monotonic() > deadline:
            raise console.StepError(f"{NAME}: no answer after {_ANSWERS_WITHIN_S} s. See {_LOG}.")
        if _runs():
            if not started and not told:
                console.doing(NAME, "waiting for the dockerd that is starting or ending")
            told = True
        elif started:
            raise console.StepError(f"{NAME}: dockerd ended at once. See {_LOG}, its last line: {_last_line()}")
        else:
            _launch()
            started = True
        time.sleep(_LOOK_EVERY_S)


def _launch() -> None:
    if Path("/run/systemd/system").is_dir() and console.succeeds(["systemctl", "start", "docker"]):
        console.doing(NAME, "started by systemd")
    elif console.is_root():
        console.doing(NAME, "starting dockerd: no init system does it here")
        _start_by_hand()
    else:
        raise console.StepError(
            f"{NAME}: installed but not running. Start it (sudo systemctl start docker), then run make up again."
        )


def _start_by_hand() -> None:
    paths.HOME.mkdir(exist_ok=True)
    with _LOG.open("ab") as log:
        child = subprocess.Popen(
            ["dockerd"],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "PATH": _sbin_path()},
        )
    _PID_FILE.write_text(f"{child.pid} {_birth(child.pid)}", encoding="utf-8")


def _birth(pid: int) -> int | None:
    """Return when a process began (clock ticks since boot); None when it has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    # proc(5): the start is field 22, the state that comes first here is field 3. Z has ended and waits to be reaped.
    return None if state == "Z" else int(fields[18])


def _runs() -> bool:
    """Whether a dockerd runs, whoever started it; one that has ended and waits to be reaped doesn't."""
    pids = (int(folder.name) for folder in Path("/proc").glob("[0-9]*"))
    return any(leftovers.program_of(pid) == "dockerd" for pid in pids)


def _last_line() -> str:
    lines = _LOG.read_text(encoding="utf-8", errors="replace").splitlines() if _LOG.exists() else []
    return lines[-1][-300:] if lines else "none"


def _is_interrupted() -> bool:
    updates = Path("/var/lib/dpkg/updates")
    return updates.is_dir() and any(updates.iterdir())


def _has(package: str) -> bool:
    return console.succeeds(["apt-cache", "show", package])


def _sbin_path() -> str:
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])
