"""What monitoring is told of a stack: who answers where, and what was planned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import monitoring
from infra.catalogue.metrics import missing_metrics
from infra.catalogue.versions import parse_version
from infra.interval import Interval
from infra.plan import Placement, Plan
from infra.plan.ledger import Entry
from infra.plan.machine import CpuEntry
from infra.services.alerting import ObjectiveSettings, objective, tuning
from infra.services.base import Context, Endpoint
from monitoring.selectors import PROBES

RUNBOOKS: Final = "docs/runbooks"
_PROBER: Final = "blackbox_exporter"


def subjects(context: Context) -> monitoring.Subjects:
    """Return what monitoring is told of the stack: everything that declares metrics or a page to ask, and the plan."""
    plan = context.plan
    settings = context.settings.get("prometheus")
    return monitoring.Subjects(
        stack=plan.stack,
        jobs=tuple(sorted((*_scraped(context), *_probed(context)), key=lambda job: job.name)),
        chat_models=tuple(context.models("chat")),
        embedding_models=tuple(context.models("embedding")),
        runbook_url=getattr(settings, "runbook_url", RUNBOOKS).rstrip("/"),
        engines=tuple(_engine(context, placement) for placement in plan.placements),
        cards=tuple(_cards(plan)),
        objective=objective(getattr(settings, "objective", ObjectiveSettings())),
        tuning=tuning(getattr(settings, "alerts", {})),
        older_names=missing_metrics(parse_version(plan.vllm_version) or ()),
    )


def _scraped(context: Context) -> Iterator[monitoring.Job]:
    jobs: dict[tuple[str, str], list[monitoring.Target]] = {}
    for endpoint in context.endpoints:
        if endpoint.metrics_path is not None:
            target = monitoring.Target(endpoint.instance, endpoint.address, _labels(endpoint))
            jobs.setdefault((endpoint.service, endpoint.metrics_path), []).append(target)
    for (name, path), targets in jobs.items():
        yield monitoring.Job(name, path, tuple(targets))


def _probed(context: Context) -> Iterator[monitoring.Job]:
    """One job for all pages that a client without a key may ask for, where somebody is there to ask."""
    probers = context.of(_PROBER)
    targets = tuple(
        monitoring.Target(endpoint.instance, endpoint.probe_url, _labels(endpoint))
        for endpoint in context.endpoints
        if endpoint.probe_url is not None
    )
    if probers and targets:
        yield monitoring.Job(PROBES, "/probe", targets, through=probers[0].address)


def _labels(endpoint: Endpoint) -> Mapping[str, str]:
    return {"host": endpoint.host, "service": endpoint.service, **endpoint.labels}


def _engine(context: Context, placement: Placement) -> monitoring.Engine:
    model = context.config.models[placement.model]
    entry = context.plan.entries.get(placement.instance)
    figures = {**_card_figures(entry), **_cpu_figures(entry)}
    return monitoring.Engine(
        instance=placement.instance,
        model=placement.model,
        kind=model.kind,
        host=placement.host,
        start_timeout_s=placement.start_timeout_s,
        watchdog_s=placement.restart.watchdog_s,
        cards=placement.gpus,
        **figures,
    )


def _card_figures(entry: Entry | CpuEntry | None) -> dict[str, Any]:
    """Figures of an engine on cards. A pooling model's cache isn't told, and what isn't known has no figures."""
    figures = entry.judgement.estimate if isinstance(entry, Entry) else None
    if figures is None:
        return {}
    tokens = figures.tokens
    known: dict[str, Any] = {"weights_bytes": round(figures.weights.value)}
    if tokens.value > 0:
        known |= {"kv_tokens": _rounded(tokens), "concurrency": round(figures.concurrency.value, 2)}
    return known


def _cpu_figures(entry: Entry | CpuEntry | None) -> dict[str, Any]:
    if not isinstance(entry, CpuEntry):
        return {}
    judged = entry.judgement
    known: dict[str, Any] = {"memory_bytes": round(judged.ram.value), "weights_bytes": round(judged.weights.value)}
    if judged.tokens > 0:
        known |= {"kv_tokens": (judged.tokens,) * 3, "concurrency": round(judged.concurrency, 2)}
    return known


def _rounded(interval: Interval) -> tuple[float, float, float]:
    return (round(interval.low), round(interval.value), round(interval.high))


def _cards(plan: Plan) -> Iterator[monitoring.Card]:
    for row in plan.cards:
        kind = row.slot.card.kind
        # A MIG slice has no series of its own that its card's UUID would name.
        if not row.slot.is_slice and kind is not None:
            total = row.slot.card.memory.value
            asked = row.slot.capacity_bytes - row.left_bytes
            yield monitoring.Card(row.slot.host, row.slot.id, kind.vendor, total, asked)
