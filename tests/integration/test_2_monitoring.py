"""What Prometheus sees of the local stack."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import pytest

from tests.integration import replay
from tests.integration.stacks import TestStack, ask
from tests.integration.test_1_chat import chat

pytestmark = pytest.mark.integration
SCRAPED_WITHIN_S = 30


def query(outputs: dict[str, Any], expression: str) -> list[dict[str, Any]]:
    return replay.query(outputs["exposed"]["prometheus"], expression)


def test_every_declared_target_is_up(local_stack: TestStack, outputs: dict[str, Any]) -> None:
    wanted = set(local_stack.containers())
    deadline = time.monotonic() + SCRAPED_WITHIN_S
    while True:
        targets = ask(f"{outputs['exposed']['prometheus']}/api/v1/targets?state=active").json()["data"]["activeTargets"]
        up = {target["labels"]["instance"] for target in targets if target["health"] == "up"}
        if up >= wanted or time.monotonic() > deadline:
            break
        time.sleep(1)
    assert up == wanted


ENGINES = {"tiny-chat-0", "tiny-chat-1", "tiny-coder", "minilm"}


def test_every_engine_tells_what_it_does_and_what_it_has(outputs: dict[str, Any]) -> None:
    deadline = time.monotonic() + SCRAPED_WITHIN_S
    running: set[str] = set()
    while running != ENGINES and time.monotonic() < deadline:
        found = query(outputs, 'hearth_engine_state{state="running"} == 1')
        running = {sample["metric"]["instance"] for sample in found}
        time.sleep(1)
    assert running == ENGINES
    starts = {
        one["metric"]["instance"]: float(one["value"][1]) for one in query(outputs, "hearth_engine_start_seconds")
    }
    assert set(starts) == ENGINES
    assert min(starts.values()) > 1
    tokens = {float(one["value"][1]) for one in query(outputs, 'hearth_engine_kv_cache_tokens{instance=~"tiny-.*"}')}
    assert tokens == {131072.0}


def test_observe_finds_what_was_planned(local_stack: TestStack) -> None:
    ran = local_stack.run(
        [sys.executable, "-m", "infra", "observe", "--stack", local_stack.name, "--json"], check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = {row["instance"]: row for row in json.loads(ran.stdout)["engines"]}
    assert set(rows) == ENGINES
    for name, row in rows.items():
        assert (row["state"], row["serves"], row["is_as_declared"]) == ("running", True, True), name
    for name in ENGINES - {"minilm"}:
        assert rows[name]["observed"]["tokens"] == rows[name]["plan"]["tokens"] == 131072


def test_one_chat_raises_the_request_counter_by_one(outputs: dict[str, Any]) -> None:
    expression = 'sum(vllm:request_success_total{model_name="tiny-coder"})'

    def counted() -> float:
        found = query(outputs, expression)
        return float(found[0]["value"][1]) if found else 0.0

    time.sleep(6)
    before = counted()
    assert chat(outputs, "tiny-coder").status == 200
    deadline = time.monotonic() + SCRAPED_WITHIN_S
    while counted() == before and time.monotonic() < deadline:
        time.sleep(1)
    assert counted() == before + 1


def test_prometheus_has_loaded_every_rule(outputs: dict[str, Any]) -> None:
    groups = ask(f"{outputs['exposed']['prometheus']}/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 5
    assert [rule["name"] for rule in rules if rule.get("lastError")] == []


def test_alerts_reach_the_alertmanager(outputs: dict[str, Any]) -> None:
    """The dead man's switch fires always: it shows that the way to the Alertmanager is open."""
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        alerts = ask(f"{outputs['exposed']['alertmanager']}/api/v2/alerts").json()
        if any(alert["labels"]["alertname"] == "Watchdog" for alert in alerts):
            return
        time.sleep(2)
    pytest.fail("the Alertmanager never got the Watchdog")
