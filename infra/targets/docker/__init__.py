"""Docker hosts: this machine, or hosts reached over ssh."""

from __future__ import annotations

from typing import Any, ClassVar

from infra.config.schema import StackConfig
from infra.errors import Finding
from infra.services.base import Workload
from infra.targets.base import Deployment, Target
from infra.targets.docker.mapping import restart_findings


class DockerTarget(Target):
    """pulumi-docker with one provider per host and one network per stack and host."""

    name: ClassVar[str] = "docker"
    resolver: ClassVar[str] = "127.0.0.11"
    joins_hosts: ClassVar[bool] = False

    def findings(self, config: StackConfig, workloads: tuple[Workload, ...]) -> tuple[Finding, ...]:
        """Say what Docker can't promise, and what a remote host can't find."""
        found = [finding for workload in workloads for finding in restart_findings(workload)]
        found += [
            Finding(
                f"hearth:models.{workload.instance}.source", f"{path} is relative, on a remote host", "write it from /"
            )
            for workload in workloads
            for path in (volume.host_path for volume in workload.volumes)
            if path and not path.startswith("/") and config.inventory.hosts[workload.host].connection != "local"
        ]
        return tuple(found)

    def deploy(self, deployment: Deployment, parent: Any) -> None:
        """Declare providers, networks, images, volumes and containers."""
        from infra.targets.docker.resources import declare_resources  # noqa: PLC0415 - planning must not pay for pulumi's import

        declare_resources(deployment, parent)


TARGET = DockerTarget()
