"""What the container uses of its host, as its control group counts: memory, processor time, cores, NUMA nodes.

Of the whole container: with several processes per engine no one of them tells. Names and formats are the kernel's
(Documentation/admin-guide/cgroup-v2.rst; cgroup-v1/memory.rst and cpuacct.rst). What can't be read is left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
# Version 1 writes "no limit" as the largest number of whole pages.
_NO_LIMIT = 2**62
_NODE = re.compile(r"N(\d+)=(\d+)")
_MICRO = 1_000_000
_NANO = 1_000_000_000

Row = tuple[str, str, Mapping[str, str], float]


def rows(root: Path = _ROOT) -> list[Row]:
    """Return type, name, labels and value of each figure that is there."""
    found = list(_version_2(root) if (root / "cgroup.controllers").exists() else _version_1(root))
    cores = _cores(root)
    return [*found, ("gauge", "hearth_engine_cores", {}, cores)]


def _version_2(root: Path) -> Iterator[Row]:
    memory, limit = _number(root / "memory.current"), _number(root / "memory.max")
    yield from _memory(memory, _field(root / "memory.stat", "inactive_file"), limit)
    spent = _field(root / "cpu.stat", "usage_usec")
    if spent is not None:
        yield "counter", "hearth_engine_cpu_seconds_total", {}, spent / _MICRO
    # In bytes, by kind of memory: weights and cache are anonymous, or shared where workers pass them on.
    yield from _nodes(root / "memory.numa_stat", ("anon", "shmem"), 1)


def _version_1(root: Path) -> Iterator[Row]:
    folder = root / "memory"
    memory, limit = _number(folder / "memory.usage_in_bytes"), _number(folder / "memory.limit_in_bytes")
    yield from _memory(memory, _field(folder / "memory.stat", "total_inactive_file"), limit)
    spent = _number(root / "cpuacct" / "cpuacct.usage")
    if spent is not None:
        yield "counter", "hearth_engine_cpu_seconds_total", {}, spent / _NANO
    # In pages; shared memory counts as anonymous here.
    yield from _nodes(folder / "memory.numa_stat", ("anon",), os.sysconf("SC_PAGE_SIZE"))


def _memory(used: float | None, given_back: float | None, limit: float | None) -> Iterator[Row]:
    """Without cached files that the kernel takes back when others need room, as Docker and Kubernetes count.

    With them an engine that has read its weights from a disk would seem to hold them twice: better no figure than that.
    """
    if used is not None and given_back is not None:
        yield "gauge", "hearth_engine_memory_bytes", {}, max(0.0, used - given_back)
    if limit is not None and limit < _NO_LIMIT:
        yield "gauge", "hearth_engine_memory_limit_bytes", {}, limit


def _nodes(file: Path, kinds: tuple[str, ...], unit_bytes: int) -> Iterator[Row]:
    sums: dict[str, int] = {}
    for line in _lines(file):
        # Version 2 writes `anon N0=1`, version 1 `anon=1 N0=1`.
        if line.replace("=", " ").split(maxsplit=1)[:1] in [[kind] for kind in kinds]:
            for node, size in _NODE.findall(line):
                sums[node] = sums.get(node, 0) + int(size) * unit_bytes
    for node in sorted(sums):
        yield "gauge", "hearth_engine_numa_memory_bytes", {"node": node}, sums[node]


def _cores(root: Path) -> float:
    """Return the cores that the container may use: those it is bound to, or fewer where its time is rationed."""
    bound = float(len(os.sched_getaffinity(0)))
    for quota_s, period_s in _quotas(root):
        if quota_s > 0 and period_s > 0:
            bound = min(bound, quota_s / period_s)
    return bound


def _quotas(root: Path) -> Iterator[tuple[float, float]]:
    for line in _lines(root / "cpu.max"):
        quota, _, period = line.partition(" ")
        if quota.isdecimal() and period.isdecimal():
            yield float(quota), float(period)
    quota_1, period_1 = _number(root / "cpu" / "cpu.cfs_quota_us"), _number(root / "cpu" / "cpu.cfs_period_us")
    if quota_1 is not None and period_1 is not None:
        yield quota_1, period_1


def _number(file: Path) -> float | None:
    text = "".join(_lines(file)).strip()
    return float(text) if text.removeprefix("-").isdecimal() else None


def _field(file: Path, name: str) -> float | None:
    for line in _lines(file):
        key, _, value = line.partition(" ")
        if key == name and value.strip().isdecimal():
            return float(value)
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return []
