"""What a killed run of a stack left behind: its lock, its plugins' processes, half-made resources. Found and cleared.

A run is Hearth's own `pulumi up` or `destroy`; it leaves a mark for as long as it hasn't ended well.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from bootstrap import console, paths

NAME: Final = "stack"
PROJECT: Final = "hearth"
# In the environment of a run and so of all its plugins: they outlive a killed engine by minutes.
_MARK: Final = "HEARTH_RUN"
_OTHER_RUN_WITHIN_S: Final = 1800
_ENDS_WITHIN_S: Final = 5
# A container is created a moment before the daemon writes down when.
_CLOCK_SLACK_S: Final = 2.0


@dataclass(frozen=True)
class Lock:
    """A lock file of the backend: who holds a stack (pid and host) since when (UNIX seconds)."""

    pid: int
    host: str
    began_s: float

    @classmethod
    def read(cls, file: Path) -> Lock:
        """Read what Pulumi wrote."""
        written = json.loads(file.read_text(encoding="utf-8"))
        return cls(int(written["pid"]), str(written["hostname"]), _seconds(written.get("timestamp", "")))


def clear(stack: str) -> None:
    """Leave with a stack that can be deployed; wait for a run that is still at work.

    Raises StepError when somebody elsewhere holds the lock, or containers can't be told from somebody else's.
    """
    began = _mark_began_s(stack)
    for lock in _wait_for_others(stack):
        began.append(lock.began_s)
        console.warn(NAME, f"an earlier run (pid {lock.pid}) was interrupted: its lock is removed")
        console.answer(["pulumi", "cancel", "--yes", stack, "--non-interactive"], env=paths.environment())
    if began:
        # They would go on making containers while this run looks what is there.
        end_marked(f"{_MARK}={_mark_text(stack)}")
    argv = ["pulumi", "stack", "export", "--stack", stack, "--non-interactive"]
    state = json.loads(console.answer(argv, env=paths.environment()))["deployment"]
    if state.get("pending_operations"):
        console.warn(NAME, "an earlier run was interrupted half-way: what it had begun is cleared")
        argv = ["pulumi", "refresh", "--yes", "--skip-preview", "--clear-pending-creates", "--stack", stack]
        console.run_logged("refresh", [*argv, "--non-interactive"], cwd=paths.ROOT, env=paths.environment())
    _remove_unknown(stack, state, min(began, default=None))


@contextlib.contextmanager
def marked(stack: str) -> Iterator[dict[str, str]]:
    """Mark a run while it lasts; gives the environment that its commands need. A run that fails keeps its mark."""
    file = _mark_file(stack)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        part = file.with_suffix(".part")
        part.write_text(json.dumps({"began_s": time.time()}), encoding="utf-8")
        part.replace(file)
    yield {**paths.environment(), _MARK: _mark_text(stack)}
    file.unlink()


def labelled(stack: str, kind: str) -> dict[str, str]:
    """Return the ids of this machine's containers, networks or volumes of a stack, by name."""
    listing = {
        "container": ["ps", "-a", "--no-trunc", "--format", "{{.Names}} {{.ID}}"],
        "network": ["network", "ls", "--no-trunc", "--format", "{{.Name}} {{.ID}}"],
        "volume": ["volume", "ls", "--format", "{{.Name}} {{.Name}}"],
    }[kind]
    if not console.succeeds(["docker", "version"]):
        return {}
    text = console.answer(["docker", *listing, "--filter", f"label={PROJECT}.stack={stack}"])
    return dict(line.split() for line in text.splitlines())


