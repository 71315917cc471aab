"""The plan as data: what runs where, with how much of it, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from infra.errors import Finding
from infra.plan.ledger import CardRow, Entry
from infra.plan.machine import CpuEntry, HostRow
from infra.plan.restarts import Promise
from infra.plan.start_budget import StartBudget

ENGINE_PORT: Final = 8000
# Where an engine's entry point tells how it is: health and metrics, beside the engine's own port.
STATUS_PORT: Final = 8001


@dataclass(frozen=True)
class Placement:
    """One engine: a replica of a model, on a host, on cards or cores; `cause` says why there.

    `memory_fraction` and `context` are decided even where people left them open; so are all parts of `restart`.
    `start` says what may take how long, `start_timeout_s` what the whole start may take without the download.
    """

    model: str
    replica: int
    instance: str
    host: str
    gpus: tuple[str, ...]
    cpu_set: str | None
    memory_fraction: float | None
    kv_cache_bytes: int | None
    context: int | None
    after: tuple[str, ...]
    start_timeout_s: float
    restart: Promise
    start: StartBudget
    cause: str


@dataclass(frozen=True)
class BreakEven:
    """One model: its cost per day here, and the traffic above which that is less than the API's price.

    `million_tokens_per_day` is None where the API costs nothing.
    """

    model: str
    cost_per_day: float
    api_price_per_million: float
    million_tokens_per_day: float | None
    tokens_per_s: float | None


@dataclass(frozen=True, eq=False)
class Plan:
    """Everything that is decided before anything exists."""

    project: str
    stack: str
    vllm_version: str
    placements: tuple[Placement, ...]
    cards: tuple[CardRow, ...]
    hosts: tuple[HostRow, ...]
    findings: tuple[Finding, ...]
    costs: tuple[BreakEven, ...] = ()
    extends: str | None = None

    def of_model(self, name: str) -> tuple[Placement, ...]:
        """Return the engines of a model, in replica order."""
        return tuple(placement for placement in self.placements if placement.model == name)

    @property
    def entries(self) -> Mapping[str, Entry | CpuEntry]:
        """The ledger's line of every engine, by instance."""
        found: dict[str, Entry | CpuEntry] = {entry.instance: entry for row in self.cards for entry in row.entries}
        found |= {entry.instance: entry for row in self.hosts for entry in row.entries}
        return found
