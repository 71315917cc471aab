"""What is recorded is right, and read by somebody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import monitoring
from monitoring.expressions import metrics_in, of_panels
from monitoring.queries.planned import constants
from monitoring.records import late_shares, records
from monitoring.rules import rule_groups
from tests.unit.monitoring import watched
from tests.unit.monitoring.cases.engines import engine
from tests.unit.monitoring.cases.gateway import failed, requests
from tests.unit.monitoring.conftest import Tool
from tests.unit.monitoring.test_alerts import run


def bucket(metric: str, bound: str) -> str:
    return engine(f"{metric}_bucket").replace("job=", f'le="{bound}",job=')


def test_what_is_recorded_is_right(tmp_path: Path, tool: Tool, subjects: monitoring.Subjects) -> None:
    series = {
        bucket("time_to_first_token_seconds", "1.0"): "0+30x40",
        bucket("time_to_first_token_seconds", "2.5"): "0+30x40",
        bucket("time_to_first_token_seconds", "+Inf"): "0+40x40",
        engine("time_to_first_token_seconds_count"): "0+40x40",
        bucket("inter_token_latency_seconds", "0.1"): "0+10x40",
        engine("inter_token_latency_seconds_count"): "0+80x40",
        engine("generation_tokens_total"): "0+30x40",
        engine("generation_tokens_total", "chat-1"): "0+15x40",
        requests("200"): "0+75x40",
        requests("500"): "0+15x40",
        failed("RouterRateLimitError"): "0+10x40",
    }
    chat = '{model_name="chat"}'
    late = {name: (chat, 0.25 if "first" in name else 0.875) for name in late_shares(subjects)}
    wanted = late | {
        "model:vllm_ttft_seconds:p95_5m": (chat, 2.5),
        "model:vllm_generation_tokens:rate5m": (chat, 3),
        "gateway:litellm_errors:share_5m": ("{}", 0.25),
    }
    assert set(records(subjects)) | set(late) == set(wanted)
    assert len(late) == 8
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


def test_what_is_recorded_is_read(subjects: monitoring.Subjects) -> None:
    alerting = [rule["expr"] for group in rule_groups(subjects)["groups"] for rule in group["rules"] if "alert" in rule]
    read = {name for one in (*alerting, *of_panels(subjects).values()) for name in metrics_in(one)}
    assert set(records(subjects)) | set(late_shares(subjects)) <= read


def test_without_requests_no_share_of_errors_is_told(tmp_path: Path, tool: Tool, subjects: monitoring.Subjects) -> None:
    test = {
        "interval": "15s",
        "input_series": [],
        "promql_expr_test": [
            {
                "expr": "gateway:litellm_errors:share_5m",
                "eval_time": "8m",
                "exp_samples": [{"labels": "gateway:litellm_errors:share_5m", "value": 0}],
            }
        ],
    }
    ran = run(tmp_path, tool, rule_groups(subjects), [test])
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_stack_without_chats_records_no_first_token(subjects: monitoring.Subjects) -> None:
    only = replace(subjects, chat_models=())
    assert set(records(only)) == {"gateway:litellm_errors:share_5m"}
    assert late_shares(only) == {}


def test_the_plan_is_told_as_it_is(tmp_path: Path, tool: Tool, subjects: monitoring.Subjects) -> None:
    exact = replace(subjects.engines[0], concurrency=12.345678901234567, weights_bytes=2.0**53 + 2)
    planned = replace(subjects, engines=(exact, *subjects.engines[1:]))
    test = {
        "interval": "15s",
        "input_series": [],
        "promql_expr_test": [
            {
                "expr": f'{one.name}{{{",".join(f"""{key}="{value}" """ for key, value in one.labels.items())}}}',
                "eval_time": "2m",
                "exp_samples": [
                    {
                        "labels": f'{one.name}{{{",".join(f"""{key}="{value}" """ for key, value in one.labels.items())}}}',
                        "value": one.value,
                    }
                ],
            }
            for one in constants(planned)
        ],
    }
    assert len(constants(planned)) > 20
    ran = run(tmp_path, tool, rule_groups(planned), [test])
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("field", ["kv_tokens", "concurrency", "weights_bytes"])
def test_what_nobody_knows_of_an_engine_is_not_told(field: str) -> None:
    unknown: dict[str, Any] = {field: None}
    engine = replace(watched.everything().engines[0], **unknown)
    names = {one.name for one in constants(replace(watched.nothing(), engines=(engine,)))}
    stem = {"kv_tokens": "kv_cache_tokens", "concurrency": "max_concurrency"}.get(field, field)
    assert names
    assert not [name for name in names if name.startswith(f"hearth_plan_{stem}")]
