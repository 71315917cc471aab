"""What `silence` says without asking anybody. What it does is proved on a real Alertmanager: tests/integration."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.config.restart import Restart
from infra.services.base import Workload
from infra.silence import main_silence
from infra.targets.docker.connection import Connection
from infra.targets.docker.mapping import Names
from infra.targets.docker.silence import silencer_of

ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(checkout: Path, **values: Any) -> None:
    all_values = {"models": {"a": {"source": "synthetic", "device": "cpu"}}, "edge": {"expose": None}, **values}
    document = {"config": {f"hearth:{key}": value for key, value in {"imageSource": "built", **all_values}.items()}}
    (checkout / "Pulumi.mine.yaml").write_text(json.dumps(document))


def test_an_instance_that_is_not_there_is_named(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(checkout)
    assert main_silence(["--stack", "mine", "--for", "30m", "--instance", "b", "--instance", "a"]) == 1
    assert "error: --instance: no b in this stack. Name one of: a, alertmanager," in capsys.readouterr().err


def test_a_stack_without_an_alertmanager_says_so(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(checkout, monitoring={"alertmanager": {"enabled": False}})
    assert main_silence(["--stack", "mine", "--list"]) == 1
    assert "error: mine: has no Alertmanager. Enable hearth:monitoring.alertmanager." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "one of the arguments --for --end --list is required"),
        (["--for", "soon"], "argument --for: 'soon' is no duration"),
        (["--for", "0s"], "'0s' is less than a second"),
        (["--for", "30m", "--end"], "not allowed with argument --for"),
    ],
)
def test_a_wrong_command_line_ends_with_2(arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main_silence(arguments)
    assert ended.value.code == 2
    assert says in capsys.readouterr().err


def test_silences_are_taken_on_the_host_of_the_alertmanager_and_not_where_its_host_is_unknown() -> None:
    coder = Workload("coder", "vllm", "gpu-a", "image", ("x",), Restart())
    alertmanager = Workload("watch", "alertmanager", "box", "image", ("x",), Restart(), silencer=("/bin/amtool",))
    connections = {name: Connection(name, f"ssh://a@{name}") for name in ("gpu-a", "box")}
    elsewhere = {"gpu-a": connections["gpu-a"]}
    found = silencer_of([coder, alertmanager], Names("hearth", "prod"), connections)
    assert found is not None
    assert (found.container, found.connection.address) == ("hearth-prod-watch", "ssh://a@box")
    assert silencer_of([coder, alertmanager], Names("hearth", "prod"), elsewhere) is None
    assert silencer_of([coder], Names("hearth", "prod"), connections) is None


def test_a_preview_does_not_import_the_docker_client() -> None:
    program = "import infra.targets.docker.resources, sys; sys.exit('docker' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
