"""cAdvisor: processor and memory of every container of the host."""

from __future__ import annotations

from typing import ClassVar, Final

from infra.config.inventory import Host
from infra.services.base import Context, Probe, Settings, Volume, Workload
from infra.services.every_host import EveryHost

# What its README mounts. The daemon's socket gives the containers their names; reading it is enough for that.
_MOUNTS: Final = (
    ("host-root", "/rootfs", "/"),
    ("host-sys", "/sys", "/sys"),
    ("docker-data", "/var/lib/docker", "/var/lib/docker"),
)
_SOCKET: Final = "/var/run/docker.sock"
_UNIX: Final = "unix://"
# Groups of metrics that no panel reads, and that cost most of its time (cAdvisor, docs/runtime_options.md).
_UNREAD: Final = (
    "advtcp,cpu_topology,cpuset,disk,diskIO,hugetlb,memory_numa,network,oom_event,percpu,perf_event,process,"
    "referenced_memory,resctrl,sched,tcp,udp"
)


class CadvisorSettings(Settings):
    """hearth:monitoring.cadvisor."""


class Cadvisor(EveryHost[CadvisorSettings]):
    """One per host, unprivileged."""

    name: ClassVar[str] = "cadvisor"
    section: ClassVar[str] = "monitoring.cadvisor"
    # Versions before 0.54 find no container in Docker 29 (google/cadvisor issues 3749 and 3790).
    official_image: ClassVar[str] = "ghcr.io/google/cadvisor:v0.60.5"
    settings_type = CadvisorSettings
    stem: ClassVar[str] = "cadvisor"
    port: ClassVar[int] = 8080

    def workloads(self, settings: CadvisorSettings, context: Context) -> tuple[Workload, ...]:
        """Return cAdvisor with its host's own files mounted for reading."""
        return tuple(
            Workload(
                instance=self.instance(host, context),
                service=self.name,
                host=host,
                image=str(self.image(context.config)),
                command=(
                    "/usr/bin/cadvisor",
                    "--logtostderr",
                    "--docker_only=true",
                    "--housekeeping_interval=10s",
                    "--store_container_labels=false",
                    "--whitelisted_container_labels=hearth.stack,hearth.instance",
                    f"--disable_metrics={_UNREAD}",
                ),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                volumes=_volumes(context.config.inventory.hosts[host]),
                published=self.published(settings, self.port),
                probe=Probe(self.port, "/healthz", client="wget", interval_s=5.0),
                memory_bytes=settings.memory,
            )
            for host in self.hosts(settings, context)
        )


def _volumes(host: Host) -> tuple[Volume, ...]:
    socket = host.connection.removeprefix(_UNIX) if host.connection.startswith(_UNIX) else _SOCKET
    mounts = (Volume(name, path, host_path=source, read_only=True) for name, path, source in _MOUNTS)
    return (*mounts, Volume("docker-socket", _SOCKET, host_path=socket, read_only=True))
