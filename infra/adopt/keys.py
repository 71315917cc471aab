"""What becomes of a service's keys that no translation reads: Hearth's own way, or no place. Nothing is left unsaid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from infra.adopt.service import Service
from infra.adopt.told import Told

# Read by infra/adopt/service.py, and told by whoever translates the service.
READ: Final = frozenset(
    {"image", "build", "command", "entrypoint", "environment", "env_file", "volumes", "ports", "deploy", "gpus", "runtime",
     "restart", "shm_size", "mem_limit", "cpuset", "depends_on", "profiles", "stop_grace_period", "scale", "ipc", "devices"}
)  # fmt: skip
_OWN_WAY: Final[Mapping[str, str]] = {
    "container_name": "containers are named hearth-<stack>-<instance>",
    "hostname": "containers are named hearth-<stack>-<instance>",
    "networks": "one network per stack; programs reach each other by instance name",
    "network_mode": "one network per stack; programs reach each other by instance name",
    "links": "one network per stack; programs reach each other by instance name",
    "expose": "one network per stack; programs reach each other by instance name",
    "healthcheck": "health is asked by Hearth: an engine is healthy when it has answered a request",
    "logging": "logs go to json-file, three files of 20 MB",
    "init": "PID 1 is Hearth's entry point, or Docker's init",
    "tty": "nothing reads a terminal",
    "stdin_open": "nothing reads a terminal",
    "attach": "nothing reads a terminal",
    "pull_policy": "images are pinned, and pulled when the pin changes",
    "platform": "images are pulled for the host's own platform",
    "stop_signal": "the image's own signal ends a program; an engine finishes requests first",
    "restart": "see restart",
}
_DEPLOY_READ: Final = frozenset({"replicas", "restart_policy", "resources"})


def tell_keys(service: Service, told: Told, *, is_engine: bool) -> None:
    """Say what becomes of every key that nobody has read."""
    for file in service.unread:
        told.no_place(service.name, f"its env_file {file} can't be read: what it sets isn't known")
    ways: dict[str, list[str]] = {}
    homeless = []
    for key, value in service.keys.items():
        if key in READ or value in (None, [], {}, ""):
            continue
        if key in _OWN_WAY:
            ways.setdefault(_OWN_WAY[key], []).append(key)
        elif not str(key).startswith("x-"):
            homeless.append(str(key))
    for text, keys in ways.items():
        told.change(service.name, f"{', '.join(sorted(keys))}: {text}")
    if not is_engine:
        homeless += _not_for_services(service)
    homeless += _limits(service)
    if homeless:
        told.no_place(service.name, f"{', '.join(sorted(homeless))}: containers of Hearth have no such setting")


def _not_for_services(service: Service) -> Iterable[str]:
    for key, value in (("shm_size", service.shm_bytes), ("cpuset", service.cpu_set), ("ipc", service.keys.get("ipc"))):
        if value:
            yield key


def _limits(service: Service) -> list[str]:
    deploy: Any = service.keys.get("deploy")
    if not isinstance(deploy, Mapping):
        return []
    found = [f"deploy.{key}" for key in deploy if key not in _DEPLOY_READ]
    resources = deploy.get("resources") if isinstance(deploy.get("resources"), Mapping) else {}
    assert isinstance(resources, Mapping)
    limits, reserved = resources.get("limits") or {}, resources.get("reservations") or {}
    found += [f"deploy.resources.limits.{key}" for key in limits if key != "memory"]
    return found + [f"deploy.resources.reservations.{key}" for key in reserved if key != "devices"]
