"""Where the cards of one maker are."""

from __future__ import annotations

from dataclasses import dataclass

from infra.catalogue.gpus import find_gpu
from infra.config.schema import StackConfig
from infra.services.base import Settings


@dataclass(frozen=True)
class CardHost:
    """A host, and its cards of one maker by UUID or number."""

    name: str
    cards: tuple[str, ...]


def card_host(config: StackConfig, settings: Settings, vendor: str) -> CardHost | None:
    """Return the host that people chose for an exporter, else the first that has cards of that maker (nvidia, amd).

    None where there are none: an exporter of cards has nothing to say of a host without.
    """
    hosts = config.inventory.hosts
    chosen = config.inventory.members(settings.place) if settings.place else tuple(hosts)
    for name in chosen:
        kinds = ((gpu.id, find_gpu(gpu.model)) for gpu in hosts[name].gpus)
        cards = tuple(card for card, kind in kinds if kind is not None and kind.vendor == vendor)
        if cards:
            return CardHost(name, cards)
    return None
