"""Whether an engine starts: the estimate against vLLM's own checks, with a reason for every answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from infra.interval import GIB, Interval
from infra.memory.engine import EngineSpec
from infra.memory.estimate import Estimate, estimate
from infra.memory.kv_cache import is_known_dtype
from infra.memory.legality import illegal

# Seen over logged starts: closer than this, another minor version or driver decides (docs/accuracy.md).
COMFORT_BYTES: Final = 0.25 * GIB
# What a capture needs beside the graphs while it runs, where graphs are outside the budget.
_CAPTURE_SPARE_BYTES: Final = 0.3 * GIB
# Its expert kernels take new memory behind the profile run, so that the sampler's warm-up finds the room taken: four
# logged starts of gpt-oss, 0.11 and 0.19, stopped there at shares where every other model started. Of 3.45 GiB free
# outside the share graphs took 1.84, and the warm-up missed another 0.65.
_ASKS_AGAIN: Final = "GptOss"
_ASKS_AGAIN_BYTES: Final = 2.3 * GIB
# CUDA context of the process and what a desktop holds, before vLLM looks at the card (facts: 0.5 to 1.3 GiB).
CONTEXT_BYTES: Final = Interval(0.3 * GIB, 0.5 * GIB, 0.6 * GIB)
_DESKTOP_BYTES: Final = Interval(0.0, 0.0, 0.9 * GIB)
# From 0.11 on it looks behind NCCL's start.
_LOOKS_BEHIND_LINKS_SINCE: Final = (0, 11)
_LINKED_CONTEXT_BYTES: Final = Interval(0.0, 1.0 * GIB, 1.6 * GIB)


class Verdict(StrEnum):
    """What the plan says of an engine before anything exists."""

    FITS = "fits"
    TIGHT = "tight"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Judgement:
    """The verdict, its reasons (the deciding one first) and the figures that it rests on."""

    verdict: Verdict
    reasons: tuple[str, ...]
    estimate: Estimate | None


@lru_cache(maxsize=8192)
def judge(spec: EngineSpec) -> Judgement:
    """Return whether an engine that has its cards for itself starts."""
    broken = illegal(spec)
    figures = estimate(spec)
    if broken:
        return Judgement(Verdict.NO, broken, figures)
    if figures is None:
        return Judgement(Verdict.UNKNOWN, (spec.checkpoint.unknown,), None)
    if not is_known_dtype(spec.kv_cache_dtype):
        return Judgement(Verdict.UNKNOWN, (f"nothing is known of the size of a {spec.kv_cache_dtype} cache",), None)
    verdict, reasons = _pool(spec, figures)
    worse, more = _free_memory(spec)
    verdict, reasons = _worst(verdict, worse), (*more, *reasons) if worse is Verdict.NO else (*reasons, *more)
    worse, more = _length(spec)
    verdict, reasons = _worst(verdict, worse), (*reasons, *more)
    worse, more = _capture(spec, figures)
    return Judgement(_worst(verdict, worse), (*reasons, *more), figures)


def _length(spec: EngineSpec) -> tuple[Verdict, tuple[str, ...]]:
    """Warn of a context beyond the model's own, which starts only with rope scaling or an override of the check."""
    architecture = spec.checkpoint.architecture
    if architecture is None or spec.tokens <= architecture.default_context:
        return Verdict.FITS, ()
    text = f"{spec.tokens:,} tokens are more than the catalogue's {architecture.default_context:,} for this model"
    return Verdict.TIGHT, (f"{text}: it needs rope scaling (hf-overrides) or VLLM_ALLOW_LONG_MAX_MODEL_LEN=1",)


def _worst(*verdicts: Verdict) -> Verdict:
    order = (Verdict.FITS, Verdict.TIGHT, Verdict.UNKNOWN, Verdict.NO)
    return max(verdicts, key=order.index)


def _pool(spec: EngineSpec, figures: Estimate) -> tuple[Verdict, tuple[str, ...]]:
    pool, needed = figures.pool, figures.needed_bytes
    special = _physical(spec, figures) or _encoder(figures)
    if special is not None:
        return special
    request = f"one request of {spec.tokens:,} tokens needs {_gib(needed)} GiB of KV cache"
    if pool.high <= 0:
        over = f"weights, activations and the rest take {_gib(figures.requested.value - pool.value)} of the "
        return Verdict.NO, (f"nothing is left for the KV cache: {over}{_gib(figures.requested.value)} GiB asked for",)
    if pool.high < needed:
        return Verdict.NO, (f"{request}, {_gib(pool.value)} are left",)
    bounds = f"{_gib(pool.value)} are left (between {_gib(pool.low)} and {_gib(pool.high)})"
    if pool.low - min(COMFORT_BYTES, 0.02 * spec.requested.value) < needed:
        return Verdict.TIGHT, (f"{request}, {bounds}",)
    return Verdict.FITS, (f"{request}, {bounds}",)


