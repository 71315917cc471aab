"""memory_fraction: auto. What is left of the cards is dealt so that neighbours get the same number of requests."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infra.plan.needs import Need

# Fractions have three digits on the command line.
_DIGITS: Final = 1000


@dataclass(frozen=True, eq=False)
class Claim:
    """One placed engine: the cards it is on and what it needs of each."""

    instance: str
    cards: tuple[tuple[str, str], ...]
    need: Need


def solve_shares(claims: Sequence[Claim], capacity_bytes: Mapping[tuple[str, str], float]) -> Mapping[str, float]:
    """Return each engine's bytes per card.

    Max-min fair: all engines with an open fraction grow at the same number of full-length requests until a card of
    theirs is full (progressive filling). Engines without a cache to grow keep what they need.
    """
    shares = {claim.instance: claim.need.share_bytes for claim in claims}
    growing = {claim.instance: claim for claim in claims if claim.need.per_user_bytes > 0}
    left = dict(capacity_bytes)
    for claim in claims:
        for card in claim.cards:
            left[card] -= claim.need.occupied_bytes
    # Every round fills a card or satisfies an engine, so there are no more rounds than of both.
    for _ in range(len(growing) + len(left)):
        if not growing:
            break
        weights = {name: claim.need.per_user_bytes for name, claim in growing.items()}
        loads: dict[tuple[str, str], float] = {}
        for name, claim in growing.items():
            for card in claim.cards:
                loads[card] = loads.get(card, 0.0) + weights[name]
        level = min((max(0.0, left[card]) / load for card, load in loads.items()), default=0.0)
        # An engine may also reach the most that its own start survives.
        level = min(level, *((claim.need.most_bytes - shares[name]) / weights[name] for name, claim in growing.items()))
        level = max(0.0, level)
        for name, claim in growing.items():
            shares[name] += level * weights[name]
            for card in claim.cards:
                left[card] -= level * weights[name]
        full = {card for card in loads if left[card] <= 1.0}
        growing = {
            name: claim
            for name, claim in growing.items()
            if not full.intersection(claim.cards) and shares[name] < claim.need.most_bytes - 1.0
        }
    return shares


def fraction_of(share_bytes: float, total_bytes: float) -> float:
    """Return a share of a card as vLLM takes it, rounded down so that neighbours keep theirs."""
    return math.floor(share_bytes / total_bytes * _DIGITS + 1e-6) / _DIGITS
