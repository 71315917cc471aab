"""Where the cards of one maker are, and what exporters of cards have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from infra.catalogue.gpus import find_gpu
from infra.config.schema import StackConfig
from infra.errors import Finding
from infra.services.base import S, Service, Settings

# What a model's device is called whose engines run on cards of a maker.
_DEVICES: Final = {"nvidia": "cuda", "amd": "rocm"}


@dataclass(frozen=True)
class CardHost:
    """A host, and its cards of one maker by UUID or number."""

    name: str
    cards: tuple[str, ...]


class CardExporter(Service[S]):
    """An exporter that runs where cards of its maker (`vendor`: nvidia or amd) are, and nowhere else."""

    vendor: ClassVar[str]

    def card_host(self, settings: Settings, config: StackConfig) -> CardHost | None:
        """Return the host that people chose, else the first in use that has such cards; None where there are none."""
        chosen = config.inventory.members(settings.place) if settings.place else _in_use(config, self.vendor)
        for name in chosen:
            kinds = ((gpu.id, find_gpu(gpu.model)) for gpu in config.inventory.hosts[name].gpus)
            cards = tuple(card for card, kind in kinds if kind is not None and kind.vendor == self.vendor)
            if cards:
                return CardHost(name, cards)
        return None

    def runs(self, settings: S, config: StackConfig) -> bool:
        """Whether its host has such cards."""
        return super().runs(settings, config) and self.card_host(settings, config) is not None

    def host(self, settings: S, config: StackConfig) -> str:
        """Return the host with the cards."""
        found = self.card_host(settings, config)
        return found.name if found is not None else super().host(settings, config)

    def absence(self, config: StackConfig) -> Finding | None:
        """Say that it is left out only where it would have something to say."""
        return super().absence(config) if self.card_host(Settings(), config) is not None else None


def _in_use(config: StackConfig, vendor: str) -> tuple[str, ...]:
    """Return where services go by themselves, where engines are placed, and where engines on such cards may be.

    Any other host may be listed for another stack: a service on it would spread this one over hosts.
    """
    hosts = config.inventory.hosts
    engines = {
        host
        for model in config.models.values()
        if model.place or model.device == _DEVICES[vendor]
        for host in (config.inventory.members(model.place) if model.place else hosts)
    }
    return (*tuple(hosts)[:1], *(host for host in tuple(hosts)[1:] if host in engines))
