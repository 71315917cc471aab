"""Grafana: datasource, dashboards and login provisioned; nothing is clicked together."""

from __future__ import annotations

from typing import ClassVar, Final

import monitoring
from infra.config.schema import StackConfig
from infra.config.secrets import SecretRef
from infra.errors import Finding, Severity
from infra.plan import Plan
from infra.services.base import ConfigFile, Context, Endpoint, Probe, Service, Settings, Volume, Workload
from infra.services.files import yaml_text
from infra.services.subjects import subjects

PORT: Final = 3000
_DASHBOARDS: Final = "/var/lib/hearth/dashboards"


class GrafanaSettings(Settings):
    """hearth:monitoring.grafana."""


class Grafana(Service[GrafanaSettings]):
    """Grafana with Hearth's dashboards."""

    name: ClassVar[str] = "grafana"
    section: ClassVar[str] = "monitoring.grafana"
    official_image: ClassVar[str] = "grafana/grafana:11.6.0"
    settings_type = GrafanaSettings

    def endpoints(self, settings: GrafanaSettings, config: StackConfig, plan: Plan) -> tuple[Endpoint, ...]:
        """Return its endpoint."""
        del plan
        return (Endpoint(self.name, "grafana", self.host(settings, config), PORT, metrics_path="/metrics"),)

    def workloads(self, settings: GrafanaSettings, context: Context) -> tuple[Workload, ...]:
        """Return Grafana with its provisioning."""
        return (
            Workload(
                instance="grafana",
                service=self.name,
                host=self.host(settings, context.config),
                image=str(self.image(context.config)),
                command=("/run.sh",),
                restart=settings.restart or context.config.restart,
                environment={
                    "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
                    "GF_ANALYTICS_CHECK_FOR_PLUGIN_UPDATES": "false",
                    "GF_ANALYTICS_REPORTING_ENABLED": "false",
                    "GF_AUTH_ANONYMOUS_ENABLED": "false",
                    "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": f"{_DASHBOARDS}/overview.json",
                    "GF_USERS_ALLOW_SIGN_UP": "false",
                    **settings.environment,
                },
                secret_environment={"GF_SECURITY_ADMIN_PASSWORD": SecretRef("grafanaAdminPassword")},
                files=_provisioning(context),
                volumes=(Volume("grafana-data", "/var/lib/grafana"),),
                published=self.published(settings, PORT),
                probe=Probe(PORT, "/api/health", interval_s=3.0),
                memory_bytes=settings.memory,
            ),
        )

    def absence(self, config: StackConfig) -> Finding | None:
        """Say that Grafana is left out where images are built: no package registry has it."""
        if self.image(config) is not None:
            return None
        fix = f"`docker load` {self.official_image} on the host and set hearth:images.grafana to it"
        return Finding(
            "hearth:monitoring.grafana", "is left out: its image can't be built from packages", fix, Severity.NOTICE
        )


def _provisioning(context: Context) -> tuple[ConfigFile, ...]:
    prometheus = context.of("prometheus")
    url = f"http://{prometheus[0].address}" if prometheus else ""
    source = {
        "name": "Prometheus",
        "uid": "prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": url,
        "isDefault": True,
        "editable": False,
    }
    provider = {
        "name": "hearth",
        "folder": "Hearth",
        "type": "file",
        "disableDeletion": True,
        "allowUiUpdates": False,
        "options": {"path": _DASHBOARDS},
    }
    files = [
        ConfigFile(
            "/etc/grafana/provisioning/datasources/hearth.yml",
            yaml_text({"apiVersion": 1, "prune": True, "datasources": [source]}),
        ),
        ConfigFile(
            "/etc/grafana/provisioning/dashboards/hearth.yml", yaml_text({"apiVersion": 1, "providers": [provider]})
        ),
    ]
    dashboards = monitoring.dashboard_files(subjects(context))
    return (*files, *(ConfigFile(f"{_DASHBOARDS}/{name}", text) for name, text in sorted(dashboards.items())))
