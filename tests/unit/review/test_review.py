"""The comment on a preview: recorded from a real stack (contents of files that don't differ are left out)."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from infra.review import main_review
from infra.review.changes import SECRET, changes_of
from infra.review.effects import alert_changes, flag_changes
from infra.review.text import MOST_CHARACTERS, Section, comment, marker
from tests.golden_files import REVIEW, reviewed

HERE = Path(__file__).parent
PREVIEW: dict[str, Any] = json.loads((HERE / "preview.json").read_text())


def step(name: str) -> dict[str, Any]:
    (found,) = (one for one in PREVIEW["steps"] if one["urn"].endswith(f"::{name}"))
    return copy.deepcopy(found)


def test_the_comment_is_as_it_was() -> None:
    assert reviewed() == REVIEW.read_text(encoding="utf-8")


def test_each_resource_is_told_once_with_what_differs() -> None:
    found = {change.name: change for change in changes_of(PREVIEW)}
    assert {name: change.operation for name, change in found.items()} == {
        "litellm": "replace",
        "prometheus": "replace",
        "coder": "replace",
        "chat": "replace",
        "extra": "create",
    }
    assert [file.path for file in found["coder"].files] == ["/etc/hearth/engine.json"]
    assert {(change.host, change.kind) for change in found.values()} == {("local", "Container")}
    twice = changes_of({"steps": [step("coder"), {**step("coder"), "op": "create-replacement"}]})
    assert [change.operation for change in twice] == ["replace"]


def test_flags_and_alerts_are_read_from_the_files() -> None:
    changes = changes_of(PREVIEW)
    assert [(one.engine, one.flag, one.before, one.after) for one in flag_changes(changes)] == [
        ("coder", "--max-model-len", "2048", "4096"),
        ("chat", "--max-num-seqs", "4", "8"),
    ]
    told = {one.name: one.what for one in alert_changes(changes)}
    assert told["EngineRestarted"] == "severity warning → info"


def test_alerts_that_come_and_go_are_named() -> None:
    prometheus = step("prometheus")
    for state, name in (("oldState", "Old"), ("newState", "New")):
        for upload in prometheus[state]["inputs"]["uploads"]:
            if upload["file"].startswith("/etc/prometheus/rules/"):
                upload["content"] = json.dumps({"groups": [{"rules": [{"alert": name, "expr": "1"}]}]})
    told = {one.name: one.what for one in alert_changes(changes_of({"steps": [prometheus]}))}
    assert told == {"Old": "is gone", "New": "is new"}


def test_data_that_would_be_lost_is_the_first_thing_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(HERE / "Pulumi.mine.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    urn = "urn:pulumi:mine::hearth::hearth:index:Stack$docker:index/volume:Volume::volume-local-data"
    lost = {"op": "delete", "urn": urn, "oldState": {"provider": "urn::docker-local::1", "inputs": {}}}
    (tmp_path / "preview.json").write_text(json.dumps({"steps": [*PREVIEW["steps"], lost]}))
    assert main_review(["--stack", "mine", "--preview", "preview.json", "--markdown", "out.md"]) == 0
    text = (tmp_path / "out.md").read_text()
    assert text.index("[!CAUTION]") < text.index("**Containers:")
    assert "**volume-local-data** on local holds data, and would be deleted" in text


def test_a_secret_that_changes_is_named_and_not_shown() -> None:
    litellm = step("litellm")
    path = "/run/secrets/hearth/ENGINE_KEY"
    uploads = litellm["newState"]["inputs"]["uploads"]
    (number,) = (number for number, one in enumerate(uploads) if one["file"] == path)
    for state in ("oldState", "newState"):
        litellm[state]["inputs"]["uploads"][number]["content"] = {
            "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
            "plaintext": f'"very secret {state}"',
        }
    litellm["detailedDiff"] = {f"uploads[{number}].content": {}}
    (change,) = changes_of({"steps": [litellm]})
    assert change.secrets == ("ENGINE_KEY",)
    assert "very secret" not in str(change)
    assert SECRET not in [file.after for file in change.files]


def test_what_does_not_fit_is_named() -> None:
    text = comment("mine", [Section("", "first"), Section("Long", "x" * MOST_CHARACTERS), Section("Short", "y")])
    assert len(text) < MOST_CHARACTERS + 200
    assert text.startswith(marker("mine"))
    assert "#### Short" in text
    assert "Left out, because a comment can't be longer: Long." in text


def test_nothing_changes_is_said() -> None:
    assert changes_of({"steps": [step("litellm") | {"op": "same"}]}) == ()


def test_a_preview_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(HERE / "Pulumi.mine.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main_review(["--stack", "mine", "--preview", "absent.json"]) == 1
    (tmp_path / "broken.json").write_text("error: no such stack")
    assert main_review(["--stack", "mine", "--preview", "broken.json"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "absent.json: can't be read" in said.err
    assert "broken.json: is no JSON" in said.err
