"""Plan against observed, one row per engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.interval import GIB
from infra.memory.engine import EngineSpec
from infra.observe.hosts import ENGINE_SERVICE, Container, HostAnswer
from infra.observe.reading import Metrics, Status
from infra.pipeline import PROJECT, Built
from infra.plan import Placement
from infra.plan.ledger import Entry
from infra.plan.machine import CpuEntry
from infra.services.base import Workload
from infra.services.files import digest
from infra.targets.docker.mapping import Names, container

RUNNING: Final = "running"
# States in which the last end is what stands in the way.
_DOWN: Final = frozenset({"waiting", "failed", "ended"})
_UP: Final = "`make up` or `pulumi up` brings it"
_LOGS: Final = "read its log with `docker logs`"


@dataclass(frozen=True)
class Sizes:
    """The figures that plan and engine both have, per rank; None is unknown. `start_s` of a plan is the most it may take."""

    weights_bytes: float | None = None
    kv_bytes: float | None = None
    tokens: int | None = None
    users: float | None = None
    start_s: float | None = None


@dataclass(frozen=True)
class Row:
    """One engine. `why` and `fix` say what is wrong with it; both are empty for one that serves as declared.

    `is_as_declared` is False where the container was made from another declaration than the one that is read now.
    """

    instance: str
    host: str
    where: str
    state: str
    plan: Sizes
    seen: Sizes
    why: str = ""
    fix: str = ""
    is_as_declared: bool = True
    placement: Placement | None = None
    spec: EngineSpec | None = None
    status: Status | None = None
    metrics: Metrics | None = None

    @property
    def serves(self) -> bool:
        """Whether it runs and could be read."""
        return self.state == RUNNING and self.metrics is not None


def rows_of(built: Built, answers: Sequence[HostAnswer], root: Path) -> tuple[Row, ...]:
    """Return a row for every planned engine of a host that answered, and for every further container of the stack."""
    rows = []
    workloads = {workload.instance: workload for workload in built.workloads if workload.service == ENGINE_SERVICE}
    placements = {placement.instance: placement for placement in built.plan.placements}
    for answer in answers:
        if answer.problem:
            continue
        here = {one.instance: one for one in answer.containers}
        planned = [placement for placement in placements.values() if placement.host == answer.host]
        for placement in planned:
            entry = built.plan.entries.get(placement.instance)
            workload, found = workloads.get(placement.instance), here.pop(placement.instance, None)
            is_same = found is None or workload is None or _is_as_declared(found, workload, built, root)
            rows.append(_row(placement, entry, found, is_as_declared=is_same))
        rows += [_stranger(answer.host, found, placements.get(found.instance)) for found in here.values()]
    return tuple(rows)


def planned_sizes(placement: Placement, entry: Entry | CpuEntry | None) -> Sizes:
    """Return the ledger's figures of an engine."""
    budget_s = placement.start_timeout_s
    if isinstance(entry, CpuEntry):
        judged = entry.judgement
        return Sizes(
            judged.weights.value or None,
            judged.pool_bytes or None,
            judged.tokens or None,
            judged.concurrency or None,
            budget_s,
        )
    figures = entry.judgement.estimate if entry is not None else None
    if figures is None:
        return Sizes(start_s=budget_s)
    if figures.layout is None:
        return Sizes(figures.weights.value, start_s=budget_s)
    return Sizes(
        figures.weights.value, figures.pool.value, int(figures.tokens.value), figures.concurrency.value, budget_s
    )


def seen_sizes(status: Status | None, metrics: Metrics | None, entry: Entry | CpuEntry | None) -> Sizes:
    """Return what the engine says itself: its metrics where they are exact, else what it printed."""
    told: Mapping[str, float] = status.reported if status is not None else {}
    metrics = metrics or Metrics()
    kv = told.get("kv_cache_gib")
    weights = told.get("weights_gib")
    tokens = _first(metrics.tokens, told.get("kv_cache_tokens"), _counted_tokens(metrics, entry))
    return Sizes(
        weights_bytes=weights * GIB if weights is not None else None,
        kv_bytes=_first(metrics.kv_bytes, kv * GIB if kv is not None else None),
        tokens=int(tokens) if tokens is not None else None,
        users=_first(metrics.users, told.get("concurrency")),
        start_s=status.start_s if status is not None else None,
    )


