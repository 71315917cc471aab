from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from infra.errors import Finding
from infra.facts import HostFacts, main_facts
from infra.facts.machine import Processor


class Asked:
    """Answers for every host but those named down."""

    def __init__(self) -> None:
        self.seen: dict[str, tuple[str, ...]] = {}

    def __call__(self, connection: str, *, ssh_options: Sequence[str]) -> HostFacts:
        self.seen[connection] = tuple(ssh_options)
        if "down" in connection:
            return HostFacts(connection, findings=(Finding(connection, "can't be reached", "plug it in"),))
        return HostFacts(connection, processor=Processor(cores=8))


def test_hosts_that_answer_are_printed_though_one_does_not(capsys: pytest.CaptureFixture[str]) -> None:
    code = main_facts(["local", "ssh://ops@gpu01.example.com", "ssh://down", "ssh://10.0.0.7:2222"], Asked())
    out, err = capsys.readouterr()
    hosts = yaml.safe_load(out)["all"]["hosts"]
    assert code == 1
    assert set(hosts) == {"local", "gpu01", "host-10-0-0-7"}
    assert hosts["gpu01"] == {"ansible_host": "gpu01.example.com", "ansible_user": "ops", "cores": 8, "gpus": []}
    assert "error: ssh://down: can't be reached. Plug it in." in err
    assert "asking gpu01 (ssh://ops@gpu01.example.com)" in err


def test_json_holds_the_facts_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main_facts(["local", "--json"], Asked()) == 0
    assert json.loads(capsys.readouterr().out) == {"local": {"connection": "local", "cores": 8, "gpus": []}}


def test_names_of_the_inventory_bring_their_connection_and_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text(
        "# racks\ngpu:\n  vars: {ansible_user: ops, ansible_ssh_private_key_file: ~/.ssh/gpu}\n"
        "  hosts: {gpu01: {ansible_host: 10.0.0.11, rack: 7}, gpu02: }\n"
    )
    asked = Asked()
    assert main_facts(["gpu01", "ssh://ops@gpu02", "--inventory", str(file), "--write"], asked) == 0
    assert asked.seen == {"ssh://ops@10.0.0.11": ("-i", "~/.ssh/gpu"), "ssh://ops@gpu02": ("-i", "~/.ssh/gpu")}
    written = yaml.safe_load(file.read_text())
    assert written["gpu"]["hosts"] == {
        "gpu01": {"ansible_host": "10.0.0.11", "rack": 7, "cores": 8, "gpus": []},
        "gpu02": {"cores": 8, "gpus": []},
    }
    assert (tmp_path / "hosts.yaml.bak").read_text().startswith("# racks")
    assert "its comments are lost; hosts.yaml.bak has them" in capsys.readouterr().err


def test_without_write_the_file_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text("all: {hosts: {local: {ansible_connection: local}}}\n")
    assert main_facts(["local", "--inventory", str(file)], Asked()) == 0
    assert file.read_text() == "all: {hosts: {local: {ansible_connection: local}}}\n"
    assert "ansible_connection: local" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    "text", ["[gpu]\ngpu01 x=1\n", "all: {vars: {p: !vault x}}\n", "- a\n", "\0", "2024-13-45: x", "a: &a [*a]\n"]
)
def test_a_file_that_cannot_be_rewritten_stays_as_it_is(
    tmp_path: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hosts"
    file.write_text(text)
    code = main_facts(["local", "--inventory", str(file), "--write"], Asked())
    out, _ = capsys.readouterr()
    assert "cores: 8" in out
    assert code == 1
    assert file.read_text() == text


def test_a_name_that_nothing_explains_is_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert main_facts(["gpu01"], Asked()) == 1
    assert "gpu01: is no connection, and no host of the inventory" in capsys.readouterr().err


def test_two_hosts_of_one_name_are_a_finding(capsys: pytest.CaptureFixture[str]) -> None:
    assert main_facts(["ssh://gpu01.a", "ssh://gpu01.b"], Asked()) == 1
    assert "would be named gpu01, like ssh://gpu01.a" in capsys.readouterr().err


def test_write_needs_a_file() -> None:
    with pytest.raises(SystemExit) as stopped:
        main_facts(["local", "--write"], Asked())
    assert stopped.value.code == 2
