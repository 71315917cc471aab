from __future__ import annotations

import json
from typing import Any

import pytest

from bootstrap import console, hosts


def row(name: str, *, is_chosen: bool = True, problem: str = "") -> dict[str, Any]:
    return {"name": name, "is_chosen": is_chosen, "problem": problem, "urns": [f"urn::network-{name}"]}


def answering(monkeypatch: pytest.MonkeyPatch, *rows: dict[str, Any]) -> None:
    monkeypatch.setattr(console, "answer", lambda *_, **__: json.dumps(rows))


def test_hosts_that_were_not_asked_for_and_those_that_are_gone_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, row("a"), row("b", problem="no route"), row("c", is_chosen=False))
    left = hosts.left_alone("prod")
    assert left.hosts == ("b", "c")
    assert left.environment() == {"HEARTH_LEFT_ALONE": "b,c"}
    with pytest.raises(console.StepError, match="prod is up but for b"):
        hosts.require_whole("prod", left)


def test_what_is_still_deployed_on_a_host_is_left_alone_whether_it_is_declared_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answering(monkeypatch, row("a"), row("b", is_chosen=False))
    resources = [
        {"urn": "urn::older", "provider": "urn:x::docker-b::1"},
        {"urn": "urn::other", "provider": "urn:x::docker-bb::2"},
        {"urn": "urn::stack"},
    ]
    left = hosts.left_alone("prod", "a")
    assert left.excluded({"deployment": {"resources": resources}}) == ["urn::network-b", "urn::older"]
    assert left.excluded({"deployment": None}) == ["urn::network-b"]
    hosts.require_whole("prod", left)


def test_nothing_is_deployed_when_no_host_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, row("a", problem="no route"), row("b", is_chosen=False))
    with pytest.raises(console.StepError, match=r"nothing can be deployed to prod\. a: no route"):
        hosts.left_alone("prod", "a")


def test_when_every_host_answers_nothing_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, row("a"))
    left = hosts.left_alone("local")
    assert (left, left.environment()) == (hosts.Left(), {})
