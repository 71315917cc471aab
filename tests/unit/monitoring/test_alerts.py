"""Every alert fires when it should and is silent when not, by Prometheus's own unit tester."""

from __future__ import annotations

import copy
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import monitoring
from monitoring.alerts import alerts
from monitoring.expressions import metrics_in, of_panels
from monitoring.queries.objectives import FEWEST
from monitoring.rules import late_shares, records, rule_groups
from tests.unit.monitoring.cases import CASES
from tests.unit.monitoring.cases.case import Case, engine, up
from tests.unit.monitoring.cases.clients import requests
from tests.unit.monitoring.conftest import Tool

ROOT = Path(__file__).parents[3]
# It fires whatever happens: no series can silence it.
ALWAYS_FIRING = {"Watchdog"}


def unit_test(case: Case, subjects: monitoring.Subjects) -> dict[str, Any]:
    """Return one case as promtool reads it: exactly these alerts of that name at its time, with labels and texts."""
    everything_up = {up(job.name, target.instance): "1x450" for job in subjects.jobs for target in job.targets}
    series = everything_up | case.series
    wanted = []
    if case.summary:
        # Descriptions and runbooks hold no template, so that what is compared with itself here proves nothing less.
        rule = next(
            alert
            for alert in alerts(subjects)
            if alert.name == case.alert and alert.severity == case.labels["severity"]
        )
        texts = {"description": rule.description, "runbook_url": f"docs/runbooks/{case.alert}.md"}
        wanted = [{"exp_labels": case.labels, "exp_annotations": {"summary": case.summary, **texts}}]
    return {
        "name": case.name,
        "interval": case.interval,
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "alert_rule_test": [{"eval_time": case.at, "alertname": case.alert, "exp_alerts": wanted}],
    }


def run(
    folder: Path, tool: Tool, rules: dict[str, Any], tests: list[dict[str, Any]]
) -> subprocess.CompletedProcess[str]:
    """Run all tests at once: those of one alert in a file of their own, with the records and that alert alone.

    Half a day of all rules would take minutes.
    """
    files: dict[str, list[dict[str, Any]]] = {}
    for test in tests:
        names = [rule["alertname"] for rule in test.get("alert_rule_test", ())]
        files.setdefault("-".join([*names, str(test["interval"])]), []).append(test)
    for name, chosen in files.items():
        alert = name.partition("-")[0]
        (folder / f"rules-{name}.yml").write_text(yaml.safe_dump(only(alert, rules)))
        file = {"rule_files": [f"rules-{name}.yml"], "evaluation_interval": chosen[0]["interval"], "tests": chosen}
        (folder / f"tests-{name}.yml").write_text(yaml.safe_dump(file))
    return tool(folder, "promtool", "test", "rules", *(f"tests-{name}.yml" for name in sorted(files)))


def only(alert: str, rules: dict[str, Any]) -> dict[str, Any]:
    """Return the records and one alert, evaluated at the pace of the test."""
    groups = [
        {"name": group["name"], "rules": [rule for rule in group["rules"] if rule.get("alert", alert) == alert]}
        for group in rules["groups"]
    ]
    return {"groups": groups}


def mutated(subjects: monitoring.Subjects, expression: str) -> dict[str, Any]:
    """Return the rules with every alert's expression replaced."""
    rules = copy.deepcopy(rule_groups(subjects))
    for rule in [rule for group in rules["groups"] for rule in group["rules"]]:
        if "alert" in rule:
            rule |= {"expr": expression, "for": "0m"}
    return rules


def test_every_alert_fires_when_it_should_and_is_silent_when_not(
    tmp_path: Path, tool: Tool, subjects: monitoring.Subjects
) -> None:
    ran = run(tmp_path, tool, rule_groups(subjects), [unit_test(case, subjects) for case in CASES])
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    ("expression", "fires"), [("vector(1) > 2", True), ("vector(1)", False)], ids=["never fires", "always fires"]
)
def test_a_broken_rule_is_seen_by_the_cases_of_its_alert(
    tmp_path: Path, tool: Tool, subjects: monitoring.Subjects, expression: str, *, fires: bool
) -> None:
    cases = [case for case in CASES if bool(case.summary) is fires and case.alert not in ALWAYS_FIRING]
    ran = run(tmp_path, tool, mutated(subjects, expression), [unit_test(case, subjects) for case in cases])
    red = {case.name for case in cases if f"name: {case.name}" in ran.stdout + ran.stderr}
    assert ran.returncode != 0
    assert red == {case.name for case in cases}


def test_every_alert_has_a_case_that_fires_and_one_that_does_not(subjects: monitoring.Subjects) -> None:
    names = {alert.name for alert in alerts(subjects)}
    assert {case.alert for case in CASES if case.summary} == names
    assert {case.alert for case in CASES if not case.summary} == names - ALWAYS_FIRING
    assert len({case.name for case in CASES}) == len(CASES)


