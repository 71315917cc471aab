"""One service of a compose project in one shape, however its file spells it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from infra.adopt.compose_file import Project, as_map
from infra.adopt.interpolation import dotenv, variable_of

_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_POWERS: Final = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|m|h)")
_UNITS_S: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PORT: Final = re.compile(r"(?:(?:(?P<ip>\[.+\]|[^:]+):)?(?P<host>[\d-]*):)?(?P<inside>[\d-]+)(?:/(?P<kind>\w+))?")
ALL: Final = -1
_ANY: Final = "0.0.0.0"  # noqa: S104 - what Docker does with a port that names no address
# Images whose entry point is looked for inside a shell's -c.
_SHELLS: Final = frozenset({"sh", "bash", "/bin/sh", "/bin/bash", "ash", "/bin/ash"})


@dataclass(frozen=True)
class Origin:
    """Where the value of an environment variable is kept: a variable of the .env file, a file of its own, the compose
    file itself, the shell, or only the running container. `name` is what it is called there.
    """

    kind: Literal["variable", "file", "compose", "shell", "container"]
    name: str
    file: str = ""


@dataclass(frozen=True)
class Mount:
    """What a service sees at a path: a named volume (`source` is its physical name) or a directory of the host."""

    kind: Literal["volume", "bind", "tmpfs", "other"]
    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Port:
    """A port of the container; `published` is the host's, None where Docker chooses one."""

    inside: int
    published: int | None
    address: str = _ANY
    protocol: str = "tcp"


@dataclass(frozen=True)
class Cards:
    """The cards that a container is given: by id, or so many of the first (ALL)."""

    ids: tuple[str, ...] = ()
    count: int = ALL


@dataclass(frozen=True)
class Service:
    """One service. `command` and `entrypoint` are None where the image decides; `keys` is everything that was written,
    `unread` are files with variables that can't be read.

    `restart` is Docker's word with its number; sizes are in bytes, times in seconds.
    """

    name: str
    image: str
    build: str
    command: tuple[str, ...] | None
    entrypoint: tuple[str, ...] | None
    environment: Mapping[str, str]
    origins: Mapping[str, Origin]
    mounts: tuple[Mount, ...]
    ports: tuple[Port, ...]
    cards: Cards | None
    restart: str
    shm_bytes: int | None
    memory_bytes: int | None
    cpu_set: str | None
    replicas: int
    after: Mapping[str, str]
    stop_s: float | None
    names: frozenset[str]
    unread: tuple[str, ...] = ()
    keys: Mapping[str, Any] = field(default_factory=dict)

    @property
    def repository(self) -> str:
        """The image's name without registry's port, tag and digest."""
        name = self.image.partition("@")[0]
        return name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name

    @property
    def tag(self) -> str:
        """The image's tag; empty where it has none."""
        last = self.image.partition("@")[0].rpartition("/")[2]
        return last.partition(":")[2]

    @property
    def argv(self) -> tuple[str, ...]:
        """Entry point and command as one line, out of the shell that they may be wrapped in."""
        words = (*(self.entrypoint or ()), *(self.command or ()))
        if len(words) > 2 and words[0] in _SHELLS and words[1] in {"-c", "-lc", "-ec"}:  # noqa: PLR2004 - sh -c '…'
            return tuple(split(words[2]))
        return words

    def mount_at(self, path: str) -> Mount | None:
        """Return the mount that a path inside lies in, the deepest of several."""
        over = [m for m in self.mounts if path == m.target or path.startswith(f"{m.target.rstrip('/')}/")]
        return max(over, key=lambda mount: len(mount.target), default=None)

    def host_path(self, path: str) -> Path | None:
        """Return where a path inside lies on the host; None where it isn't in a mounted directory."""
        mount = self.mount_at(path)
        if mount is None or mount.kind != "bind":
            return None
        rest = path[len(mount.target.rstrip("/")) :].lstrip("/")
        return Path(mount.source, rest) if rest else Path(mount.source)


def services_of(project: Project) -> dict[str, Service]:
    """Return the active services of a project, by name."""
    return {name: _service(name, written, project) for name, written in project.services.items()}


