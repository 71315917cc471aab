"""The plan as series, so that what was planned and what is seen can be drawn and compared in one place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from monitoring.selectors import APART_SHARE, LONGEST_STEP_S, STALLED_SHARE
from monitoring.subjects import Card, Engine, Subjects


@dataclass(frozen=True)
class Constant:
    """A recorded series of one value."""

    name: str
    labels: dict[str, str]
    value: float

    @property
    def expression(self) -> str:
        """PromQL for a constant; Prometheus reads floats as Go does, and `repr` loses nothing."""
        return f"vector({int(self.value) if self.value == int(self.value) else repr(self.value)})"


def constants(subjects: Subjects) -> list[Constant]:
    """Return the plan's series, sorted."""
    found = [one for engine in subjects.engines for one in _engine(engine)]
    found += [one for card in subjects.cards for one in _card(card)]
    return sorted(found, key=lambda one: (one.name, sorted(one.labels.items())))


def planned(metric: str) -> str:
    """Return one figure of the plan."""
    return f"hearth_plan_{metric}"


def of_engine(metric: str) -> str:
    """Return one figure of the plan, once per engine, to compare others with.

    For minutes after an engine has moved, Prometheus knows its figures of both hosts: two partners, and no comparison at all.
    """
    return f"max by (instance) ({planned(metric)})"


def kv_apart() -> str:
    """Return the KV tokens of engines that have clearly fewer or more than the ledger's bounds say."""
    seen = "hearth_engine_kv_cache_tokens"
    few = f"{seen} < on (instance) group_left () {1 - APART_SHARE} * {of_engine('kv_cache_tokens_low')}"
    many = f"{seen} > on (instance) group_left () {1 + APART_SHARE} * {of_engine('kv_cache_tokens_high')}"
    return f"({few}) or ({many})"


def kv_difference() -> str:
    """Return by which share an engine's KV tokens differ from the expected ones."""
    return f"hearth_engine_kv_cache_tokens / on (instance) group_left () {of_engine('kv_cache_tokens')} - 1"


def _engine(engine: Engine) -> Iterator[Constant]:
    labels = {"instance": engine.instance, "model_name": engine.model, "host": engine.host}
    low, expected, high = engine.kv_tokens or (None, None, None)
    figures = {
        "kv_cache_tokens": expected,
        "kv_cache_tokens_low": low,
        "kv_cache_tokens_high": high,
        "max_concurrency": engine.concurrency,
        "weights_bytes": engine.weights_bytes,
        "memory_bytes": engine.memory_bytes,
        "start_timeout_seconds": engine.start_timeout_s,
        "stalled_seconds": STALLED_SHARE * (engine.watchdog_s or LONGEST_STEP_S),
    }
    yield from (Constant(f"hearth_plan_{name}", labels, value) for name, value in figures.items() if value is not None)


def _card(card: Card) -> Iterator[Constant]:
    labels = {"host": card.host, "card": card.name, "vendor": card.vendor}
    yield Constant("hearth_plan_card_total_bytes", labels, round(card.total_bytes))
    yield Constant("hearth_plan_card_bytes", labels, round(card.planned_bytes))
