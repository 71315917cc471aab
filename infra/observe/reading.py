"""What an engine's container has to say: its status file, and the metrics page of vLLM.

Both come from a running program, so nothing in them is taken for granted: what is absent or of another type is None.
Metric names and labels as vLLM 0.32.0 serves them; older versions lack some labels of cache_config_info.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from infra.catalogue.versions import parse_version

_SCHEMA: Final = 1
_LONGEST: Final = 300
_SAMPLE: Final = re.compile(r"vllm:(\w+)\{(.*)\} (\S+)")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True)
class Status:
    """The status file of an engine's entry point. `reported` holds what vLLM printed in this run, per rank."""

    state: str
    phase: str = ""
    detail: str = ""
    starts: int | None = None
    start_s: float | None = None
    says: str = ""
    fix: str = ""
    reported: Mapping[str, float] = field(default_factory=dict)
    version: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Metrics:
    """What vLLM's own metrics say of the cache and of its load; `kv_bytes` only where the size was pinned."""

    fraction: float | None = None
    blocks: int | None = None
    block_size: int | None = None
    kv_bytes: int | None = None
    tokens: int | None = None
    users: float | None = None
    kv_used: float | None = None
    running: int | None = None
    waiting: int | None = None


def status_of(text: str) -> Status | None:
    """Return the status; None for a text that is none, or one of another schema."""
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict) or content.get("schema") != _SCHEMA or not isinstance(content.get("state"), str):
        return None
    last, reported = content.get("last_end"), content.get("reported")
    last = last if isinstance(last, dict) else {}
    reported = reported if isinstance(reported, dict) else {}
    starts = number(content.get("starts"))
    numbers = {str(name): number(value) for name, value in reported.items()}
    version = reported.get("vllm_version")
    return Status(
        state=plain(content["state"]),
        phase=plain(content.get("phase")),
        detail=plain(content.get("detail")),
        starts=int(starts) if starts is not None else None,
        start_s=number(content.get("start_s")),
        says=plain(last.get("says") or last.get("cause")),
        fix=plain(last.get("fix")),
        reported={name: value for name, value in numbers.items() if value is not None},
        version=parse_version(version) if isinstance(version, str) else None,
    )


def metrics_of(text: str) -> Metrics | None:
    """Return what a metrics page says; None for a text without any of vLLM's metrics."""
    found = [match.groups() for line in text.splitlines() if (match := _SAMPLE.fullmatch(line.strip()))]
    if not found:
        return None
    config = next((dict(_LABEL.findall(labels)) for name, labels, _ in found if name == "cache_config_info"), {})

    def size(label: str) -> int | None:
        value = number(config.get(label))
        return int(value) if value is not None else None

    # Data-parallel ranks are series of one page: requests add up, and the fullest cache tells.
    loads = {
        name: [value for other, _, text in found if other == name and (value := number(text)) is not None]
        for name in ("num_requests_running", "num_requests_waiting", "kv_cache_usage_perc")
    }
    running, waiting, used = loads.values()
    return Metrics(
        fraction=number(config.get("gpu_memory_utilization")),
        blocks=size("num_gpu_blocks"),
        block_size=size("block_size"),
        kv_bytes=size("kv_cache_memory_bytes"),
        tokens=size("kv_cache_size_tokens"),
        users=number(config.get("kv_cache_max_concurrency")),
        kv_used=max(used, default=None),
        running=int(sum(running)) if running else None,
        waiting=int(sum(waiting)) if waiting else None,
    )


def number(value: object) -> float | None:
    """Return a finite number that isn't negative, also from a text; None for all else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) and found >= 0 else None


def plain(value: object) -> str:
    """Return a text for a terminal: one line, nothing that steers it, not without end."""
    text = value if isinstance(value, str) else ""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:_LONGEST]
