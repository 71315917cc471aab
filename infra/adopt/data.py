"""Data worth keeping: where a compose project has it, and which volume of Hearth's it belongs into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from infra.adopt.adoption import Adoption
from infra.adopt.roles import ENGINE
from infra.adopt.service import Mount, Service
from infra.pipeline import PROJECT, Built
from infra.plan.fetching import HUB_HOME
from infra.targets.docker.declared import Site, sites
from infra.targets.docker.mapping import Names

_HUB: Final = f"{HUB_HOME}/hub"
# What vLLM and the hub's client call their caches by, and what of HUB_HOME each is.
_CACHES: Final = {"HF_HOME": HUB_HOME, "HF_HUB_CACHE": _HUB, "HUGGINGFACE_HUB_CACHE": _HUB, "TRANSFORMERS_CACHE": _HUB}
_REMADE: Final = ("/root/.cache/vllm", "/root/.triton", "/root/.cache/torch", "/root/.nv", "/tmp", "/dev/shm")  # noqa: S108 - inside
# Files that only say how a program is set up, and folders that are a view of the host.
_SETTINGS: Final = (".yaml", ".yml", ".conf", ".json", ".toml", ".ini", ".env", ".sh", ".py", ".jinja", ".csv")
_HOST: Final = (
    "/proc",
    "/sys",
    "/rootfs",
    "/host",
    "/var/run/docker.sock",
    "/var/lib/docker",
    "/dev/disk",
    "/var/run",
    "/etc/localtime",
)


@dataclass(frozen=True)
class Data:
    """One place of data. `source` is a volume or a directory of the host; `volume` is Hearth's, by its physical name,
    `logical` its name in the program; `folder` is where in it the data belongs; `is_live` says that it changes while its
    program runs, so that the program must be stopped for the copy.
    """

    service: str
    source: str
    volume: str
    logical: str
    folder: str
    image: str
    labels: tuple[str, ...]
    is_live: bool


def data_of(adoption: Adoption, built: Built) -> list[Data]:
    """Return all data that has a volume in Hearth, and tell of every other mount what becomes of it."""
    found: dict[tuple[str, str, str], Data] = {}
    hosts = sites(built.config, built.workloads, Names(PROJECT, built.plan.stack), Path("/"))
    for name, service in adoption.services.items():
        role = adoption.roles.get(name)
        if role is None:
            _tell_unknown(service, adoption)
            continue
        for mount in service.mounts:
            kept = next(_matches(service, role, mount, hosts), None)
            if kept is None:
                _tell(service, role, mount, adoption)
            else:
                found.setdefault((kept.source, kept.volume, kept.folder), kept)
    return list(found.values())


def _matches(service: Service, role: str, mount: Mount, hosts: Mapping[str, Site]) -> Iterator[Data]:
    if mount.kind not in {"volume", "bind"} or not mount.source:
        return
    target = _translated(service, mount.target) if role == ENGINE else mount.target
    for site in hosts.values():
        for workload in site.workloads:
            if workload.service != role:
                continue
            for volume in site.containers[workload.instance].arguments["volumes"]:
                if "volume_name" in volume and _is_below(target, volume["container_path"]) and target not in _REMADE:
                    declared = site.volumes[volume["volume_name"]]
                    yield Data(
                        service=service.name,
                        source=mount.source,
                        volume=volume["volume_name"],
                        logical=declared.name,
                        folder=target[len(volume["container_path"]) :].strip("/"),
                        image=service.image,
                        labels=_labels(declared.arguments["labels"]),
                        is_live=role != ENGINE,
                    )


def _translated(service: Service, target: str) -> str:
    """Return where a mounted cache of the hub lies in an engine of Hearth's."""
    caches = {
        service.environment[name].rstrip("/"): path for name, path in _CACHES.items() if service.environment.get(name)
    }
    words = service.argv
    caches |= {words[n + 1]: _HUB for n, word in enumerate(words[:-1]) if word == "--download-dir"}
    for inside, path in caches.items():
        if _is_below(target, inside):
            return f"{path}{target[len(inside) :]}"
    return target


def _is_below(path: str, above: str) -> bool:
    return PurePosixPath(path).is_relative_to(above)


def _labels(written: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    return tuple(f"{one['label']}={one['value']}" for one in written)


def _tell(service: Service, role: str, mount: Mount, adoption: Adoption) -> None:
    told, target = adoption.told, mount.target
    sources = [str(model.get("source", "")) for model in adoption.values["models"].values()]
    adapters = [
        str(one) for model in adoption.values["models"].values() for one in (model.get("adapters") or {}).values()
    ]
    if role == ENGINE and any(
        _is_below(path, mount.source) for path in (*sources, *adapters) if path.startswith("/") and mount.source
    ):
        return
    if mount.kind == "tmpfs" or target in _REMADE or target.startswith("/root/.cache"):
        told.change(service.name, f"{target} isn't kept: it is a cache, and made again")
    elif target.startswith(_HOST):
        told.change(service.name, f"{target}: Hearth mounts what it needs of the host itself")
    elif target.endswith(_SETTINGS) or (
        role != ENGINE and mount.kind == "bind" and ("/etc/" in f"{target}/" or "provision" in target)
    ):
        told.change(service.name, f"{target} is replaced by what Hearth renders")
    else:
        told.no_place(
            service.name, f"the {_KINDS.get(mount.kind, 'mount')} {mount.source or '(without a name)'} at {target}"
        )


_KINDS: Final = {"volume": "volume", "bind": "directory"}


def _tell_unknown(service: Service, adoption: Adoption) -> None:
    for mount in service.mounts:
        if mount.kind == "volume" and mount.source:
            adoption.told.no_place(
                service.name, f"its volume {mount.source} stays as it is: nothing of Hearth touches it"
            )
