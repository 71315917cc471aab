"""Where the cards of one maker are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from infra.catalogue.gpus import find_gpu
from infra.config.schema import StackConfig
from infra.errors import Finding, Severity
from infra.services.base import Service, Settings

# What a model's device is called whose engines run on cards of a maker.
_DEVICES: Final = {"nvidia": "cuda", "amd": "rocm"}


@dataclass(frozen=True)
class CardHost:
    """A host, and its cards of one maker by UUID or number."""

    name: str
    cards: tuple[str, ...]


def card_host(config: StackConfig, settings: Settings, vendor: str) -> CardHost | None:
    """Return the host that people chose for an exporter, else the first in use that has cards of that maker (nvidia, amd).

    None where there are none: an exporter of cards has nothing to say of a host without.
    """
    chosen = config.inventory.members(settings.place) if settings.place else _in_use(config, vendor)
    for name in chosen:
        kinds = ((gpu.id, find_gpu(gpu.model)) for gpu in config.inventory.hosts[name].gpus)
        cards = tuple(card for card, kind in kinds if kind is not None and kind.vendor == vendor)
        if cards:
            return CardHost(name, cards)
    return None


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


def left_out(service: Service[Any], config: StackConfig, vendor: str) -> Finding | None:
    """Say that an exporter of cards is left out where there are such cards and images are built: no package has it."""
    if service.image(config) is not None or card_host(config, Settings(), vendor) is None:
        return None
    fix = f"`docker load` {service.official_image} on the host and set hearth:images.{service.name} to it"
    problem = "is left out: its image can't be built from packages"
    return Finding(f"hearth:{service.section}", problem, fix, Severity.NOTICE)
