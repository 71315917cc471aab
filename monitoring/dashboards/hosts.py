"""Hosts: processor, memory, disks and network of every machine."""

from __future__ import annotations

from typing import Final

from monitoring.boards import Board, Choice, Panel, Row
from monitoring.panels import lines
from monitoring.queries import hosts
from monitoring.subjects import Subjects

CHOSEN: Final = 'host=~"$host"'


def build(subjects: Subjects) -> Board:
    """Return the dashboard."""
    del subjects
    rows = (
        Row(
            "Processor and memory",
            (cpu_lines(), load_lines(), memory_lines(), swap_lines(), killed_lines(), pressure_lines()),
        ),
        Row("Disks", (disk_lines(), disk_busy_lines(), disk_bytes_lines())),
        Row("Network and uptime", (network_lines(), uptime_lines())),
    )
    return Board("hosts", "Hearth: hosts", rows, (Choice("host", "Host", "label_values(node_load1, host)"),))


def cpu_lines() -> Panel:
    """Busy cores."""
    return lines("Processor used", "percentunit", "Of all cores.", (hosts.cpu_used_share(CHOSEN), "{{host}}"))


def load_lines() -> Panel:
    """Load per core."""
    about = "Above 1 programs wait for a core, or for a disk."
    return lines("Load per core", "short", about, (hosts.load_per_core(CHOSEN), "{{host}}"))


def memory_lines() -> Panel:
    """Memory that is left."""
    about = "What programs can still get."
    return lines("Memory left", "percentunit", about, (hosts.memory_free_share(CHOSEN), "{{host}}"))


def swap_lines() -> Panel:
    """Memory that is swapped out."""
    about = "An engine in swap is as good as down."
    return lines("Swapped out", "bytes", about, (hosts.swap_used(CHOSEN), "{{host}}"))


def killed_lines() -> Panel:
    """Programs ended for memory."""
    about = "By the kernel, within ten minutes."
    return lines("Ended for memory", "short", about, (hosts.killed_for_memory(chosen=CHOSEN), "{{host}}"))


def pressure_lines() -> Panel:
    """Pressure."""
    about = "The share of time in which something waited for it."
    series = [(hosts.pressure(what, CHOSEN), f"{{{{host}}}} {what}") for what in ("cpu", "memory", "io")]
    return lines("Waiting for cpu, memory, disk", "percentunit", about, *series)


def disk_lines() -> Panel:
    """Disk that is left."""
    about = "Disks that can be written to."
    return lines("Disk left", "percentunit", about, (hosts.disk_free_share(CHOSEN), "{{host}} {{device}}"))


def disk_busy_lines() -> Panel:
    """Busy disks."""
    about = "Models load at the pace of the disk."
    return lines("Disk busy", "percentunit", about, (hosts.disk_busy_share(CHOSEN), "{{host}} {{device}}"))


def disk_bytes_lines() -> Panel:
    """Bytes read and written."""
    read, written = hosts.disk_bytes("read", CHOSEN), hosts.disk_bytes("written", CHOSEN)
    return lines("Disk traffic", "Bps", "All disks of a host.", (read, "{{host}} read"), (written, "{{host}} written"))


def network_lines() -> Panel:
    """Bytes over the network."""
    received, sent = hosts.network_bytes("receive", CHOSEN), hosts.network_bytes("transmit", CHOSEN)
    about = "Without loopback and the containers' own ends."
    return lines("Network traffic", "Bps", about, (received, "{{host}} received"), (sent, "{{host}} sent"))


def uptime_lines() -> Panel:
    """Time since the last start."""
    return lines("Uptime", "s", "Falls to zero with a reboot.", (hosts.uptime(CHOSEN), "{{host}}"))
