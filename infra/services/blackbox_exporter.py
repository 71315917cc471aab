"""Blackbox exporter: asks the stack's pages as a client without a key would."""

from __future__ import annotations

from typing import ClassVar, Final

from infra.services.base import ConfigFile, Context, Endpoint, Probe, Reach, Scope, Service, Settings, Workload
from infra.services.files import yaml_text

PORT: Final = 9115
_CONFIG: Final = "/etc/blackbox_exporter/config.yml"
_MODULE: Final = {
    "prober": "http",
    "timeout": "5s",
    "http": {"preferred_ip_protocol": "ip4", "follow_redirects": True, "fail_if_not_ssl": False},
}


class BlackboxExporterSettings(Settings):
    """hearth:monitoring.blackbox_exporter."""


class BlackboxExporter(Service[BlackboxExporterSettings]):
    """One prober for all pages that a service says may be asked for (Endpoint.probe_url)."""

    name: ClassVar[str] = "blackbox_exporter"
    section: ClassVar[str] = "monitoring.blackbox_exporter"
    official_image: ClassVar[str] = "prom/blackbox-exporter:v0.27.0"
    settings_type = BlackboxExporterSettings

    def endpoints(self, settings: BlackboxExporterSettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return its endpoint: it has metrics of its own, and asks others in Prometheus's stead."""
        host = self.host(settings, scope.config)
        return (Endpoint(self.name, "blackbox-exporter", host, PORT, metrics_path="/metrics"),)

    def reaches(self, settings: BlackboxExporterSettings, context: Context) -> tuple[Reach, ...]:
        """Return all pages that may be asked for."""
        del settings
        # A page that people reach from outside is none of the stack's own names.
        own = (endpoint for endpoint in context.endpoints if f"//{endpoint.address}/" in (endpoint.probe_url or ""))
        return tuple(Reach.to(endpoint) for endpoint in own)

    def workloads(self, settings: BlackboxExporterSettings, context: Context) -> tuple[Workload, ...]:
        """Return the exporter with the one way of asking."""
        return (
            Workload(
                instance="blackbox-exporter",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=("/bin/blackbox_exporter", f"--config.file={_CONFIG}"),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                files=(ConfigFile(_CONFIG, yaml_text({"modules": {"http_2xx": _MODULE}})),),
                published=self.published(settings, PORT),
                probe=Probe(PORT, "/-/healthy", client="wget", interval_s=3.0),
                memory_bytes=settings.memory,
            ),
        )
