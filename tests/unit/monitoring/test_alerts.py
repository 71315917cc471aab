"""Every alert fires when it should and is silent when not, by Prometheus's own unit tester."""

from __future__ import annotations

import copy
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import monitoring
from monitoring.alerts import alerts
from monitoring.expressions import metrics_in
from monitoring.rules import rule_groups
from tests.unit.monitoring import watched
from tests.unit.monitoring.cases import CASES, Case, cards
from tests.unit.monitoring.cases.case import up
from tests.unit.monitoring.conftest import Tool

ROOT = Path(__file__).parents[3]
# It fires whatever happens: no series can silence it.
ALWAYS_FIRING = {"Watchdog"}
CASES_OF = {name: [case for case in CASES if case.alert == name] for name in sorted({case.alert for case in CASES})}


def unit_test(case: Case, subjects: monitoring.Subjects) -> dict[str, Any]:
    """Return one case as promtool reads it: exactly these alerts of that name at that time, with labels and texts."""
    everything_up = {up(job.name, target.instance): "1x2000" for job in subjects.jobs for target in job.targets}
    series = everything_up | dict(case.series)
    wanted = []
    for severity in case.severities if case.summary else ():
        # Descriptions and runbooks hold no template, so that what is compared with itself here proves nothing less.
        description = next(
            rule.description for rule in alerts(subjects) if (rule.name, rule.severity) == (case.alert, severity)
        )
        texts = {"description": description, "runbook_url": f"docs/runbooks/{case.alert}.md"}
        labels = {**case.labels, "severity": severity}
        wanted.append({"exp_labels": labels, "exp_annotations": {"summary": case.summary, **texts}})
    return {
        "name": case.name,
        "interval": case.interval,
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": wanted}],
    }


def run(
    folder: Path, tool: Tool, rules: dict[str, Any], tests: list[dict[str, Any]], every: str = "15s"
) -> subprocess.CompletedProcess[str]:
    # Else it takes groups in an order of chance, and an alert may read what was recorded an interval before.
    order = [group["name"] for group in rules["groups"]]
    file = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": every,
        "group_eval_order": order,
        "tests": tests,
    }
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    (folder / "tests.yml").write_text(yaml.safe_dump(file))
    return tool(folder, "promtool", "test", "rules", "tests.yml")


def only(alert: str, subjects: monitoring.Subjects) -> dict[str, Any]:
    """Return this alert, and the records that it reads: the others cost minutes and prove nothing here."""
    rules = copy.deepcopy(rule_groups(subjects))
    read = metrics_in(" or ".join(one.expression for one in alerts(subjects) if one.name == alert))
    for group in rules["groups"]:
        group["rules"] = [rule for rule in group["rules"] if rule.get("alert") == alert or rule.get("record") in read]
    return rules


def mutated(subjects: monitoring.Subjects, expression: str) -> dict[str, Any]:
    """Return the alerts, each with its expression replaced."""
    rules = [
        {**rule, "expr": expression, "for": "0m"}
        for group in rule_groups(subjects)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]
    return {"groups": [{"name": "mutated", "rules": rules}]}


def at_once(test: dict[str, Any]) -> dict[str, Any]:
    """Return a case that is looked at after a minute: a constant reads no series, and needs no hours."""
    looked_at = [{**one, "eval_time": "1m"} for one in test["alert_rule_test"]]
    return {**test, "input_series": [], "alert_rule_test": looked_at}


def prove(folder: Path, tool: Tool, subjects: monitoring.Subjects, cases: Sequence[Case]) -> None:
    (alert,) = {case.alert for case in cases}
    for every in sorted({case.interval for case in cases}):
        tests = [unit_test(case, subjects) for case in cases if case.interval == every]
        # Rules at the pace of the samples: hours at four times a minute take minutes.
        ran = run(folder, tool, only(alert, subjects), tests, every)
        assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("alert", CASES_OF)
def test_every_alert_fires_when_it_should_and_is_silent_when_not(
    tmp_path: Path, tool: Tool, subjects: monitoring.Subjects, alert: str
) -> None:
    prove(tmp_path, tool, subjects, CASES_OF[alert])


def test_a_card_is_missed_by_its_uuid(tmp_path: Path, tool: Tool) -> None:
    prove(tmp_path, tool, watched.by_uuid(), cards.BY_UUID)


def test_a_card_is_missed_by_either_name(tmp_path: Path, tool: Tool) -> None:
    prove(tmp_path, tool, watched.named_both_ways(), cards.BOTH_WAYS)


