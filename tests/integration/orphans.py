"""Stacks whose test run was killed: found by what that run wrote down, and removed.

A killed run can't tidy up, and its containers start again with the daemon: they take cores, ports and places in the line
of the host's start locks from every later run.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Final

NOTES: Final = Path(tempfile.gettempdir()) / "hearth-test-stacks"
_KINDS: Final = {
    "container": (["ps", "-a", "--no-trunc", "--format", "{{.ID}}"], ["rm", "-f", "-v"]),
    "network": (["network", "ls", "--no-trunc", "--format", "{{.ID}}"], ["network", "rm"]),
    "volume": (["volume", "ls", "--format", "{{.Name}}"], ["volume", "rm"]),
}


def note(stack: str) -> None:
    """Write down that this process has a stack on the machine's daemon."""
    NOTES.mkdir(exist_ok=True)
    _file(stack).write_text(json.dumps(owner()))


def owner() -> dict[str, int | None]:
    """Return what this process is known by, also when its pid is another's."""
    return {"pid": os.getpid(), "began": _began(os.getpid())}


def forget(stack: str) -> None:
    """Its owner has removed the stack."""
    _file(stack).unlink(missing_ok=True)


def remove() -> list[str]:
    """Remove what is left of noted stacks whose process has ended; return their names."""
    found = [file.stem for file in sorted(NOTES.glob("*.json")) if not is_owned(file)]
    for stack in found:
        remove_labelled(stack)
        forget(stack)
    return found


def remove_labelled(stack: str, docker_host: str = "") -> None:
    """Remove a stack's containers, networks and volumes, whatever state it is in."""
    client = ["docker", *(("-H", docker_host) if docker_host else ())]
    for listing, removal in _KINDS.values():
        argv = [*client, *listing, "--filter", f"label=hearth.stack={stack}"]
        ids = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False, timeout=60).stdout.split()
        if ids:
            subprocess.run([*client, *removal, *ids], stdout=subprocess.DEVNULL, check=False, timeout=120)


def _file(stack: str) -> Path:
    return NOTES / f"{stack}.json"


def is_owned(file: Path) -> bool:
    """Whether the process that wrote a note still runs."""
    written = json.loads(file.read_text())
    return bool(_began(written["pid"]) == written["began"])


def _began(pid: int) -> int | None:
    """Return when a process began, in the kernel's ticks since boot: its pid may be another program's by now."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[19])


if __name__ == "__main__":
    for name in remove():
        print(f"removed what a killed test run left of {name}")