def _counted_tokens(metrics: Metrics, entry: Entry | CpuEntry | None) -> float | None:
    """Return the tokens of so many blocks, where all layers share one kind of block."""
    figures = entry.judgement.estimate if isinstance(entry, Entry) else None
    layout = figures.layout if figures is not None else None
    is_simple = isinstance(entry, CpuEntry) or (layout is not None and layout.number_of_groups == 1)
    if not is_simple or metrics.blocks is None or metrics.block_size is None:
        return None
    return metrics.blocks * metrics.block_size


def _row(placement: Placement, entry: Entry | CpuEntry | None, found: Container | None, *, is_as_declared: bool) -> Row:
    state, why, fix = _standing(found)
    if found is not None and not why and not is_as_declared:
        why, fix = "it was made from another declaration than the present one", _UP
    return Row(
        instance=placement.instance,
        host=placement.host,
        where=f"card {', '.join(placement.gpus)}" if placement.gpus else "CPU",
        state=state,
        plan=planned_sizes(placement, entry),
        seen=seen_sizes(found.status, found.metrics, entry) if found is not None else Sizes(),
        why=why,
        fix=fix,
        is_as_declared=is_as_declared,
        placement=placement,
        spec=entry.spec if entry is not None else None,
        status=found.status if found is not None else None,
        metrics=found.metrics if found is not None else None,
    )


def _standing(found: Container | None) -> tuple[str, str, str]:
    """Return an engine's state, and why it doesn't serve with what to do about it."""
    if found is None:
        return "absent", "no container of it is there", _UP
    status = found.status
    if not found.is_running:
        # The file is of a time when it ran; only an end that it has written itself still holds.
        is_own_end = status is not None and status.state in {"failed", "ended"}
        says, fix = (status.says, status.fix) if status is not None and is_own_end else ("", "")
        return found.state or "stopped", says or f"its container ended with code {found.exit_code}", fix or _LOGS
    if status is None:
        # Before the entry point wrote its file, or with an image of people's own: Docker's word must do.
        state = {"healthy": RUNNING, "": RUNNING}.get(found.health, found.health)
        why = "" if state == RUNNING else f"its health check says {found.health}"
        return (state, why, "") if found.metrics is not None or why else (state, "its metrics can't be read", _LOGS)
    if status.state == RUNNING:
        return RUNNING, "" if found.metrics is not None else "its metrics can't be read", "" if found.metrics else _LOGS
    if status.says and status.state in _DOWN:
        return status.state, status.says, status.fix
    doing = " ".join(part for part in (status.phase, status.detail) if part) or "it doesn't serve yet"
    return status.state, f"{doing}; the start before: {status.says}" if status.says else doing, status.fix


def _stranger(host: str, found: Container, placement: Placement | None) -> Row:
    state, _, _ = _standing(found)
    why = "the plan knows no such engine" if placement is None else f"the plan has it on {placement.host}"
    return Row(
        found.instance or "unnamed",
        host,
        "not in the plan",
        state,
        Sizes(),
        seen_sizes(found.status, found.metrics, None),
        why,
        _UP.replace("brings it", "puts that right"),
        is_as_declared=False,
        status=found.status,
        metrics=found.metrics,
    )


def _is_as_declared(found: Container, workload: Workload, built: Built, root: Path) -> bool:
    """Whether the container was made from this very declaration: else its figures are those of another engine."""
    made = container(workload, Names(PROJECT, built.plan.stack), root)
    labels = {f"{PROJECT}.config-digest": digest(workload.files), f"{PROJECT}.image": workload.image}
    return all(found.labels.get(key) == value for key, value in labels.items()) and found.command == tuple(
        map(str, (*made["entrypoints"], *made["command"]))
    )


def _first(*values: float | None) -> float | None:
    return next((value for value in values if value is not None), None)
