"""What people may say of objectives and alerts, and what is refused where it stands."""

from __future__ import annotations

from typing import Any

import pytest

from infra.config.load import Written
from infra.errors import Severity
from infra.pipeline import build
from infra.services.subjects import subjects
from monitoring.alerts import alerts

MODELS = {"chat": {"source": "synthetic", "device": "cpu"}}


def said(**prometheus: Any) -> list[str]:
    _, findings = build(Written({"models": MODELS, "monitoring": {"prometheus": prometheus}}, {}), "mine", [])
    return [str(finding) for finding in findings if finding.severity is Severity.ERROR]


def test_an_objective_between_two_bounds_cannot_be_counted() -> None:
    (text,) = said(objective={"first_token": "2s"})
    assert text.startswith("hearth:monitoring.prometheus.objective.first_token: 2 s can't be counted")
    assert text.endswith("Set 1s or 2.5s.")
    assert said(objective={"first_token": "1s", "per_token": "50ms"}) == []


@pytest.mark.parametrize("change", [{"enabled": False}, {"hold": "10min"}, {"severity": "info"}])
def test_a_slip_in_an_alerts_name_is_told_whatever_is_changed(change: dict[str, Any]) -> None:
    (text,) = said(alerts={"EngineDwon": change})
    assert text.startswith("hearth:monitoring.prometheus.alerts.EngineDwon: is no alert of this stack")
    assert "EngineDown" in text
    assert said(alerts={"EngineDown": change}) == []


def test_what_people_changed_is_what_prometheus_gets() -> None:
    values = {
        "alerts": {"EngineDown": {"hold": "90s"}, "EngineRestarted": {"enabled": False}},
        "runbook_url": "https://r/",
    }
    built, _ = build(Written({"models": MODELS, "monitoring": {"prometheus": values}}, {}), "mine", [])
    assert built is not None
    watched = subjects(built.declaration.context)
    found = {alert.name: alert.hold for alert in alerts(watched)}
    assert found["EngineDown"] == "90s"
    assert "EngineRestarted" not in found
    assert watched.runbook_url == "https://r"
