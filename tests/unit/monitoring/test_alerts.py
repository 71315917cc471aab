"""Every alert fires when it should and is silent when not, by Prometheus's own unit tester."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import monitoring
from monitoring.alerts import alerts
from tests.unit.monitoring.conftest import Tool

ROOT = Path(__file__).parents[3]
REQUESTS = 'litellm_proxy_total_requests_metric_total{job="litellm",route="/v1/chat/completions",status_code="%s"}'
BUCKET = 'vllm:time_to_first_token_seconds_bucket{model_name="a",le="%s"}'
ENGINE = '{model_name="a",instance="a:8000"}'
# Per alert: series that make it fire, and series that are nearly the same and must not.
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "TargetDown": ({'up{job="vllm",instance="a:8000"}': "0x80"}, {'up{job="vllm",instance="a:8000"}': "1x80"}),
    "TargetMissing": ({'up{job="vllm",instance="b:8000"}': "1x80"}, {}),
    "EngineStalled": (
        {f"vllm:num_requests_running{ENGINE}": "1x80", f"vllm:generation_tokens_total{ENGINE}": "7x80"},
        {f"vllm:num_requests_running{ENGINE}": "1x80", f"vllm:generation_tokens_total{ENGINE}": "0+9x80"},
    ),
    "EngineQueueLong": (
        {f"vllm:num_requests_waiting{ENGINE}": "11x80"},
        {f"vllm:num_requests_waiting{ENGINE}": "10x80"},
    ),
    "EngineKvNearlyFull": (
        {f"vllm:kv_cache_usage_perc{ENGINE}": "0.97x80"},
        {f"vllm:kv_cache_usage_perc{ENGINE}": "0.9x80"},
    ),
    "EnginePreempting": (
        {f"vllm:num_preemptions_total{ENGINE}": "0+6x80"},
        {f"vllm:num_preemptions_total{ENGINE}": "0+1x80"},
    ),
    "EngineSlowFirstToken": (
        {BUCKET % "1.0": "0x80", BUCKET % "5.0": "0+30x80", BUCKET % "+Inf": "0+30x80"},
        {BUCKET % "1.0": "0+30x80", BUCKET % "5.0": "0+30x80", BUCKET % "+Inf": "0+30x80"},
    ),
    "EngineRestarted": (
        {'process_start_time_seconds{job="vllm",instance="a:8000"}': "100x35 900x45"},
        {'process_start_time_seconds{job="vllm",instance="a:8000"}': "100x80"},
    ),
    "GatewayErrors": (
        {REQUESTS % "200": "0+90x80", REQUESTS % "500": "0+10x80"},
        {REQUESTS % "200": "0+99x80", REQUESTS % "500": "0+1x80", REQUESTS % "401": "0+50x80"},
    ),
    "DiskFilling": (
        {'node_filesystem_avail_bytes{fstype="ext4"}': "9x80", 'node_filesystem_size_bytes{fstype="ext4"}': "100x80"},
        {'node_filesystem_avail_bytes{fstype="ext4"}': "11x80", 'node_filesystem_size_bytes{fstype="ext4"}': "100x80"},
    ),
    "MemoryLow": (
        {"node_memory_MemAvailable_bytes": "4x80", "node_memory_MemTotal_bytes": "100x80"},
        {"node_memory_MemAvailable_bytes": "6x80", "node_memory_MemTotal_bytes": "100x80"},
    ),
    "PrometheusConfigBroken": (
        {'prometheus_config_last_reload_successful{job="prometheus"}': "0x80"},
        {'prometheus_config_last_reload_successful{job="prometheus"}': "1x80"},
    ),
}
ALWAYS_FIRING = {"Watchdog"}


def unit_test(name: str, series: dict[str, str], *, fires: bool) -> dict[str, Any]:
    """One promtool test: how many alerts of that name fire after 20 minutes, whatever their labels."""
    expression = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) > bool 0'
    wanted = [{"labels": "{}", "value": 1}] if fires else []
    return {
        "name": f"{name} {'fires' if fires else 'is silent'}",
        "interval": "15s",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [{"expr": expression, "eval_time": "20m", "exp_samples": wanted}],
    }


def complete(series: dict[str, str]) -> dict[str, str]:
    """Add every declared target as up, so that nothing is missing by accident."""
    targets = [("vllm", "a:8000"), ("vllm", "b:8000"), ("litellm", "litellm:4000")]
    targets += [("node_exporter", "node-exporter:9100"), ("prometheus", "prometheus:9090")]
    return {f'up{{job="{job}",instance="{at}"}}': "1x80" for job, at in targets} | series


@pytest.fixture
def folder(tmp_path: Path, subjects: monitoring.Subjects) -> Path:
    (tmp_path / "rules.yml").write_text(monitoring.rules(subjects))
    return tmp_path


def run(folder: Path, tool: Tool, tests: list[dict[str, Any]]) -> Any:
    file = {"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests}
    (folder / "tests.yml").write_text(yaml.safe_dump(file))
    return tool(folder, "promtool", "test", "rules", "tests.yml")


def test_every_alert_fires_when_it_should_and_is_silent_when_not(folder: Path, tool: Tool) -> None:
    tests = []
    for name, (bad, good) in CASES.items():
        tests.append(unit_test(name, bad if name == "TargetMissing" else complete(bad), fires=True))
        tests.append(unit_test(name, complete(good), fires=False))
    ran = run(folder, tool, tests)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_wrong_expectation_is_seen(folder: Path, tool: Tool) -> None:
    """The test above can fail."""
    assert run(folder, tool, [unit_test("MemoryLow", complete({}), fires=True)]).returncode != 0


def test_every_alert_has_a_case(subjects: monitoring.Subjects) -> None:
    assert {alert.name for alert in alerts(subjects)} == set(CASES) | ALWAYS_FIRING


def test_every_alert_has_a_runbook_and_every_runbook_an_alert(subjects: monitoring.Subjects) -> None:
    written = {file.stem for file in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert written == {alert.name for alert in alerts(subjects)}


def test_alerts_of_absent_programs_are_left_out() -> None:
    none = monitoring.Subjects("test", (), (), (), "docs/runbooks")
    assert {alert.name for alert in alerts(none)} == ALWAYS_FIRING
