from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.interval import GIB, Interval
from infra.memory.engine import Card
from infra.plan.board import Item, Place
from infra.plan.cards import Slot
from infra.plan.needs import Need
from infra.plan.search import solve
from tests.unit.plan.stacks import engine, host, planned, where

LARGE, SMALL = (Card(name, Interval.exact(size * GIB)) for name, size in (("large", 80.0), ("small", 40.0)))
Slots = Mapping[str, Sequence[Slot]]


def slots_of(*hosts: Sequence[Card], pairs: bool = False) -> Slots:
    """Hosts a, b, c… with these cards; `pairs` links each two."""
    return {
        name: tuple(
            Slot(name, str(index), card, frozenset({str(index ^ 1)} if pairs else ()))
            for index, card in enumerate(cards)
        )
        for name, cards in zip("abc", hosts, strict=False)
    }


def item(name: str, size: float, hosts: Sequence[str] = "abc", *, number: int = 1, **more: Any) -> Item:
    need = Need(size * GIB, 0.0, 0.0, size * GIB, is_fixed=True)
    needs = {id(card): need for card in (LARGE, SMALL) if card.memory.value >= size * GIB}
    return Item(name, more.pop("model", name), tuple(hosts), number, needs, **more)


def is_allowed(placed: Sequence[tuple[Item, Place]]) -> bool:
    used: Counter[Slot] = Counter()
    for one, place in placed:
        for slot in place:
            need = one.need(slot)
            if need is None:
                return False
            used[slot] += need.occupied_bytes  # type: ignore[assignment]  # a Counter of floats
    if any(size > slot.capacity_bytes + len(placed) for slot, size in used.items()):
        return False
    for (one, place), (other, there) in combinations(placed, 2):
        if one.model == other.model and one.apart == "card" and set(place) & set(there):
            return False
        if one.model == other.model and one.apart == "host" and place[0].host == there[0].host:
            return False
    return True


def places_of(one: Item, slots: Slots) -> Iterator[Place]:
    for name in one.hosts:
        for place in combinations(slots.get(name, ()), one.cards):
            if len({id(slot.card) for slot in place}) == 1:
                yield place


def exhaustively(items: Sequence[Item], slots: Slots, placed: tuple[tuple[Item, Place], ...] = ()) -> bool:
    """Whether all items find a place: every arrangement is tried."""
    if len(placed) == len(items):
        return True
    one = items[len(placed)]
    return any(
        is_allowed((*placed, (one, place))) and exhaustively(items, slots, (*placed, (one, place)))
        for place in places_of(one, slots)
    )


