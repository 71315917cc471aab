"""The ledger: for every card what each engine asks for, needs and gets, and whether all of them start."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from infra.interval import GIB, ZERO, Interval
from infra.memory.engine import EngineSpec
from infra.memory.fixes import Fix, fixes_of
from infra.memory.verdict import Judgement, Verdict, context_bytes, free_at_start, judge, with_fraction
from infra.plan.cards import Slot


@dataclass(frozen=True, eq=False)
class Entry:
    """One engine on its cards. `free_bytes` is what its first card has left when it starts, after those before it."""

    instance: str
    model: str
    spec: EngineSpec
    judgement: Judgement
    verdict: Verdict
    reasons: tuple[str, ...]
    fixes: tuple[Fix, ...]
    override: str | None
    free_bytes: Interval

    @property
    def stops(self) -> bool:
        """Whether the plan must not be deployed because of this engine."""
        return self.verdict is Verdict.NO and self.override is None


@dataclass(frozen=True, eq=False)
class CardRow:
    """One card with its engines in start order; `left_bytes` is what nobody asks for."""

    slot: Slot
    entries: tuple[Entry, ...]
    left_bytes: float


@dataclass(frozen=True, eq=False)
class Tenant:
    """An engine with everything decided, before it is judged.

    `least_bytes` is what it takes of each card at least; `is_pinned` says that people chose the cards.
    """

    instance: str
    model: str
    spec: EngineSpec
    place: tuple[Slot, ...]
    override: str | None
    least_bytes: float = 0.0
    is_pinned: bool = False


def ledger(
    tenants: Sequence[Tenant], slots: Mapping[str, Sequence[Slot]], others: tuple[Slot, ...]
) -> tuple[CardRow, ...]:
    """Judge all engines in start order and return the rows of every card, also of empty ones.

    `others` are cards of further kinds that a fix may name.
    """
    before: dict[Slot, list[Tenant]] = {}
    all_on: dict[Slot, list[Tenant]] = {}
    for tenant in tenants:
        for slot in tenant.place:
            all_on.setdefault(slot, []).append(tenant)
    room = _Room(slots, all_on)
    entries: dict[str, Entry] = {}
    for tenant in tenants:
        entries[tenant.instance] = _entry(tenant, before, others, room)
        for slot in tenant.place:
            before.setdefault(slot, []).append(tenant)
    rows = []
    for several in slots.values():
        for slot in several:
            here = tuple(entries[tenant.instance] for tenant in before.get(slot, ()))
            asked = sum(entry.spec.requested.value + _outside(entry.spec).value for entry in here)
            rows.append(CardRow(slot, here, slot.capacity_bytes - asked))
    return tuple(rows)


def held_bytes(spec: EngineSpec) -> Interval:
    """Return what an idle engine keeps of its card.

    The first runner takes its sampler's room again after start and keeps it, so that its whole share is held; the
    second gives the profile run's transient part back (facts of 0.28; vllm/v1/worker/gpu_worker.py).
    """
    figures = judge(spec).estimate
    held = spec.requested + _outside(spec)
    if figures is None or not spec.is_second_runner:
        return held
    transient = figures.activation
    return Interval(held.low - min(transient.high, held.low), held.value - 0.5 * transient.low, held.high)


def _outside(spec: EngineSpec) -> Interval:
    figures = judge(spec).estimate
    graphs = figures.graphs if figures is not None and spec.graphs_are_outside else ZERO
    return context_bytes(spec) + graphs


@dataclass(frozen=True, eq=False)
class _Room:
    """What the others leave an engine, when those with an open share shrink to the least they need."""

    slots: Mapping[str, Sequence[Slot]]
    tenants: Mapping[Slot, Sequence[Tenant]]

    def left_by_others(self, tenant: Tenant, slot: Slot) -> float:
        taken = sum(other.least_bytes for other in self.tenants.get(slot, ()) if other is not tenant)
        return slot.capacity_bytes - taken - _outside(tenant.spec).high

    def most_cards(self, tenant: Tenant) -> int:
        """Return over how many cards of its host the engine could be split with its share."""
        if tenant.is_pinned:
            return len(tenant.place)
        first = tenant.place[0]
        wanted = tenant.spec.requested.value
        alike = [slot for slot in self.slots[first.host] if slot.card is first.card and not slot.is_slice]
        return sum(self.left_by_others(tenant, slot) >= wanted for slot in alike)


def _entry(tenant: Tenant, before: Mapping[Slot, Sequence[Tenant]], others: tuple[Slot, ...], room: _Room) -> Entry:
    spec = tenant.spec
    alone = judge(spec)
    verdict, reasons = alone.verdict, alone.reasons
    free = free_at_start(spec)
    for slot in tenant.place:
        earlier = before.get(slot, ())
        here = _free(spec, earlier)
        free = min(free, here, key=lambda size: size.value)
        worse, reason = _start_check(spec, here, earlier)
        if worse is not Verdict.FITS and verdict is not Verdict.NO:
            verdict, reasons = worse, (reason, *reasons)
    if len({slot.card for slot in tenant.place}) > 1:
        verdict, reasons = Verdict.NO, ("its cards are of different kinds; parallel ranks must be alike", *reasons)
    fixes: tuple[Fix, ...] = ()
    if verdict in {Verdict.NO, Verdict.TIGHT}:
        fixes = _fixes(tenant, free, others, room)
    return Entry(
        instance=tenant.instance,
        model=tenant.model,
        spec=spec,
        judgement=alone,
        verdict=verdict,
        reasons=reasons,
        fixes=fixes,
        override=tenant.override,
        free_bytes=free,
    )


def _fixes(tenant: Tenant, free: Interval, others: tuple[Slot, ...], room: _Room) -> tuple[Fix, ...]:
    spec = tenant.spec
    most_bytes = min(free_at_start(spec).low, *(room.left_by_others(tenant, slot) for slot in tenant.place))
    most = max(0.0, math.floor(most_bytes / max(1.0, spec.card.memory.value) * 100) / 100)
    smaller = _smaller_share(spec, most)
    if spec.requested.value > free.low:
        # Only a smaller share starts behind its neighbours, whatever else is changed.
        return smaller
    cards = () if tenant.is_pinned else tuple(slot.card for slot in others)
    return (*smaller, *fixes_of(spec, cards, most_fraction=most, most_cards=room.most_cards(tenant)))


def _smaller_share(spec: EngineSpec, most: float) -> tuple[Fix, ...]:
    """Return the share that neighbours leave, where the engine starts with it."""
    if not 0 < most < spec.share:
        return ()
    changed = with_fraction(spec, most)
    judged = judge(changed)
    if judged.verdict is not Verdict.FITS or judged.estimate is None:
        return ()
    tokens, users = int(judged.estimate.tokens.value), judged.estimate.concurrency.value
    text = f"memory_fraction: {most:g}"
    return (Fix(text, "memory_fraction", f"{most:g}", judged.verdict, tokens, users, changed),)


def _free(spec: EngineSpec, earlier: Sequence[Tenant]) -> Interval:
    free = free_at_start(spec)
    for tenant in earlier:
        held = held_bytes(tenant.spec)
        free = Interval(free.low - held.high, free.value - held.value, free.high - held.low)
    return free


def _start_check(spec: EngineSpec, free: Interval, earlier: Sequence[Tenant]) -> tuple[Verdict, str]:
    """Mirror vLLM's own check: as much must be free as the engine asks for, whoever holds the rest."""
    wanted = spec.requested.value
    names = " and ".join(tenant.instance for tenant in earlier)
    if earlier and spec.behaviour.charges_neighbours:
        # 0.8 to 0.9.0 take whatever is on the card for their own (issue 17431): the share has to hold that as well.
        held = sum(held_bytes(tenant.spec).value for tenant in earlier)
        figures = judge(spec).estimate
        if figures is not None and figures.pool.high - held < figures.needed_bytes:
            text = f"is charged with the {held / GIB:.1f} GiB of {names}, and then has no room for its cache"
            return Verdict.NO, f"{text}; another version isn't, or its share must hold theirs too"
    if not earlier or wanted <= free.low:
        return Verdict.FITS, ""
    text = f"asks for {wanted / GIB:.1f} GiB and {max(0.0, free.value) / GIB:.1f} are free behind {names}"
    if not spec.behaviour.checks_free_memory:
        return (Verdict.TIGHT, f"{text}; this version doesn't check and may run out of memory later")
    return (Verdict.NO, text) if wanted > free.high else (Verdict.TIGHT, text)
