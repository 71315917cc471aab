"""Older engines are asked by the names that they have."""

from __future__ import annotations

from dataclasses import replace

import pytest

import monitoring
from monitoring.alerts import alerts
from monitoring.boards import Board, Panel, Row, Series, changed
from monitoring.expressions import of_panels
from monitoring.rules import rule_groups
from monitoring.versions import fitting

OLDER = {
    "vllm:kv_cache_usage_perc": "vllm:gpu_cache_usage_perc",
    "vllm:itl_seconds": "vllm:tpot_seconds",
    "vllm:queue": None,
}


@pytest.mark.parametrize(
    ("expression", "wanted"),
    [
        ("max(vllm:kv_cache_usage_perc)", "max(vllm:gpu_cache_usage_perc)"),
        ("vllm:itl_seconds_bucket / vllm:itl_seconds_count", "vllm:tpot_seconds_bucket / vllm:tpot_seconds_count"),
        ("vllm:itl_seconds_sum + vllm:itl_seconds", "vllm:tpot_seconds_sum + vllm:tpot_seconds"),
        ("vllm:itl_seconds_total", "vllm:itl_seconds_total"),
        ("my:vllm:itl_seconds", "my:vllm:itl_seconds"),
        ("model:vllm_itl_seconds:p95", "model:vllm_itl_seconds:p95"),
        ("rate(vllm:queue_bucket[5m])", None),
        ("a and vllm:queue", None),
        ("vllm:queue_length", "vllm:queue_length"),
    ],
)
def test_an_expression_for_an_older_engine(expression: str, wanted: str | None) -> None:
    assert fitting(OLDER)(expression) == wanted


def test_the_newest_engine_is_asked_as_written() -> None:
    assert fitting({})("vllm:queue") == "vllm:queue"


def panel(title: str, *expressions: str) -> Panel:
    return Panel(title, "short", tuple(Series(one, one) for one in expressions), "about")


def drop(expression: str) -> str | None:
    return None if expression.startswith("gone") else expression.upper()


def test_what_has_no_expression_left_goes() -> None:
    rows = (
        Row("both", (panel("half", "a", "gone"), panel("none", "gone", "gone2"))),
        Row("empty", (panel("nothing", "gone"),)),
    )
    board = Board("uid", "title", rows)
    kept = replace(panel("half"), series=(Series("A", "a"),))
    assert changed(board, drop) == replace(board, rows=(Row("both", (kept,)),))


def test_a_board_without_any_expression_goes_too() -> None:
    assert changed(Board("uid", "title", (Row("row", (panel("nothing", "gone"),)),)), drop) is None


def test_what_an_older_engine_has_not_got_is_neither_drawn_nor_recorded_nor_alerted_on(
    subjects: monitoring.Subjects,
) -> None:
    lacking = {
        "vllm:request_queue_time_seconds": None,
        "vllm:kv_cache_usage_perc": None,
        "vllm:inter_token_latency_seconds": None,
    }
    old = replace(subjects, older_names=lacking)
    rules = str(rule_groups(old))
    assert not [name for name in lacking if name in rules or any(name in one for one in of_panels(old).values())]
    gone = {alert.name for alert in alerts(subjects)} - {alert.name for alert in alerts(old)}
    assert gone == {"EngineKvNearlyFull", "TokensLate"}
    titles = {panel.title for board in monitoring.boards(old) for panel in board.panels}
    assert "Time in the queue, p95" not in titles
    assert "Requests" in titles


def test_no_alert_reads_a_record_that_is_not_made(subjects: monitoring.Subjects) -> None:
    lacking = {"vllm:inter_token_latency_seconds": None, "vllm:time_to_first_token_seconds": None}
    for known in (subjects, replace(subjects, older_names=lacking), replace(subjects, chat_models=())):
        groups = rule_groups(known)["groups"]
        made = {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}
        text = " ".join(rule["expr"] for group in groups for rule in group["rules"] if "alert" in rule)
        text += " ".join(of_panels(known).values())
        assert {word for word in text.replace("(", " ").split() if word.startswith(("model:", "gateway:"))} <= made
