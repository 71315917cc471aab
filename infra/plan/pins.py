"""KV cache in bytes for engines that share a card, so that no neighbour can change what an engine gets.

An engine without a given size measures what is free at its start, and takes a neighbour's memory for its own: two on one
RTX 5090 got 4.72 and 2.82 GiB one after the other, and 1.84 and -3.21 GiB together (vllm issue 55827). A lone engine
keeps measuring: a size that surely fits is the low end of the estimate, and would cost it the rest (docs/adr/0009).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from infra.catalogue.flags import has_flag
from infra.config.schema import StackConfig
from infra.interval import GIB
from infra.memory.estimate import Estimate, estimate, stage_estimate
from infra.memory.verdict import Verdict, context_bytes
from infra.plan.cards import Slot
from infra.plan.ledger import CardRow, Entry, Tenant
from infra.plan.plan import Placement
from infra.plan.specs import Engines

_FLAG: Final = "kv-cache-memory-bytes"
# Who counts blocks instead has said how large the cache is.
_COUNTED: Final = "num-gpu-blocks-override"
_MIB: Final = 2**20


@dataclass(frozen=True)
class Pin:
    """The size of one engine's cache per rank, or why it measures by itself."""

    size_bytes: int | None
    cause: str


def pin_neighbours(
    config: StackConfig,
    engines: Engines,
    tenants: Sequence[Tenant],
    cards: Sequence[CardRow],
    placements: Sequence[Placement],
) -> tuple[tuple[CardRow, ...], list[Placement]]:
    """Return the ledger and the placements with the caches of neighbours pinned; verdicts and places stay."""
    entries = {entry.instance: entry for row in cards for entry in row.entries}
    shared = {row.slot for row in cards if len(row.entries) > 1}
    taken: dict[Slot, float] = {}
    pins: dict[str, Pin] = {}
    for tenant in tenants:
        model = config.models[tenant.model]
        if shared.isdisjoint(tenant.place) or model.kv_cache is not None:
            continue
        if _COUNTED in engines.shared_args or _COUNTED in model.args:
            continue
        free = min(slot.card.memory.value - taken.get(slot, 0.0) for slot in tenant.place)
        pin = _pin(entries[tenant.instance], model.users, free, engines.version)
        if pin is None:
            continue
        pins[tenant.instance] = pin
        if pin.size_bytes is not None:
            held = _terms(entries[tenant.instance]) + pin.size_bytes
            taken |= {slot: taken.get(slot, 0.0) + held for slot in tenant.place}
    changed = {name: _pinned(entry, pins.get(name)) for name, entry in entries.items()}
    rows = tuple(replace(row, entries=tuple(changed[entry.instance] for entry in row.entries)) for row in cards)
    return rows, [_told(placement, pins) for placement in placements]


def _pin(entry: Entry, users: int, free_bytes: float, version: str) -> Pin | None:
    """Return an engine's pin; None for one that keeps no cache or doesn't start. `free_bytes` is what its card has."""
    figures = entry.judgement.estimate
    if entry.verdict is Verdict.UNKNOWN:
        return Pin(None, "KV isn't pinned: nothing is known of its size")
    if figures is None or figures.layout is None or entry.verdict is Verdict.NO:
        return None
    if not has_flag(_FLAG, version):
        return Pin(None, f"KV isn't pinned: vLLM {version} has no flag for it")
    number = entry.spec.parallel.pipeline
    stages = (
        [figures]
        if number == 1
        else [stage_estimate(entry.spec, stage, entry.spec.measured) for stage in range(number)]
    )
    # Every rank gets the same size: the one with the least room bounds it, the one with the most layers needs it.
    most = min(*(stage.pool.value for stage in stages), free_bytes - _terms(entry))
    needed = max(stage.needed_bytes for stage in stages) * users
    size = int(min(most, *(stage.pool.low for stage in stages)) // _MIB) * _MIB
    if size < needed:
        size = -(-needed // _MIB) * _MIB
    if size > most:
        wanted = f"{users} requests of {entry.spec.tokens:,} tokens" if users > 1 else f"{entry.spec.tokens:,} tokens"
        return Pin(None, f"KV isn't pinned: {wanted} need {needed / GIB:.1f} GiB, {max(0.0, most) / GIB:.1f} are sure")
    return Pin(size, f"KV pinned at {size / GIB:.1f} GiB")


def _terms(entry: Entry) -> float:
    """Return what an engine takes of a card beside its cache, by the best estimate."""
    figures: Estimate | None = entry.judgement.estimate
    assert figures is not None
    beside = figures.weights + figures.activation + figures.non_torch + figures.graphs + context_bytes(entry.spec)
    return beside.value


def _pinned(entry: Entry, pin: Pin | None) -> Entry:
    if pin is None or pin.size_bytes is None:
        return entry
    spec = replace(entry.spec, kv_cache_bytes=pin.size_bytes)
    # Whether it starts was judged with what it would have measured, which is at least as much.
    return replace(entry, spec=spec, judgement=replace(entry.judgement, estimate=estimate(spec)))


def _told(placement: Placement, pins: Mapping[str, Pin]) -> Placement:
    pin = pins.get(placement.instance)
    if pin is None:
        return placement
    return replace(placement, kv_cache_bytes=pin.size_bytes, cause=f"{placement.cause}; {pin.cause}")
