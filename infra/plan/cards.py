"""The inventory's cards as the planner counts them: what each really has, and which are linked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from infra.catalogue.gpus import GpuKind, find_gpu
from infra.config.inventory import Gpu, Host, Inventory
from infra.interval import GIB, Interval
from infra.memory.engine import Card

# What a display may hold of a card that drives one (desktops were seen to hold 0.5 to 1.3 GiB).
_DISPLAY_BYTES: Final = 0.5 * GIB
# vLLM's own estimate of CUDA graphs was seen 0.9 GiB off, and totals differ by 0.2 GiB from card to card.
_SPARE_SHARE: Final = 0.03
_NEAR: Final = 0.002


@dataclass(frozen=True, eq=False)
class Slot:
    """One card, or one MIG slice, that engines can be placed on. `links` are ids it reaches without PCIe."""

    host: str
    id: str
    card: Card
    links: frozenset[str]
    is_slice: bool = False

    @property
    def capacity_bytes(self) -> float:
        """What engines may share of it, all their processes included."""
        kind = self.card.kind
        return self.card.memory.value - (_DISPLAY_BYTES if kind is not None and kind.display else 0.0)

    @property
    def dealt_bytes(self) -> float:
        """What the planner deals out by itself: it leaves a rest that people may still ask for."""
        return self.capacity_bytes - _SPARE_SHARE * self.card.memory.value


def slots_of(inventory: Inventory) -> Mapping[str, tuple[Slot, ...]]:
    """Return the slots of every host, in the order of the inventory."""
    return {name: _slots(name, host) for name, host in inventory.hosts.items()}


def _slots(name: str, host: Host) -> tuple[Slot, ...]:
    found: list[Slot] = []
    for gpu in host.gpus:
        if gpu.mig:
            found += [
                Slot(name, part.id, _slice(gpu.model, part.profile), frozenset(), is_slice=True) for part in gpu.mig
            ]
        else:
            card = card_of(gpu.model, gpu.memory)
            found.append(Slot(name, gpu.id, card, _links(gpu, host, card.kind)))
    return tuple(found)


@cache
def card_of(model: str, memory_bytes: int | None) -> Card:
    """Return a card by its product name and, where somebody has read it, its memory in bytes.

    nvidia-smi's total includes what the driver keeps for itself: where the figure is that of the product, the
    catalogue's total counts, which is what CUDA reports.
    """
    kind = find_gpu(model)
    if memory_bytes is None:
        memory = kind.memory if kind is not None else Interval.exact(0.0)
        return Card(kind.name if kind else model, memory, kind)
    if kind is not None and kind.smi_bytes and abs(memory_bytes / kind.smi_bytes - 1) < _NEAR:
        return Card(kind.name, kind.memory, kind, is_measured=True)
    return Card(kind.name if kind else model, Interval.exact(memory_bytes), kind, is_measured=True)


@cache
def _slice(model: str, profile: str) -> Card:
    kind = find_gpu(model)
    name = f"{kind.name if kind else model} {profile}"
    known = kind.mig.get(profile) if kind is not None else None
    return Card(name, known.memory if known else Interval.exact(0.0), kind)


def _links(gpu: Gpu, host: Host, kind: GpuKind | None) -> frozenset[str]:
    """Return the cards that this one reaches over NVLink: as measured, or all where the product always has it."""
    if gpu.nvlink or any(other.nvlink for other in host.gpus):
        return frozenset(gpu.nvlink)
    if kind is not None and kind.nvlink:
        return frozenset(other.id for other in host.gpus if other.id != gpu.id)
    return frozenset()
