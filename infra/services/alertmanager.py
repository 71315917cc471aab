"""Alertmanager: groups, silences and passes on what Prometheus finds."""

from __future__ import annotations

from typing import ClassVar, Final

from pydantic import Field

import monitoring
from infra.config.schema import StackConfig
from infra.plan import Plan
from infra.services.base import ConfigFile, Context, Endpoint, Probe, Service, Settings, Volume, Workload
from infra.services.files import GENERATED
from infra.services.subjects import subjects

PORT: Final = 9093


class AlertmanagerSettings(Settings):
    """hearth:monitoring.alertmanager."""

    webhook_url: str | None = Field(
        default=None, description="address that alerts are posted to; nobody is told without"
    )


class Alertmanager(Service[AlertmanagerSettings]):
    """The stack's alert router."""

    name: ClassVar[str] = "alertmanager"
    section: ClassVar[str] = "monitoring.alertmanager"
    official_image: ClassVar[str] = "prom/alertmanager:v0.28.1"
    settings_type = AlertmanagerSettings

    def endpoints(self, settings: AlertmanagerSettings, config: StackConfig, plan: Plan) -> tuple[Endpoint, ...]:
        """Return its endpoint."""
        del plan
        return (Endpoint(self.name, "alertmanager", self.host(settings, config), PORT, metrics_path="/metrics"),)

    def workloads(self, settings: AlertmanagerSettings, context: Context) -> tuple[Workload, ...]:
        """Return Alertmanager with its routes."""
        config = monitoring.alertmanager_config(subjects(context), webhook_url=settings.webhook_url)
        return (
            Workload(
                instance="alertmanager",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=(
                    "/bin/alertmanager",
                    "--config.file=/etc/alertmanager/alertmanager.yml",
                    "--storage.path=/alertmanager",
                    # One instance gossips with nobody; without this it opens a cluster port and waits for peers.
                    "--cluster.listen-address=",
                ),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                files=(ConfigFile("/etc/alertmanager/alertmanager.yml", f"# {GENERATED}\n{config}"),),
                volumes=(Volume("alertmanager-data", "/alertmanager"),),
                published=self.published(settings, PORT),
                probe=Probe(PORT, "/-/ready", client="wget", interval_s=3.0),
                memory_bytes=settings.memory,
            ),
        )