def _encoder(figures: Estimate) -> tuple[Verdict, tuple[str, ...]] | None:
    """Judge a model that keeps no cache: its weights and activations must fit, that is all."""
    if figures.layout is not None:
        return None
    if figures.pool.high <= 0:
        return Verdict.NO, (f"weights and activations need {_gib(-figures.pool.value)} GiB more than the share",)
    text = f"{_gib(figures.pool.value)} GiB are left beside weights and activations; an encoder keeps no KV cache"
    return (Verdict.FITS if figures.pool.low > 0 else Verdict.TIGHT), (text,)


def _physical(spec: EngineSpec, figures: Estimate) -> tuple[Verdict, tuple[str, ...]] | None:
    """Judge an engine with a fixed pool: vLLM checks neither weights nor activations against it, the card does."""
    if spec.kv_cache_bytes is None:
        return None
    total = figures.weights + figures.activation + figures.non_torch + figures.graphs + CONTEXT_BYTES
    room = spec.card.memory - total
    text = f"with its fixed KV cache it takes {_gib(total.value + spec.kv_cache_bytes)} of {_gib(spec.card.memory.value)} GiB"
    if room.high < spec.kv_cache_bytes:
        return Verdict.NO, (text,)
    if room.low < spec.kv_cache_bytes:
        return Verdict.TIGHT, (text,)
    return None


def _free_memory(spec: EngineSpec) -> tuple[Verdict, tuple[str, ...]]:
    """Check that the card can have as much free as the share asks for, when nobody else is on it."""
    free = free_at_start(spec)
    wanted = spec.requested
    text = f"asks for {_gib(wanted.value)} GiB and about {_gib(free.value)} of {_gib(spec.card.memory.value)} are free"
    if spec.behaviour.checks_free_memory and free.high < wanted.value:
        return Verdict.NO, (f"{text} when it starts",)
    if spec.behaviour.checks_free_memory and free.low < wanted.value:
        return Verdict.TIGHT, (f"{text}; a desktop or another process on the card would stop it",)
    return Verdict.FITS, ()


def free_at_start(spec: EngineSpec) -> Interval:
    """Return the card's free bytes when vLLM looks, with nothing else on it but a desktop where it may have one."""
    if spec.card.free is not None:
        return spec.card.free
    taken = context_bytes(spec)
    kind = spec.card.kind
    if kind is not None and kind.display:
        taken += _DESKTOP_BYTES
    if kind is not None and kind.unified_memory:
        taken += Interval(0.0, 2.0 * GIB, 8.0 * GIB)
    return (spec.card.memory - taken).at_least(0.0)


def context_bytes(spec: EngineSpec) -> Interval:
    """Return what an engine's process holds of its card before vLLM looks at it, which no share counts."""
    if spec.parallel.tensor > 1 and spec.behaviour.version >= _LOOKS_BEHIND_LINKS_SINCE:
        return CONTEXT_BYTES + _LINKED_CONTEXT_BYTES
    return CONTEXT_BYTES


def _capture(spec: EngineSpec, figures: Estimate) -> tuple[Verdict, tuple[str, ...]]:
    """Check that graphs which don't count against the share find room beside it."""
    if not spec.graphs_are_outside:
        return Verdict.FITS, ()
    spare = free_at_start(spec).value - spec.requested.value
    wanted = capture_bytes(spec, figures)
    if figures.graphs.value == 0 or spare >= wanted:
        return Verdict.FITS, ()
    text = f"CUDA graphs take {_gib(figures.graphs.value)} GiB outside the share and {_gib(max(0.0, spare))} are left"
    return Verdict.TIGHT, (f"{text}: it may run out of memory while it records them",)


def capture_bytes(spec: EngineSpec, figures: Estimate) -> float:
    """Return the room beside its share that an engine wants while it records graphs which don't count against it."""
    architecture = spec.checkpoint.architecture
    again = architecture is not None and architecture.name.startswith(_ASKS_AGAIN)
    return figures.graphs.value + _CAPTURE_SPARE_BYTES + (_ASKS_AGAIN_BYTES if again else 0.0)


def with_fraction(spec: EngineSpec, fraction: float) -> EngineSpec:
    """Return the same engine with another share, rounded to what a command line shows."""
    return replace(spec, fraction=round(fraction, 3))


def _gib(size: float) -> str:
    return f"{size / GIB:.2f}" if abs(size) < 10 * GIB else f"{size / GIB:.1f}"
