"""Prometheus: scrapes what the other services declare, and evaluates the rules made for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, ClassVar, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

import monitoring
from infra.config.secrets import SecretRef
from infra.config.types import DurationS, Model, SizeBytes, WebAddress
from infra.errors import Finding, Severity
from infra.services import alerting
from infra.services.alerting import AlertSettings, ObjectiveSettings
from infra.services.base import (
    ConfigFile,
    Context,
    Endpoint,
    Probe,
    Reach,
    Scope,
    Service,
    Settings,
    Volume,
    Workload,
    secret_file,
)
from infra.services.files import GENERATED
from infra.services.subjects import subjects

PORT: Final = 9090
_PASSWORD: Final = SecretRef("remoteWritePassword")
_TOKEN: Final = SecretRef("remoteWriteToken")
_LABEL: Final = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
# What alerts are told apart and silenced by: one value for all would silence what has nothing to do with it.
_TAKEN_LABELS: Final = frozenset({"alertname", "env", "host", "instance", "job", "model_name", "severity"})
# Prometheus reads these names as powers of two, whatever SI says (units.ParseBase2Bytes).
_UNITS: Final = (("TB", 2**40), ("GB", 2**30), ("MB", 2**20), ("KB", 2**10), ("B", 1))
# The head's write-ahead log alone is cut in segments of 128 MiB: below that nothing could ever be kept.
_LEAST_RETENTION_BYTES: Final = 2**28


def _labels(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if not _LABEL.fullmatch(name):
            msg = f"{name!r} can't be a label; use letters, digits and _, start with a letter"
            raise ValueError(msg)
        if name in _TAKEN_LABELS:
            msg = f"{name} is a label of Hearth's own, which alerts are told apart by; choose another name"
            raise ValueError(msg)
    return value


class RemoteWriteSettings(Model):
    """One entry of hearth:monitoring.prometheus.remote_write."""

    url: WebAddress = Field(description="where samples are written to, as in https://mimir.example/api/v1/push")
    username: str | None = Field(
        default=None, min_length=1, description="account there, with hearth:remoteWritePassword (default none)"
    )
    token: bool = Field(
        default=False, description="whether hearth:remoteWriteToken is sent as bearer token (default no)"
    )


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
    retention_size: SizeBytes | None = Field(
        default=None,
        ge=_LEAST_RETENTION_BYTES,
        description="most disk that series may take, as in 20GiB, at least 256MiB (default none: time alone decides)",
    )
    remote_write: tuple[RemoteWriteSettings, ...] = Field(
        default=(), description="stores elsewhere that every sample is written to as well (default none)"
    )
    external_labels: Annotated[dict[str, str], AfterValidator(_labels)] = Field(
        default_factory=dict,
        description="labels on every alert and every sample that leaves Prometheus, besides env, the stack's name",
    )
    public_url: WebAddress | None = Field(
        default=None, description="address people reach Prometheus at: links in alerts start with it"
    )
    runbook_url: str = Field(
        default="docs/runbooks",
        min_length=1,
        description="what links to runbooks start with; an alert's name and .md follow (default docs/runbooks, the "
        "project's own)",
    )
    objective: ObjectiveSettings = Field(
        default_factory=ObjectiveSettings, description="what users are promised; alerts say when it is being broken"
    )
    alerts: dict[str, AlertSettings] = Field(
        default_factory=dict, description="changes of single alerts, by name, as in EngineRestarted: {severity: info}"
    )


class Prometheus(Service[PrometheusSettings]):
    """The metrics store of the stack."""

    name: ClassVar[str] = "prometheus"
    section: ClassVar[str] = "monitoring.prometheus"
    official_image: ClassVar[str] = "prom/prometheus:v3.5.0"
    settings_type = PrometheusSettings

    def endpoints(self, settings: PrometheusSettings, scope: Scope) -> tuple[Endpoint, ...]:
        """Return Prometheus's own endpoint: it scrapes itself too."""
        return (Endpoint(self.name, "prometheus", self.host(settings, scope.config), PORT, metrics_path="/metrics"),)

    def reaches(self, settings: PrometheusSettings, context: Context) -> tuple[Reach, ...]:
        """Return all that is scraped, and where alerts go."""
        del settings
        scraped = (endpoint for endpoint in context.endpoints if endpoint.metrics_path is not None)
        return tuple(Reach.to(endpoint) for endpoint in (*scraped, *context.of("alertmanager")[:1]))

    def workloads(self, settings: PrometheusSettings, context: Context) -> tuple[Workload, ...]:
        """Return Prometheus with its scrape configuration and rules."""
        alertmanagers = context.of("alertmanager")
        found = subjects(context)
        config = monitoring.prometheus_config(
            found,
            alertmanager=alertmanagers[0].address if alertmanagers else None,
            scrape_interval_s=int(settings.scrape_interval),
            external_labels=settings.external_labels,
            remote_writes=tuple(_remote_write(write) for write in settings.remote_write),
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
                    *_further_flags(settings),
                ),
                restart=settings.restart or context.config.restart,
                environment=settings.environment,
                secret_files={secret_file(secret): secret for secret in _secrets(settings)},
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

    def findings(self, settings: PrometheusSettings, context: Context) -> tuple[Finding, ...]:
        """Check what is written to elsewhere, and what was said of objectives and alerts."""
        path = f"hearth:{self.section}"
        told = alerting.findings(path, settings.objective, settings.alerts, subjects(context))
        return (*_findings(settings, f"{path}.remote_write"), *told)


def _findings(settings: PrometheusSettings, path: str) -> Iterator[Finding]:
    seen: set[str] = set()
    for number, write in enumerate(settings.remote_write):
        where = f"{path}.{number}"
        if write.username and write.token:
            fix = "remove username, or token"
            yield Finding(where, "has a username and a token, and a store is asked with one of them", fix)
        if write.url in seen:
            fix = "remove one of the two"
            yield Finding(f"{where}.url", f"{write.url} is there twice, and every sample would be too", fix)
        if (write.username or write.token) and urlsplit(write.url).scheme == "http":
            problem = f"{write.url} is asked with a secret that everybody on the way can read"
            yield Finding(f"{where}.url", problem, "write https:// if the store has it", Severity.WARNING)
        seen.add(write.url)


def _further_flags(settings: PrometheusSettings) -> Iterator[str]:
    if settings.retention_size is not None:
        yield f"--storage.tsdb.retention.size={_size(settings.retention_size)}"
    if settings.public_url is not None:
        yield f"--web.external-url={settings.public_url}"
        # A path in it would move its own addresses too, which Grafana and the health check ask for.
        yield "--web.route-prefix=/"


def _size(size_bytes: int) -> str:
    """Write bytes in the largest of Prometheus's units that divides them."""
    unit, unit_bytes = next(unit for unit in _UNITS if size_bytes % unit[1] == 0)
    return f"{size_bytes // unit_bytes}{unit}"


def _secrets(settings: PrometheusSettings) -> Iterator[SecretRef]:
    if any(write.username for write in settings.remote_write):
        yield _PASSWORD
    if any(write.token for write in settings.remote_write):
        yield _TOKEN


def _remote_write(write: RemoteWriteSettings) -> monitoring.RemoteWrite:
    if write.username:
        return monitoring.RemoteWrite(write.url, write.username, password_file=secret_file(_PASSWORD))
    return monitoring.RemoteWrite(write.url, token_file=secret_file(_TOKEN) if write.token else "")
