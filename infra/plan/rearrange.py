"""Making room for an engine that found no place: others go elsewhere, as few of them as possible.

An engine may push others off its cards, those look for a place in turn and may push further ones. With enough steps
this finds an arrangement whenever there is one: of those on an engine's final cards, the ones that must leave do.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

from infra.plan.board import Board, Item, Place
from infra.plan.cards import Slot

_STEPS_OF_ONE: Final = 4_000
_STEPS_OF_ALL: Final = 20_000


@dataclass
class Budget:
    """How many steps are left for one engine and for all of them; a search that runs out of them says so."""

    all: int = _STEPS_OF_ALL
    one: int = 0
    was_cut: bool = False

    def start(self) -> None:
        """Begin with another engine."""
        self.one = min(_STEPS_OF_ONE, self.all)

    def is_spent(self) -> bool:
        """Take one step; whether there was none left."""
        if self.one <= 0:
            self.was_cut = True
            return True
        self.one -= 1
        self.all -= 1
        return False


def make_room(item: Item, items: Sequence[Item], board: Board, places: dict[str, Place], budget: Budget) -> bool:
    """Find a place for `item`, and change `board` and `places` accordingly; whether there is one."""
    placed = [other for other in items if other.instance in places and not other.pinned]
    if not _could_have_room(item, items, board):
        return False
    new = {other.instance for other in placed if not _stays(other, places[other.instance])}
    for movable in (new, {other.instance for other in placed}):
        budget.start()
        search = _Search(board, places, budget)
        for moves in range(len(movable) + 1):
            search.is_limited = False
            if search.place([item], movable, moves):
                return True
            # Without a branch that more moves would open, more of them change nothing.
            if not search.is_limited or budget.one <= 0:
                break
        if len(movable) == len(placed):
            break
    return False


def _could_have_room(item: Item, items: Sequence[Item], board: Board) -> bool:
    """Whether all hosts that engines could be exchanged with have the bytes together: no search can make more."""
    hosts = set(item.hosts)
    while True:
        reached = hosts.union(*(other.hosts for other in items if not hosts.isdisjoint(other.hosts)))
        if reached == hosts:
            break
        hosts = reached
    left = sum(max(0.0, board.left[slot]) for host in hosts for slot in board.slots[host])
    return left >= item.cards * item.least_bytes - item.cards


def _stays(item: Item, place: Place) -> bool:
    return item.previous == (place[0].host, tuple(slot.id for slot in place))


@dataclass
class _Search:
    board: Board
    places: dict[str, Place]
    budget: Budget
    is_limited: bool = False

    def place(self, pending: Sequence[Item], movable: set[str], moves: int) -> bool:
        """Place all pending engines while at most so many movable ones are pushed away."""
        if not pending:
            return True
        item, rest = pending[0], pending[1:]
        for place, pushed in self._attempts(item, movable, moves):
            before = {other.instance: self.places.pop(other.instance) for other in pushed}
            for other in pushed:
                self.board.take_back(other, before[other.instance])
            self.board.put(item, place)
            self.places[item.instance] = place
            if self.place([*pushed, *rest], movable - set(before), moves - len(pushed)):
                return True
            del self.places[item.instance]
            self.board.take_back(item, place)
            for other in pushed:
                self.board.put(other, before[other.instance])
            self.places.update(before)
        return False

    def _attempts(self, item: Item, movable: set[str], moves: int) -> Iterator[tuple[Place, tuple[Item, ...]]]:
        """Yield places with those that must leave them; of attempts that are alike, one."""
        board = self.board
        if not moves:
            self.is_limited |= bool(movable)
            movable = set()
        for linked in (True, False):
            seen: set[int] = set()
            for host in board.hosts(item):
                if board.state(host) in seen or not (moves or board.has_room(item, host)):
                    continue
                seen.add(board.state(host))
                for place in board.choices(item, host, self._could_suit(item, movable), linked=linked):
                    for pushed in self._pushed(item, place, movable, moves):
                        yield place, pushed
                        if self.budget.is_spent():
                            return
                if self.budget.is_spent():
                    return

    def _could_suit(self, item: Item, movable: set[str]) -> Callable[[Slot], bool]:
        """Return whether a card would suit an engine if all that may move did."""

        def could_suit(slot: Slot) -> bool:
            need = item.need(slot)
            if need is None:
                return False
            room = self.board.left[slot] + 1.0
            for other in self.board.engines[slot]:
                if other.instance in movable:
                    room += other.takes(slot)
                elif other.model == item.model and item.apart != "none":
                    return False
            return room >= need.occupied_bytes

        return could_suit

    def _pushed(self, item: Item, place: Place, movable: set[str], moves: int) -> Iterator[tuple[Item, ...]]:
        """Yield the smallest sets of engines whose leaving makes room on the place."""
        near = self.board.slots[place[0].host] if item.apart == "host" else place
        siblings = [other for slot in near for other in self.board.engines[slot] if other.model == item.model]
        apart = {other.instance: other for other in siblings} if item.apart != "none" else {}
        if not apart.keys() <= movable:
            return
        here = {other.instance: other for slot in place for other in self.board.engines[slot]}
        others = [other for name, other in here.items() if name in movable and name not in apart]
        found: list[set[str]] = []
        seen: set[object] = set()
        for number in range(len(others) + 1):
            if len(apart) + number > moves:
                self.is_limited = True
                return
            for chosen in combinations(others, number):
                if self.budget.is_spent():
                    return
                names = {other.instance for other in chosen}
                alike = tuple(sorted((other.model, _where(self.places[other.instance])) for other in chosen))
                if alike in seen or any(less <= names for less in found):
                    continue
                seen.add(alike)
                if self._suffices(item, place, {**apart, **{other.instance: other for other in chosen}}):
                    found.append(names)
                    yield (*apart.values(), *chosen)

    def _suffices(self, item: Item, place: Place, leaving: dict[str, Item]) -> bool:
        return all(
            self.board.left[slot]
            + sum(other.takes(slot) for other in self.board.engines[slot] if other.instance in leaving)
            >= item.takes(slot) - 1.0
            for slot in place
        )


def _where(place: Place) -> tuple[str, ...]:
    return (place[0].host, *(slot.id for slot in place))