HOSTS = st.lists(st.lists(st.sampled_from([LARGE, SMALL]), min_size=1, max_size=3), min_size=1, max_size=3)
ENGINES = st.lists(
    st.tuples(
        st.sampled_from([10.0, 15.0, 20.0, 25.0, 40.0, 45.0, 60.0, 80.0]),
        st.sampled_from(["abc", "abc", "ab", "bc", "a", "b"]),
        st.sampled_from([1, 1, 1, 2]),
        st.sampled_from(["none", "none", "card", "host"]),
        st.integers(1, 2),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


def items_of(engines: Sequence[tuple[float, str, int, str, int, bool]], slots: Slots) -> list[Item]:
    items = []
    for index, (size, hosts, number, apart, replicas, wants_room) in enumerate(engines):
        known = [name for name in hosts if name in slots]
        items += [
            item(
                f"m{index}-{replica}",
                size,
                known,
                number=number,
                model=f"m{index}",
                apart=apart,
                wants_room=wants_room,
            )
            for replica in range(replicas)
        ]
    return items


@settings(max_examples=300, deadline=None)
@given(hosts=HOSTS, engines=ENGINES)
def test_where_there_is_an_arrangement_of_all_engines_one_is_found(
    hosts: list[list[Card]], engines: list[tuple[float, str, int, str, int, bool]]
) -> None:
    slots = slots_of(*hosts)
    items = items_of(engines, slots)
    solution = solve(items, slots)
    placed = [(one, solution.places[one.instance]) for one in items if one.instance in solution.places]
    assert is_allowed(placed)
    assert len(placed) + len(solution.unplaced) == len(items)
    if solution.unplaced:
        assert not exhaustively(items, slots)


@settings(max_examples=150, deadline=None)
@given(hosts=HOSTS, engines=ENGINES, data=st.data())
def test_nobody_moves_where_all_find_a_place_without_it(
    hosts: list[list[Card]], engines: list[tuple[float, str, int, str, int, bool]], data: st.DataObject
) -> None:
    slots = slots_of(*hosts)
    items = items_of(engines, slots)
    there = data.draw(st.sets(st.sampled_from(range(len(items)))))
    old = solve([items[index] for index in sorted(there)], slots)
    stood = {name: (place[0].host, tuple(slot.id for slot in place)) for name, place in old.places.items()}
    again = [item_at(one, stood.get(one.instance)) for one in items]
    solution = solve(again, slots)
    kept = [(one, old.places[one.instance]) for one in again if one.instance in old.places]
    if exhaustively([*(one for one, _ in kept), *(one for one in again if one.previous is None)], slots, tuple(kept)):
        assert solution.moved == ()
        assert solution.unplaced == ()
        for one, place in kept:
            assert solution.places[one.instance] == place
    elif not solution.unplaced:
        assert solution.moved != ()


def item_at(one: Item, previous: tuple[str, tuple[str, ...]] | None) -> Item:
    return Item(
        one.instance,
        one.model,
        one.hosts,
        one.cards,
        one.needs,
        apart=one.apart,
        wants_room=one.wants_room,
        previous=previous,
    )


def test_room_is_made_along_a_chain_of_hosts_that_no_two_engines_share() -> None:
    slots = slots_of([SMALL], [SMALL], [SMALL])
    items = [item("x", 40, "ab"), item("y", 40, "bc"), item("z", 40, "a")]
    assert {name: place[0].host for name, place in solve(items, slots).places.items()} == {"x": "b", "y": "c", "z": "a"}


def test_one_that_is_new_makes_room_before_one_that_stood_there() -> None:
    slots = slots_of([SMALL], [SMALL])
    items = [
        item("far", 20, "ab", previous=("a", ("0",))),
        item("old", 10, "ab", previous=("b", ("0",))),
        item("new", 20, "ab", wants_room=True),
        item("tied", 20, "b"),
    ]
    solution = solve(items, slots)
    assert {name: place[0].host for name, place in solution.places.items()} == {
        "far": "a",
        "old": "b",
        "new": "a",
        "tied": "b",
    }
    assert solution.moved == ()


def test_hosts_that_look_alike_differ_when_another_engine_may_only_go_to_one() -> None:
    slots = slots_of([SMALL], [SMALL], [LARGE])
    items = [
        item("x", 40, "cab", previous=("c", ("0",))),
        item("y", 40, "ca", previous=("c", ("0",))),
        item("z", 80, "c"),
    ]
    assert {name: place[0].host for name, place in solve(items, slots).places.items()} == {"x": "b", "y": "a", "z": "c"}


def test_linked_pairs_are_found_among_many_cards() -> None:
    slots = slots_of([LARGE] * 8, pairs=True)
    items = [item("x", 50, "a"), item("y", 50, "a", number=2), item("z", 50, "a", number=2)]
    places = solve(items, slots).places
    assert [slot.id for slot in places["y"]] == ["2", "3"]
    assert [slot.id for slot in places["z"]] == ["4", "5"]


def test_a_search_that_runs_out_of_steps_says_so() -> None:
    slots = slots_of([SMALL] * 12)
    items = [item(f"e{number}", 27.0 + number / 1000, "a") for number in range(13)]
    solution = solve(items, slots)
    assert solution.exhausted
    assert len(solution.unplaced) == 1


FOUR = {name: engine(memory_fraction=share) for name, share in (("a", 0.6), ("b", 0.3), ("c", 0.6), ("d", 0.3))}


def test_the_order_in_which_models_are_written_means_nothing() -> None:
    forwards = planned(FOUR, {"box": host(2)})
    assert forwards.placements == planned(dict(reversed(FOUR.items())), {"box": host(2)}).placements


def test_a_new_model_leaves_the_others_where_they_are() -> None:
    stood = {"b": ("box", ("2",)), "c": ("box", ("0",))}
    made = planned(FOUR, {"box": host(4)}, previous=stood)
    assert {name: where(made)[name] for name in stood} == stood
    assert made.of_model("b")[0].cause == "stays where it was"


def test_an_engine_that_must_make_room_moves_and_the_plan_says_so() -> None:
    models = {"a": engine(memory_fraction=0.4), "b": engine(memory_fraction=0.4), "new": engine(memory_fraction=0.9)}
    made = planned(models, {"box": host(2)}, previous={"a": ("box", ("0",)), "b": ("box", ("1",))})
    (finding,) = made.findings
    assert finding.severity == "warning"
    assert "moves to box" in finding.problem
    moved = finding.path.rpartition(".")[2]
    assert where(made)[moved] != {"a": ("box", ("0",)), "b": ("box", ("1",))}[moved]
    assert made.of_model(moved)[0].cause.startswith("moved from box")


def test_a_model_that_goes_moves_nobody() -> None:
    before = planned(FOUR, {"box": host(2)})
    for gone in FOUR:
        rest = {name: model for name, model in FOUR.items() if name != gone}
        after = planned(rest, {"box": host(2)}, previous=where(before))
        assert where(after) == {name: place for name, place in where(before).items() if name != gone}
        assert after.findings == ()


def test_an_engine_whose_old_card_is_gone_is_placed_anew_without_a_claim_that_room_was_short() -> None:
    made = planned({"a": engine()}, {"box": host(1)}, previous={"a": ("box", ("7",))})
    assert made.findings == ()
    assert made.placements[0].cause == "emptiest card that suits"


def test_an_engine_that_people_pin_elsewhere_has_not_been_moved_by_the_planner() -> None:
    made = planned({"a": engine(place="box", gpus=["1"])}, {"box": host(2)}, previous={"a": ("box", ("0",))})
    assert made.findings == ()
    assert made.placements[0].cause == "cards as asked"
