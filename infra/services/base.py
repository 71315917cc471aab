"""What a service declares, in words that no target owns."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, Generic, TypeVar

from pydantic import Field

from images import recipes
from infra.config.inventory import GpuAccess
from infra.config.models import ModelServer
from infra.config.restart import Restart
from infra.config.schema import StackConfig
from infra.config.secrets import SecretRef
from infra.config.types import Address, Model, PlaceName, PortNumber, SizeBytes
from infra.errors import Finding, Severity
from infra.plan import Plan


class Settings(Model):
    """What every service's section has; a service adds its own fields."""

    enabled: bool = Field(
        default=True, description="whether the service runs (default yes: the stack is whole without a word)"
    )
    place: PlaceName | None = Field(default=None, description="host it runs on; without it the first of the inventory")
    expose: PortNumber | None = Field(
        default=None, description="port of the host it is published on; unpublished without"
    )
    expose_address: Address = Field(
        default="127.0.0.1",
        description="address of the host that the published port listens on (default loopback: nothing is open by itself)",
    )
    memory: SizeBytes | None = Field(default=None, description="RAM limit of the container, as in 2GiB")
    environment: dict[str, str] = Field(
        default_factory=dict, description="further environment variables of the program"
    )
    restart: Restart | None = Field(default=None, description="restart promise, when it differs from hearth:restart")


@dataclass(frozen=True)
class ConfigFile:
    """A rendered file: the whole text, no secret in it."""

    path: str
    content: str


@dataclass(frozen=True)
class Volume:
    """Data that outlives a container; `host_path` binds a directory of the host instead.

    `name` is unique within the stack and host.
    """

    name: str
    path: str
    host_path: str | None = None
    read_only: bool = False


@dataclass(frozen=True)
class Published:
    """A port of the container that the host listens for."""

    container_port: int
    host_port: int
    address: str


@dataclass(frozen=True)
class Probe:
    """Health by an HTTP request inside the container, with the client that the image has."""

    port: int
    path: str
    client: str = "curl"
    interval_s: float = 5.0
    timeout_s: float = 5.0
    retries: int = 6


# Secrets that a program reads from files itself; apart from those that become environment, which are exported one and all.
_SECRET_FILES: Final = "/run/secrets/files"  # noqa: S105 - a directory


def secret_file(secret: SecretRef) -> str:
    """Return the path below which a program that reads secrets from files finds this one."""
    return f"{_SECRET_FILES}/{secret.name}"


# Where a supervised program tells how it is (infra/services/assets/engine/status.py writes it, targets read it).
STATUS_FILE: Final = "/run/hearth/status.json"


@dataclass(frozen=True)
class Endpoint:
    """Where an instance answers, known before it exists.

    `metrics_path` is what Prometheus scrapes of it; `probe_url` what a client that has no key may ask it for, whole.
    """

    service: str
    instance: str
    host: str
    port: int
    metrics_path: str | None = None
    probe_url: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Host name and port, as seen from the same network."""
        return f"{self.instance}:{self.port}"


@dataclass(frozen=True)
class Reach:
    """A name that a service asks on a port, and who answers there: how many on which host.

    `inside` is the name that stands for those of one host alone, in that host's own network; `any_host` says that who asks
    hands on the Host header of its own clients, so that it can't be told by that.
    """

    name: str
    port: int
    hosts: Mapping[str, int]
    inside: str
    any_host: bool = False

    @classmethod
    def to(cls, endpoint: Endpoint, *, any_host: bool = False) -> Reach:
        """Return what it takes to ask an endpoint."""
        return cls(endpoint.instance, endpoint.port, {endpoint.host: 1}, endpoint.instance, any_host)


@dataclass(frozen=True)
class Crossing:
    """Something that is asked from a host, and answered (also) on another."""

    source: str
    reach: Reach


@dataclass(frozen=True)
class Workload:
    """One container or pod, completely decided. `command` is the whole argument vector: no image adds to it.

    `secret_environment` reaches the program as environment variables but the container's declaration as files;
    `secret_files` (`secret_file(…)` → secret) are files for the program too, readable by whatever user it runs as;
    `after` names instances that must be healthy (one-shots: have succeeded) before this one starts. `supervised` says
    that the program keeps the restart promise itself, as PID 1, and tells its state in a file; `one_shot` that it runs
    to its end. `gpu_access` is how the host's Docker gives away NVIDIA cards; `device_nodes` and `device_groups` are
    the device files of AMD's and who may use them, empty where nobody knows. `capabilities` are further rights of the
    kernel, as in SYS_NICE. `silencer` is a program inside that takes silences of alerts as amtool does, with its options.
    `answers_for` are names of what runs on other hosts: it hands on what is asked of them.
    """

    instance: str
    service: str
    host: str
    image: str
    command: tuple[str, ...]
    restart: Restart
    aliases: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secret_environment: Mapping[str, SecretRef] = field(default_factory=dict)
    secret_files: Mapping[str, SecretRef] = field(default_factory=dict)
    files: tuple[ConfigFile, ...] = ()
    volumes: tuple[Volume, ...] = ()
    published: tuple[Published, ...] = ()
    probe: Probe | None = None
    start_timeout_s: float = 300.0
    after: tuple[str, ...] = ()
    memory_bytes: int | None = None
    shm_bytes: int | None = None
    cpu_set: str | None = None
    device: str = "cpu"
    gpus: tuple[str, ...] = ()
    supervised: bool = False
    one_shot: bool = False
    gpu_access: GpuAccess = "device-request"
    device_nodes: tuple[str, ...] = ()
    device_groups: tuple[int, ...] = ()
    capabilities: tuple[str, ...] = ()
    silencer: tuple[str, ...] = ()
    answers_for: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[SecretRef, ...]:
        """Return every secret that the program is given, in whatever form."""
        return (*self.secret_environment.values(), *self.secret_files.values())


@dataclass(frozen=True)
class Scope:
    """What is known before anything is declared. `hosts` are those that the stack uses, in the inventory's order."""

    config: StackConfig
    plan: Plan
    hosts: tuple[str, ...]


