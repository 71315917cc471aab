"""Machines: disks, memory, and whether they are there at all."""

from __future__ import annotations

from typing import Any

from tests.unit.monitoring.cases.case import Case, of, up
from tests.unit.monitoring.watched import everything, target_labels

CRITICAL = ("critical",)
NODE = target_labels("node_exporter", "node-exporter")
DISK = {"host": "one", "instance": "node-exporter", "device": "/dev/vda"}
# Eight hours at a sample a minute.
LONG: dict[str, Any] = {"at": "8h", "interval": "1m"}
SOON = "/dev/vda of one has {} left and will be full within a day"


def disk(what: str, device: str = "/dev/vda", fstype: str = "ext4", mountpoint: str = "/") -> str:
    return of(
        "node_exporter", "node-exporter", f"node_filesystem_{what}", device=device, fstype=fstype, mountpoint=mountpoint
    )


def free(values: str, size: str = "1000x500", **where: str) -> dict[str, str]:
    return {disk("avail_bytes", **where): values, disk("size_bytes", **where): size, disk("readonly", **where): "0x500"}


def memory(available: str) -> dict[str, str]:
    return {
        of("node_exporter", "node-exporter", "node_memory_MemAvailable_bytes"): available,
        of("node_exporter", "node-exporter", "node_memory_MemTotal_bytes"): "100x80",
    }


def killed(values: str) -> dict[str, str]:
    return {of("node_exporter", "node-exporter", "node_vmstat_oom_kill"): values}


def of_host(host: str, values: str, *, probes: str) -> dict[str, str]:
    """Whether each target of a host answers, and the prober that asks its pages from elsewhere."""
    return {
        up(job.name, target.instance): probes if job.through else values
        for job in everything().jobs
        for target in job.targets
        if target.labels["host"] == host
    }


CASES = (
    Case(
        "DiskFilling", "one disk in two places",
        {**free("9x80", "100x80"), **free("9x80", "100x80", mountpoint="/data")}, "/dev/vda of one has 9% left", DISK,
    ),
    Case("DiskFilling", "11 % left", free("11x80", "100x80")),
    Case("DiskFilling", "held in memory", free("1x80", "100x80", device="tmpfs", fstype="tmpfs")),
    Case(
        "DiskFilling", "what can't be written to is full by nature",
        {disk("avail_bytes", "/dev/sr0", "iso9660"): "0x80", disk("size_bytes", "/dev/sr0", "iso9660"): "100x80",
         disk("readonly", "/dev/sr0", "iso9660"): "1x80"},
    ),
    Case(
        "DiskFullSoon", "a third left, and it falls by a twentieth an hour",
        free("600-1x480"), SOON.format("12%"), DISK, **LONG,
    ),
    Case("DiskFullSoon", "half left, at the same pace", free("980-1x480"), **LONG),
    Case("DiskFullSoon", "a third left, and it falls slowly", free("350-0.1x480"), **LONG),
    Case("DiskFullSoon", "a model was downloaded an hour ago", free("390x405 380-6x15 290x60"), **LONG),
    Case("DiskFullSoon", "a third left, and nothing changes", free("300x480"), **LONG),
    Case("MemoryLow", "4 % left", memory("4x80"), "one has 4% of its memory left", NODE, CRITICAL),
    Case("MemoryLow", "6 % left", memory("6x80")),
    Case("MemoryLow", "for a moment", memory("50x65 2x15")),
    Case("EndedForMemory", "one", killed("3x60 4x20"), "the kernel of one has ended a program for memory", NODE),
    Case("EndedForMemory", "longer ago", killed("3x20 4x60")),
    Case("EndedForMemory", "the host was started anew", killed("3x60 _x4 0x16")),
    Case(
        "HostDown", "its pages are asked from elsewhere", of_host("two", "1x70 0x10", probes="1x80"),
        "nothing on two answers any more", {"host": "two"}, CRITICAL,
    ),
    Case(
        "HostDown", "one engine is left",
        {**of_host("two", "1x70 0x10", probes="0x80"), up("vllm", "chat-1"): "1x80"},
    ),
    Case("HostDown", "one lost scrape", of_host("two", "1x76 0x3", probes="1x80")),
)  # fmt: skip
