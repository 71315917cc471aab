"""Alerts, each with a runbook. What is watched by name comes from the declaration: a lost target can't go unnoticed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from monitoring import queries, selectors
from monitoring.selectors import ENGINES, GATEWAY, NODE, PROMETHEUS
from monitoring.subjects import Subjects

_CRITICAL: Final = "critical"
_WARNING: Final = "warning"


@dataclass(frozen=True)
class Alert:
    """One alert: fires when `expression` has held for `hold`. `job` is the kind of program it needs to make sense."""

    name: str
    job: str
    expression: str
    hold: str
    severity: str
    summary: str


def alerts(subjects: Subjects) -> list[Alert]:
    """Return the alerts of a stack, by name; those of absent programs are left out."""
    found = [alert for alert in [*_engines(), *_gateway(), *_machine()] if not alert.job or subjects.has(alert.job)]
    return sorted([*found, *_targets(subjects)], key=lambda alert: (alert.name, alert.expression))


def rule_groups(subjects: Subjects) -> dict[str, Any]:
    """Return the rules file as data: one group, every alert with its runbook."""
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expression,
            "for": alert.hold,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "runbook_url": f"{subjects.runbook_url}/{alert.name}.md"},
        }
        for alert in alerts(subjects)
    ]
    return {"groups": [{"name": "hearth", "interval": "15s", "rules": rules}]}


def _targets(subjects: Subjects) -> list[Alert]:
    """Two rules per kind of program: a declared target that doesn't answer, and one that isn't scraped at all."""
    found = []
    for job in subjects.jobs:
        critical = _CRITICAL if job.name in {ENGINES, GATEWAY} else _WARNING
        down = Alert(
            "TargetDown",
            job.name,
            f"{queries.up(job.name)} == 0",
            "1m",
            critical,
            "{{ $labels.instance }} of {{ $labels.job }} doesn't answer",
        )
        found.append(down)
        for target in job.targets:
            expression = f'absent(up{{job="{job.name}", instance="{target.address}"}})'
            summary = f"{target.instance} is declared, and Prometheus doesn't scrape it"
            found.append(Alert("TargetMissing", job.name, expression, "5m", _WARNING, summary))
    return found


def _engines() -> list[Alert]:
    model = "{{ $labels.model_name }}"
    engine = f"{model} on {{{{ $labels.instance }}}}"
    stalled = f"{queries.running()} > 0 and sum by (model_name, instance) (rate(vllm:generation_tokens_total[5m])) == 0"
    return [
        Alert("EngineStalled", ENGINES, stalled, "5m", _CRITICAL, f"{engine} has running requests and writes no token"),
        Alert(
            "EngineQueueLong", ENGINES, f"sum by (model_name) (vllm:num_requests_waiting) > {selectors.QUEUE_LONG}", "5m",
            _WARNING, f"{{{{ $value }}}} requests wait for {model}",
        ),
        Alert(
            "EngineKvNearlyFull", ENGINES, f"{queries.kv_use()} > {selectors.KV_NEARLY_FULL}", "10m",
            _WARNING, f"the KV cache of {engine} is {{{{ $value | humanizePercentage }}}} full",
        ),
        Alert(
            "EnginePreempting", ENGINES, f"{queries.preemptions()} > {selectors.PREEMPTIONS_PER_S}", "10m",
            _WARNING, f"{engine} pushes running requests out of its cache",
        ),
        Alert(
            "EngineSlowFirstToken", ENGINES, f"{queries.ttft()} > {selectors.TTFT_SLOW_S}", "5m",
            _WARNING, f"one request in twenty waits {{{{ $value | humanizeDuration }}}} for the first token of {model}",
        ),
        Alert(
            "EngineRestarted", ENGINES, f'changes(process_start_time_seconds{{job="{ENGINES}"}}[15m]) > 0', "0m",
            _WARNING, "{{ $labels.instance }} has restarted",
        ),
    ]  # fmt: skip


def _gateway() -> list[Alert]:
    share = f"{queries.gateway_error_share()} > {selectors.ERROR_SHARE}"
    summary = "{{ $value | humanizePercentage }} of the requests fail at the gateway"
    return [Alert("GatewayErrors", GATEWAY, share, "5m", _CRITICAL, summary)]


def _machine() -> list[Alert]:
    reload = f'prometheus_config_last_reload_successful{{job="{PROMETHEUS}"}} == 0'
    return [
        Alert(
            "DiskFilling", NODE, f"{queries.disk_free_share()} < {selectors.DISK_FREE_SHARE}", "10m",
            _WARNING, "{{ $labels.mountpoint }} has {{ $value | humanizePercentage }} left",
        ),
        Alert(
            "MemoryLow", NODE, f"{queries.memory_free_share()} < {selectors.MEMORY_FREE_SHARE}", "5m",
            _CRITICAL, "{{ $labels.instance }} has {{ $value | humanizePercentage }} of its memory left",
        ),
        Alert("PrometheusConfigBroken", PROMETHEUS, reload, "1m", _WARNING, "Prometheus runs on an old configuration"),
        Alert("Watchdog", "", "vector(1)", "0m", "none", "always fires: when it stops, alerting is broken"),
    ]  # fmt: skip
