"""What is left of every card while engines are placed one by one, and which choices of cards are alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from infra.plan.cards import Slot
from infra.plan.needs import Need

Place = tuple[Slot, ...]
# Room is compared in bytes; a sum of floats is off by less.
_ROUNDING_BYTES = 1.0


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

    def takes(self, slot: Slot) -> float:
        """Return the bytes it takes of a card that it is on."""
        need = self.needs.get(id(slot.card))
        return need.occupied_bytes if need is not None else 0.0

    @cached_property
    def least_bytes(self) -> float:
        """The bytes it takes of the card that suits it best."""
        return min((need.occupied_bytes for need in self.needs.values()), default=0.0)


class Board:
    """Cards with the engines on them. What is asked of a host again and again is kept until an engine comes or goes."""

    def __init__(self, slots: Mapping[str, Sequence[Slot]], items: Sequence[Item]) -> None:
        self.slots = slots
        self.left = {slot: slot.capacity_bytes for several in slots.values() for slot in several}
        self.engines: dict[Slot, list[Item]] = {slot: [] for slot in self.left}
        self._siblings: dict[tuple[str, object], int] = {}
        self._most: dict[str, float] = {}
        self._room: dict[str, float] = {}
        self._state: dict[str, int] = {}
        self._states: dict[object, int] = {}
        self._links = {host: _linkage(several) for host, several in slots.items()}
        self._fixed = _fixed_traits(slots, items)

    def put(self, item: Item, place: Place) -> None:
        """Take the place for the engine."""
        for slot in place:
            self.left[slot] -= item.takes(slot)
            self.engines[slot].append(item)
        self._count(item, place, 1)

    def take_back(self, item: Item, place: Place) -> None:
        """Free the place of an engine."""
        for slot in place:
            self.left[slot] += item.takes(slot)
            self.engines[slot].remove(item)
        self._count(item, place, -1)

    def _count(self, item: Item, place: Place, change: int) -> None:
        host = place[0].host
        if item.apart != "none":
            for where in (host, *place):
                self._siblings[item.model, where] = self._siblings.get((item.model, where), 0) + change
        for kept in (self._most, self._room, self._state):
            kept.pop(host, None)

    def siblings(self, item: Item, where: str | Slot) -> int:
        """Return how many engines of its model are on a host or card, where they must be apart."""
        return self._siblings.get((item.model, where), 0)

    def suits(self, item: Item, slot: Slot) -> bool:
        """Whether the card has room for the engine and no sibling that it must keep apart from."""
        need = item.need(slot)
        if need is None or self.left[slot] < need.occupied_bytes - _ROUNDING_BYTES:
            return False
        return item.apart == "none" or not self.siblings(item, slot)

    def host_suits(self, item: Item, host: str) -> bool:
        """Whether no sibling is on the host, where they must be apart."""
        return item.apart != "host" or not self.siblings(item, host)

    def has_room(self, item: Item, host: str) -> bool:
        """Whether any card of the host could have room: a quick no for hosts that are full."""
        if host not in self._most:
            self._most[host] = max((self.left[slot] for slot in self.slots[host]), default=0.0)
        return self._most[host] >= item.least_bytes - _ROUNDING_BYTES

    def hosts(self, item: Item) -> Sequence[str]:
        """Return the hosts that an engine may go to, the preferred one first."""
        if not item.wants_room or len(item.hosts) == 1:
            return item.hosts
        return sorted(item.hosts, key=self._emptiness)

    def _emptiness(self, host: str) -> float:
        if host not in self._room:
            room = (self.left[slot] / slot.capacity_bytes for slot in self.slots[host] if slot.capacity_bytes > 0)
            self._room[host] = -round(max(room, default=0.0), 6)
        return self._room[host]

    def state(self, host: str) -> int:
        """Return a number that two hosts share when it makes no difference which of them an engine goes to."""
        if host not in self._state:
            engines = tuple((round(self.left[slot]), self._models(slot)) for slot in self.slots[host])
            self._state[host] = self._states.setdefault((self._fixed[host], engines), len(self._states))
        return self._state[host]

    def _models(self, slot: Slot) -> tuple[tuple[str, bool], ...]:
        # Whether an engine may move is part of it: one that is pinned makes another host of it.
        return tuple(sorted((item.model, bool(item.pinned or item.previous)) for item in self.engines[slot]))

    def choices(self, item: Item, host: str, suits: Callable[[Slot], bool], *, linked: bool) -> Iterator[Place]:
        """Yield the host's places of cards that suit, each kind of place once; `linked`: over NVLink, or all others."""
        if linked and item.cards > 1 and self._links[host] == "none":
            return
        if not linked and (item.cards == 1 or self._links[host] == "all"):
            return
        free = [slot for slot in self.slots[host] if suits(slot) and not (item.cards > 1 and slot.is_slice)]
        if item.wants_room:
            free.sort(key=lambda slot: -round(self.left[slot] / slot.capacity_bytes, 6))
        by_kind: dict[int, list[Slot]] = {}
        for slot in free:
            # A single card needs no equal; several ranks do.
            by_kind.setdefault(id(slot.card) if item.cards > 1 else 0, []).append(slot)
        keys = {slot: self._key(slot) for slot in free}
        for alike in by_kind.values():
            if len(alike) >= item.cards:
                yield from _groups(alike, item.cards, keys, linked=linked)

    def _key(self, slot: Slot) -> object:
        near = slot.links | {slot.id} if slot.links else slot.links
        return id(slot.card), round(self.left[slot]), self._models(slot), near


def is_linked(place: Place) -> bool:
    """Whether each card of a place reaches each other one over NVLink."""
    return all(other.id in slot.links for slot in place for other in place if other is not slot)


def _groups(
    slots: Sequence[Slot], number: int, keys: Mapping[Slot, object], *, linked: bool, chosen: Place = ()
) -> Iterator[Place]:
    """Yield groups of so many cards in the order of `slots`; of groups that are alike, the first."""
    if number == 0:
        if linked or not is_linked(chosen):
            yield chosen
        return
    tried = set()
    for index, slot in enumerate(slots[: len(slots) - number + 1]):
        if keys[slot] in tried:
            continue
        tried.add(keys[slot])
        if not linked or all(slot.id in other.links and other.id in slot.links for other in chosen):
            yield from _groups(slots[index + 1 :], number - 1, keys, linked=linked, chosen=(*chosen, slot))


def _linkage(slots: Sequence[Slot]) -> str:
    if not any(slot.links for slot in slots):
        return "none"
    return "all" if is_linked(tuple(slots)) else "some"


def _neighbours(slot: Slot, several: Sequence[Slot]) -> tuple[int, ...]:
    return tuple(index for index, other in enumerate(several) if other.id in slot.links)


def _fixed_traits(slots: Mapping[str, Sequence[Slot]], items: Sequence[Item]) -> Mapping[str, object]:
    """Return what makes hosts differ before any engine is on them: who may come, kinds of cards, links."""
    guests: dict[str, list[int]] = {host: [] for host in slots}
    for number, hosts in enumerate(dict.fromkeys(item.hosts for item in items)):
        for host in hosts:
            guests[host].append(number)
    return {
        host: (
            tuple(guests[host]),
            tuple((id(slot.card), _neighbours(slot, several), slot.is_slice) for slot in several),
        )
        for host, several in slots.items()
    }
