"""node_exporter: processor, memory, disks and network of every host."""

from __future__ import annotations

from typing import ClassVar, Final

from infra.config.schema import StackConfig
from infra.plan import Plan
from infra.services.base import Context, Endpoint, Probe, Service, Settings, Volume, Workload

PORT: Final = 9100


class NodeExporterSettings(Settings):
    """hearth:monitoring.node_exporter."""


class NodeExporter(Service[NodeExporterSettings]):
    """One exporter, on the host that Prometheus runs on."""

    name: ClassVar[str] = "node_exporter"
    section: ClassVar[str] = "monitoring.node_exporter"
    official_image: ClassVar[str] = "prom/node-exporter:v1.9.1"
    settings_type = NodeExporterSettings

    def endpoints(self, settings: NodeExporterSettings, config: StackConfig, plan: Plan) -> tuple[Endpoint, ...]:
        """Return its endpoint."""
        del plan
        host = self.host(settings, config)
        return (Endpoint(self.name, "node-exporter", host, PORT, metrics_path="/metrics", labels={"host": host}),)

    def workloads(self, settings: NodeExporterSettings, context: Context) -> tuple[Workload, ...]:
        """Return the exporter; the host's root is mounted for reading, so that it counts the host's disks."""
        return (
            Workload(
                instance="node-exporter",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=(
                    "/bin/node_exporter",
                    "--path.rootfs=/host",
                    "--path.procfs=/host/proc",
                    "--path.sysfs=/host/sys",
                    # Overlay and container file systems would be counted once per container.
                    "--collector.filesystem.mount-points-exclude=^/(dev|proc|run|sys|var/lib/docker/.+)($|/)",
                ),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                volumes=(Volume("host-root", "/host", host_path="/", read_only=True),),
                published=self.published(settings, PORT),
                probe=Probe(PORT, "/", client="wget", interval_s=3.0),
                memory_bytes=settings.memory,
            ),
        )
