"""Monitoring itself."""

from __future__ import annotations

from tests.unit.monitoring.cases.case import Case, of, up
from tests.unit.monitoring.watched import target_labels

PROMETHEUS = target_labels("prometheus", "prometheus")
ALERTMANAGER = target_labels("alertmanager", "alertmanager")
GROUP = {"rule_group": "/etc/prometheus/rules/hearth.yml;hearth"}
URL = {"alertmanager": "http://alertmanager:9093/api/v2/alerts"}
UNDELIVERED = "{} couldn't pass alerts on"


def reload(program: str) -> str:
    return of(program, program, f"{program}_config_last_reload_successful")


def failures(values: str) -> dict[str, str]:
    return {of("prometheus", "prometheus", "prometheus_rule_evaluation_failures_total", **GROUP): values}


def undelivered(values: str) -> dict[str, str]:
    return {
        of("alertmanager", "alertmanager", "alertmanager_notifications_failed_total", integration="webhook"): values
    }


def unsent(values: str) -> dict[str, str]:
    return {of("prometheus", "prometheus", "prometheus_notifications_errors_total", **URL): values}


CASES = (
    Case(
        "TargetDown", "an exporter", {up("node_exporter", "node-exporter"): "0x80"},
        "node-exporter of node_exporter doesn't answer", target_labels("node_exporter", "node-exporter"),
    ),
    Case(
        "TargetDown", "an entry point", {up("supervision", "chat-0"): "0x80"},
        "chat-0 of supervision doesn't answer", target_labels("supervision", "chat-0"),
    ),
    Case("TargetDown", "one lost scrape", {up("grafana", "grafana"): "1x76 0x3"}),
    Case(
        "TargetDown", "what has an alert of its own",
        {up("vllm", "chat-0"): "0x80", up("litellm", "litellm"): "0x80", up("probes", "nginx"): "0x80"},
    ),
    Case(
        "TargetMissing", "one engine of two", {up("vllm", "chat-1"): "1x20 stale"},
        "chat-1 of vllm is declared, and Prometheus doesn't scrape it", {"job": "vllm", "instance": "chat-1"},
    ),
    Case(
        "TargetMissing", "a page", {up("probes", "nginx"): "1x20 stale"},
        "nginx of probes is declared, and Prometheus doesn't scrape it", {"job": "probes", "instance": "nginx"},
    ),
    Case("TargetMissing", "down is not missing", {up("vllm", "embed"): "0x80"}),
    Case("TargetMissing", "for a moment", {up("vllm", "embed"): "1x65 stale"}),
    Case(
        "PrometheusConfigBroken", "Prometheus",
        {reload("prometheus"): "0x80"}, "prometheus runs on an old configuration", PROMETHEUS,
    ),
    Case(
        "PrometheusConfigBroken", "the Alertmanager",
        {reload("alertmanager"): "0x80"}, "alertmanager runs on an old configuration", ALERTMANAGER,
    ),
    Case("PrometheusConfigBroken", "read at once", {reload("prometheus"): "0x2 1x80", reload("alertmanager"): "1x80"}),
    Case(
        "RulesFailing", "again and again",
        failures("0x40 0+1x40"), f"prometheus can't evaluate {GROUP['rule_group']}", {**PROMETHEUS, **GROUP},
    ),
    Case("RulesFailing", "longer ago", failures("0x5 3x80")),
    Case("RulesFailing", "just once, a moment ago", failures("0x70 1x10")),
    Case("RulesFailing", "started anew", failures("9x60 0x20")),
    Case(
        "AlertsUndelivered", "to people",
        undelivered("0x50 1x30"), UNDELIVERED.format("alertmanager"), {**ALERTMANAGER, "integration": "webhook"},
    ),
    Case(
        "AlertsUndelivered", "to the Alertmanager",
        unsent("0x40 0+2x40"), UNDELIVERED.format("prometheus"), {**PROMETHEUS, **URL},
    ),
    Case("AlertsUndelivered", "longer ago", {**undelivered("0x5 3x80"), **unsent("0x5 3x80")}),
    Case("AlertsUndelivered", "the Alertmanager was replaced within a minute", unsent("0x50 0+1x4 4x26")),
    Case("AlertsUndelivered", "both were started anew", {**undelivered("7x50 0x30"), **unsent("7x50 0x30")}),
    Case("Watchdog", "always", {}, "always fires: when it stops, alerting is broken", {}, ("none",)),
)  # fmt: skip
