"""The rules: each is a pure function over one resource in the provider's words, and yields what is wrong with it.

A new rule is one function and one line in RULES; the plain check and the engine's policy pack both take it from there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from infra.config.policy import Level
from infra.targets.docker.declared import CONTAINER, IMAGE, VOLUME, Declared

_SERVICE_LABEL: Final = "hearth.service"
_ANY_ADDRESS: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - what is looked for
_SECRET_NAME: Final = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASSPHRASE)$")
# What examples, tutorials and defaults of the programs in a stack have as keys.
_KNOWN_KEYS: Final = frozenset({"sk-1234", "changeme", "change-me", "admin", "password", "secret", "test", "empty"})
_SOCKETS: Final = ("/var/run/docker.sock", "/run/docker.sock")
_ENGINE_PROGRAM: Final = "/opt/hearth/engine"
_KEY_FILE: Final = "/run/secrets/hearth/VLLM_API_KEY"
# A CPU engine binds its memory to a NUMA node with SYS_NICE; DCGM's profiling counters want SYS_ADMIN.
_CAPABILITIES: Final = {"vllm": {"SYS_NICE"}, "dcgm_exporter": {"SYS_ADMIN"}}
# Images without any client that a probe could use; Prometheus says whether they answer.
_WITHOUT_PROBE: Final = frozenset({"nginx_exporter", "dcgm_exporter", "amd_exporter"})
_WRITABLE: Final = frozenset({"/run/hearth/locks"})


@dataclass(frozen=True)
class Rule:
    """One rule: what it wants and why, on which kind of resource, and how to keep it."""

    name: str
    why: str
    fix: str
    kind: str
    broken: Callable[[Declared], Iterator[str]]
    level: Level = "mandatory"
    in_production_only: bool = False


def service_of(resource: Declared) -> str:
    """Return the service that a container belongs to; empty where none is told."""
    labels: Any = resource.arguments.get("labels") or ()
    return next((str(label["value"]) for label in labels if label["label"] == _SERVICE_LABEL), "")


def pinned(resource: Declared) -> Iterator[str]:
    """An image without a digest is another one whenever its tag is moved."""
    if "@sha256:" not in str(resource.arguments["name"]):
        yield f"{resource.arguments['name']} has no digest"


def not_latest(resource: Declared) -> Iterator[str]:
    """A tag that means whatever is newest."""
    reference = str(resource.arguments["name"])
    tag = reference.partition("@")[0].rpartition("/")[2].partition(":")[2]
    if "@" not in reference and tag in {"", "latest", "main", "nightly"}:
        yield f"{reference} is whatever is newest"


def engines_unpublished(resource: Declared) -> Iterator[str]:
    """An engine that is open to more than its stack."""
    if service_of(resource) == "vllm":
        for port in resource.arguments.get("ports") or ():
            yield f"publishes {port.get('ip') or 'any address'}:{port.get('external')}"


def front_door_only(resource: Declared) -> Iterator[str]:
    """A port on every address of the host, of something else than the front door."""
    if service_of(resource) != "nginx":
        for port in resource.arguments.get("ports") or ():
            if str(port.get("ip") or "") in _ANY_ADDRESS:
                yield f"publishes port {port.get('external')} on every address"


def engines_keyed(resource: Declared) -> Iterator[str]:
    """An engine that answers anybody."""
    files = {upload["file"] for upload in resource.arguments.get("uploads") or ()}
    if service_of(resource) == "vllm" and _KEY_FILE not in files:
        yield "has no API key"


def secrets_hidden(resource: Declared) -> Iterator[str]:
    """A secret as a plain variable, which `docker inspect`, the state and a preview show."""
    for name, value in _variables(resource).items():
        if value and _SECRET_NAME.search(name):
            yield f"{name} is a plain variable"


def no_known_keys(resource: Declared) -> Iterator[str]:
    """A key that everybody knows, or none, where the value can be seen."""
    for name, value in _variables(resource).items():
        if _SECRET_NAME.search(name) and value.lower() in _KNOWN_KEYS | {""}:
            yield f"{name} is {'empty' if not value else 'one that everybody knows'}"
    for upload in resource.arguments.get("uploads") or ():
        content, is_secret = upload.get("content"), str(upload["file"]).startswith("/run/secrets/")
        if is_secret and isinstance(content, str) and content.strip().lower() in _KNOWN_KEYS | {""}:
            yield f"{upload['file']} is {'empty' if not content.strip() else 'one that everybody knows'}"


def bounded_restarts(resource: Declared) -> Iterator[str]:
    """A program that takes a card again and again for ever, or fails without an end."""
    arguments = resource.arguments
    if arguments.get("restart") == "on-failure" and not arguments.get("max_retry_count"):
        yield "restarts on failure without a maximum"
    words = [*(arguments.get("entrypoints") or ()), *(arguments.get("command") or ())]
    if service_of(resource) == "vllm" and _ENGINE_PROGRAM not in words:
        yield "isn't started by the entry point that bounds its restarts"


def unprivileged(resource: Declared) -> Iterator[str]:
    """Rights of the host that nothing in a stack needs."""
    arguments, service = resource.arguments, service_of(resource)
    if arguments.get("privileged"):
        yield "is privileged"
    added = {str(name).removeprefix("CAP_") for name in (arguments.get("capabilities") or {}).get("adds") or ()}
    for name in sorted(added - _CAPABILITIES.get(service, set())):
        yield f"has the capability {name}"


def own_namespaces(resource: Declared) -> Iterator[str]:
    """A container in the host's own network, processes or memory."""
    for key in ("network_mode", "pid_mode", "ipc_mode", "userns_mode"):
        if str(resource.arguments.get(key) or "") == "host":
            yield f"shares the host's {key.removesuffix('_mode')}"


