"""node_exporter: processor, memory, disks and network of every host."""

from __future__ import annotations

from typing import ClassVar

from infra.services.base import Context, Probe, Settings, Volume, Workload
from infra.services.every_host import EveryHost


class NodeExporterSettings(Settings):
    """hearth:monitoring.node_exporter."""


class NodeExporter(EveryHost[NodeExporterSettings]):
    """One exporter per host."""

    name: ClassVar[str] = "node_exporter"
    section: ClassVar[str] = "monitoring.node_exporter"
    official_image: ClassVar[str] = "prom/node-exporter:v1.9.1"
    settings_type = NodeExporterSettings
    stem: ClassVar[str] = "node-exporter"
    port: ClassVar[int] = 9100

    def workloads(self, settings: NodeExporterSettings, context: Context) -> tuple[Workload, ...]:
        """Return the exporters; the host's root is mounted for reading, so that its disks are counted."""
        return tuple(
            Workload(
                instance=self.instance(host, context),
                service=self.name,
                host=host,
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
                published=self.published(settings, self.port),
                probe=Probe(self.port, "/", client="wget", interval_s=3.0),
                memory_bytes=settings.memory,
            )
            for host in self.hosts(settings, context)
        )
