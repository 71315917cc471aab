"""The Docker target's resources: decides nothing, maps what was decided."""

from __future__ import annotations

from typing import Any

import pulumi
import pulumi_docker as docker

from infra.services.base import Workload
from infra.targets.base import Deployment
from infra.targets.docker import gate
from infra.targets.docker.mapping import Names, container, label_list, secret_uploads
from infra.targets.docker.silence import Silencer, silencer_of, socket_of


def declare_resources(deployment: Deployment, parent: pulumi.Resource) -> None:
    """Declare everything of every host, engines after those they wait for."""
    names = Names(deployment.project, deployment.stack)
    hosts = sorted({workload.host for workload in deployment.workloads})
    connections = {name: host.connection for name, host in deployment.config.inventory.hosts.items()}
    silencer = silencer_of(deployment.workloads, names, connections)
    sites = {host: _Site(deployment, names, host, parent, silencer) for host in hosts}
    made: dict[str, pulumi.Input[pulumi.Resource]] = {}
    for workload in _in_order(deployment.workloads):
        site = sites[workload.host]
        made[workload.instance] = site.container(workload, [made[other] for other in workload.after])


def _in_order(workloads: tuple[Workload, ...]) -> list[Workload]:
    ordered: dict[str, Workload] = {}
    waiting = {workload.instance: workload for workload in workloads}
    while waiting:
        ready = [name for name, workload in waiting.items() if all(other in ordered for other in workload.after)]
        for name in ready:
            ordered[name] = waiting.pop(name)
    return list(ordered.values())


class _Site:
    """One host's provider, network, and what its containers share."""

    def __init__(
        self, deployment: Deployment, names: Names, host: str, parent: pulumi.Resource, silencer: Silencer | None
    ) -> None:
        connection = deployment.config.inventory.hosts[host].connection
        self._socket = socket_of(connection)
        self._deployment, self._names, self._host = deployment, names, host
        provider = docker.Provider(
            f"docker-{host}",
            host=self._socket,
            # A preview must work where the host can't be reached: in a pull request's job, for one.
            disable_docker_daemon_check=True,
            opts=pulumi.ResourceOptions(parent=parent),
        )
        self._options = pulumi.ResourceOptions(parent=parent, provider=provider)
        self._network = docker.Network(
            f"network-{host}",
            name=names.network,
            driver="bridge",
            labels=label_list(names.labels()),
            opts=self._options,
        )
        self._silencer = silencer
        self._images: dict[str, docker.RemoteImage] = {}
        self._volumes: dict[str, docker.Volume] = {}

    def container(
        self, workload: Workload, after: list[pulumi.Input[pulumi.Resource]]
    ) -> pulumi.Input[pulumi.Resource]:
        """Declare one container and the gate that waits until it is healthy; returns what others depend on."""
        arguments: dict[str, Any] = container(workload, self._names, self._deployment.root)
        for mount in arguments["volumes"]:
            if "volume_name" in mount:
                mount["volume_name"] = self._volume(mount["volume_name"]).name
        arguments["networks_advanced"][0]["name"] = self._network.name
        options = pulumi.ResourceOptions(
            depends_on=after,
            delete_before_replace=True,
            # The provider announces these as updates and doesn't apply them.
            replace_on_changes=["healthcheck", "init", "tmpfs", "mounts"],
            hooks=gate.hooks(
                workload, arguments["name"], self._socket, gate.Quiet(workload, self._silencer, self._names.stack)
            ),
        )
        made = docker.Container(
            workload.instance,
            image=self._image(workload.image).image_id,
            uploads=self._uploads(workload),
            opts=pulumi.ResourceOptions.merge(self._options, options),
            **arguments,
        )
        if pulumi.runtime.is_dry_run():
            return made
        return gate.verify(workload, made, arguments["name"], self._socket)

    def _uploads(self, workload: Workload) -> list[Any]:
        known = self._deployment.secrets
        files: list[Any] = [
            {"file": file.path, "content": file.content, "permissions": "0644"} for file in workload.files
        ]
        secrets = [
            {"file": path, "content": known[secret.name], "permissions": "0444"}
            for path, secret in secret_uploads(workload).items()
        ]
        return files + secrets

    def _image(self, reference: str) -> docker.RemoteImage:
        if reference not in self._images:
            logical = f"image-{self._host}-{reference.partition('@')[0].rpartition(':')[0]}"
            # keep_locally: without it a destroy deletes images of many gigabytes.
            self._images[reference] = docker.RemoteImage(logical, name=reference, keep_locally=True, opts=self._options)
        return self._images[reference]

    def _volume(self, name: str) -> docker.Volume:
        if name not in self._volumes:
            options = pulumi.ResourceOptions.merge(self._options, pulumi.ResourceOptions(retain_on_delete=True))
            labels = label_list(self._names.labels())
            self._volumes[name] = docker.Volume(
                f"volume-{self._host}-{name}", name=name, driver="local", labels=labels, opts=options
            )
        return self._volumes[name]