@dataclass(frozen=True)
class Context(Scope):
    """What a service may ask while it declares: the plan, the configuration and everybody's endpoints.

    `settings` are those of all services, for the fields that all have; `running` are the services of this stack;
    `crossings` is what is asked over the border of a host, where every host has a network of its own.
    """

    endpoints: tuple[Endpoint, ...] = ()
    resolver: str = ""
    settings: Mapping[str, Settings] = field(default_factory=dict)
    running: frozenset[str] = frozenset()
    crossings: tuple[Crossing, ...] = ()

    def runs(self, service: str) -> bool:
        """Whether a service is part of this stack."""
        return service in self.running

    def of(self, service: str) -> tuple[Endpoint, ...]:
        """Return the endpoints of a service; empty when it doesn't run."""
        return tuple(endpoint for endpoint in self.endpoints if endpoint.service == service)

    def models(self, kind: str) -> dict[str, ModelServer]:
        """Return the models of a kind (chat, embedding), by name."""
        return {name: model for name, model in self.config.models.items() if model.kind == kind}

    def served(self) -> dict[str, str]:
        """Return every name that clients may ask for, with the model that answers: adapters have names of their own."""
        names: dict[str, str] = {}
        for name, model in self.config.models.items():
            names |= {name: name, **dict.fromkeys(sorted(model.adapters), name)}
        return names


S = TypeVar("S", bound=Settings)


class Service(ABC, Generic[S]):
    """A kind of program. One module holds its settings, its rendered files and its workloads.

    `section` is its place in the stack file; `official_image` the pinned default of its image; `beside` the service without
    which it has nothing to do.
    """

    name: ClassVar[str]
    section: ClassVar[str]
    official_image: ClassVar[str]
    settings_type: type[S]
    beside: ClassVar[str] = ""

    @abstractmethod
    def endpoints(self, settings: S, scope: Scope) -> tuple[Endpoint, ...]:
        """Return where the service will answer; nothing is rendered yet."""

    def reaches(self, settings: S, context: Context) -> tuple[Reach, ...]:
        """Return what its programs ask of the stack, wherever that runs; nothing by default.

        What isn't told can't be reached from another host.
        """
        del settings, context
        return ()

    @abstractmethod
    def workloads(self, settings: S, context: Context) -> tuple[Workload, ...]:
        """Return what runs, with every file rendered."""

    def findings(self, settings: S, context: Context) -> tuple[Finding, ...]:
        """Return what a reader must know about this service in this stack; none by default."""
        del settings, context
        return ()

    def absence(self, config: StackConfig) -> Finding | None:
        """Say why the service can't be part of this stack although it is wanted; None when it can.

        Where images are built, some can't be: no package registry has their programs.
        """
        if self.image(config) is not None:
            return None
        fix = f"`docker load` {self.official_image} on the host and set hearth:images.{self.name} to it"
        problem = "is left out: its image can't be built from packages"
        return Finding(f"hearth:{self.section}", problem, fix, Severity.NOTICE)

    def runs(self, settings: S, config: StackConfig) -> bool:
        """Whether the service is part of this stack."""
        return settings.enabled and self.image(config) is not None

    def image(self, config: StackConfig) -> str | None:
        """Return the image: the stack's own, else a built one where it is wanted and can be, else the official one."""
        own = config.images.get(self.name)
        if own is not None:
            return own
        if config.image_source == "built":
            recipe = recipes.SERVICES.get(self.name)
            return recipes.reference(recipe) if recipe is not None else None
        return self.official_image

    def host(self, settings: S, config: StackConfig) -> str:
        """Return the host that the service runs on."""
        hosts = config.inventory.members(settings.place) if settings.place else ()
        return hosts[0] if hosts else next(iter(config.inventory.hosts), "local")

    def hosts(self, settings: S, scope: Scope) -> tuple[str, ...]:
        """Return every host that the service runs on."""
        return (self.host(settings, scope.config),)

    def published(self, settings: S, container_port: int) -> tuple[Published, ...]:
        """Return the published port, when the settings expose the service."""
        if settings.expose is None:
            return ()
        return (Published(container_port, settings.expose, settings.expose_address),)
