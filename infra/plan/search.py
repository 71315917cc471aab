"""Placement as a search: engines over hosts and cards, the same answer for the same question.

First every engine takes the first place that suits it. Only where that leaves one without a place, the engines that
compete for the same hosts are searched exhaustively, up to a limit that is told when it is reached.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Final

from infra.plan.cards import Slot
from infra.plan.needs import Need

_MOST_STEPS: Final = 20_000
_MOST_COMBINATIONS: Final = 64
Place = tuple[Slot, ...]


@dataclass(frozen=True, eq=False)
class Item:
    """One engine that wants cards.

    `hosts` are those it may go to, `needs` what it needs of each kind of card (by the card's identity; absent: the
    kind doesn't do), `pinned` its cards when people chose them, `apart` what its siblings must not share.
    """

    instance: str
    model: str
    hosts: tuple[str, ...]
    cards: int
    needs: Mapping[int, Need]
    pinned: tuple[str, ...] = ()
    apart: str = "none"
    wants_room: bool = False
    previous: tuple[str, tuple[str, ...]] | None = None

    def need(self, slot: Slot) -> Need | None:
        """Return what it needs of a card, None when the card can't run it."""
        return self.needs.get(id(slot.card))


@dataclass
class Board:
    """What is left of every card while engines are placed one by one."""

    slots: Mapping[str, Sequence[Slot]]
    left: dict[Slot, float] = field(default_factory=dict)
    siblings: dict[tuple[str, object], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.left:
            self.left = {slot: slot.capacity_bytes for slots in self.slots.values() for slot in slots}

    def put(self, item: Item, place: Place, sign: int = 1) -> None:
        """Take the place for the engine; `sign` -1 gives it back."""
        for slot in place:
            need = item.need(slot)
            self.left[slot] -= sign * (need.occupied_bytes if need else 0.0)
            self._count(item, slot, sign)
        self._count(item, place[0].host, sign)

    def _count(self, item: Item, where: object, sign: int) -> None:
        self.siblings[item.model, where] = self.siblings.get((item.model, where), 0) + sign

    def suits(self, item: Item, slot: Slot) -> bool:
        """Whether the card has room for the engine and no sibling that it must keep apart from."""
        need = item.need(slot)
        if need is None or self.left[slot] < need.occupied_bytes - 1.0:
            return False
        return item.apart == "none" or not self.siblings.get((item.model, slot))

    def host_suits(self, item: Item, host: str) -> bool:
        """Whether no sibling is on the host, where they must be apart."""
        return item.apart != "host" or not self.siblings.get((item.model, host))


@dataclass(frozen=True)
class Solution:
    """Where every engine went. `moved` had another place before; `exhausted` says the search was cut short."""

    places: Mapping[str, Place]
    unplaced: tuple[Item, ...]
    moved: tuple[str, ...] = ()
    exhausted: bool = False


def solve(items: Sequence[Item], slots: Mapping[str, Sequence[Slot]]) -> Solution:
    """Place all engines if that is possible; keep engines where they were if that is possible too."""
    board = Board(slots)
    places: dict[str, Place] = {}
    for item in items:
        # Chosen cards are taken even where they are too full: the ledger then says what is wrong with the choice.
        fixed = _pinned(item, board) or _previous(item, board)
        if fixed is not None:
            places[item.instance] = fixed
            board.put(item, fixed)
    waiting = []
    for item in items:
        if item.instance in places:
            continue
        place = next(options(item, board), None) if not item.pinned else None
        if place is None:
            waiting.append(item)
            continue
        places[item.instance] = place
        board.put(item, place)
    exhausted = False
    unplaced: list[Item] = []
    for item in waiting:
        if item.instance in places:
            continue
        found, cut = _rearrange(item, items, places, slots) if not item.pinned else (None, False)
        exhausted |= cut
        if found is None:
            unplaced.append(item)
        else:
            places.update(found)
    moved = tuple(item.instance for item in items if _has_moved(item, places.get(item.instance)))
    return Solution(places, tuple(unplaced), moved, exhausted)


def options(item: Item, board: Board) -> Iterator[Place]:
    """Yield the places that suit an engine, the preferred one first; places that are alike are yielded once."""
    seen: set[object] = set()
    before = _previous(item, board)
    if before is not None:
        yield before
    for host in _hosts_in_order(item, board):
        if not board.host_suits(item, host):
            continue
        for place in _places_on(item, board, host):
            alike = (
                tuple(sorted((id(slot.card), board.left[slot]) for slot in place)),
                tuple(sorted(board.left[slot] for slot in board.slots[host])),
                len({slot.links for slot in place}),
            )
            if alike not in seen:
                seen.add(alike)
                yield place


def _hosts_in_order(item: Item, board: Board) -> Sequence[str]:
    if not item.wants_room or len(item.hosts) == 1:
        return item.hosts
    room = {
        host: max((board.left[slot] / slot.capacity_bytes for slot in board.slots[host]), default=0.0)
        for host in item.hosts
    }
    return sorted(item.hosts, key=lambda host: -round(room[host], 6))


def _places_on(item: Item, board: Board, host: str) -> Iterator[Place]:
    free = [slot for slot in board.slots[host] if board.suits(item, slot)]
    if item.wants_room:
        free.sort(key=lambda slot: -round(board.left[slot] / slot.capacity_bytes, 6))
    if item.cards == 1:
        yield from ((slot,) for slot in free)
        return
    equal: dict[int, list[Slot]] = {}
    for slot in free:
        if not slot.is_slice:
            equal.setdefault(id(slot.card), []).append(slot)
    for alike in equal.values():
        groups = combinations(alike, item.cards)
        several = [group for _, group in zip(range(_MOST_COMBINATIONS), groups, strict=False)]
        # All cards linked to one another first: over PCIe every layer waits for the exchange.
        yield from sorted(several, key=lambda group: not is_linked(group))


def is_linked(place: Place) -> bool:
    """Whether each card of a place reaches each other one over NVLink."""
    return all(other.id in slot.links for slot in place for other in place if other is not slot)


def _pinned(item: Item, board: Board) -> Place | None:
    for host in item.hosts if item.pinned else ():
        by_id = {slot.id: slot for slot in board.slots[host]}
        if all(name in by_id for name in item.pinned):
            return tuple(by_id[name] for name in item.pinned)
    return None


def _previous(item: Item, board: Board) -> Place | None:
    if item.previous is None or item.pinned:
        return None
    host, names = item.previous
    by_id = {slot.id: slot for slot in board.slots.get(host, ())}
    place = tuple(by_id[name] for name in names if name in by_id)
    fits = host in item.hosts and len(place) == item.cards == len(names) and board.host_suits(item, host)
    return place if fits and all(board.suits(item, slot) for slot in place) else None


def _has_moved(item: Item, place: Place | None) -> bool:
    if item.previous is None or place is None:
        return False
    return (place[0].host, tuple(slot.id for slot in place)) != item.previous


def _rearrange(
    item: Item, items: Sequence[Item], places: Mapping[str, Place], slots: Mapping[str, Sequence[Slot]]
) -> tuple[Mapping[str, Place] | None, bool]:
    """Make room for an engine by moving as few others as possible. Returns the new places, and whether it gave up."""
    near = [other for other in items if other.instance in places and set(other.hosts) & set(item.hosts)]
    movable = [other for other in near if not other.pinned]
    board = Board(slots)
    for other in items:
        if other.instance in places:
            board.put(other, places[other.instance])
    steps = [0]
    for number in range(1, len(movable) + 1):
        for freed in combinations(movable, number):
            steps[0] += 1
            for other in freed:
                board.put(other, places[other.instance], -1)
            # The engine without a place goes first: the freed ones fill what it leaves.
            found = _depth_first([item, *freed], board, steps)
            for other in freed:
                board.put(other, places[other.instance])
            if found is not None:
                return found, False
            if steps[0] > _MOST_STEPS:
                return None, True
    return None, False


def _depth_first(items: Sequence[Item], board: Board, steps: list[int]) -> Mapping[str, Place] | None:
    """Place all of a few engines, trying every option of each."""
    if not items:
        return {}
    first, rest = items[0], items[1:]
    for place in options(first, board):
        steps[0] += 1
        if steps[0] > _MOST_STEPS:
            return None
        board.put(first, place)
        below = _depth_first(rest, board, steps)
        board.put(first, place, -1)
        if below is not None:
            return {first.instance: place, **below}
    return None
