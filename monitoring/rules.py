"""The rules file: what is recorded, and what alerts."""

from __future__ import annotations

from typing import Any

from monitoring.alerts import alerts
from monitoring.queries import engines, gateway
from monitoring.queries.objectives import WINDOWS, promises
from monitoring.queries.planned import constants
from monitoring.queries.text import alternatives
from monitoring.selectors import ENGINES, GATEWAY
from monitoring.subjects import Subjects
from monitoring.versions import fitting


def records(subjects: Subjects) -> dict[str, str]:
    """Return what alerts and the overview read all the time: name → expression."""
    found = {}
    if subjects.has(ENGINES) and subjects.chat_models:
        # vLLM counts a first token for embeddings too, and nobody waits for one.
        chats = alternatives("model_name", subjects.chat_models)
        found[engines.TTFT_RECORD] = engines.ttft(chosen=chats)
        found[engines.TOKENS_RECORD] = engines.generated_tokens(chosen=chats)
    if subjects.has(GATEWAY):
        found[gateway.ERRORS_RECORD] = gateway.error_share()
    return _fitting(subjects, found)


def late_shares(subjects: Subjects) -> dict[str, str]:
    """Return which share came later than promised, over every window: name → expression."""
    if not subjects.has(ENGINES) or not subjects.chat_models:
        return {}
    chats = alternatives("model_name", subjects.chat_models)
    shares = {
        promise.late(window): promise.expression(window, chats)
        for promise in promises(subjects.objective)
        for window in WINDOWS
    }
    return _fitting(subjects, shares)


def rule_groups(subjects: Subjects) -> dict[str, Any]:
    """Return the rules file as data, what is recorded before what reads it, every alert with its runbook."""
    plan = [{"record": one.name, "expr": one.expression, "labels": one.labels} for one in constants(subjects)]
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
    groups: list[dict[str, Any]] = [
        # The plan changes with a deploy only; a minute keeps its series from going stale.
        {"name": "hearth-plan", "interval": "1m", "rules": plan},
        {"name": "hearth-objectives", "interval": "30s", "rules": _recorded(late_shares(subjects))},
        # At the pace of the scrapes: what they see is told at once.
        {"name": "hearth", "rules": [*_recorded(records(subjects)), *rules]},
    ]
    return {"groups": [group for group in groups if group["rules"]]}


def _recorded(expressions: dict[str, str]) -> list[dict[str, str]]:
    return [{"record": name, "expr": expression} for name, expression in sorted(expressions.items())]


def _fitting(subjects: Subjects, expressions: dict[str, str]) -> dict[str, str]:
    fit = fitting(subjects.older_names)
    found = {name: fit(expression) for name, expression in expressions.items()}
    return {name: expression for name, expression in found.items() if expression is not None}
