from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.cli import main


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(checkout: Path, **values: Any) -> None:
    document = {"config": {f"hearth:{key}": value for key, value in values.items()}}
    (checkout / "Pulumi.mine.yaml").write_text(yaml.safe_dump(document))


MODEL = {"source": "synthetic", "device": "cpu"}
QUIET = {"edge": {"expose": None}, "imageSource": "built"}


@pytest.mark.parametrize("command", ["check", "plan", "secrets", "images", "render"])
def test_every_command_answers_as_text_and_as_json(
    checkout: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    write(checkout, models={"a": MODEL}, **QUIET)
    assert main([command, "--stack", "mine"]) == 0
    assert capsys.readouterr().out.strip()
    assert main([command, "--stack", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)


def test_mistakes_go_to_standard_error_and_end_with_1(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(checkout, models={"a": {**MODEL, "contxt": 1}}, **QUIET)
    assert main(["check", "--stack", "mine"]) == 1
    printed = capsys.readouterr()
    assert "error: hearth:models.a.contxt: is unknown. Did you mean context." in printed.err
    assert printed.out == ""


def test_a_needed_secret_that_is_not_set_is_listed(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(checkout, models={"a": {**MODEL, "source": "org/x", "gated": True}}, **QUIET)
    main(["secrets", "--stack", "mine", "--json"])
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["hfToken"] == {
        "name": "hfToken",
        "description": "Hugging Face token, for gated models",
        "generate": "",
        "set": False,
        "needed": True,
    }


def test_a_stack_that_is_not_there_is_one_line(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(checkout)
    assert main(["plan", "--stack", "other"]) == 1
    assert "error: Pulumi.other.yaml: can't be read" in capsys.readouterr().err


def test_the_schema_knows_every_section(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0
    properties = json.loads(capsys.readouterr().out)["properties"]["config"]["properties"]
    wanted = {"hearth:models", "hearth:gateway", "hearth:ui", "hearth:edge", "hearth:gatewayMasterKey"}
    assert wanted <= set(properties)
    assert set(properties["hearth:monitoring"]["properties"]) == {
        "alertmanager",
        "amd_exporter",
        "blackbox_exporter",
        "cadvisor",
        "dcgm_exporter",
        "grafana",
        "nginx_exporter",
        "node_exporter",
        "prometheus",
    }


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--model", "Qwen/Qwen3-8B", "--gpu", "H100-80GB", "--context", "8192"], 0, "H100-80GB, vLLM"),
        (["--model", "Qwen/Qwen3-8B", "--gpu", "T4"], 1, "fix: "),
        (["--model", "Qwen/Qwen3-8B", "--gpu", "H1000"], 2, "is no card that the catalogue has"),
        (["--model", "Qwen/Qwen3-8B", "--gpu", "L4", "--fraction", "1.5"], 2, "--fraction: 1.5 is more than the card"),
        (["--model", "Qwen/Qwen3-8B", "--gpu", "L4", "--dtype", "bogus"], 2, "--dtype: can't be 'bogus'"),
        (["--model", "nowhere.json", "--gpu", "L4"], 2, "nowhere.json is not there"),
        (["--model", "org/unheard-of", "--gpu", "L4"], 3, "the catalogue has no org/unheard-of"),
        (["--model", "Qwen/Qwen3-8B", "--gpu", "B200", "--kv-cache-dtype", "nvfp4"], 3, "nothing is known of the size"),
    ],
)
def test_fit_answers_with_its_exit_code(
    capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, says: str
) -> None:
    assert main(["fit", *arguments]) == code
    printed = capsys.readouterr()
    assert says in printed.out + printed.err


def test_fit_gives_every_term_with_its_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--model", "Qwen/Qwen3-8B", "--gpu", "L40S", "--context", "8192", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    terms = ("weights", "activation", "non_torch", "cuda_graph", "kv_cache")
    for term in (*(f"{name}_gib" for name in terms), "kv_cache_tokens", "max_concurrency"):
        assert set(answer[term]) == {"low", "value", "high"}
        assert answer[term]["low"] <= answer[term]["value"] <= answer[term]["high"]
    assert answer["verdict"] == "fits"
    assert answer["fixes"] == []