def test_what_is_recorded_is_right_and_read_by_somebody(
    tmp_path: Path, tool: Tool, subjects: monitoring.Subjects
) -> None:
    series = {
        first_token("1.0"): "0+30x40",
        first_token("+Inf"): "0+30x40",
        engine("generation_tokens_total"): "0+30x40",
        engine("generation_tokens_total", instance="chat-1"): "0+15x40",
        requests("200"): "0+75x40",
        requests("500"): "0+25x40",
    }
    chat = '{model_name="chat"}'
    wanted = {
        "model:vllm_ttft_seconds:p95_5m": (chat, 0.953125),
        "model:vllm_generation_tokens:rate5m": (chat, 3),
        "gateway:litellm_errors:share_5m": ("{}", 0.25),
    }
    assert set(records(subjects)) == set(wanted)
    test = {
        "interval": "15s",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            # Versions of Prometheus differ in the last bit of a rate, and an older promtool knows no tolerance.
            {
                "expr": f"round({name}, 0.0078125)",
                "eval_time": "8m",
                "exp_samples": [{"labels": labels, "value": value}],
            }
            for name, (labels, value) in wanted.items()
        ],
    }
    ran = run(tmp_path, tool, rule_groups(subjects), [test])
    assert ran.returncode == 0, ran.stdout + ran.stderr
    read = [*(alert.expression for alert in alerts(subjects)), *of_panels(subjects).values()]
    used = {metric for expression in read for metric in metrics_in(expression)}
    assert {*wanted, *late_shares(subjects)} - used == set()


def test_descriptions_are_the_same_every_time(subjects: monitoring.Subjects) -> None:
    assert [alert.name for alert in alerts(subjects) if "{{" in alert.description or not alert.description] == []


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(subjects: monitoring.Subjects) -> None:
    written = {file.stem: file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert set(written) == {alert.name for alert in alerts(subjects)}
    for name, text in written.items():
        assert text.startswith(f"# {name}\n")
        assert all(f"\n**{part}.** " in text for part in ("Meaning", "Look", "Mend")), name


def test_alerts_of_absent_programs_are_left_out() -> None:
    none = monitoring.Subjects("test", (), (), (), "docs/runbooks")
    assert {alert.name for alert in alerts(none)} == ALWAYS_FIRING


def test_a_stack_without_chats_waits_for_no_first_token(subjects: monitoring.Subjects) -> None:
    only = replace(subjects, chat_models=())
    assert {"FirstTokenLate", "TokensLate"} & {alert.name for alert in alerts(only)} == set()
    assert set(records(only)) == {"gateway:litellm_errors:share_5m"}
    assert late_shares(only) == {}


def test_people_can_tune_an_alert(subjects: monitoring.Subjects) -> None:
    wanted = {
        "EngineDown": monitoring.Tuning(hold_s=90, severity="warning"),
        "EngineRestarted": monitoring.Tuning(enabled=False),
    }
    found = {alert.name: alert for alert in alerts(replace(subjects, tuning=wanted))}
    assert (found["EngineDown"].hold, found["EngineDown"].severity) == ("90s", "warning")
    assert "EngineRestarted" not in found
    assert found["GatewayDown"].hold == "1m"


def test_an_objective_sets_bound_and_limit(subjects: monitoring.Subjects) -> None:
    strict = replace(subjects, objective=monitoring.Objective(1.0, 0.05, 0.99))
    first = next(one for one in alerts(strict) if one.name == "FirstTokenLate" and one.severity == "critical")
    assert "> 0.144 and" in first.expression
    assert f">= {FEWEST}" in first.expression
    assert 'le="1.0"' in late_shares(strict)["model:vllm_first_token_late:share1h"]


def test_cards_are_known_by_uuid_too(tmp_path: Path, tool: Tool, subjects: monitoring.Subjects) -> None:
    named = replace(subjects, cards=(monitoring.Card("box", "GPU-a", "nvidia", 80e9, 0.0),))
    lost = next(alert for alert in alerts(named) if alert.name == "CardLost")
    assert '"UUID"' in lost.expression
    seen = {'DCGM_FI_DEV_GPU_TEMP{host="box",UUID="GPU-a",gpu="3"}': "40x80"}
    case = Case("CardLost", "there, by UUID", seen)
    ran = run(tmp_path, tool, rule_groups(named), [unit_test(case, named)])
    assert ran.returncode == 0, ran.stdout + ran.stderr


def first_token(le: str) -> str:
    return f'vllm:time_to_first_token_seconds_bucket{{job="vllm",instance="chat-0",model_name="chat",le="{le}"}}'
