"""What a stack asks of one host, as plain data: what its checks compare the host's answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from images import recipes
from infra.catalogue.drivers import DriverFloor, driver_floor
from infra.config.inventory import Gpu, Host
from infra.interval import ZERO, Interval
from infra.memory.weights import checkpoint_bytes
from infra.pipeline import PROJECT, Built
from infra.plan import Placement
from infra.plan.fetching import HUB_HOME, is_fetched
from infra.services.base import Published, Workload
from infra.services.engine_image import IMAGES
from infra.services.prefetch import Prefetch
from infra.services.relay import Relay
from infra.targets.docker.mapping import Names

HUB: Final = "huggingface.co"
DOCKER_HUB: Final = "registry-1.docker.io"
_OFFLINE: Final = {"1", "true", "yes", "on"}
_PROXIES: Final = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


@dataclass(frozen=True)
class Way:
    """An address and port of another host that something on this one asks."""

    host: str
    address: str
    port: int

    @property
    def name(self) -> str:
        """Return address and port, as questions are called."""
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, eq=False)
class Asked:
    """One host's part of a stack.

    `models` are bytes on disk by source, of what is fetched from the hub; `hub_volume` the physical name of the volume it
    goes to. `hubs` are names that must resolve for that. `ways` is what this host asks of others, `is_asked` whether others
    ask it. `ram` is what the plan says its engines take. `floors` is the driver that each engine's image needs.
    """

    host: str
    section: Host
    stack: str
    root: Path = Path()
    workloads: tuple[Workload, ...] = ()
    ram: Interval = ZERO
    models: Mapping[str, float] = field(default_factory=dict)
    hub_volume: str | None = None
    hubs: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()
    is_asked: bool = False
    floors: Mapping[str, DriverFloor] = field(default_factory=dict)

    @property
    def is_remote(self) -> bool:
        """Whether it is another machine."""
        return self.section.connection.startswith("ssh://")

    @property
    def images(self) -> tuple[str, ...]:
        """Return every image that runs here, sorted."""
        return tuple(sorted({workload.image for workload in self.workloads}))

    @property
    def ports(self) -> tuple[tuple[Workload, Published], ...]:
        """Return every port that the host is to listen on, with who wants it."""
        return tuple((workload, port) for workload in self.workloads for port in workload.published)

    def on_cards(self, device: str) -> tuple[Workload, ...]:
        """Return what runs on cards: of NVIDIA (cuda) or of AMD (rocm)."""
        return tuple(workload for workload in self.workloads if workload.gpus and workload.device == device)

    @property
    def engines(self) -> tuple[Workload, ...]:
        """Return the engines."""
        return tuple(workload for workload in self.workloads if workload.supervised)

    @property
    def used_cards(self) -> tuple[Gpu, ...]:
        """Return the cards of the inventory that something is given, an exporter too; split ones are among them."""
        return self._cards_of(self.workloads)

    @property
    def engine_cards(self) -> tuple[Gpu, ...]:
        """Return the cards of the inventory that engines are placed on."""
        return self._cards_of(self.engines)

    def _cards_of(self, workloads: tuple[Workload, ...]) -> tuple[Gpu, ...]:
        used = {card for workload in workloads for card in workload.gpus}
        return tuple(gpu for gpu in self.section.gpus if used & {gpu.id, *(part.id for part in gpu.mig)})

    @property
    def read_directories(self) -> tuple[str, ...]:
        """Return the directories of the host that are only read: the daemon makes those that are written to."""
        paths = {
            volume.host_path
            for workload in self.workloads
            for volume in workload.volumes
            if volume.host_path and volume.read_only
        }
        return tuple(sorted(path if self.is_remote else str(self.root / path) for path in paths))


def asked_of(built: Built, root: Path) -> dict[str, Asked]:
    """Return what is asked of every host that runs something, in the order of the inventory."""
    used = {workload.host for workload in built.workloads}
    return {
        name: _asked(built, root, name, host) for name, host in built.config.inventory.hosts.items() if name in used
    }


def _asked(built: Built, root: Path, name: str, host: Host) -> Asked:
    config, plan = built.config, built.plan
    workloads = tuple(workload for workload in built.workloads if workload.host == name)
    fetched = [one for one in plan.placements if one.host == name and is_fetched(config.models[one.model])]
    volumes = [volume.name for workload in workloads for volume in workload.volumes if volume.path == HUB_HOME]
    crossings = built.declaration.context.crossings
    return Asked(
        host=name,
        section=host,
        stack=plan.stack,
        root=root.absolute(),
        workloads=workloads,
        ram=next((row.ram for row in plan.hosts if row.name == name), ZERO),
        models=_models(built, fetched),
        hub_volume=Names(PROJECT, plan.stack).of(volumes[0]) if volumes else None,
        hubs=tuple(sorted({hub for workload in _fetching(built, workloads) if (hub := _hub(workload))})),
        ways=_ways(built, name),
        is_asked=any(crossing.source != name and name in crossing.reach.hosts for crossing in crossings),
        floors={
            workload.image: floor
            for workload in workloads
            if workload.supervised and workload.gpus and workload.device == "cuda"
            if (floor := driver_floor(workload.image, plan.vllm_version)) is not None
        },
    )


def _models(built: Built, placements: list[Placement]) -> dict[str, float]:
    """Return bytes by source; what the catalogue doesn't know is left out."""
    found = {}
    for placement in placements:
        entry = built.plan.entries.get(placement.instance)
        checkpoint = entry.spec.checkpoint if entry is not None else None
        if checkpoint is not None and checkpoint.architecture is not None:
            size = checkpoint_bytes(checkpoint.architecture, checkpoint.quantization)
            found[built.config.models[placement.model].source] = size
    return found


def _fetching(built: Built, workloads: tuple[Workload, ...]) -> list[Workload]:
    """Return what asks the hub: steps that fetch, else engines that fetch for themselves."""
    models = {one.instance: built.config.models[one.model] for one in built.plan.placements}
    return [
        workload
        for workload in workloads
        if workload.service == Prefetch.name
        or (
            (model := models.get(workload.instance)) is not None
            and model.is_from_hub
            and workload.environment.get("HF_HUB_OFFLINE", "").lower() not in _OFFLINE
        )
    ]


def _hub(workload: Workload) -> str:
    """Return the name that is looked up; empty where a proxy does that."""
    if any(workload.environment.get(name) for name in _PROXIES):
        return ""
    endpoint = workload.environment.get("HF_ENDPOINT")
    return (urlsplit(endpoint).hostname or "") if endpoint else HUB


def _ways(built: Built, name: str) -> tuple[Way, ...]:
    asked = {
        host
        for crossing in built.declaration.context.crossings
        if crossing.source == name
        for host in crossing.reach.hosts
        if host != name
    }
    doors = {one.host: one.published[0] for one in built.workloads if one.service == Relay.name and one.published}
    return tuple(Way(host, doors[host].address, doors[host].host_port) for host in sorted(asked & doors.keys()))


def registry_of(image: str) -> str | None:
    """Return the registry that an image is pulled from; None for what is built here."""
    if is_built(image):
        return None
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else DOCKER_HUB


def is_built(image: str) -> bool:
    """Whether the image is made from packages by `make up`, and in no registry."""
    return image in {recipes.reference(name) for name in recipes.RECIPES}


def is_for_cards(image: str) -> bool:
    """Whether it is an official image with kernels for cards: these are much larger than others."""
    return image.partition("@")[0].rpartition(":")[0] in {
        IMAGES[device].rpartition(":")[0] for device in ("cuda", "rocm")
    }
