"""Recording rules and alerts, each alert with a runbook. Targets are watched by name: a lost one can't go unnoticed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from monitoring import queries, selectors
from monitoring.selectors import ALERTMANAGER, ENGINES, GATEWAY, NODE, PROMETHEUS, SUPERVISION
from monitoring.subjects import Subjects

_CRITICAL: Final = "critical"
_WARNING: Final = "warning"
_MODEL: Final = "{{ $labels.model_name }}"
_ENGINE: Final = f"{_MODEL} on {{{{ $labels.instance }}}}"
_SHARE: Final = "{{ $value | humanizePercentage }}"


@dataclass(frozen=True)
class Alert:
    """One alert: fires when `expression` has held for `hold`.

    `summary` may name labels and the value; `description` says what users feel, the same text every time.
    """

    name: str
    expression: str
    hold: str
    severity: str
    summary: str
    description: str


def alerts(subjects: Subjects) -> list[Alert]:
    """Return the alerts of a stack, by name; those of absent programs are left out, for they could never fire."""
    found = [*_targets(subjects), *_reloads(subjects), _watchdog()]
    found += _engines(subjects) if subjects.has(ENGINES) else []
    found += _supervision() if subjects.has(SUPERVISION) else []
    found += _gateway() if subjects.has(GATEWAY) else []
    found += _machine() if subjects.has(NODE) else []
    return sorted(found, key=lambda alert: (alert.name, alert.severity))


def records(subjects: Subjects) -> dict[str, str]:
    """Return the recording rules of a stack: name → expression."""
    found = {}
    if subjects.has(ENGINES) and subjects.chat_models:
        # vLLM counts a first token for embeddings too, and nobody waits for one.
        found[queries.TTFT_RECORD] = queries.ttft(chosen=queries.named(subjects.chat_models))
        found[queries.TOKENS_RECORD] = queries.generated_tokens(chosen=queries.named(subjects.chat_models))
    if subjects.has(GATEWAY):
        found[queries.ERRORS_RECORD] = queries.gateway_error_share()
    return found


def rule_groups(subjects: Subjects) -> dict[str, Any]:
    """Return the rules file as data: one group, what is recorded before what reads it, every alert with its runbook."""
    recorded = [{"record": name, "expr": expression} for name, expression in sorted(records(subjects).items())]
    rules = [
        {
            "alert": alert.name,
            "expr": alert.expression,
            "for": alert.hold,
            "labels": {"severity": alert.severity},
            "annotations": {
                "summary": alert.summary,
                "description": alert.description,
                "runbook_url": f"{subjects.runbook_url}/{alert.name}.md",
            },
        }
        for alert in alerts(subjects)
    ]
    return {"groups": [{"name": "hearth", "interval": "15s", "rules": [*recorded, *rules]}]}


def _targets(subjects: Subjects) -> list[Alert]:
    """Declared targets that don't answer, and declared targets that aren't scraped at all."""
    silent = "{{ $labels.instance }} of {{ $labels.job }} doesn't answer"
    felt = {
        _CRITICAL: "Requests to it fail, or go to the other replicas.",
        _WARNING: "Users feel nothing; what it watches or shows is missing.",
    }
    names = {job.name for job in subjects.jobs}
    serving = sorted(names & {ENGINES, GATEWAY})
    found = [
        Alert("TargetDown", queries.down(jobs), "1m", severity, silent, felt[severity])
        for severity, jobs in ((_CRITICAL, serving), (_WARNING, sorted(names - set(serving))))
        if jobs
    ]
    declared = sorted({(job.name, target.instance) for job in subjects.jobs for target in job.targets})
    if declared:
        expression = "\nor ".join(queries.missing(job, instance) for job, instance in declared)
        summary = "{{ $labels.instance }} of {{ $labels.job }} is declared, and Prometheus doesn't scrape it"
        unseen = "Nothing is known of it: none of its other alerts can fire."
        found.append(Alert("TargetMissing", expression, "5m", _WARNING, summary, unseen))
    return found


def _engines(subjects: Subjects) -> list[Alert]:
    first_token = Alert(
        "EngineSlowFirstToken", f"{queries.TTFT_RECORD} > {selectors.TTFT_SLOW_S}", "5m", _WARNING,
        f"one request in twenty waits {{{{ $value | humanizeDuration }}}} for the first token of {_MODEL}",
        "Chats feel slow to start.",
    )  # fmt: skip
    return [
        *([first_token] if subjects.chat_models else []),
        Alert(
            "EngineStalled", queries.stalled(), "5m", _CRITICAL,
            f"{_ENGINE} has running requests and gets nothing done", "Its answers hang. It may still call itself healthy.",
        ),
        Alert(
            "EngineQueueLong", f"{queries.waiting_per_model()} > {selectors.QUEUE_LONG}", "5m", _WARNING,
            f"{{{{ $value }}}} requests wait for {_MODEL}", "Answers begin late.",
        ),
        Alert(
            "EngineKvNearlyFull", f"{queries.kv_use()} > {selectors.KV_NEARLY_FULL}", "10m", _WARNING,
            f"the KV cache of {_ENGINE} is {_SHARE} full", "New requests wait, and running ones may be pushed out.",
        ),
        Alert(
            "EnginePreempting", f"{queries.preemptions()} > {selectors.PREEMPTIONS_PER_S}", "10m", _WARNING,
            f"{_ENGINE} pushes running requests out of its cache", "Work is done twice: answers stutter and take longer.",
        ),
        Alert(
            "EngineRestarted", f"{queries.restarts(ENGINES)} > 0", "0m", _WARNING,
            "{{ $labels.instance }} has restarted", "The requests that it worked on were lost.",
        ),
    ]  # fmt: skip


def _supervision() -> list[Alert]:
    return [
        Alert(
            "EngineFailed", queries.failed(), "0m", _CRITICAL,
            "{{ $labels.instance }} is out of starts: {{ $labels.cause }}",
            "It isn't started again by itself. Its requests fail, or go to the other replicas.",
        ),
    ]  # fmt: skip


def _gateway() -> list[Alert]:
    share = f"{queries.ERRORS_RECORD} > {selectors.ERROR_SHARE}"
    summary = f"{_SHARE} of the requests fail at the gateway"
    return [Alert("GatewayErrors", share, "5m", _CRITICAL, summary, "Users get errors instead of answers.")]


def _machine() -> list[Alert]:
    return [
        Alert(
            "DiskFilling", f"{queries.disk_free_share()} < {selectors.DISK_FREE_SHARE}", "10m", _WARNING,
            f"{{{{ $labels.device }}}} seen by {{{{ $labels.instance }}}} has {_SHARE} left",
            "A full disk ends downloads of models, the database of the UI and the metrics.",
        ),
        Alert(
            "MemoryLow", f"{queries.memory_free_share()} < {selectors.MEMORY_FREE_SHARE}", "5m", _CRITICAL,
            f"the machine of {{{{ $labels.instance }}}} has {_SHARE} of its memory left",
            "Next the kernel ends the largest program: an engine.",
        ),
    ]  # fmt: skip


def _reloads(subjects: Subjects) -> list[Alert]:
    failed = [queries.reload_failed(job) for job in (ALERTMANAGER, PROMETHEUS) if subjects.has(job)]
    if not failed:
        return []
    summary = "{{ $labels.instance }} runs on an old configuration"
    old = "What was declared since is not watched, or is told to nobody."
    return [Alert("PrometheusConfigBroken", "\nor ".join(failed), "1m", _WARNING, summary, old)]


def _watchdog() -> Alert:
    summary = "always fires: when it stops, alerting is broken"
    return Alert("Watchdog", "vector(1)", "0m", "none", summary, "Nothing is wrong while this alert is there.")
