"""Promises, and what people change of single alerts."""

from __future__ import annotations

from dataclasses import replace

import pytest

import monitoring
from monitoring.alerts import Alert, alerts
from monitoring.expressions import metrics_in
from monitoring.queries.objectives import BURNS, MOST, promises
from monitoring.rules import rule_groups
from tests.unit.monitoring.cases import CASES

LATE = ("FirstTokenLate", "TokensLate")


def late(subjects: monitoring.Subjects) -> list[Alert]:
    return [alert for alert in alerts(subjects) if alert.name in LATE]


def test_every_promise_is_watched_over_two_pairs_of_windows(subjects: monitoring.Subjects) -> None:
    assert [(alert.name, alert.severity) for alert in late(subjects)] == [
        (name, severity) for name in LATE for severity in ("critical", "warning")
    ]


@pytest.mark.parametrize(
    ("seconds", "bound"), [(2.5, "2.5"), (1, "1.0"), (0.1, "0.1"), (10.0, "10.0"), (0.025, "0.025"), (0.001, "0.001")]
)
def test_a_bound_is_written_as_the_engine_writes_it(seconds: float, bound: str) -> None:
    first, following = promises(monitoring.Objective(seconds, seconds))
    assert all(f'le="{bound}"' in one.expression("5m", 'model_name=~"a"') for one in (first, following))


@pytest.mark.parametrize(
    ("share", "critical", "warning"),
    [
        (0.95, "0.72", "0.3"),
        (0.99, "0.144", "0.06"),
        (0.999, "0.0144", "0.006"),
        (0.9, "0.9", "0.6"),
        (0.8, "0.9", "0.9"),
    ],
)
def test_the_limit_is_a_multiple_of_what_is_allowed_and_can_be_reached(
    subjects: monitoring.Subjects, share: float, critical: str, warning: str
) -> None:
    wanted = {"critical": critical, "warning": warning}
    for alert in late(replace(subjects, objective=monitoring.Objective(share=share))):
        assert (
            alert.expression.count(f"> {wanted[alert.severity]} ")
            + alert.expression.count(f"> {wanted[alert.severity]})")
            == 2
        ), alert.expression
    assert MOST < 1


def test_the_share_is_recorded_over_every_window_that_is_read(subjects: monitoring.Subjects) -> None:
    groups = rule_groups(subjects)["groups"]
    made = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
    read = {name for alert in late(subjects) for name in metrics_in(alert.expression) if name.startswith("model:")}
    assert read == {name for name in made if ":share" in name and name.startswith("model:")}
    assert len(read) == 2 * 2 * len(BURNS)


def test_another_promise_is_another_bound(subjects: monitoring.Subjects) -> None:
    text = str(rule_groups(replace(subjects, objective=monitoring.Objective(1, 0.05))))
    assert 'le="1.0"' in text
    assert 'le="0.05"' in text
    assert 'le="2.5"' not in text


def tuned(subjects: monitoring.Subjects, name: str, tuning: monitoring.Tuning) -> list[Alert]:
    return [alert for alert in alerts(replace(subjects, tuning={name: tuning})) if alert.name == name]


@pytest.mark.parametrize("name", sorted({case.alert for case in CASES}))
def test_every_alert_can_be_tuned_and_no_other_changes(subjects: monitoring.Subjects, name: str) -> None:
    others = [alert for alert in alerts(subjects) if alert.name != name]
    for tuning in (monitoring.Tuning(enabled=False), monitoring.Tuning(hold_s=7), monitoring.Tuning(severity="info")):
        found = alerts(replace(subjects, tuning={name: tuning}))
        assert sorted(str(alert) for alert in found if alert.name != name) == sorted(map(str, others))
    assert tuned(subjects, name, monitoring.Tuning(enabled=False)) == []
    assert {alert.hold for alert in tuned(subjects, name, monitoring.Tuning(hold_s=7))} == {"7s"}
    assert {alert.severity for alert in tuned(subjects, name, monitoring.Tuning(severity="info"))} == {"info"}


@pytest.mark.parametrize(
    ("hold_s", "text"), [(0, "0m"), (45, "45s"), (60, "1m"), (90, "90s"), (3600, "60m"), (0.4, "0m")]
)
def test_a_hold_is_written_as_prometheus_reads_it(subjects: monitoring.Subjects, hold_s: float, text: str) -> None:
    (alert,) = tuned(subjects, "EngineDown", monitoring.Tuning(hold_s=hold_s))
    assert alert.hold == text


def test_what_is_not_tuned_stays(subjects: monitoring.Subjects) -> None:
    (alert,) = tuned(subjects, "EngineDown", monitoring.Tuning())
    assert alert in alerts(subjects)
