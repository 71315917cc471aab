"""What is watched: plain data that whoever deploys a stack fills in. Nothing here knows how it is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Target:
    """One address to scrape (`host:port`; of a probe, the URL to ask), and labels that say what it is."""

    instance: str
    address: str
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Job:
    """Targets of one kind of program, with one metrics path.

    `through` is the address of the program that asks the targets in Prometheus's stead; empty where it asks itself.
    """

    name: str
    metrics_path: str
    targets: tuple[Target, ...]
    through: str = ""


@dataclass(frozen=True)
class Engine:
    """One engine as it was planned: what its alerts and the comparison with what is seen rest on.

    `kv_tokens` and `concurrency` are the ledger's expected values, the former with its bounds, None where nobody knows them;
    `start_timeout_s` what a start may take, `watchdog_s` for how long nothing
    may go on (0: for ever), `cards` are UUIDs or numbers.
    """

    instance: str
    model: str
    kind: str
    host: str
    start_timeout_s: float
    watchdog_s: float = 0.0
    kv_tokens: tuple[float, float, float] | None = None
    concurrency: float | None = None
    weights_bytes: float | None = None
    memory_bytes: float | None = None
    cards: tuple[str, ...] = ()


@dataclass(frozen=True)
class Card:
    """One card of the inventory, by UUID or number; `planned_bytes` is what its engines ask for together."""

    host: str
    name: str
    vendor: str
    total_bytes: float
    planned_bytes: float


@dataclass(frozen=True)
class Objective:
    """What users are promised: this share of requests has its first token, and its further tokens, within so many seconds."""

    first_token_s: float = 2.5
    per_token_s: float = 0.1
    share: float = 0.95


@dataclass(frozen=True)
class Tuning:
    """What people changed of one alert: off, longer or shorter, or louder."""

    enabled: bool = True
    hold_s: float | None = None
    severity: str | None = None


@dataclass(frozen=True)
class Subjects:
    """A whole stack, as monitoring sees it.

    `runbook_url` is what an alert's name is appended to; `older_names` are metrics that the engines' version doesn't have,
    with the names it has instead (None: none).
    """

    stack: str
    jobs: tuple[Job, ...]
    chat_models: tuple[str, ...]
    embedding_models: tuple[str, ...]
    runbook_url: str
    engines: tuple[Engine, ...] = ()
    cards: tuple[Card, ...] = ()
    objective: Objective = Objective()
    tuning: Mapping[str, Tuning] = field(default_factory=dict)
    older_names: Mapping[str, str | None] = field(default_factory=dict)

    def has(self, job: str) -> bool:
        """Whether a kind of program is watched."""
        return any(known.name == job for known in self.jobs)
