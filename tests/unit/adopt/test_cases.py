"""Whole compose projects as data: what they become, what is told, and what must never be shown."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.adopt import main_adopt
from infra.adopt.compose_file import read_yaml
from infra.config.load import Written, load
from infra.config.strict_yaml import parse

CASES = sorted(Path(__file__).with_name("cases").glob("*.yaml"))


@pytest.fixture(params=CASES, ids=lambda file: file.stem)
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    written: dict[str, Any] = yaml.safe_load(request.param.read_text())
    for name, text in written["files"].items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    monkeypatch.chdir(tmp_path)
    for name in (
        "HF_TOKEN",
        "LITELLM_MASTER_KEY",
        "WEBUI_KEY",
        "CTX",
        "LITELLM_URL",
        "COMPOSE_PROFILES",
        "COMPOSE_PROJECT_NAME",
    ):
        monkeypatch.delenv(name, raising=False)
    return written


def asked(case: dict[str, Any], *more: str) -> int:
    return main_adopt(["compose.yaml", *case["arguments"], *more])


def test_it_is_declared_as_expected(case: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    code = asked(case, "--json")
    printed = capsys.readouterr()
    answer = json.loads(printed.out)
    for section, wanted in case["config"].items():
        assert answer["config"].get(section) == wanted, section
    for kind in ("changes", "no_place"):
        for service, wanted in case[kind].items():
            told = [note["text"] for note in answer[kind] if note["service"] == service]
            for text in wanted:
                assert any(text in one for one in told), (kind, service, text, told)
    assert sorted(one["name"] for one in answer["secrets"]) == case["secrets"]
    for name, problem in case.get("problems", {}).items():
        assert next(problem in one["problem"] for one in answer["secrets"] if one["name"] == name)
    data = [
        [one[key] for key in ("service", "source", "volume", "logical", "folder", "is_live")] for one in answer["data"]
    ]
    assert data == case["data"]
    assert code == case["exit"], printed.err
    for text in case.get("findings", ()):
        assert text in printed.err


def test_nothing_is_told_of_what_isn_t_there(case: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    asked(case, "--json")
    told = [note["text"] for note in json.loads(capsys.readouterr().out)["no_place"]]
    assert [text for text in told if "env_file" in text and "lost.env" not in text] == []


def test_no_secret_is_shown(case: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    asked(case)
    asked(case, "--json")
    printed = capsys.readouterr()
    assert not [text for text in case["never"] if text in printed.out + printed.err]


def test_what_is_printed_is_a_stack_file(case: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    asked(case)
    config = parse(capsys.readouterr().out)["config"]
    values = {key.removeprefix("hearth:"): value for key, value in config.items() if key.startswith("hearth:")}
    assert load(Written(values, {}, Path())).findings == ()
    assert config["pulumi:disable-default-providers"] == ["*"]


def test_what_nobody_reads_is_told(case: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A key that Hearth has never heard of, in every service."""
    services = read_yaml(tmp_path / "compose.yaml")["services"]
    more = {"services": {name: {"never_heard_of": 1} for name in services}}
    (tmp_path / "more.yaml").write_text(yaml.safe_dump(more))
    main_adopt(["compose.yaml", "more.yaml", *case["arguments"], "--json"])
    answer = json.loads(capsys.readouterr().out)
    for service in answer["models"]:
        assert any("never_heard_of" in note["text"] for note in answer["no_place"] if note["service"] == service)


def test_the_stack_file_is_written_once_and_never_over_another(
    case: dict[str, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    asked(case, "--write", "Pulumi.new.yaml")
    first = (tmp_path / "Pulumi.new.yaml").read_text()
    assert parse(first)["config"]["hearth:target"] == "docker"
    assert "hearth:models" not in capsys.readouterr().out.partition("What changes")[0]
    assert asked(case, "--write", "Pulumi.new.yaml") == 1
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "Pulumi.new.yaml").read_text() == first
