"""The rules file: what is recorded, and what alerts."""

from __future__ import annotations

from typing import Any

from monitoring.alerts import alerts
from monitoring.queries.planned import constants
from monitoring.records import late_shares, records
from monitoring.subjects import Subjects


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
