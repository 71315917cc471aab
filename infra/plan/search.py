"""Placement as a search: engines over hosts and cards, the same answer for the same question.

First every engine takes the first place that suits it. Only where that leaves one without a place, others make room
for it (infra/plan/rearrange.py), and those that stood somewhere before are the last that are asked to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from infra.plan.board import Board, Item, Place, is_linked
from infra.plan.cards import Slot
from infra.plan.rearrange import Budget, make_room

__all__ = ["Item", "Place", "Solution", "is_linked", "options", "solve"]


@dataclass(frozen=True)
class Solution:
    """Where every engine went. `moved` could have stayed where it was; `exhausted` says the search was cut short."""

    places: Mapping[str, Place]
    unplaced: tuple[Item, ...]
    moved: tuple[str, ...] = ()
    exhausted: bool = False


def solve(items: Sequence[Item], slots: Mapping[str, Sequence[Slot]]) -> Solution:
    """Place all engines if that is possible; keep engines where they were if that is possible too."""
    board, places, waiting = _in_turn(items, items, slots)
    if waiting:
        # Large ones first often finds at once what a search would have to find.
        other = _in_turn(items, sorted(items, key=lambda item: (-item.cards, -item.least_bytes)), slots)
        if len(other[2]) < len(waiting):
            board, places, waiting = other
    budget = Budget()
    hopeless: set[str] = set()
    for item in waiting:
        # Replicas are alike: where one finds no place, the next won't.
        if not item.pinned and item.model not in hopeless:
            found = make_room(item, items, board, places, budget)
            hopeless |= set() if found else {item.model}
    unplaced = tuple(item for item in items if item.instance not in places)
    moved = tuple(item.instance for item in items if _had_to_move(item, places.get(item.instance), slots))
    return Solution(places, unplaced, moved, budget.was_cut)


def options(item: Item, board: Board) -> Iterator[Place]:
    """Yield the places that suit an engine, the preferred one first; of places that are alike, one."""
    for linked in (True, False):
        seen: set[int] = set()
        for host in board.hosts(item):
            if not board.has_room(item, host) or not board.host_suits(item, host) or board.state(host) in seen:
                continue
            seen.add(board.state(host))
            # Linked cards first, wherever they are: over PCIe every layer waits for the exchange.
            yield from board.choices(item, host, lambda slot: board.suits(item, slot), linked=linked)


def _in_turn(
    items: Sequence[Item], order: Sequence[Item], slots: Mapping[str, Sequence[Slot]]
) -> tuple[Board, dict[str, Place], list[Item]]:
    """Let each engine take its first place. Returns the board, the places, and those that found none."""
    board = Board(slots, items)
    places: dict[str, Place] = {}
    # Chosen cards are taken even where they are too full: the ledger then says what is wrong with the choice.
    for choose in (_pinned, _previous):
        for item in items:
            fixed = choose(item, board)
            if fixed is not None:
                places[item.instance] = fixed
                board.put(item, fixed)
    waiting = []
    for item in order:
        if item.instance in places:
            continue
        place = next(options(item, board), None) if not item.pinned else None
        if place is None:
            waiting.append(item)
        else:
            places[item.instance] = place
            board.put(item, place)
    return board, places, waiting


def _pinned(item: Item, board: Board) -> Place | None:
    for host in item.hosts if item.pinned else ():
        by_id = {slot.id: slot for slot in board.slots[host]}
        if all(name in by_id for name in item.pinned):
            return tuple(by_id[name] for name in item.pinned)
    return None


def _previous(item: Item, board: Board) -> Place | None:
    place = _old_place(item, board.slots)
    if place is None or not board.host_suits(item, place[0].host):
        return None
    return place if all(board.suits(item, slot) for slot in place) else None


def _old_place(item: Item, slots: Mapping[str, Sequence[Slot]]) -> Place | None:
    """Return where an engine was, as far as it still may be there: None for another host, or another number of cards."""
    if item.previous is None or item.pinned:
        return None
    host, names = item.previous
    by_id = {slot.id: slot for slot in slots.get(host, ())}
    place = tuple(by_id[name] for name in names if name in by_id)
    return place if host in item.hosts and len(place) == item.cards == len(names) else None


def _had_to_move(item: Item, place: Place | None, slots: Mapping[str, Sequence[Slot]]) -> bool:
    old = _old_place(item, slots)
    return old is not None and place is not None and set(old) != set(place)
