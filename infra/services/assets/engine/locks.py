"""One start at a time on each card or NUMA node, whoever asks for it: a deploy, a crash, a power cycle.

Two engines that measure one card at once take each other's memory for their own (vllm-project/vllm issues 55827, 56830).
flock is held by the open file: whatever way a process ends, the kernel gives its locks back.
"""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_NODES = Path("/sys/devices/system/node")
_ASK_S = 30.0


def device_names(device: str, cards: Sequence[str], nodes: Path = _NODES) -> tuple[str, ...]:
    """Return what an engine must have for itself while it starts, sorted, so that two engines can't wait for each other.

    Cards by UUID where the driver tells it (an index and a UUID may be two names of one card), else as they are named;
    for CPU engines the NUMA nodes of the cores that this container may use.
    """
    if device == "cpu":
        return _numa_nodes(nodes)
    return tuple(sorted(f"card-{re.sub('[^A-Za-z0-9-]', '_', card)}" for card in _uuids(len(cards)) or cards))


class DeviceLocks:
    """The locks of one engine; `holder` names who has the one that is waited for."""

    def __init__(self, folder: Path, names: Sequence[str], owner: str) -> None:
        self._folder, self._names, self._owner = folder, tuple(names), owner
        self._held: dict[str, int] = {}
        self.holder = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What is locked, in the order of locking."""
        return self._names

    def take(self) -> bool:
        """Take what is free, in order; True when all of it is held. Those already taken are kept meanwhile.

        Raises OSError where the folder or a file can't be made.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in self._names:
            if name not in self._held and not self._take(name):
                return False
        self.holder = ""
        return True

    def release(self) -> None:
        """Give all of them back."""
        for number in self._held.values():
            os.close(number)
        self._held = {}

    def _take(self, name: str) -> bool:
        number = os.open(self._folder / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.holder = os.read(number, 200).decode(errors="replace").strip() or "somebody"
            os.close(number)
            return False
        self._held[name] = number
        # Who has it is for people; a full disk mustn't keep it from being had.
        with suppress(OSError):
            os.ftruncate(number, 0)
            os.write(number, self._owner.encode())
        return True


def _uuids(count: int) -> list[str]:
    """Return the UUIDs of the cards in this container; empty where the driver doesn't tell all of them."""
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    found = [line.strip() for line in ran.stdout.splitlines() if line.strip().startswith("GPU-")]
    return found if len(found) == count else []


def _numa_nodes(nodes: Path) -> tuple[str, ...]:
    usable = os.sched_getaffinity(0)
    found = sorted(
        folder.name.replace("node", "numa-")
        for folder in nodes.glob("node[0-9]*")
        if usable & _cores((folder / "cpulist").read_text(encoding="utf-8"))
    )
    return tuple(found) or ("numa-0",)


def _cores(text: str) -> set[int]:
    cores: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first:
            cores |= set(range(int(first), int(last or first) + 1))
    return cores
