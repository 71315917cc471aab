"""What node_exporter and cAdvisor tell of machines and containers."""

from __future__ import annotations

from monitoring.queries.text import narrowed
from monitoring.selectors import DISK_AHEAD_S, DISK_WATCHED_SHARE, NO_DISK, PROBES

_DISK_LABELS = "host, instance, device"
_IDLE = 'mode="idle"'
# A cgroup that is no container has no name.
_NAMED = 'name!=""'


def disk_free_share(chosen: str = "") -> str:
    """Return the free share of every disk that can be written to, 0 to 1; mounted twice, it is told once."""
    free = narrowed("node_filesystem_avail_bytes", f'fstype!~"{NO_DISK}"', chosen)
    return f"min by ({_DISK_LABELS}) ({free} / node_filesystem_size_bytes unless node_filesystem_readonly == 1)"


def disk_full_within_a_day() -> str:
    """Return disks that will be full within a day if the last six hours go on, by their free share.

    Nor may the last half hour say otherwise: a model that was downloaded tilts the line for hours.
    """
    free = narrowed("node_filesystem_avail_bytes", f'fstype!~"{NO_DISK}"')
    falls = " and ".join(
        f"on ({_DISK_LABELS}) (min by ({_DISK_LABELS}) (predict_linear({free}[{window}], {DISK_AHEAD_S})) < 0)"
        for window in ("6h", "30m")
    )
    return f"({disk_free_share()} < {DISK_WATCHED_SHARE}) and {falls}"


def memory_free_share(chosen: str = "") -> str:
    """Return the share of RAM that programs can still get, 0 to 1."""
    return f"{narrowed('node_memory_MemAvailable_bytes', chosen)} / node_memory_MemTotal_bytes"


def swap_used(chosen: str = "") -> str:
    """Return how much is swapped out, in bytes: an engine in swap is as good as down."""
    return f"{narrowed('node_memory_SwapTotal_bytes', chosen)} - node_memory_SwapFree_bytes"


def cpu_used_share(chosen: str = "") -> str:
    """Return the share of all cores that is busy, 0 to 1."""
    idle = narrowed("node_cpu_seconds_total", _IDLE, chosen)
    return f"1 - avg by (host, instance) (rate({idle}[5m]))"


def load_per_core(chosen: str = "") -> str:
    """Return the load over five minutes per core: above one, programs wait for each other."""
    cores = f"count by (host, instance) ({narrowed('node_cpu_seconds_total', _IDLE, chosen)})"
    return f"sum by (host, instance) ({narrowed('node_load5', chosen)}) / {cores}"


def disk_busy_share(chosen: str = "") -> str:
    """Return the share of time in which a disk was busy, 0 to 1."""
    return f"rate({narrowed('node_disk_io_time_seconds_total', chosen)}[5m])"


def disk_bytes(what: str, chosen: str = "") -> str:
    """Return bytes per second read from or written to (`read`, `written`) a host's disks."""
    return f"sum by (host, instance) (rate({narrowed(f'node_disk_{what}_bytes_total', chosen)}[5m]))"


def network_bytes(way: str, chosen: str = "") -> str:
    """Return bytes per second over a host's network: `receive` or `transmit`. Loopback and containers' ends are left out."""
    outside = 'device!~"lo|veth.*|br-.*|docker.*"'
    return f"sum by (host, instance) (rate({narrowed(f'node_network_{way}_bytes_total', outside, chosen)}[5m]))"


def pressure(what: str, chosen: str = "") -> str:
    """Return the share of time in which something waited for `cpu`, `memory` or `io`, 0 to 1."""
    return f"rate({narrowed(f'node_pressure_{what}_waiting_seconds_total', chosen)}[5m])"


def killed_for_memory(window: str = "10m", chosen: str = "") -> str:
    """Return how many programs the kernel has ended for memory in a window."""
    return f"increase({narrowed('node_vmstat_oom_kill', chosen)}[{window}])"


def uptime(chosen: str = "") -> str:
    """Return the time since a host's last start, in seconds."""
    return f"time() - {narrowed('node_boot_time_seconds', chosen)}"


def host_down() -> str:
    """Return hosts of which nothing answers any more. A probe that is up says that its prober is, wherever that runs."""
    return f'max by (host) (up{{host!="", job!="{PROBES}"}}) == 0'


def container_cores(chosen: str = "") -> str:
    """Return the cores that a container keeps busy."""
    return f"sum by (host, name) (rate({narrowed('container_cpu_usage_seconds_total', _NAMED, chosen)}[5m]))"


def container_memory(chosen: str = "") -> str:
    """Return the memory of a container without what the kernel can take back, in bytes."""
    return f"max by (host, name) ({narrowed('container_memory_working_set_bytes', _NAMED, chosen)})"


def container_age(chosen: str = "") -> str:
    """Return the time since a container's last start, in seconds."""
    return f"time() - max by (host, name) ({narrowed('container_start_time_seconds', _NAMED, chosen)})"
