"""Which cards an engine really uses: what its container sees, and of that as many of the first as it is split over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from infra.adopt.service import ALL, Service
from infra.adopt.told import Told

_VISIBLE: Final = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def cards_of(service: Service, entry: Mapping[str, Any], card_ids: Mapping[str, str], told: Told) -> dict[str, Any]:
    """Return gpus: and replicas: of an engine; `card_ids` are the inventory's names of cards by their number."""
    needed = int(entry.get("tensor_parallel", 1)) * int(entry.get("pipeline_parallel", 1))
    ranks = int(entry.get("replicas", 1))
    copies = service.replicas
    more = {"replicas": ranks * copies} if ranks * copies > 1 else {}
    if service.cards is None:
        told.change(service.name, "reserves no card in the compose file: the plan places it")
        return more
    if ranks > 1 and copies > 1:
        told.no_place(service.name, f"data parallel {ranks} times {copies} replicas: the plan places them")
        return more
    seen = _visible(service, needed * ranks)
    used = seen[: needed * ranks]
    if len(seen) > len(used) and (service.cards.ids or service.cards.count != ALL):
        told.change(service.name, f"is given {len(seen)} cards and uses {len(used)}: {', '.join(used)}")
    # Containers that differ in nothing see the same cards.
    return {"gpus": [card_ids.get(card, card) for card in used] * copies, **more}


def _visible(service: Service, needed: int) -> list[str]:
    """Return the cards that vLLM counts as 0, 1, …; of all cards as many as it needs."""
    cards = service.cards
    assert cards is not None
    number = needed if cards.count == ALL else cards.count
    given = list(cards.ids) or [str(index) for index in range(number)]
    text = next((service.environment[name] for name in _VISIBLE if service.environment.get(name)), "")
    chosen = [part.strip() for part in text.split(",") if part.strip()]
    if not chosen:
        return given
    # Numbers count within what the container was given; of all cards, every number is one.
    counted = given if cards.ids or cards.count != ALL else None
    named = [counted[int(one)] if counted and one.isdigit() and int(one) < len(counted) else one for one in chosen]
    return [one for one in named if one]
