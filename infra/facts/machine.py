"""The machine itself: cores, memory, NUMA nodes, Docker and disks, from what its own commands print."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

# What decides whether an engine's CPU build runs, and how fast; a processor has two hundred more.
TELLING_FLAGS: Final = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx512_fp16",
    "amx_bf16",
    "amx_int8",
    "amx_tile",
    "asimd",
    "bf16",
    "i8mm",
    "sve",
    "sve2",
)
_CDI_KINDS: Final = ("nvidia.com/gpu=", "amd.com/gpu=")
_SET_OF_CORES: Final = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")
_DF_COLUMNS: Final = 3


@dataclass(frozen=True)
class Processor:
    """The processor. `cores` counts what the system schedules on, hyperthreads too, as Docker and cpusets do."""

    cores: int | None = None
    model: str | None = None
    flags: tuple[str, ...] = ()
    threads_per_core: int = 1
    node_cores: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True)
class Engine:
    """Docker, as far as placing engines needs it."""

    version: str
    runtimes: tuple[str, ...]
    cdi_devices: tuple[str, ...]
    cores: int | None
    memory_bytes: int | None

    @property
    def has_cdi(self) -> bool:
        """Whether it lists cards that it can give away by CDI; it does since 28.2."""
        return any(name.startswith(_CDI_KINDS) for name in self.cdi_devices)

    def gives_by_cdi(self, ids: Iterable[str]) -> bool:
        """Whether it lists all of these NVIDIA cards under these names: a specification may have indices alone."""
        return {f"nvidia.com/gpu={name}" for name in ids} <= set(self.cdi_devices)


@dataclass(frozen=True)
class FileSystem:
    """One line of df."""

    source: str
    target: str
    size_bytes: int
    free_bytes: int


def processor(printed: str) -> Processor:
    """Read `lscpu --json`; newer versions put fields below others, older ones print one flat list."""
    data = _json_object(printed)
    fields: dict[str, str] = {}
    queue = list(_list(data.get("lscpu")))
    while queue:
        entry = queue.pop(0)
        if isinstance(entry, dict):
            fields.setdefault(str(entry.get("field", "")).rstrip(":"), str(entry.get("data") or ""))
            queue.extend(_list(entry.get("children")))
    online = fields.get("On-line CPU(s) list", "")
    nodes = ((re.fullmatch(r"NUMA node(\d+) CPU\(s\)", name), cores) for name, cores in fields.items())
    has = set(fields.get("Flags", "").split())
    return Processor(
        cores=_count(online) if _SET_OF_CORES.fullmatch(online) else _number(fields.get("CPU(s)")),
        model=fields.get("Model name") or None,
        flags=tuple(flag for flag in TELLING_FLAGS if flag in has),
        threads_per_core=_number(fields.get("Thread(s) per core")) or 1,
        # A node without cores (the memory of a GH200's card is one) can't run anything.
        node_cores=tuple(
            sorted((int(match[1]), cores) for match, cores in nodes if match and _SET_OF_CORES.fullmatch(cores))
        ),
    )


def memory_bytes(meminfo: str) -> int | None:
    """Read MemTotal of /proc/meminfo: what the kernel can hand out, a little less than what is built in."""
    match = re.search(r"^MemTotal:\s*(\d{1,15}) kB", meminfo, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def node_memory_bytes(printed: str) -> dict[int, int]:
    """Read `Node 0 MemTotal: N kB` of every NUMA node."""
    return {
        int(node): int(kib) * 1024 for node, kib in re.findall(r"Node (\d{1,5}) MemTotal:\s*(\d{1,15}) kB", printed)
    }


def engine(printed: str) -> Engine | None:
    """Read `docker info`; None when no daemon answered (the client then prints its own half only)."""
    data = _json_object(printed)
    version = data.get("ServerVersion")
    if not isinstance(version, str) or not version:
        return None
    runtimes = data.get("Runtimes")
    devices = [entry for entry in _list(data.get("DiscoveredDevices")) if isinstance(entry, dict)]
    return Engine(
        version=version,
        runtimes=tuple(sorted(map(str, runtimes))) if isinstance(runtimes, dict) else (),
        cdi_devices=tuple(sorted(str(entry.get("ID")) for entry in devices if entry.get("Source", "cdi") == "cdi")),
        cores=_number(data.get("NCPU")),
        memory_bytes=_number(data.get("MemTotal")),
    )


def group_numbers(printed: str) -> tuple[int, ...]:
    """Read `getent group video render`: their numbers, sorted."""
    found = re.findall(r"^(?:video|render):[^:\n]*:(\d{1,10}):", printed, re.MULTILINE)
    return tuple(sorted({int(number) for number in found}))


def file_system(printed: str) -> FileSystem | None:
    """Read `df -B1 --output=source,target,size,avail DIR`: a heading and one line; the target may have spaces."""
    for line in printed.splitlines()[1:]:
        source, _, rest = line.partition(" ")
        words = rest.rsplit(None, 2)
        if len(words) == _DF_COLUMNS and words[1].isdecimal() and words[2].isdecimal():
            return FileSystem(source, words[0].strip(), int(words[1]), int(words[2]))
    return None


def _json_object(printed: str) -> dict[str, Any]:
    try:
        data = json.loads(printed)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> int | None:
    text = str(value)
    return int(text) if re.fullmatch(r"[1-9][0-9]{0,17}", text) else None


def _count(cores: str) -> int | None:
    """Count the cores of a set such as 0-3,8 without making it."""
    total = 0
    for part in cores.split(","):
        first, _, last = part.partition("-")
        if len(part) > len("00000-00000"):
            return None
        total += int(last or first) - int(first) + 1
    return total if total > 0 else None
