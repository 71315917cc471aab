"""Every panel and every rule is asked of a Prometheus that watches the real programs, or their recorded pages."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import pytest

import monitoring
from infra.config.load import read_stack_file
from infra.pipeline import build
from infra.services.subjects import subjects
from monitoring.expressions import at_all, metrics_in, of_panels, of_rules
from monitoring.metrics import catalogues
from tests.integration.replay import query, replayed
from tests.integration.stacks import ROOT, TestStack, ask
from tests.integration.test_1_chat import chat
from tests.metric_catalogue import jobs, live
from tests.unit.monitoring.watched import everything

pytestmark = pytest.mark.integration
# The plan's records are made once a minute, and a rate needs two scrapes.
TOLD_WITHIN_S: Final = 90
# What the local stack has no series of, with the reason. Each must have one over the recorded pages.
NOT_LIVE: Final = {
    "litellm_proxy_failed_requests_metric_total": "no request fails for good there",
    "litellm_deployment_successful_fallbacks_total": "no fallback is declared there",
}
# What only an event makes, with the event; an alert on it is proved by promtool, and end to end in test_9_alerts.
ON_EVENT: Final = {
    "hearth_engine_ends_total": "an engine's first end",
    "hearth_engine_last_end_info": "an engine's first end",
}
_LABEL: Final = re.compile(r"\{\{(\w+)\}\}")


@pytest.fixture(scope="module")
def watched(local_stack: TestStack) -> monitoring.Subjects:
    written, found = read_stack_file(ROOT, local_stack.name)
    built, _ = build(written, local_stack.name, found)
    assert built is not None
    return subjects(built.declaration.context)


@pytest.fixture(scope="module")
def prometheus(outputs: dict[str, Any], watched: monitoring.Subjects) -> str:
    """The live one, after a small load: some chats at once, twice the same prompt, and one embedding."""
    address: str = outputs["exposed"]["prometheus"]
    with ThreadPoolExecutor() as several:
        asked = [several.submit(chat, outputs, model) for model in watched.chat_models for _ in range(3)]
        assert {one.result().status for one in asked} == {200}
    body = {"model": watched.embedding_models[0], "input": "how full is the cache"}
    assert ask(f"{outputs['gatewayUrl']}/embeddings", key=outputs["masterKey"], body=body).status == 200
    return address


@pytest.fixture(scope="module")
def recorded(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[monitoring.Subjects, str]]:
    del tools
    with replayed(tmp_path_factory.mktemp("recorded")) as found:
        yield found


def blank_panels(watched: monitoring.Subjects, address: str) -> dict[str, str]:
    """Return what a reader would see nothing of: series without a value, and legends with a label that none has."""
    blank = {}
    for board in monitoring.boards(watched):
        for panel in board.panels:
            for series in panel.series:
                found = query(address, at_all(series.expression))
                labels = {name for one in found for name, value in one["metric"].items() if value}
                lost = set(_LABEL.findall(series.legend)) - labels
                if not found or lost:
                    where = f"{board.uid}/{panel.title}/{series.legend}"
                    blank[where] = at_all(series.expression) + (f" lacks {sorted(lost)}" if found else "")
    return blank


def wait_for_panels(watched: monitoring.Subjects, address: str, allowed: frozenset[str]) -> dict[str, str]:
    deadline = time.monotonic() + TOLD_WITHIN_S
    while True:
        blank = {where: one for where, one in blank_panels(watched, address).items() if not metrics_in(one) & allowed}
        if not blank or time.monotonic() > deadline:
            return blank
        time.sleep(3)


def test_every_panel_has_a_series_on_a_stack_that_was_just_used(watched: monitoring.Subjects, prometheus: str) -> None:
    assert len(of_panels(watched)) > 80
    assert wait_for_panels(watched, prometheus, frozenset(NOT_LIVE)) == {}


def test_what_is_excepted_is_read_by_a_panel(watched: monitoring.Subjects) -> None:
    """An exception that nothing needs any more would hide the next blank panel."""
    assert set(NOT_LIVE) <= {metric for expression in of_panels(watched).values() for metric in metrics_in(expression)}


def test_no_panel_escapes_the_proof(watched: monitoring.Subjects, recorded: tuple[monitoring.Subjects, str]) -> None:
    """What no panel of the live stack shows must have a series over the recorded pages."""
    live_ones = {where for where, one in of_panels(watched).items() if not metrics_in(one) & set(NOT_LIVE)}
    rest = set(of_panels(everything())) - live_ones
    assert len(rest) > 20
    pages, address = recorded
    assert rest - set(of_panels(pages)) == set()
    deadline = time.monotonic() + TOLD_WITHIN_S
    while (blank := {where: one for where, one in blank_panels(pages, address).items() if where in rest}) != {}:
        assert time.monotonic() < deadline, blank
        time.sleep(3)


def test_every_record_has_a_series(watched: monitoring.Subjects, prometheus: str) -> None:
    records = {
        where: one
        for where, one in of_rules(watched).items()
        if where.startswith(("model:", "gateway:", "hearth_plan"))
    }
    assert len(records) > 20
    assert [where for where, one in records.items() if not query(prometheus, where.partition("/")[0] or one)] == []


def test_every_alert_reads_metrics_that_are_there(watched: monitoring.Subjects, prometheus: str) -> None:
    """A quiet alert looks like one that can never fire; what it reads tells them apart."""
    read = {metric for expression in of_rules(watched).values() for metric in metrics_in(expression)}
    absent = {metric for metric in read if not query(prometheus, metric)}
    assert absent - set(NOT_LIVE) - set(ON_EVENT) == set()


def test_every_rule_is_evaluated_without_an_error(prometheus: str) -> None:
    groups = ask(f"{prometheus}/api/v1/rules").json()["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert len(rules) > 60
    assert {rule["name"]: rule["lastError"] for rule in rules if rule.get("lastError")} == {}


def test_the_catalogue_is_what_the_pinned_programs_have(prometheus: str) -> None:
    found = jobs(prometheus)
    assert len(found) > 8
    for job in found:
        known = catalogues()[job]
        assert known.series - live(prometheus, job) - set(known.on_event) == set(), job