def split(text: str) -> list[str]:
    """Split a command line as a shell would; what has an unclosed quote is split at blanks."""
    joined = re.sub(r"\\\s*\n", " ", text)
    try:
        return shlex.split(joined, comments=False)
    except ValueError:
        return joined.split()


def size_bytes(value: Any) -> int | None:
    """Return a size as Docker reads it: 16gb, 1g, 512m or bytes."""
    match = _SIZE.fullmatch(str(value).strip()) if value is not None else None
    return int(float(match[1]) * 1024 ** _POWERS[match[2].lower()]) if match else None


def duration_s(value: Any) -> float | None:
    """Return a duration as Docker reads it: 1m30s, 90s."""
    parts = _DURATION.findall(str(value or ""))
    return sum(float(number) * _UNITS_S[unit] for number, unit in parts) if parts else None


def _service(name: str, written: Mapping[str, Any], project: Project) -> Service:
    environment, origins, unread = _environment(written, project.raw.get(name) or {}, project)
    deploy = written.get("deploy") if isinstance(written.get("deploy"), Mapping) else {}
    assert isinstance(deploy, Mapping)
    limits = (deploy.get("resources") or {}).get("limits") or {}
    build = written.get("build")
    context = build.get("context", "") if isinstance(build, Mapping) else build
    dockerfile = build.get("dockerfile", "") if isinstance(build, Mapping) else ""
    return Service(
        name=name,
        image=str(written.get("image") or ""),
        build=f"{context} {dockerfile}".strip() if build else "",
        command=_words(written.get("command")),
        entrypoint=_words(written.get("entrypoint")),
        environment=environment,
        origins=origins,
        mounts=tuple(_mount(one, project) for one in _items(written.get("volumes"))),
        ports=tuple(port for one in _items(written.get("ports")) for port in _ports(one)),
        cards=_cards(written, deploy, environment),
        restart=_restart(written, deploy),
        shm_bytes=size_bytes(written.get("shm_size")),
        memory_bytes=size_bytes(written.get("mem_limit") or limits.get("memory")),
        cpu_set=str(written["cpuset"]) if written.get("cpuset") is not None else None,
        replicas=_whole(deploy.get("replicas", written.get("scale")), 1),
        after=_after(written.get("depends_on")),
        stop_s=duration_s(written.get("stop_grace_period")),
        names=_names(name, written),
        unread=unread,
        keys=written,
    )


