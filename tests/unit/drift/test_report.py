"""What the engine says, cards, and the report's three forms."""

from __future__ import annotations

import json
from typing import Any

from infra.config.inventory import Host
from infra.drift.difference import Difference, Wins
from infra.drift.engine import differences
from infra.drift.hosts import card_differences
from infra.drift.report import Report, markdown, text
from infra.errors import Finding
from infra.facts.cards import Card
from infra.facts.host import HostFacts

URN = "urn:pulumi:mine::hearth::hearth:index:Stack$docker:index/container:Container::"
PROVIDER = "urn:pulumi:mine::hearth::hearth:index:Stack$pulumi:providers:docker::docker-gpu-1::id"


def step(op: str, name: str, **more: Any) -> dict[str, Any]:
    return {
        "op": op,
        "urn": f"{URN}{name}",
        "newState": {"provider": PROVIDER, "inputs": {"envs": ["A=s3cret"]}},
        **more,
    }


def test_a_preview_is_read_without_any_value() -> None:
    steps = [
        step("same", "same"),
        step("update", "coder", detailedDiff={"restart": {}, "uploads[0].content": {}, "uploads[1].content": {}}),
        step("create", "nginx"),
        step(
            "replace",
            "alertmanager",
            newState={"provider": PROVIDER, "inputs": {"restart": "always"}},
            oldState={"provider": PROVIDER, "outputs": {"restart": "no", "memory": 900}},
            detailedDiff={"memory": {}, "restart": {}},
        ),
        step("create-replacement", "alertmanager"),
        step("delete", "gone"),
        step("replace", "dragged-along"),
        {"op": "update", "urn": "urn:pulumi:mine::hearth::pulumi:providers:docker::docker-gpu-1"},
    ]
    found = list(differences({"steps": steps}))
    assert {one.host for one in found} == {"gpu-1"}
    assert [(one.what, one.aspect.removeprefix("engine's preview"), one.declared, one.seen) for one in found] == [
        ("coder", ": restart", "none", "none: `up` would update it"),
        ("coder", ": uploads", "none", "none: `up` would update it"),
        ("nginx", "", "there", "not there"),
        ("alertmanager", ": memory", "none", "900: `up` would replace it"),
        ("alertmanager", ": restart", "always", "no: `up` would replace it"),
        ("gone", "", "-", "there: `up` would remove it"),
        ("dragged-along", "", "as declared", "differs: `up` would replace it"),
    ]
    secret = step("update", "x", newState={"inputs": {"envs": ["A=s3cret"], "content": "s3cret"}}, detailedDiff={})
    secret["detailedDiff"] = {"envs[0]": {}, "content": {}}
    assert "s3cret" not in str(list(differences({"steps": [secret]})))
    assert [one.declared for one in differences({"steps": [secret]})] == ["as declared", "as declared"]
    assert "s3cret" not in str(found)
    assert list(differences({})) == []


def test_cards_are_compared_by_their_lasting_names() -> None:
    about = Host.model_validate(
        {"gpus": [{"id": "GPU-a", "model": "L40S"}, {"id": "GPU-b", "model": "L40S"}], "driver": "580.1"}
    )
    cards = (Card("GPU-a", "L40S", 0, driver="580.1"), Card("GPU-c", "L40S", 1, driver="580.1"))
    found = list(card_differences("gpu-1", about, HostFacts("local", cards=cards)))
    assert [(one.what, one.seen) for one in found] == [("GPU-b", "not there"), ("GPU-c", "there")]
    newer = (Card("GPU-a", "L40S", 0, driver="590.2"), Card("GPU-b", "L40S", 1, driver="590.2"))
    (found_driver,) = card_differences("gpu-1", about, HostFacts("local", cards=newer))
    assert (found_driver.declared, found_driver.seen) == ("580.1", "590.2")
    by_number = Host.model_validate({"gpus": [{"id": "0", "model": "L40S"}]})
    assert list(card_differences("gpu-1", by_number, HostFacts("local", cards=newer))) == []
    unknown = HostFacts("local", findings=(Finding("local", "no answer", "look"),))
    assert [one.seen for one in card_differences("gpu-1", about, unknown)] == ["no answer"]


FOUND = (
    Difference("box", "coder", "label x", "a|b", "c", Wins.SEEN, f"{URN}coder", "edit"),
    Difference("gpu-1", "mine", "container", "-", "there", Wins.NOBODY),
    Difference("gpu-1", "nginx", "state", "running", "exited", Wins.DECLARED, f"{URN}nginx"),
)
REPORT = Report("mine", ("box", "gpu-1"), FOUND, {"gpu-2": "no route"}, ("secrets",))


def test_the_text_has_a_line_for_each_and_explains_when_asked() -> None:
    plain = text(REPORT, explain=False)
    assert plain.splitlines()[0] == "mine: 3 differences on 2 hosts"
    assert "gpu-2 couldn't be asked: no route" in plain
    assert "to repair" not in plain
    explained = text(REPORT, explain=True)
    assert f"to repair: pulumi up --stack mine --replace '{URN}coder'" in explained
    assert "to repair: make up STACK=mine" in explained
    assert "to repair: remove it on gpu-1 by hand" in explained
    assert "to adopt: edit" in explained


def test_the_table_of_an_issue_keeps_its_columns() -> None:
    rows = [line for line in markdown(REPORT).splitlines() if line.startswith("| ")]
    assert len(rows) == 5
    assert {row.replace("\\|", "").count("|") for row in rows} == {7}


def test_what_could_not_be_asked_is_never_clean() -> None:
    assert json.loads(json.dumps(REPORT.data()))["is_clean"] is False
    unasked = Report("mine", ("box",), (), {"box": "no route"})
    assert unasked.data()["is_clean"] is False
    assert "what runs is what is declared" not in text(unasked, explain=False)
    clean = Report("mine", ("box",), (), {})
    assert clean.data()["is_clean"] is True
    assert text(clean, explain=False) == "mine: what runs is what is declared, on 1 host"
