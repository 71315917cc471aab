"""What a started engine said of its memory, and how the planner prefers that to its own terms."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import Final

from infra.interval import GIB, Interval

# Printed figures have two decimals. Starts of one engine on an H100 (0.19: twelve, contexts of 2,048 to 32,768; shares
# of 0.90 and 0.95) left the same to the last digit (bench/starts); torch's allocator grows in steps of 20 MiB.
DOUBT_BYTES: Final = 0.05 * GIB
# The host's page cache counts as used there: three starts of one engine on a GB10 left 35.1 to 35.6 GiB, two on an
# AMD APU 18.5 and 19.5.
_UNIFIED_DOUBT_BYTES: Final = 1.0 * GIB


@dataclass(frozen=True)
class Observed:
    """One rank's memory in bytes as a started engine reported it; None is what it didn't say.

    `settings` are those that it was started with (EngineSpec.memory_settings): for others it says nothing.
    `non_kv_bytes` is what of its share wasn't left for the cache, `fraction` that share; both are unknown where the
    cache's size was pinned, because nothing is measured then. `origin` says when and where it was seen.
    """

    settings: Hashable
    origin: str
    fraction: float | None = None
    weights_bytes: float | None = None
    non_kv_bytes: float | None = None
    activation_bytes: float | None = None
    non_torch_bytes: float | None = None
    graphs_bytes: float | None = None

    @property
    def says_something(self) -> bool:
        """Whether any of its figures is one that the planner computes with."""
        terms = (self.weights_bytes, self.non_kv_bytes, self.activation_bytes, self.non_torch_bytes, self.graphs_bytes)
        return any(term is not None for term in terms)


@dataclass(frozen=True)
class Terms:
    """What one rank takes of its share. `counted_graphs` is what of the graphs the version subtracts, or None."""

    weights: Interval
    activation: Interval
    non_torch: Interval
    graphs: Interval
    counted_graphs: Interval | None

    @property
    def non_kv(self) -> Interval:
        """Everything of the share that isn't left for the cache."""
        taken = self.weights + self.activation + self.non_torch
        return taken if self.counted_graphs is None else taken + self.counted_graphs


def preferred(terms: Terms, seen: Observed, *, is_stage: bool, is_unified: bool) -> Terms:
    """Return the terms with what was seen in place of what was computed.

    Of a pipeline's stages (`is_stage`) nobody knows which one a printed term is of; the whole holds for the one with
    the least room, whose cache decides. What the whole has beside the terms that were seen is spread over the others.
    """
    doubt = _UNIFIED_DOUBT_BYTES if is_unified else DOUBT_BYTES
    open_terms = {"weights", "activation", "non_torch"} | ({"graphs"} if terms.counted_graphs is not None else set())
    if not is_stage:
        for name, size in (
            ("weights", seen.weights_bytes),
            ("activation", seen.activation_bytes),
            ("non_torch", seen.non_torch_bytes),
        ):
            if size is not None:
                terms = replace(terms, **{name: Interval.around(size, either_way=doubt).at_least(0.0)})
                open_terms.discard(name)
        if seen.graphs_bytes is not None:
            terms = _with_graphs(terms, seen.graphs_bytes, doubt)
            open_terms.discard("graphs")
    return terms if seen.non_kv_bytes is None else _filled(terms, seen.non_kv_bytes, open_terms)


def pool_of(requested: Interval, fraction: float, seen: Observed, *, is_unified: bool) -> Interval | None:
    """Return what an observed engine has left for its cache with a share; None where the whole wasn't seen.

    A doubt about the card's memory is in the observation already, but for the difference of the shares.
    """
    if seen.non_kv_bytes is None:
        return None
    doubt = _UNIFIED_DOUBT_BYTES if is_unified else DOUBT_BYTES
    apart = abs(fraction - (seen.fraction if seen.fraction is not None else fraction)) / fraction if fraction else 0.0
    value = requested.value - seen.non_kv_bytes
    return Interval(
        value - doubt - apart * (requested.value - requested.low),
        value,
        value + doubt + apart * (requested.high - requested.value),
    )


def _with_graphs(terms: Terms, size: float, doubt: float) -> Terms:
    """Put in graphs as recorded. What the version subtracts is its own estimate, which differs from them."""
    counted = terms.counted_graphs
    if counted is not None:
        counted = Interval(min(counted.low, size), size, max(counted.high, size))
    return replace(terms, graphs=Interval.around(size, either_way=doubt).at_least(0.0), counted_graphs=counted)


def _filled(terms: Terms, whole: float, open_terms: set[str]) -> Terms:
    rest = whole - terms.non_kv.value
    size: float = sum(getattr(terms, name).value for name in open_terms)
    if not size:
        # Everything was seen, and what doesn't add up is outside of torch.
        value = max(0.0, terms.non_torch.value + rest)
        return replace(terms, non_torch=Interval.around(value, either_way=DOUBT_BYTES).at_least(0.0))
    factor = max(0.0, (size + rest) / size)
    scaled = {name: getattr(terms, name).scaled(factor) for name in open_terms}
    if "graphs" in scaled and terms.counted_graphs is not None:
        scaled["counted_graphs"] = terms.counted_graphs.scaled(factor)
    return replace(terms, **scaled)
