"""The plan as data: what runs where, with how much of it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.config.types import size_text
from infra.errors import Finding

ENGINE_PORT: Final = 8000


@dataclass(frozen=True)
class Placement:
    """One engine: a replica of a model, on a host, on cards or cores; `cause` says why there."""

    model: str
    replica: int
    instance: str
    host: str
    gpus: tuple[str, ...]
    cpu_set: str | None
    memory_fraction: float | None
    kv_cache_bytes: int | None
    after: tuple[str, ...]
    start_timeout_s: float
    cause: str

    def text(self) -> str:
        """Return the engine's line of the plan."""
        if self.gpus:
            where = f"[{', '.join(self.gpus)}]"
            share = f"fraction {self.memory_fraction:g}" if self.memory_fraction is not None else ""
        else:
            where = f"cores {self.cpu_set}" if self.cpu_set else "any core"
            share = f"KV {size_text(self.kv_cache_bytes)}" if self.kv_cache_bytes else "KV unset"
        return f"{self.instance:<24} -> {self.host} {where:<14} {share:<16} {self.cause}"


@dataclass(frozen=True)
class Plan:
    """Everything that is decided before anything exists."""

    project: str
    stack: str
    placements: tuple[Placement, ...]
    shares: Mapping[tuple[str, str], float]
    findings: tuple[Finding, ...]

    def of_model(self, name: str) -> tuple[Placement, ...]:
        """Return the engines of a model, in replica order."""
        return tuple(placement for placement in self.placements if placement.model == name)

    def text(self) -> str:
        """Return the plan as stable text, one line per engine and per shared card, for people and for tests."""
        lines = [placement.text() for placement in self.placements]
        lines += [
            f"{host} card {gpu}: {share:.2f} of its memory is given away" for (host, gpu), share in self.shares.items()
        ]
        return "\n".join(lines) or "no engines"
