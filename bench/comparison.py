"""One logged start against the planner: figure by figure, and its verdict against what happened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from bench.recorded import Start, spec_of, unknown_inputs
from infra.interval import GIB, Interval
from infra.memory.activation import kept_bytes
from infra.memory.engine import Card, EngineSpec
from infra.memory.estimate import Estimate, estimate, stage_estimate
from infra.memory.overhead import counted_graph_bytes
from infra.memory.verdict import judge

# A term's name on the page, the field of a record and what a log rounds it to.
TERMS: Final = ("weights", "activation", "non-torch", "graphs", "pool", "tokens", "concurrency")
_LOGGED: Final = {
    "weights": ("weights_gib", 0.005),
    "activation": ("activation_peak_gib", 0.005),
    "non-torch": ("non_torch_gib", 0.005),
    "graphs": ("cuda_graph_gib", 0.005),
    "pool": ("available_kv_gib", 0.005),
    "tokens": ("kv_cache_tokens", 0.5),
    "concurrency": ("max_concurrency", 0.005),
}
# v1/worker/gpu_worker.py: what stays allocated behind the profile run is printed with the weights from here on, and
# the estimate of graphs with the activation.
_PRINTS_CONSUMED_SINCE: Final = (0, 27)
_ANY_CARD: Final = Card("any card", Interval.exact(80 * GIB))
# A pool below this can't have a relative error that means anything.
_LEAST_POOL_BYTES: Final = 0.5 * GIB


@dataclass(frozen=True)
class Figure:
    """One logged figure and its prediction, in the unit of the log (GiB, tokens, times)."""

    term: str
    logged: float
    predicted: Interval
    rounded_to: float

    @property
    def is_inside(self) -> bool:
        """Whether it lies inside the predicted bounds, as far as the log's digits tell."""
        return self.predicted.low - self.rounded_to <= self.logged <= self.predicted.high + self.rounded_to

    @property
    def error(self) -> float:
        """The prediction's error as a share of the logged figure."""
        return (self.predicted.value - self.logged) / abs(self.logged) if self.logged else 0.0


@dataclass(frozen=True)
class Compared:
    """A start, why its inputs aren't all known (empty: they are), its figures and the plan's verdict.

    `cut` is the relative error of the tokens that the logged pool makes: the cache's layout alone.
    """

    start: Start
    version: str
    unknown: tuple[str, ...]
    figures: Sequence[Figure] = ()
    verdict: str | None = None
    cut: float | None = None

    @property
    def is_known(self) -> bool:
        """Whether every input of the start is known."""
        return not self.unknown

    @property
    def pool_error(self) -> float | None:
        """The relative error of the pool, None where none is logged or it is next to nothing."""
        found = next((figure for figure in self.figures if figure.term == "pool"), None)
        return None if found is None or abs(found.logged) * GIB < _LEAST_POOL_BYTES else found.error


def compared(start: Start) -> Compared:
    """Predict a start and set the prediction beside its log."""
    spec = spec_of(start)
    if isinstance(spec, str):
        return Compared(start, str(start.given("vllm_version") or ""), (spec,), cut=_cut(start))
    pool = estimate(spec)
    assert pool is not None
    stage = start.fields.get("assumed_stage")
    rank = pool if stage is None else stage_estimate(spec, stage)
    return Compared(
        start,
        spec.behaviour.name,
        unknown_inputs(start, spec),
        list(_figures(start, spec, rank, pool)),
        judge(spec).verdict.value,
        _cut(start),
    )


def _cut(start: Start) -> float | None:
    """Return the error of the tokens that the planner makes of the logged pool; needs no card."""
    spec, pool, tokens = spec_of(start, _ANY_CARD), start.logged("available_kv_gib"), start.logged("kv_cache_tokens")
    if isinstance(spec, str) or spec.checkpoint.doubts or start.given("speculative") or not pool or not tokens:
        return None
    if spec.parallel.pipeline > 1:
        # The pool's line is one stage's, the tokens are the smallest stage's.
        return None
    found = estimate(replace(spec, kv_cache_bytes=int(pool * GIB)))
    assert found is not None
    return found.tokens.value / tokens - 1


def _figures(start: Start, spec: EngineSpec, rank: Estimate, pool: Estimate) -> Iterable[Figure]:
    for term, predicted in _printed(spec, rank, pool).items():
        field, rounded_to = _LOGGED[term]
        logged = start.logged(field)
        # Up to 0.16 graphs are measured as a drop of free memory, and what is freed meanwhile makes it negative.
        if logged is None or (term == "graphs" and logged < 0):
            continue
        yield Figure(term, logged, predicted, rounded_to)


def _printed(spec: EngineSpec, rank: Estimate, pool: Estimate) -> dict[str, Interval]:
    """Return each term as the version prints it."""
    activation, non_torch = rank.activation, rank.non_torch
    if spec.behaviour.version[:2] >= _PRINTS_CONSUMED_SINCE:
        kept = kept_bytes(spec)
        activation = (activation + counted_graph_bytes(spec)).at_least(kept.value)
        activation = Interval(activation.low - kept.value, activation.value - kept.value, activation.high)
        non_torch = Interval(non_torch.low, non_torch.value + kept.value, non_torch.high + kept.high)
    terms = {
        "weights": rank.weights,
        "activation": activation,
        "non-torch": non_torch,
        "graphs": rank.graphs,
        "pool": rank.pool,
    }
    in_gib = {term: figure.scaled(1 / GIB) for term, figure in terms.items()}
    return {**in_gib, "tokens": pool.tokens, "concurrency": pool.concurrency}
