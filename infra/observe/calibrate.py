"""From what engines report to entries of calibration.json, and whether those that are there still hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infra.config.schema import StackConfig
from infra.interval import GIB
from infra.observe.rows import Row
from infra.plan.calibration import ON_CPU, Calibration, Figures, Key, key_of

# An entry has drifted when a figure differs by more than the larger of these two, in any case by more than the third:
# figures are printed with two decimals of a GiB, so two equal starts can differ by 0.01.
_DRIFT_SHARE: Final = 0.02
_LEAST_DRIFT_BYTES: Final = 0.02 * GIB
_DRIFT_BYTES: Final = 0.1 * GIB
# What the planner computes with; the cache follows from them, and seconds differ from start to start.
TERMS: Final = ("weights_bytes", "non_kv_bytes", "activation_bytes", "non_torch_bytes", "graphs_bytes")
_REPORTED: Final = {
    "weights_bytes": "weights_gib",
    "activation_bytes": "activation_gib",
    "non_torch_bytes": "non_torch_gib",
    "graphs_bytes": "graphs_gib",
}
_LARGER_IS_WORSE: Final = (*TERMS, "start_s")
_SMALLER_IS_WORSE: Final = ("kv_bytes", "tokens", "blocks")


@dataclass(frozen=True)
class Drift:
    """One figure of an entry that doesn't hold any more, both values in bytes."""

    field: str
    was_bytes: int
    now_bytes: int


@dataclass(frozen=True)
class Change:
    """What an observation does to the file: `before` is None for a new entry. `instances` are those that it is of."""

    key: Key
    instances: tuple[str, ...]
    before: Figures | None
    after: Figures
    drifts: tuple[Drift, ...]


def changes_of(rows: Iterable[Row], known: Calibration, config: StackConfig, stack: str, day: str) -> list[Change]:
    """Return what engines that serve as declared add to the file, or contradict; an entry that holds is no change.

    Replicas share an entry: of each figure the one that leaves least counts.
    """
    found: dict[Key, list[tuple[str, Figures]]] = {}
    for row in rows:
        if not row.serves or not row.is_as_declared:
            continue
        key, figures = _key(row, config), _figures(row, stack, day)
        if key is not None and figures is not None:
            found.setdefault(key, []).append((row.instance, figures))
    changes = []
    for key, several in found.items():
        now, before = _least_favourable([figures for _, figures in several]), known.get(key)
        drifts = drifts_of(before, now) if before is not None else ()
        after = now if before is None or drifts else _completed(before, now)
        if after != before:
            changes.append(Change(key, tuple(name for name, _ in several), before, after, drifts))
    return changes


def drifts_of(before: Figures, now: Figures) -> tuple[Drift, ...]:
    """Return the figures of an entry that what is seen now contradicts; what either doesn't know can't."""
    drifts = []
    for name in TERMS:
        was, is_now = getattr(before, name), getattr(now, name)
        if was is None or is_now is None:
            continue
        if abs(is_now - was) > min(_DRIFT_BYTES, max(_LEAST_DRIFT_BYTES, _DRIFT_SHARE * was)):
            drifts.append(Drift(name, was, is_now))
    return tuple(drifts)


def merged(known: Calibration, changes: Sequence[Change]) -> Calibration:
    """Return the file's entries with the changes made."""
    return {**known, **{change.key: change.after for change in changes}}


def _key(row: Row, config: StackConfig) -> Key | None:
    if row.placement is None or row.spec is None:
        return None
    key = key_of(config.models[row.placement.model], row.spec, row.status.version if row.status is not None else None)
    # A card whose memory nobody knows is no card that another plan could recognize.
    return key if key.card == ON_CPU or key.card_memory_gib is not None else None


def _figures(row: Row, stack: str, day: str) -> Figures | None:
    """Return what an engine reported; None where that is nothing."""
    told: Mapping[str, float] = row.status.reported if row.status is not None else {}
    terms = {name: round(told[key] * GIB) for name, key in _REPORTED.items() if key in told}
    fraction = _fraction(row)
    kv = row.seen.kv_bytes
    non_kv = None
    if fraction is not None and kv is not None and not _is_pinned(row) and row.spec is not None:
        whole = round(row.spec.card.memory.value * fraction - kv)
        non_kv = whole if whole >= 0 else None
    blocks = row.metrics.blocks if row.metrics is not None else None
    figures = Figures(
        at=day,
        stack=stack,
        fraction=fraction,
        **terms,
        non_kv_bytes=non_kv,
        kv_bytes=round(kv) if kv is not None else None,
        tokens=row.seen.tokens,
        blocks=blocks if blocks is not None else _whole(told.get("gpu_blocks")),
        start_s=round(row.seen.start_s, 1) if row.seen.start_s is not None else None,
    )
    empty = Figures(at=day, stack=stack, fraction=fraction)
    return figures if figures != empty else None


def _fraction(row: Row) -> float | None:
    """Return the share that the engine was started with; an engine on CPU has none of a card."""
    if row.placement is None or not row.placement.gpus:
        return None
    told = row.metrics.fraction if row.metrics is not None else None
    return told if told and told <= 1 else row.placement.memory_fraction


def _is_pinned(row: Row) -> bool:
    """Whether the cache's size was given: then vLLM measures nothing, and the rest of the share may be idle."""
    declared = row.placement is not None and row.placement.kv_cache_bytes is not None
    return declared or (row.metrics is not None and row.metrics.kv_bytes is not None)


def _least_favourable(several: Sequence[Figures]) -> Figures:
    first = several[0]
    worst: dict[str, object] = {}
    for names, choose in ((_LARGER_IS_WORSE, max), (_SMALLER_IS_WORSE, min)):
        for name in names:
            values = [getattr(figures, name) for figures in several if getattr(figures, name) is not None]
            worst[name] = choose(values) if values else None
    return first.model_copy(update=worst)


def _completed(before: Figures, now: Figures) -> Figures:
    """Return an entry that holds with what it didn't know yet; it keeps its day, so that a review shows news alone."""
    values = {
        name: getattr(now, name)
        for name in (*_LARGER_IS_WORSE, *_SMALLER_IS_WORSE)
        if getattr(before, name) is None and getattr(now, name) is not None
    }
    return before.model_copy(update=values) if values else before


def _whole(value: float | None) -> int | None:
    return int(value) if value is not None else None
