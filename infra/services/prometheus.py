"""Prometheus: scrapes what the other services declare, and evaluates the rules made for them."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

import monitoring
from infra.config.schema import StackConfig
from infra.config.types import DurationS
from infra.plan import Plan
from infra.services.base import ConfigFile, Context, Endpoint, Probe, Service, Settings, Volume, Workload
from infra.services.files import GENERATED
from infra.services.subjects import subjects

PORT: Final = 9090


class PrometheusSettings(Settings):
    """hearth:monitoring.prometheus."""

    scrape_interval: DurationS = Field(
        default=15,
        ge=1,
        le=monitoring.MAX_SCRAPE_INTERVAL_S,
        description="time between two scrapes, as in 15s (default 15s: rates over a minute have four points)",
    )
    retention: DurationS = Field(
        default=15 * 86400, description="how long series are kept, as in 360h (default 15 days, as in Prometheus)"
    )


class Prometheus(Service[PrometheusSettings]):
    """The metrics store of the stack."""

    name: ClassVar[str] = "prometheus"
    section: ClassVar[str] = "monitoring.prometheus"
    official_image: ClassVar[str] = "prom/prometheus:v3.5.0"
    settings_type = PrometheusSettings

    def endpoints(self, settings: PrometheusSettings, config: StackConfig, plan: Plan) -> tuple[Endpoint, ...]:
        """Return Prometheus's own endpoint: it scrapes itself too."""
        del plan
        return (Endpoint(self.name, "prometheus", self.host(settings, config), PORT, metrics_path="/metrics"),)

    def workloads(self, settings: PrometheusSettings, context: Context) -> tuple[Workload, ...]:
        """Return Prometheus with its scrape configuration and rules."""
        alertmanagers = context.of("alertmanager")
        found = subjects(context)
        config = monitoring.prometheus_config(
            found,
            alertmanager=alertmanagers[0].address if alertmanagers else None,
            scrape_interval_s=int(settings.scrape_interval),
        )
        return (
            Workload(
                instance="prometheus",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=(
                    "/bin/prometheus",
                    "--config.file=/etc/prometheus/prometheus.yml",
                    "--storage.tsdb.path=/prometheus",
                    f"--storage.tsdb.retention.time={int(settings.retention)}s",
                ),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                files=(
                    ConfigFile("/etc/prometheus/prometheus.yml", f"# {GENERATED}\n{config}"),
                    ConfigFile("/etc/prometheus/rules/hearth.yml", f"# {GENERATED}\n{monitoring.rules(found)}"),
                ),
                volumes=(Volume("prometheus-data", "/prometheus"),),
                published=self.published(settings, PORT),
                probe=Probe(PORT, "/-/ready", client="wget", interval_s=3.0),
                memory_bytes=settings.memory,
            ),
        )
