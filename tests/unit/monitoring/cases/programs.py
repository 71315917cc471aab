"""Monitoring itself."""

from __future__ import annotations

from tests.unit.monitoring.cases.case import WARNING, Case, series, up


def reload(program: str) -> str:
    return series(f"{program}_config_last_reload_successful", job=program, instance=program)


def of_prometheus(metric: str, **labels: str) -> str:
    return series(f"prometheus_{metric}", job="prometheus", instance="prometheus", **labels)


def undelivered(integration: str) -> str:
    return series(
        "alertmanager_notifications_failed_total", job="alertmanager", instance="alertmanager", integration=integration
    )


CASES = (
    Case(
        "TargetDown", "an exporter", {up("node_exporter", "node-exporter"): "0x80"},
        "node-exporter of node_exporter doesn't answer",
        {**WARNING, "job": "node_exporter", "instance": "node-exporter", "host": "box"},
    ),
    Case("TargetDown", "one lost scrape", {up("node_exporter", "node-exporter"): "1x77 0x2 1x5"}),
    Case("TargetDown", "engines and gateway have alerts of their own", {up("vllm", "chat-0"): "0x80", up("litellm", "litellm"): "0x80"}),
    Case(
        "TargetMissing", "one engine of two", {up("vllm", "embed"): "1x20 stale"},
        "embed of vllm is declared, and Prometheus doesn't scrape it", {**WARNING, "job": "vllm", "instance": "embed"},
    ),
    Case("TargetMissing", "down is not missing", {up("vllm", "embed"): "0x80"}),
    Case(
        "PrometheusConfigBroken", "Prometheus", {reload("prometheus"): "0x80"}, "prometheus runs on an old configuration",
        {**WARNING, "job": "prometheus", "instance": "prometheus"},
    ),
    Case(
        "PrometheusConfigBroken", "the Alertmanager", {reload("alertmanager"): "0x80"},
        "alertmanager runs on an old configuration", {**WARNING, "job": "alertmanager", "instance": "alertmanager"},
    ),
    Case("PrometheusConfigBroken", "read at once", {reload("prometheus"): "0x2 1x80", reload("alertmanager"): "1x80"}),
    Case(
        "RulesFailing", "one group", {of_prometheus("rule_evaluation_failures_total", rule_group="hearth"): "0+1x80"},
        "prometheus can't evaluate hearth",
        {**WARNING, "job": "prometheus", "instance": "prometheus", "rule_group": "hearth"},
    ),
    Case("RulesFailing", "once, long ago", {of_prometheus("rule_evaluation_failures_total", rule_group="hearth"): "4x80"}),
    Case(
        "AlertsUndelivered", "a webhook that doesn't answer", {undelivered("webhook"): "0x40 0+1x40"},
        "alertmanager couldn't pass alerts on",
        {**WARNING, "job": "alertmanager", "instance": "alertmanager", "integration": "webhook"},
    ),
    Case(
        "AlertsUndelivered", "the Alertmanager itself",
        {of_prometheus("notifications_errors_total", alertmanager="http://alertmanager:9093/api/v2/alerts"): "0x40 0+1x40"},
        "prometheus couldn't pass alerts on",
        {**WARNING, "job": "prometheus", "instance": "prometheus", "alertmanager": "http://alertmanager:9093/api/v2/alerts"},
    ),
    Case("AlertsUndelivered", "all told", {undelivered("webhook"): "0x80"}),
    Case("Watchdog", "always", {}, "always fires: when it stops, alerting is broken", {"severity": "none"}),
)  # fmt: skip
