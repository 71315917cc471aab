"""The configuration of Prometheus and Alertmanager, in what versions 2.42 and 3 of Prometheus both read."""

from __future__ import annotations

from typing import Any

import yaml

from monitoring.rules import rule_groups
from monitoring.selectors import MAX_SCRAPE_INTERVAL_S
from monitoring.subjects import Job, Subjects


def prometheus_config(subjects: Subjects, *, alertmanager: str | None, scrape_interval_s: int) -> str:
    """Return prometheus.yml: every declared target, rules, and where alerts go (`alertmanager`: host:port).

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
            "external_labels": {"env": subjects.stack},
        },
        "rule_files": ["/etc/prometheus/rules/*.yml"],
        "scrape_configs": [_scrape(job) for job in sorted(subjects.jobs, key=lambda job: job.name)],
    }
    if alertmanager is not None:
        config["alerting"] = {"alertmanagers": [{"static_configs": [{"targets": [alertmanager]}]}]}
    return _text(config)


def rules(subjects: Subjects) -> str:
    """Return the rules file."""
    return _text(rule_groups(subjects))


def alertmanager_config(subjects: Subjects, *, webhook_url: str | None) -> str:
    """Return alertmanager.yml. Without a webhook alerts are kept and shown, and nobody is told."""
    del subjects
    receiver: dict[str, Any] = {"name": "people"}
    if webhook_url is not None:
        receiver["webhook_configs"] = [{"url": webhook_url, "send_resolved": True}]
    silent = {"receiver": "nobody", "matchers": ['alertname="Watchdog"']}
    # A target that is down can't be slow: its warnings say nothing new.
    inhibition = {
        "source_matchers": ['alertname="TargetDown"'],
        "target_matchers": ['severity="warning"', 'alertname!="TargetDown"'],
        "equal": ["instance"],
    }
    config = {
        "route": {"receiver": "people", "group_by": ["alertname", "model_name"], "routes": [silent]},
        "receivers": [receiver, {"name": "nobody"}],
        "inhibit_rules": [inhibition],
    }
    return _text(config)


def _scrape(job: Job) -> dict[str, Any]:
    # The declared name, not the address: it is what containers and runbooks call it, and it survives a move to another port.
    groups = [
        {"targets": [target.address], "labels": {**target.labels, "instance": target.instance}}
        for target in sorted(job.targets, key=lambda target: target.instance)
    ]
    return {"job_name": job.name, "metrics_path": job.metrics_path, "static_configs": groups}


def _text(config: dict[str, Any]) -> str:
    return yaml.safe_dump(config, sort_keys=True, default_flow_style=False, width=120)