def no_docker_socket(resource: Declared) -> Iterator[str]:
    """The daemon's socket: whoever has it has the host, also where it is mounted for reading."""
    for mount in resource.arguments.get("volumes") or ():
        if mount.get("host_path") in _SOCKETS or mount.get("container_path") in _SOCKETS:
            yield f"has the Docker socket at {mount['container_path']}"


def host_read_only(resource: Declared) -> Iterator[str]:
    """A directory of the host that a container may write to."""
    for mount in resource.arguments.get("volumes") or ():
        path = mount.get("host_path")
        if path and not mount.get("read_only") and path not in _WRITABLE:
            yield f"may write to {path} of the host"


def volumes_kept(resource: Declared) -> Iterator[str]:
    """Data that a destroy would delete."""
    if not resource.is_kept:
        yield "is deleted with the stack"


def memory_limited(resource: Declared) -> Iterator[str]:
    """A container that can take the host's last RAM."""
    if not resource.arguments.get("memory"):
        yield "has no memory limit"


def logs_rotated(resource: Declared) -> Iterator[str]:
    """A log that fills the disk."""
    if not (resource.arguments.get("log_opts") or {}).get("max-size"):
        yield "has a log without an end"


def health_told(resource: Declared) -> Iterator[str]:
    """A program of which nobody knows whether it answers."""
    arguments = resource.arguments
    runs_on = arguments.get("must_run") is not False
    if runs_on and not arguments.get("healthcheck") and service_of(resource) not in _WITHOUT_PROBE:
        yield "has no health check"


RULES: Final = (
    Rule(
        "pinned-images",
        "a tag can be moved, a digest can't",
        "write it as repository:tag@sha256:… in hearth:images",
        IMAGE,
        pinned,
        in_production_only=True,
    ),
    Rule("no-latest", "a restart mustn't bring another version", "name a version", IMAGE, not_latest),
    Rule(
        "private-engines",
        "the gateway has keys, limits and logs; an engine's port has none of them",
        "remove expose of hearth:engines",
        CONTAINER,
        engines_unpublished,
    ),
    Rule(
        "front-door-only",
        "one door is watched, not ten",
        "set expose_address to one address of the host",
        CONTAINER,
        front_door_only,
    ),
    Rule("engine-keys", "whoever is on the network could use it", "keep hearth:engineKey", CONTAINER, engines_keyed),
    Rule(
        "hidden-secrets",
        "plain variables are in the state, in previews and in docker inspect",
        "use the secret that Hearth has for it (`python -m infra secrets`)",
        CONTAINER,
        secrets_hidden,
    ),
    Rule("no-known-keys", "everybody knows them", "make one: `openssl rand -hex 32`", CONTAINER, no_known_keys),
    Rule(
        "bounded-restarts",
        "a crash loop holds the card and hides its cause",
        "set restart.start_limit_burst",
        CONTAINER,
        bounded_restarts,
    ),
    Rule("unprivileged", "it is root on the host", "remove it from the declaration", CONTAINER, unprivileged),
    Rule("own-namespaces", "it sees what isn't its own", "leave it on the stack's network", CONTAINER, own_namespaces),
    Rule(
        "no-docker-socket",
        "whoever has it has the host",
        "disable what mounts it, or say why it may under hearth:policy.exempt",
        CONTAINER,
        no_docker_socket,
        level="advisory",
    ),
    Rule(
        "host-read-only", "a container's fault mustn't reach the host", "mount it read only", CONTAINER, host_read_only
    ),
    Rule("kept-volumes", "a destroy mustn't take data along", "keep retain_on_delete", VOLUME, volumes_kept),
    Rule(
        "memory-limits",
        "one program mustn't starve the others",
        "set memory: of the service or model",
        CONTAINER,
        memory_limited,
        level="advisory",
        in_production_only=True,
    ),
    Rule("rotated-logs", "a full disk stops everything", "keep log_opts max-size", CONTAINER, logs_rotated),
    Rule("health-checks", "`up` and alerts go by it", "give the service a probe", CONTAINER, health_told),
)


def _variables(resource: Declared) -> Mapping[str, str]:
    written = (str(entry) for entry in resource.arguments.get("envs") or ())
    return {name: value for name, _, value in (entry.partition("=") for entry in written)}
