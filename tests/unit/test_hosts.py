"""`python -m infra hosts`, on hosts that aren't there: real ones are in the integration suite."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from infra.hosts import main_hosts

# Nobody listens on the discard port of this machine.
GONE = "ssh://ops@127.0.0.1:9"
HOSTS = {name: {"connection": GONE, "address": f"10.0.0.{number}"} for number, name in enumerate(("box", "g1", "g2"))}
MODEL = {"source": "synthetic", "device": "cpu", "place": "gpu", "replicas": 2, "spread": "host"}


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    inventory = {"hosts": HOSTS, "groups": {"gpu": {"hosts": ["g1", "g2"]}}}
    config = {"hearth:inventory": inventory, "hearth:models": {"m": MODEL}}
    (tmp_path / "Pulumi.mine.yaml").write_text(yaml.safe_dump({"config": config}))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("only", "chosen"),
    [
        ("", {"box", "g1", "g2"}),
        ("gpu", {"g1", "g2"}),
        ("gpu:!g2", {"g1"}),
        ("!box", {"g1", "g2"}),
        ("all,!gpu", {"box"}),
        ("g2,g2", {"g2"}),
    ],
)
def test_hosts_are_chosen_as_ansible_limits_a_play(
    only: str, chosen: set[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main_hosts(["--stack", "mine", "--json", *(["--only", only] if only else [])]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["name"] for row in rows if row["is_chosen"]} == chosen
    # Only who was chosen is asked, and says why it can't be reached.
    assert {row["name"] for row in rows if row["problem"]} == chosen
    assert all("refused" in row["problem"] for row in rows if row["problem"])
    assert all(f"docker-{row['name']}" in row["urns"][0] for row in rows)


@pytest.mark.usefixtures("checkout")
def test_an_unknown_host_is_told_before_any_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    assert main_hosts(["--stack", "mine", "--only", "gpus,!nobody"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "--only: no host or group is named 'gpus'" in said.err
    assert "--only: no host or group is named 'nobody'" in said.err
