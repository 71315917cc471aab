"""What a stack has on every host, as plain data: what is deployed, checked by policies and compared with what runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from infra.config.schema import StackConfig
from infra.services.base import Workload
from infra.targets.docker.connection import Connection
from infra.targets.docker.mapping import Names, container, label_list

COMPONENT: Final = "hearth:index:Stack"
PROVIDER: Final = "pulumi:providers:docker"
NETWORK: Final = "docker:index/network:Network"
IMAGE: Final = "docker:index/remoteImage:RemoteImage"
VOLUME: Final = "docker:index/volume:Volume"
CONTAINER: Final = "docker:index/container:Container"


@dataclass(frozen=True)
class Declared:
    """One resource: its logical name, its type token, and its arguments in the provider's words.

    A container's `image` is the image's reference, and the content of an upload may be a SecretRef: the engine alone
    knows what they become. What `is_kept` stays when the stack is destroyed.
    """

    name: str
    kind: str
    arguments: Mapping[str, Any]
    is_kept: bool = False

    def urn(self, project: str, stack: str) -> str:
        """Return the name by which the engine knows it."""
        return f"urn:pulumi:{stack}::{project}::{COMPONENT}${self.kind}::{self.name}"


@dataclass(frozen=True)
class Site:
    """One host's part of a stack. `images` and `volumes` are by reference and by physical name, `containers` by instance."""

    host: str
    connection: Connection
    provider: Declared
    network: Declared
    images: Mapping[str, Declared]
    volumes: Mapping[str, Declared]
    containers: Mapping[str, Declared]
    workloads: tuple[Workload, ...]

    def resources(self) -> Iterator[Declared]:
        """Yield everything of this host, what others need first."""
        yield self.provider
        yield self.network
        yield from self.images.values()
        yield from self.volumes.values()
        yield from self.containers.values()

    def urns(self, project: str, stack: str) -> tuple[str, ...]:
        """Return the names by which the engine's --target and --exclude know this host's resources."""
        return tuple(resource.urn(project, stack) for resource in self.resources())


def sites(config: StackConfig, workloads: Sequence[Workload], names: Names, root: Path) -> dict[str, Site]:
    """Return the part of every host that runs something, by name; `root` is where relative paths of this machine start."""
    hosts = sorted({workload.host for workload in workloads})
    return {
        host: _site(
            Connection.to(host, config.inventory.hosts[host]),
            tuple(workload for workload in workloads if workload.host == host),
            names,
            root,
        )
        for host in hosts
    }


def _site(connection: Connection, workloads: tuple[Workload, ...], names: Names, root: Path) -> Site:
    host, labels = connection.host, label_list(names.labels())
    containers = {
        workload.instance: Declared(workload.instance, CONTAINER, container(workload, names, root))
        for workload in workloads
    }
    volumes = sorted(
        {
            mount["volume_name"]
            for one in containers.values()
            for mount in one.arguments["volumes"]
            if "volume_name" in mount
        }
    )
    return Site(
        host,
        connection,
        Declared(f"docker-{host}", PROVIDER, _provider(connection)),
        Declared(f"network-{host}", NETWORK, {"name": names.network, "driver": "bridge", "labels": labels}),
        _images(host, sorted({workload.image for workload in workloads})),
        {
            name: Declared(
                f"volume-{host}-{name}", VOLUME, {"name": name, "driver": "local", "labels": labels}, is_kept=True
            )
            for name in volumes
        },
        containers,
        workloads,
    )


def _provider(connection: Connection) -> dict[str, Any]:
    arguments: dict[str, Any] = {
        "host": connection.address,
        # A preview must work where the host can't be reached: in a pull request's job, for one.
        "disable_docker_daemon_check": True,
    }
    return {**arguments, "ssh_opts": list(connection.ssh_options)} if connection.ssh_options else arguments


def _images(host: str, references: Sequence[str]) -> dict[str, Declared]:
    repositories = [reference.partition("@")[0].rpartition(":")[0] for reference in references]
    declared = {}
    for reference, repository in zip(references, repositories, strict=True):
        # A new version of an image is a change of one resource; two of them at once are two.
        alone = repositories.count(repository) == 1
        name = f"image-{host}-{repository if alone else reference.partition('@')[0]}"
        # Kept: else a destroy deletes images of many gigabytes.
        declared[reference] = Declared(name, IMAGE, {"name": reference, "keep_locally": True})
    return declared
