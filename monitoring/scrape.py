"""The configuration of Prometheus, in what versions 2.42 and 3 both read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import yaml

from monitoring.rules import rule_groups
from monitoring.selectors import MAX_SCRAPE_INTERVAL_S
from monitoring.subjects import Job, Subjects

# The module of blackbox_exporter that its own sample configuration has: a GET that must end with a 2xx.
_PROBE_MODULE: Final = "http_2xx"
_PROBE_PATH: Final = "/probe"
_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class RemoteWrite:
    """A store elsewhere that every sample is written to as well.

    With a `username` it is asked with the password in `password_file`; else with the token in `token_file`, if there is one.
    """

    url: str
    username: str = ""
    password_file: str = ""
    token_file: str = ""


def prometheus_config(
    subjects: Subjects,
    *,
    alertmanager: str | None,
    scrape_interval_s: int,
    external_labels: Mapping[str, str] = _NO_LABELS,
    remote_writes: tuple[RemoteWrite, ...] = (),
) -> str:
    """Return prometheus.yml: every declared target, rules, and where alerts go (`alertmanager`: host:port).

    `external_labels` are added to `env`, the stack's name, on everything that leaves Prometheus.

    Raises:
        ValueError: the interval leaves the rules too few scrapes to work with.
    """
    if not 1 <= scrape_interval_s <= MAX_SCRAPE_INTERVAL_S:
        raise ValueError(
            f"scrape interval: {scrape_interval_s} s is not between 1 and {MAX_SCRAPE_INTERVAL_S} s; rates would have gaps"
        )
    interval = f"{scrape_interval_s}s"
    config: dict[str, Any] = {
        "global": {
            "scrape_interval": interval,
            "evaluation_interval": interval,
            "external_labels": {**external_labels, "env": subjects.stack},
        },
        "rule_files": ["/etc/prometheus/rules/*.yml"],
        "scrape_configs": [_scrape(job) for job in sorted(subjects.jobs, key=lambda job: job.name)],
    }
    if alertmanager is not None:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    if remote_writes:
        config["remote_write"] = [_remote_write(write) for write in remote_writes]
    return _text(config)


def rules(subjects: Subjects) -> str:
    """Return the rules file."""
    return _text(rule_groups(subjects))


def _scrape(job: Job) -> dict[str, Any]:
    # The declared name, not the address: it is what containers and runbooks call it, and it survives a move to another port.
    groups = [
        {"targets": [target.address], "labels": {**target.labels, "instance": target.instance}}
        for target in sorted(job.targets, key=lambda target: target.instance)
    ]
    if job.through:
        return _probes(job, groups)
    return {"job_name": job.name, "metrics_path": job.metrics_path, "static_configs": groups}


def _probes(job: Job, groups: list[dict[str, Any]]) -> dict[str, Any]:
    """The prober is what is scraped, and is told what to ask: the address becomes a parameter."""
    return {
        "job_name": job.name,
        "metrics_path": _PROBE_PATH,
        "params": {"module": [_PROBE_MODULE]},
        "static_configs": groups,
        "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "__param_target"},
            {"target_label": "__address__", "replacement": job.through},
        ],
    }


def _remote_write(write: RemoteWrite) -> dict[str, Any]:
    if write.username:
        return {"url": write.url, "basic_auth": {"username": write.username, "password_file": write.password_file}}
    if write.token_file:
        return {"url": write.url, "authorization": {"credentials_file": write.token_file}}
    return {"url": write.url}


def _text(config: dict[str, Any]) -> str:
    return yaml.safe_dump(config, sort_keys=True, default_flow_style=False, width=120)