def locks(stack: str) -> list[Lock]:
    """Return who holds a stack, as far as a backend in a folder tells."""
    backend = paths.settings()["PULUMI_BACKEND_URL"]
    if not backend.startswith("file:///"):
        return []
    folder = Path(backend.removeprefix("file://")) / ".pulumi" / "locks"
    found = []
    for file in sorted(folder.glob(f"**/{stack}/*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            found.append(Lock.read(file))
    return found


def is_dead(lock: Lock, *, host: str, program: Callable[[int], str]) -> bool:
    """Whether the holder of a lock was on this host and is gone; its pid may be another program's by now."""
    return lock.host == host and not program(lock.pid).startswith("pulumi")


def program_of(pid: int) -> str:
    """Return the name of the program that a process runs; empty when it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return ""
    name, _, state = text.partition("(")[2].rpartition(")")
    return "" if state.split()[0] == "Z" else name


def _wait_for_others(stack: str) -> list[Lock]:
    """Wait for runs that are at work on this machine; return the locks of those that are gone."""
    host, started, told = socket.gethostname(), time.monotonic(), 0.0
    while True:
        found = locks(stack)
        dead = [lock for lock in found if is_dead(lock, host=host, program=program_of)]
        held = [lock for lock in found if lock not in dead]
        if not held:
            return dead
        holder = held[0]
        if holder.host != host or time.monotonic() - started > _OTHER_RUN_WITHIN_S:
            who = f"pid {holder.pid} on {holder.host}"
            raise console.StepError(f"{NAME}: {who} works on {stack}. When it doesn't: `pulumi cancel --yes {stack}`.")
        if time.monotonic() - told > console.SIGN_OF_LIFE_S:
            told = time.monotonic()
            console.doing(
                NAME, f"waiting for the pulumi (pid {holder.pid}) that works on {stack} ({told - started:.0f} s)"
            )
        time.sleep(0.5)


def _remove_unknown(stack: str, state: dict[str, Any], began_s: float | None) -> None:
    """Remove containers and networks that a killed run made and the state never heard of.

    Only those that are younger than that run: others with the same label are of another checkout with an equally
    named stack, or of a state that was lost, and nobody but their owner can decide about them.
    """
    known = {resource.get("id") for resource in state.get("resources") or []}
    foreign = []
    for kind, remove in (("container", ["rm", "-f", "-v"]), ("network", ["network", "rm"])):
        for name, identity in labelled(stack, kind).items():
            if identity in known:
                continue
            if began_s is None or _created_s(kind, identity) < began_s - _CLOCK_SLACK_S:
                foreign.append((name, " ".join(["docker", *remove, name])))
                continue
            console.warn(NAME, f"{kind} {name} is of the interrupted run and not in the state: removed")
            console.answer(["docker", *remove, identity])
    if foreign:
        names, commands = (
            separator.join(column) for separator, column in zip((", ", "; "), zip(*foreign, strict=True), strict=True)
        )
        raise console.StepError(
            f"{NAME}: {names}: labelled as parts of stack {stack}, but this checkout's state doesn't know them. Another "
            f"checkout made them, or the state was lost. `make down` there, or: {commands}."
        )


def _created_s(kind: str, identity: str) -> float:
    argv = ["docker", kind, "inspect", "--format", "{{json .Created}}", identity]
    return _seconds(json.loads(console.answer(argv)))


def _seconds(text: str) -> float:
    """Return the UNIX seconds of a time as Go writes it, with up to nine digits of a second."""
    if not text:
        return 0.0
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _mark_file(stack: str) -> Path:
    return paths.HOME / "runs" / f"{stack}.json"


def _mark_text(stack: str) -> str:
    return f"{paths.ROOT}:{stack}"


def _mark_began_s(stack: str) -> list[float]:
    """Return when the run began that hasn't ended well; empty when all have."""
    try:
        return [float(json.loads(_mark_file(stack).read_text(encoding="utf-8"))["began_s"])]
    except (OSError, ValueError, KeyError):
        return []


def end_marked(variable: str) -> None:
    """End the processes that were started with a variable (NAME=value) in their environment; kill those that don't."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        pids = marked_processes(variable)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + _ENDS_WITHIN_S
        while any(program_of(pid) for pid in pids) and time.monotonic() < deadline:
            time.sleep(0.1)


def marked_processes(variable: str) -> list[int]:
    """Return the processes that were started with a variable (NAME=value) in their environment; this one is none of them."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return [pid for pid in found if pid != os.getpid()]
