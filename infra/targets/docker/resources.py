"""The Docker target's resources: decides nothing, registers what was declared."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_docker as docker

from infra.config.secrets import SecretRef
from infra.services.base import Workload
from infra.targets.base import Deployment
from infra.targets.docker import gate
from infra.targets.docker.declared import Declared, Site, sites
from infra.targets.docker.mapping import Names
from infra.targets.docker.silence import Silencer, silencer_of


def declare_resources(deployment: Deployment, parent: pulumi.Resource) -> None:
    """Declare everything of every host, engines after those they wait for."""
    names = Names(deployment.project, deployment.stack)
    declared = sites(deployment.config, deployment.workloads, names, deployment.root)
    connections = {host: site.connection for host, site in declared.items() if host not in deployment.left_alone}
    silencer = silencer_of(deployment.workloads, names, connections)
    hosts = {host: _Host(site, deployment, parent, silencer) for host, site in declared.items()}
    made: dict[str, pulumi.Input[pulumi.Resource]] = {}
    for workload in _in_order(deployment.workloads):
        made[workload.instance] = hosts[workload.host].container(workload, [made[other] for other in workload.after])


def _in_order(workloads: tuple[Workload, ...]) -> list[Workload]:
    ordered: dict[str, Workload] = {}
    waiting = {workload.instance: workload for workload in workloads}
    while waiting:
        ready = [name for name, workload in waiting.items() if all(other in ordered for other in workload.after)]
        for name in ready:
            ordered[name] = waiting.pop(name)
    return list(ordered.values())


class _Host:
    """One host's provider, network, images and volumes, and the containers on them."""

    def __init__(self, site: Site, deployment: Deployment, parent: pulumi.Resource, silencer: Silencer | None) -> None:
        self._site, self._deployment, self._silencer = site, deployment, silencer
        provider = docker.Provider(
            site.provider.name, opts=pulumi.ResourceOptions(parent=parent), **site.provider.arguments
        )
        self._options = pulumi.ResourceOptions(parent=parent, provider=provider)
        self._network = docker.Network(site.network.name, opts=self._options, **site.network.arguments)
        self._images = {
            reference: docker.RemoteImage(image.name, opts=self._options, **image.arguments)
            for reference, image in site.images.items()
        }
        self._volumes = {name: self._volume(volume) for name, volume in site.volumes.items()}

    def _volume(self, declared: Declared) -> docker.Volume:
        options = pulumi.ResourceOptions(retain_on_delete=declared.is_kept)
        merged = pulumi.ResourceOptions.merge(self._options, options)
        return docker.Volume(declared.name, opts=merged, **declared.arguments)

    def container(
        self, workload: Workload, after: list[pulumi.Input[pulumi.Resource]]
    ) -> pulumi.Input[pulumi.Resource]:
        """Declare one container and the gate that waits until it is healthy; returns what others depend on."""
        declared = self._site.containers[workload.instance]
        arguments, connection = self._joined(declared.arguments), self._site.connection
        quiet = gate.Quiet(workload, self._silencer, self._deployment.stack)
        options = pulumi.ResourceOptions(
            depends_on=after,
            delete_before_replace=True,
            # The provider announces these as updates and doesn't apply them.
            replace_on_changes=["healthcheck", "init", "tmpfs", "mounts"],
            hooks=gate.hooks(workload, arguments["name"], connection, quiet),
        )
        made = docker.Container(declared.name, opts=pulumi.ResourceOptions.merge(self._options, options), **arguments)
        if pulumi.runtime.is_dry_run() or self._site.host in self._deployment.left_alone:
            return made
        return gate.verify(workload, made, arguments["name"], connection)

    def _joined(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return a container's arguments with what only the engine knows in the place of names and secrets."""
        return {
            **arguments,
            "image": self._images[arguments["image"]].image_id,
            "networks_advanced": [
                {**network, "name": self._network.name} for network in arguments["networks_advanced"]
            ],
            "volumes": [
                {**mount, "volume_name": self._volumes[mount["volume_name"]].name} if "volume_name" in mount else mount
                for mount in arguments["volumes"]
            ],
            "uploads": [{**upload, "content": self._content(upload["content"])} for upload in arguments["uploads"]],
        }

    def _content(self, content: str | SecretRef) -> pulumi.Input[str]:
        known: Mapping[str, pulumi.Output[str]] = self._deployment.secrets
        return known[content.name] if isinstance(content, SecretRef) else content
