"""Hardware: cards by the exporters of their makers, engines on CPU, and containers."""

from __future__ import annotations

from typing import Final

from monitoring.boards import Board, Choice, Panel, Row
from monitoring.panels import bars, lines
from monitoring.queries import cards, engines, hosts
from monitoring.selectors import AMD, CONTAINERS, NVIDIA, SUPERVISION
from monitoring.subjects import Subjects

CHOSEN: Final = 'host=~"$host"'
_CARD: Final = "{{host}} {{gpu}} {{modelName}}"
_AMD_CARD: Final = "{{host}} {{gpu_id}}"


def build(subjects: Subjects) -> Board:
    """Return the dashboard: a row for each kind of hardware that is there."""
    rows = (
        Row("NVIDIA cards", nvidia() if subjects.has(NVIDIA) else ()),
        Row("AMD cards", amd() if subjects.has(AMD) else ()),
        Row("Engines' containers", supervised() if subjects.has(SUPERVISION) else ()),
        Row("Containers", containers() if subjects.has(CONTAINERS) else ()),
    )
    choices = (Choice("host", "Host", "label_values(up, host)"),)
    return Board("hardware", "Hearth: hardware", tuple(row for row in rows if row.panels), choices)


def nvidia() -> tuple[Panel, ...]:
    """What DCGM tells of each card."""
    busy = "Some kernel ran in this share of the time: 100 % says little of how hard it works."
    return (
        _dcgm("Kernels running", "percent", "DEV_GPU_UTIL", busy),
        _dcgm("Tensor cores busy", "percentunit", "PROF_PIPE_TENSOR_ACTIVE", "High while prompts are read."),
        _dcgm("Memory bandwidth used", "percentunit", "PROF_DRAM_ACTIVE", "High while tokens are written."),
        lines(
            "Card memory used", "bytes", "vLLM takes its share at start and keeps it.",
            (cards.dcgm_memory_used(CHOSEN), _CARD),
        ),
        _dcgm("Temperature", "celsius", "DEV_GPU_TEMP", "From about 87 °C on a card slows itself down."),
        _dcgm("Power", "watt", "DEV_POWER_USAGE", "At its limit a card lowers its clock."),
        _dcgm("Clock", "rotmhz", "DEV_SM_CLOCK", "A clock that falls under load: heat or power."),
        _dcgm("Last fault (Xid)", "short", "DEV_XID_ERRORS", "0: none. NVIDIA's list of Xid errors says what others mean."),
        _dcgm(
            "Memory rows replaced after errors", "short", "DEV_UNCORRECTABLE_REMAPPED_ROWS",
            "Any: the card has had errors that it couldn't correct.",
        ),
    )  # fmt: skip


def amd() -> tuple[Panel, ...]:
    """What AMD's exporter tells of each card."""
    return (
        _amd("Kernels running", "percent", "gpu_gfx_activity", "Some kernel ran in this share of the time."),
        lines(
            "Card memory used", "bytes", "vLLM takes its share at start and keeps it.",
            (cards.amd_memory_used(CHOSEN), _AMD_CARD),
        ),
        _amd("Temperature", "celsius", "gpu_junction_temperature", "The hottest of its sensors."),
        _amd("Power", "watt", "gpu_package_power", "At its limit a card lowers its clock."),
        _amd("Errors not corrected", "short", "gpu_ecc_uncorrect_total", "Any: the card's memory is failing."),
    )  # fmt: skip


def supervised() -> tuple[Panel, ...]:
    """Cores, memory and NUMA nodes of the engines' containers, as their cgroup counts."""
    busy, may = engines.cpu_cores(CHOSEN), engines.supervised("cores", CHOSEN)
    return (
        lines(
            "Cores busy", "short", "An engine on CPU keeps its cores busy while it works; one on a card needs one or two.",
            (busy, "{{instance}}"),
        ),
        bars("Cores it may use", "short", "Bound by the plan, or all of the host.", (may, "{{instance}}")),
        lines(
            "Memory", "bytes", "Without what the kernel can take back.",
            (engines.supervised("memory_bytes", CHOSEN), "{{instance}}"),
        ),
        lines(
            "Memory by NUMA node", "bytes", "Cores on one node and memory on another: half the speed.",
            (engines.supervised("numa_memory_bytes", CHOSEN), "{{instance}} node {{node}}"),
        ),
    )  # fmt: skip


def containers() -> tuple[Panel, ...]:
    """All containers of the hosts."""
    return (
        lines("Cores busy", "short", "All containers.", (hosts.container_cores(CHOSEN), "{{host}} {{name}}")),
        lines("Memory", "bytes", "Without what the kernel can take back.", (hosts.container_memory(CHOSEN), "{{host}} {{name}}")),
        lines("Time since start", "s", "Falls to zero with a restart.", (hosts.container_age(CHOSEN), "{{host}} {{name}}")),
    )  # fmt: skip


def _dcgm(title: str, unit: str, field: str, about: str) -> Panel:
    return lines(title, unit, about, (cards.dcgm(field, CHOSEN), _CARD))


def _amd(title: str, unit: str, metric: str, about: str) -> Panel:
    return lines(title, unit, about, (cards.amd(metric, CHOSEN), _AMD_CARD))
