"""nginx exporter: connections and requests of the front door."""

from __future__ import annotations

from typing import ClassVar, Final

from infra.services.base import Context, Endpoint, Reach, Scope, Service, Settings, Workload

PORT: Final = 9113
# What nginx.py calls the endpoint of its counters.
STATUS: Final = "nginx_status"


class NginxExporterSettings(Settings):
    """hearth:monitoring.nginx_exporter."""


class NginxExporter(Service[NginxExporterSettings]):
    """One exporter beside the front door."""

    name: ClassVar[str] = "nginx_exporter"
    section: ClassVar[str] = "monitoring.nginx_exporter"
    official_image: ClassVar[str] = "nginx/nginx-prometheus-exporter:1.4.2"
    settings_type = NginxExporterSettings
    beside: ClassVar[str] = "nginx"

    def endpoints(self, settings: NginxExporterSettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return its endpoint."""
        host = self.host(settings, scope.config)
        return (Endpoint(self.name, "nginx-exporter", host, PORT, metrics_path="/metrics"),)

    def reaches(self, settings: NginxExporterSettings, context: Context) -> tuple[Reach, ...]:
        """Return nginx's status page."""
        del settings
        return tuple(Reach.to(endpoint) for endpoint in context.of(STATUS))

    def workloads(self, settings: NginxExporterSettings, context: Context) -> tuple[Workload, ...]:
        """Return the exporter, which asks nginx's own status page. Its official image has no client for a probe."""
        (status,) = context.of(STATUS)
        return (
            Workload(
                instance="nginx-exporter",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=(
                    "/usr/bin/nginx-prometheus-exporter",
                    f"--nginx.scrape-uri=http://{status.address}/stub_status",
                ),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                published=self.published(settings, PORT),
                # Some versions end at once when nginx doesn't answer.
                after=(self.beside,),
                memory_bytes=settings.memory,
            ),
        )
