"""What really runs of a compose project: its containers, asked of the daemon, and where they differ from the file."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from infra.adopt.compose_file import ComposeError, Project
from infra.adopt.service import Cards, Mount, Origin, Port, Service, services_of
from infra.adopt.told import Note, without_secrets
from infra.config.inventory import Host
from infra.errors import Finding
from infra.targets.docker.connection import Connection, UnreachableError

_PROJECT: Final = "com.docker.compose.project"
_SERVICE: Final = "com.docker.compose.service"
_NEEDS: Final = "com.docker.compose.depends_on"
_ONE_OFF: Final = "com.docker.compose.oneoff"
# What Docker gives a container whose file says nothing.
_DEFAULT_SHM_BYTES: Final = 64 * 2**20
_ANY: Final = "0.0.0.0"  # noqa: S104 - Docker's word for all addresses
_NOTHING: Final[tuple[Any, ...]] = (None, (), "", 0, {})


def running_project(
    project: Project, declared: Mapping[str, Service], connection: str
) -> tuple[Project, Mapping[str, Service], Sequence[Note]]:
    """Return the project as it runs, and where that differs from its file.

    Raises:
        ComposeError: the daemon can't be asked, or has no container of the project.
    """
    host = Host.model_validate({"connection": connection})
    try:
        with Connection.to("local" if connection == "local" else "host", host).client() as client:
            seen = _seen(client, project.name)
    except UnreachableError as error:
        raise ComposeError(
            Finding(str(error), "its daemon can't be asked", "mend --connection, or leave out --running")
        ) from None
    if not seen:
        problem = "no container of this compose project is there"
        fix = "name it with --project as `docker compose ls -a` does, or leave out --running"
        raise ComposeError(Finding(project.name, problem, fix))
    return observed(project, declared, seen)


def observed(
    project: Project, declared: Mapping[str, Service], seen: Mapping[str, Sequence[Mapping[str, Any]]]
) -> tuple[Project, Mapping[str, Service], Sequence[Note]]:
    """Return the same of what the daemon has said: by service, its containers, each with its image below `image`."""
    written = {name: _written(containers) for name, containers in seen.items()}
    real = replace(project, services=written, raw={}, volumes=_Physical(), inactive={})
    services = {
        name: replace(
            service, origins=_origins(service, declared.get(name)), names=service.names | _names(declared, name)
        )
        for name, service in services_of(real).items()
    }
    return replace(real, findings=project.findings), services, list(_differences(declared, services))


def _seen(client: Any, project: str) -> dict[str, list[Mapping[str, Any]]]:
    found: dict[str, list[Mapping[str, Any]]] = {}
    for container in client.containers.list(all=True, filters={"label": f"{_PROJECT}={project}"}):
        labels = container.attrs["Config"]["Labels"] or {}
        if labels.get(_ONE_OFF, "False") == "True":
            continue
        found.setdefault(labels[_SERVICE], []).append({**container.attrs, "image": _image(container)})
    return found


def _image(container: Any) -> Mapping[str, Any]:
    import docker  # noqa: PLC0415 - Connection has imported it by now

    try:
        attributes: Mapping[str, Any] = container.image.attrs
    except docker.errors.NotFound:
        # Removed under it: then the container's own words count, with the image's among them.
        return {}
    return attributes


class _Physical(dict[str, Any]):
    """Volumes of a daemon have their own names already."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return the volume as one that is named by itself."""
        del default
        return {"name": key}