def _words(value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    return tuple(str(word) for word in value) if isinstance(value, list) else tuple(split(str(value)))


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(value: Any, otherwise: int) -> int:
    return int(value) if str(value).isdigit() else otherwise


def _environment(
    written: Mapping[str, Any], raw: Mapping[str, Any], project: Project
) -> tuple[dict[str, str], dict[str, Origin], tuple[str, ...]]:
    found: dict[str, str] = {}
    unread: list[str] = []
    origins: dict[str, Origin] = {}
    files = written.get("env_file") or []
    for entry in files if isinstance(files, list) else [files]:
        file = project.directory / str(entry.get("path") if isinstance(entry, Mapping) else entry)
        try:
            values = dotenv(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            unread.append(str(file))
            continue
        found |= values
        origins |= {key: Origin("file", key, str(file)) for key in values}
    unchanged = as_map(raw.get("environment"))
    for key, value in as_map(written.get("environment")).items():
        text = project.variables.get(key) if value is None else _text(value)
        if text is None:
            continue
        found[key] = text
        variable = key if value is None else variable_of(str(unchanged.get(key)))
        origins[key] = _kept(variable, project) if variable in project.variables else Origin("compose", key)
    return found, origins, tuple(unread)


def _kept(variable: str | None, project: Project) -> Origin:
    name = str(variable)
    return Origin("variable", name, str(project.env_file)) if name in project.in_env_file else Origin("shell", name)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _mount(value: Any, project: Project) -> Mount:
    if isinstance(value, Mapping):
        kind, source = str(value.get("type", "volume")), str(value.get("source", ""))
        target, read_only = str(value.get("target", "")), bool(value.get("read_only"))
    else:
        parts = str(value).split(":")
        source, target = ("", parts[0]) if len(parts) == 1 else (parts[0], parts[1])
        read_only = "ro" in (parts[2].split(",") if len(parts) > 2 else ())  # noqa: PLR2004 - source:target:options
        kind = "bind" if source.startswith(("/", ".", "~")) else "volume"
    target = target.rstrip("/") or "/"
    if kind == "bind":
        path = Path(source).expanduser()
        return Mount(
            "bind", str(path if path.is_absolute() else (project.directory / path).resolve()), target, read_only
        )
    if kind == "volume":
        return Mount("volume", project.physical(source) if source else "", target, read_only)
    return Mount("tmpfs" if kind == "tmpfs" else "other", source, target, read_only)


def _ports(value: Any) -> Iterable[Port]:
    if isinstance(value, Mapping):
        published, target = str(value.get("published") or "").partition("-")[0], str(value.get("target") or "")
        if target.isdigit():
            outside = int(published) if published.isdigit() else None
            yield Port(int(target), outside, str(value.get("host_ip") or _ANY), str(value.get("protocol", "tcp")))
        return
    match = _PORT.fullmatch(str(value).strip())
    if match is None:
        return
    published_ones = _range(match["host"] or "")
    for number, port in enumerate(_range(match["inside"])):
        published_one = published_ones[number] if number < len(published_ones) else None
        yield Port(port, published_one, (match["ip"] or _ANY).strip("[]"), match["kind"] or "tcp")


def _range(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1)) if first else []


def _cards(written: Mapping[str, Any], deploy: Mapping[str, Any], environment: Mapping[str, str]) -> Cards | None:
    devices = ((deploy.get("resources") or {}).get("reservations") or {}).get("devices") or []
    gpus = written.get("gpus")
    wanted = [*devices, *(gpus if isinstance(gpus, list) else [])]
    for device in wanted:
        if isinstance(device, Mapping) and (
            "gpu" in (device.get("capabilities") or ["gpu"]) or device.get("driver") == "nvidia"
        ):
            ids = tuple(str(one) for one in device.get("device_ids") or ())
            count = device.get("count", ALL)
            return Cards(ids, ALL if count == "all" else _whole(count, ALL))
    if gpus is not None and not isinstance(gpus, list):
        return Cards(count=_whole(gpus, ALL))
    if written.get("runtime") == "nvidia":
        named = environment.get("NVIDIA_VISIBLE_DEVICES", "all")
        if named in {"", "void", "none"}:
            return None
        return Cards() if named == "all" else Cards(tuple(named.split(",")))
    nodes = [str(one) for one in _items(written.get("devices"))]
    return (
        Cards()
        if any(node.startswith(("/dev/kfd", "/dev/dri", "nvidia.com/gpu", "/dev/nvidia")) for node in nodes)
        else None
    )


def _restart(written: Mapping[str, Any], deploy: Mapping[str, Any]) -> str:
    policy = deploy.get("restart_policy")
    if written.get("restart") is not None or not isinstance(policy, Mapping):
        text = written.get("restart")
        return "no" if text in {None, False} else str(text)
    condition = {"none": "no", "any": "always"}.get(str(policy.get("condition", "any")), "on-failure")
    attempts = policy.get("max_attempts")
    return f"{condition}:{attempts}" if attempts and condition == "on-failure" else condition


def _after(value: Any) -> dict[str, str]:
    if isinstance(value, Mapping):
        return {str(key): str((one or {}).get("condition", "service_started")) for key, one in value.items()}
    return {str(key): "service_started" for key in _items(value)}


def _names(name: str, written: Mapping[str, Any]) -> frozenset[str]:
    networks = written.get("networks")
    aliases = [
        str(alias)
        for one in (networks.values() if isinstance(networks, Mapping) else ())
        for alias in (one or {}).get("aliases") or ()
    ]
    own = [str(written[key]) for key in ("container_name", "hostname") if written.get(key)]
    return frozenset({name, *own, *aliases})