@pytest.mark.parametrize(
    ("expression", "fires"), [("vector(1) > 2", True), ("vector(1)", False)], ids=["never fires", "always fires"]
)
def test_a_broken_rule_is_seen_by_the_cases_of_its_alert(
    tmp_path: Path, tool: Tool, subjects: monitoring.Subjects, expression: str, *, fires: bool
) -> None:
    cases = [case for case in CASES if bool(case.summary) is fires and case.alert not in ALWAYS_FIRING]
    tests = [at_once(unit_test(case, subjects)) for case in cases]
    ran = run(tmp_path, tool, mutated(subjects, expression), tests)
    red = {case.name for case in cases if f"name: {case.name}," in ran.stdout + ran.stderr}
    assert ran.returncode != 0
    assert red == {case.name for case in cases}


def test_every_alert_has_a_case_that_fires_and_one_that_does_not(subjects: monitoring.Subjects) -> None:
    names = {alert.name for alert in alerts(subjects)}
    assert {case.alert for case in CASES if case.summary} == names
    assert {case.alert for case in CASES if not case.summary} == names - ALWAYS_FIRING
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_severity_of_an_alert_has_a_case_that_fires(subjects: monitoring.Subjects) -> None:
    proved = {(case.alert, severity) for case in CASES if case.summary for severity in case.severities}
    assert proved == {(alert.name, alert.severity) for alert in alerts(subjects)}


def test_no_two_alerts_of_one_name_and_severity_could_raise_the_same(subjects: monitoring.Subjects) -> None:
    """Promtool only warns of them, and one would hide the other's state."""
    found = [(alert.name, alert.severity) for alert in alerts(subjects)]
    assert [one for one in found if found.count(one) > 1] == []


def test_descriptions_are_the_same_every_time(subjects: monitoring.Subjects) -> None:
    assert [alert.name for alert in alerts(subjects) if "{{" in alert.description or not alert.description] == []


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(subjects: monitoring.Subjects) -> None:
    written = {file.stem: file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert set(written) == {alert.name for alert in alerts(subjects)}
    for name, text in written.items():
        assert text.startswith(f"# {name}\n")
        assert all(f"\n**{part}.** " in text for part in ("Meaning", "Look", "Mend")), name
        assert len(text.splitlines()) < 25, name


def test_alerts_of_absent_programs_are_left_out() -> None:
    assert {alert.name for alert in alerts(watched.nothing())} == ALWAYS_FIRING


@pytest.mark.parametrize(
    ("jobs", "names"),
    [
        (("litellm",), {"GatewayDown", "GatewayErrors", "GatewayFallback"}),
        (("node_exporter",), {"DiskFilling", "DiskFullSoon", "MemoryLow", "EndedForMemory"}),
        (("probes",), {"UiDown", "FrontDoorDown", "CertificateExpiring"}),
        (("dcgm_exporter",), {"CardFault"}),
        (("dcgm_exporter", "amd_exporter"), {"CardFault", "CardHot", "CardLost", "CardMemoryErrors"}),
        (("prometheus",), {"RulesFailing"}),
        (("prometheus", "alertmanager"), {"RulesFailing", "PrometheusConfigBroken", "AlertsUndelivered"}),
    ],
)
def test_a_program_takes_its_own_alerts_with_it(
    subjects: monitoring.Subjects, jobs: tuple[str, ...], names: set[str]
) -> None:
    there = {alert.name for alert in alerts(watched.without(*jobs))}
    assert {alert.name for alert in alerts(subjects)} - there == names


def test_engines_that_nobody_supervises_are_watched_as_any_target() -> None:
    found = {alert.name: alert for alert in alerts(watched.without("supervision"))}
    assert not {"EngineDown", "EngineFailed", "EngineStalled", "PlanAndEngineApart"} & set(found)
    assert "vllm" in found["TargetDown"].expression


def test_one_host_alone_has_no_alert_for_its_end(subjects: monitoring.Subjects) -> None:
    here = tuple(
        replace(job, targets=tuple(target for target in job.targets if target.labels["host"] == "one"))
        for job in subjects.jobs
    )
    assert "HostDown" not in {alert.name for alert in alerts(replace(subjects, jobs=here))}


def test_a_stack_without_chats_waits_for_no_first_token(subjects: monitoring.Subjects) -> None:
    names = {alert.name for alert in alerts(replace(subjects, chat_models=()))}
    assert {alert.name for alert in alerts(subjects)} - names == {"FirstTokenLate", "TokensLate"}


def test_an_address_without_a_certificate_has_no_alert_of_it(subjects: monitoring.Subjects) -> None:
    plain = tuple(
        replace(job, targets=tuple(one for one in job.targets if not one.address.startswith("https://")))
        for job in subjects.jobs
    )
    assert "CertificateExpiring" not in {alert.name for alert in alerts(replace(subjects, jobs=plain))}
