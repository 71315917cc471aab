"""What is read is found: metrics, functions, and every expression of every panel and rule."""

from __future__ import annotations

import re

import pytest

import monitoring
from monitoring.expressions import at_all, metrics_in, of_panels, of_rules
from monitoring.grafana import marks
from monitoring.rules import rule_groups

KEYWORDS = {"by", "on", "ignoring", "without", "group_left", "group_right", "and", "or", "unless"}
# Everything that stands before a bracket, with strings and label lists out of the way.
CALL = re.compile(r"\b([a-z_]+)\s*\(")
NOT_CODE = re.compile(r'"(?:[^"\\]|\\.)*"|\{[^}]*\}')


@pytest.mark.parametrize(
    ("expression", "metrics"),
    [
        ("up", {"up"}),
        ("model:vllm_ttft_seconds:p95_5m > 2", {"model:vllm_ttft_seconds:p95_5m"}),
        ("sum by (le, model_name) (rate(vllm:a_bucket[5m]))", {"vllm:a_bucket"}),
        ("sum(a) by (host) / on (host, instance) group_left (state) b", {"a", "b"}),
        ('a{job="vllm", state=~"b|c{1,2}"} == 1', {"a"}),
        ('label_replace(a, "card", "$1", "gpu", "(.*)")', {"a"}),
        (r'a{model=~"x\"y z\\.1"} or b', {"a", "b"}),
        ("a unless a offset 15m and b offset 2m", {"a", "b"}),
        ("max_of_all < 1e18 and b > 1.5e-9", {"max_of_all", "b"}),
        ("increase(a_total[1h]) > 0 or vector(0)", {"a_total"}),
        ("time() - a", {"a"}),
        ('absent(up{instance="a"})\nor absent(up{instance="b"})', {"up"}),
        ("clamp_min(min_over_time(a[15m]), 1)", {"a"}),
    ],
)
def test_the_metrics_of_an_expression(expression: str, metrics: set[str]) -> None:
    assert metrics_in(expression) == metrics


def everything(subjects: monitoring.Subjects) -> list[str]:
    return [*of_panels(subjects).values(), *of_rules(subjects).values(), *(str(one["expr"]) for one in marks(subjects))]


def test_every_function_in_use_is_known_as_one(subjects: monitoring.Subjects) -> None:
    called = {name for one in everything(subjects) for name in CALL.findall(NOT_CODE.sub(" ", one))} - KEYWORDS
    assert len(called) > 10
    assert {name for name in called if metrics_in(f"{name}(a)") != {"a"}} == set()


def test_an_unknown_function_is_taken_for_a_metric_that_nobody_has() -> None:
    assert metrics_in("deriv(a[5m])") == {"deriv", "a"}


def test_no_panel_is_lost_among_those_of_its_name(subjects: monitoring.Subjects) -> None:
    drawn = [series for board in monitoring.boards(subjects) for panel in board.panels for series in panel.series]
    assert len(of_panels(subjects)) == len(drawn) > 100


def test_no_rule_is_lost_among_those_of_its_name(subjects: monitoring.Subjects) -> None:
    rules = [rule for group in rule_groups(subjects)["groups"] for rule in group["rules"]]
    assert sorted(of_rules(subjects).values()) == sorted(rule["expr"] for rule in rules)


@pytest.mark.parametrize("choice", ["$model", "${model}", "$instance", "$host"])
def test_every_choice_stands_at_all(choice: str) -> None:
    assert at_all(f'a{{label=~"{choice}"}}') == 'a{label=~".*"}'


def test_no_other_variable_is_changed() -> None:
    assert (
        at_all('label_replace(a, "b", "$1", "c", "(.*)") + $modelled')
        == 'label_replace(a, "b", "$1", "c", "(.*)") + $modelled'
    )


def test_nothing_is_left_to_choose(subjects: monitoring.Subjects) -> None:
    assert [one for one in of_panels(subjects).values() if re.search(r"\$[a-z{_]", one)] == []
