"""How much of a card an engine needs at least, and how much more each further request of full length takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from infra.config.models import ModelServer
from infra.interval import GIB
from infra.memory.engine import Card, EngineSpec
from infra.memory.estimate import estimate
from infra.memory.legality import illegal
from infra.memory.verdict import COMFORT_BYTES, Verdict, capture_bytes, context_bytes, free_at_start, judge

# The planner's own margin between fits and tight (infra/memory/verdict.py), with the last digit of a fraction.
DEALT_COMFORT_BYTES: Final = COMFORT_BYTES + 0.02 * GIB
_STEP: Final = 0.001
# With context: auto an engine is placed for at least this many tokens, and gets what is left over.
_LEAST_AUTO_CONTEXT: Final = 8192
_WHOLE_CARD: Final = 0.9
_VENDORS: Final = {"cuda": "nvidia", "rocm": "amd", "cpu": ""}


@dataclass(frozen=True)
class Need:
    """What an engine takes of each of its cards, in bytes.

    `share_bytes` is what it asks for at least (exactly, when its fraction is given), `per_user_bytes` one more
    request of full length, `outside_bytes` what it takes beside its share: CUDA context and uncounted graphs.
    """

    share_bytes: float
    per_user_bytes: float
    outside_bytes: float
    most_bytes: float
    is_fixed: bool

    @property
    def occupied_bytes(self) -> float:
        """What the card must have for it."""
        return self.share_bytes + self.outside_bytes


def need_of(spec: EngineSpec, model: ModelServer) -> Need | None:
    """Return what the engine needs of such a card; None when no share of it would do.

    Where people chose the card, or overrule the planner, it gets what there is.
    """
    return _need(_shortest(spec, model), model.users, must=bool(model.override or model.gpus))


def needs_of(specs: Mapping[int, EngineSpec], model: ModelServer) -> Mapping[int, Need]:
    """Return what the engine needs of each kind of card that it may go to, by the keys of `specs`.

    With a given fraction that is where it starts; where it starts nowhere all count, so that the ledger shows why.
    """
    specs = {key: spec for key, spec in specs.items() if runs_on(model, spec.card)}
    if model.memory_fraction != "auto" and not (model.override or model.gpus):
        starting = {key: spec for key, spec in specs.items() if judge(_shortest(spec, model)).verdict is not Verdict.NO}
        specs = starting or specs
    found = {key: need_of(spec, model) for key, spec in specs.items()}
    return {key: need for key, need in found.items() if need is not None}


def runs_on(model: ModelServer, card: Card) -> bool:
    """Whether the engine's build is for the card's maker; a card that nobody knows may be anybody's."""
    return card.kind is None or card.kind.vendor == _VENDORS[model.device]


def _shortest(spec: EngineSpec, model: ModelServer) -> EngineSpec:
    if model.context != "auto" or spec.checkpoint.architecture is None:
        return spec
    return replace(spec, context=min(_LEAST_AUTO_CONTEXT, spec.checkpoint.architecture.default_context))


@lru_cache(maxsize=8192)
def _need(spec: EngineSpec, users: int, *, must: bool) -> Need | None:
    total = spec.card.memory.value
    if total <= 0 or (illegal(spec) and not must):
        return None
    most = free_at_start(spec).low if spec.behaviour.checks_free_memory else total
    figures = estimate(spec)
    # At most: each neighbour's own doubt would else leave the last one that starts too little.
    outside = context_bytes(spec).high
    if figures is not None and spec.graphs_are_outside:
        outside += figures.graphs.high
        # While it records them an engine wants more beside its share than it keeps.
        most = min(most, free_at_start(spec).value - capture_bytes(spec, figures))
    most = min(most, total - outside)
    if spec.fraction is not None:
        return Need(spec.requested.value, 0.0, outside, most, is_fixed=True)
    if figures is None:
        return Need(min(_WHOLE_CARD * total, most), 0.0, outside, most, is_fixed=True)
    terms = spec.requested.value - figures.pool.low if spec.kv_cache_bytes is None else _fixed_terms(spec)
    per_user = figures.needed_bytes if figures.layout is not None and spec.kv_cache_bytes is None else 0.0
    least = terms + per_user * users + DEALT_COMFORT_BYTES
    least = math.ceil(least / total / _STEP) * _STEP * total
    if spec.behaviour.charges_neighbours:
        # Such a version can't share: what a neighbour holds is taken from its own share.
        least = max(least, most)
    if least > most and not must:
        return None
    return Need(min(least, most), per_user, outside, most, is_fixed=False)


def _fixed_terms(spec: EngineSpec) -> float:
    figures = estimate(spec)
    assert figures is not None
    return (figures.weights + figures.activation + figures.non_torch).high + (spec.kv_cache_bytes or 0)
