"""What one host answered, typed. Nothing in it is a secret: it is kept in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from infra.facts.cards import Card
from infra.facts.machine import FileSystem

# What came of a connection: `silent` is a time-out, `no-way` no route or an answer that there is none.
Outcome = Literal["open", "refused", "silent", "no-way", "unknown"]


@dataclass(frozen=True)
class Daemon:
    """Docker, as `docker info` and `docker version` tell it."""

    version: str
    api: str
    runtimes: tuple[str, ...] = ()
    cdi_devices: tuple[str, ...] = ()
    reads_cdi: bool = False
    cgroup_driver: str = ""
    cgroup_version: str = ""
    limits_memory: bool = True
    limits_swap: bool = True
    has_cpu_sets: bool = True
    has_proxy: bool = False
    has_mirror: bool = False
    cores: int | None = None


@dataclass(frozen=True)
class Running:
    """A container that runs, of whatever stack (empty: of none); `ports` are address and port of the host."""

    id: str
    stack: str
    instance: str
    name: str
    ports: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Listener:
    """A socket that somebody listens on; `program` is empty where only root may know it."""

    address: str
    port: int
    program: str = ""


@dataclass(frozen=True)
class CardUser:
    """A process on a card. `card` is its UUID, empty where the driver doesn't say; `container` the id of the one it is in."""

    pid: int
    program: str
    memory_bytes: int | None
    card: str = ""
    container: str = ""


@dataclass(frozen=True)
class HostReport:
    """One host's answers, asked at `asked_at` (seconds since 1970, this machine's clock).

    With a `problem` it couldn't be asked, and nothing else counts. None stands for what nobody could tell, most often
    because the host lacks a program. `clock_s` is how far its clock is ahead of this machine's, within bounds. `daemon` is
    None where no Docker answered, which `daemon_said` tells why. `card_trouble` is what nvidia-smi said when it failed.
    `routes` are the address that a packet to an address comes from, empty without a way; `directories`, `disks`, `images`
    (bytes), `names` and `reached` are by what was asked for. `fetched_bytes` is what the hub's volume holds.
    """

    asked_at: float
    problem: str = ""
    fix: str = ""
    clock_s: tuple[float, float] | None = None
    daemon: Daemon | None = None
    daemon_said: str = ""
    docker_root: str = "/var/lib/docker"
    containers: tuple[Running, ...] = ()
    images: Mapping[str, int] = field(default_factory=dict)
    volumes: frozenset[str] = frozenset()
    fetched_bytes: int | None = None
    has_hook: bool = False
    cards: tuple[Card, ...] = ()
    card_trouble: str = ""
    card_users: tuple[CardUser, ...] = ()
    has_kfd: bool = False
    render_nodes: tuple[str, ...] = ()
    device_groups: tuple[int, ...] = ()
    memory_bytes: int | None = None
    available_bytes: int | None = None
    overcommit: int | None = None
    disks: Mapping[str, FileSystem] = field(default_factory=dict)
    directories: Mapping[str, bool] = field(default_factory=dict)
    listeners: tuple[Listener, ...] | None = None
    addresses: tuple[str, ...] | None = None
    routes: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, bool] = field(default_factory=dict)
    reached: Mapping[str, Outcome] = field(default_factory=dict)

    @property
    def is_known(self) -> bool:
        """Whether the host answered."""
        return not self.problem

    def own(self, stack: str) -> tuple[Running, ...]:
        """Return the containers of a stack."""
        return tuple(one for one in self.containers if one.stack == stack)