def _written(containers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a container in a compose file's words; what its image says by itself is left out."""
    one = containers[0]
    config, host, image = one["Config"], one["HostConfig"], (one.get("image") or {}).get("Config") or {}
    by_image = set(image.get("Env") or ())
    return {
        "image": config["Image"],
        "command": config.get("Cmd") if config.get("Cmd") != image.get("Cmd") else None,
        "entrypoint": config.get("Entrypoint") if config.get("Entrypoint") != image.get("Entrypoint") else None,
        "environment": [text for text in config.get("Env") or () if text not in by_image],
        "volumes": [_mounted(mount) for mount in one.get("Mounts") or ()],
        "ports": list(_published(host.get("PortBindings") or {})),
        "restart": _policy(host.get("RestartPolicy") or {}),
        "shm_size": _unless(host.get("ShmSize"), _DEFAULT_SHM_BYTES),
        "mem_limit": _unless(host.get("Memory"), 0),
        "cpuset": host.get("CpusetCpus") or None,
        "ipc": "host" if host.get("IpcMode") == "host" else None,
        "runtime": _unless(host.get("Runtime"), "runc"),
        "privileged": host.get("Privileged") or None,
        "network_mode": "host" if host.get("NetworkMode") == "host" else None,
        "cap_add": host.get("CapAdd") or None,
        "devices": [device["PathOnHost"] for device in host.get("Devices") or ()],
        "user": config.get("User") if config.get("User") != image.get("User") else None,
        "depends_on": [part.partition(":")[0] for part in _needs(config).split(",") if part],
        "networks": {name: {"aliases": list(net.get("Aliases") or ())} for name, net in _networks(one).items()},
        "deploy": {"replicas": len(containers), "resources": {"reservations": {"devices": list(_requests(host))}}},
    }


def _needs(config: Mapping[str, Any]) -> str:
    return str((config.get("Labels") or {}).get(_NEEDS, ""))


def _networks(container: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = (container.get("NetworkSettings") or {}).get("Networks") or {}
    return found


def _unless(value: Any, default: Any) -> Any:
    return None if value == default else value


def _mounted(mount: Mapping[str, Any]) -> dict[str, Any]:
    kind = str(mount.get("Type", "volume"))
    source = mount.get("Name") if kind == "volume" else mount.get("Source")
    return {
        "type": kind,
        "source": source or "",
        "target": mount["Destination"],
        "read_only": not mount.get("RW", True),
    }


def _published(bindings: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for inside, hosts in bindings.items():
        port, _, protocol = inside.partition("/")
        for host in hosts or ():
            yield {
                "target": port,
                "published": host.get("HostPort") or "",
                "host_ip": host.get("HostIp") or "",
                "protocol": protocol or "tcp",
            }


def _policy(policy: Mapping[str, Any]) -> str:
    name, most = policy.get("Name") or "no", policy.get("MaximumRetryCount") or 0
    return f"{name}:{most}" if most else str(name)


def _requests(host: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    for request in host.get("DeviceRequests") or ():
        ids = [str(one).partition("=")[2] or str(one) for one in request.get("DeviceIDs") or ()]
        count = request.get("Count", 0)
        yield {"driver": "nvidia", "device_ids": ids, "count": "all" if count == -1 else count, "capabilities": ["gpu"]}


def _origins(service: Service, written: Service | None) -> dict[str, Origin]:
    """Return where values are kept: in the file where it has the same one, else only in the container."""
    return {
        name: written.origins[name]
        if written is not None and written.environment.get(name) == value and name in written.origins
        else Origin("container", name)
        for name, value in service.environment.items()
    }


def _names(declared: Mapping[str, Service], name: str) -> frozenset[str]:
    return declared[name].names if name in declared else frozenset()


def _differences(declared: Mapping[str, Service], services: Mapping[str, Service]) -> Iterable[Note]:
    for name in sorted({*declared, *services}):
        if name not in services:
            yield Note(name, "is in the file and has no container: it isn't adopted")
        elif name not in declared:
            yield Note(name, "runs and isn't in the file (or its profile isn't chosen)")
        else:
            for what, read in _COMPARED.items():
                file, runs = read(declared[name]), read(services[name])
                if file != runs and not (file in _NOTHING and runs in _NOTHING):
                    yield Note(name, f"{what}: {_said(runs)}, the file says {_said(file)}")
            yield from _variables(name, declared[name], services[name])


def _variables(name: str, file: Service, runs: Service) -> Iterable[Note]:
    """Yield names of variables that differ; their values may be secrets."""
    both = sorted({*file.environment, *runs.environment})
    other = [one for one in both if file.environment.get(one) != runs.environment.get(one)]
    if other:
        yield Note(name, f"environment: {', '.join(other)} differ")


def _said(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(str(one) for one in value) or "nothing"
    return "nothing" if value in _NOTHING else str(value)


def _mounts(service: Service) -> tuple[str, ...]:
    return tuple(sorted(_mount(one) for one in service.mounts if one.kind in {"volume", "bind"} and one.source))


def _mount(one: Mount) -> str:
    return f"{one.source}:{one.target}{':ro' if one.read_only else ''}"


def _ports(service: Service) -> tuple[str, ...]:
    return tuple(sorted(_port(one) for one in service.ports if one.published))


def _port(one: Port) -> str:
    return f"{'' if one.address == _ANY else f'{one.address}:'}{one.published}:{one.inside}"


def _cards(service: Service) -> str:
    cards: Cards | None = service.cards
    if cards is None:
        return ""
    return ",".join(cards.ids) or ("all" if cards.count < 0 else str(cards.count))


_COMPARED: Final[Mapping[str, Callable[[Service], Any]]] = {
    "image": lambda one: one.image,
    "command": lambda one: without_secrets(one.argv),
    "volumes": _mounts,
    "ports": _ports,
    "cards": _cards,
    "restart": lambda one: one.restart,
    "shm_size": lambda one: one.shm_bytes,
    "memory": lambda one: one.memory_bytes,
}
