"""Silences at a real Alertmanager, by the program inside its container."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from images import recipes
from infra.cli import main
from infra.config.inventory import Host
from infra.config.restart import Restart
from infra.pipeline import PROJECT
from infra.services.base import Workload
from infra.targets.docker import silence
from infra.targets.docker.connection import Connection
from infra.targets.docker.gate import Quiet
from infra.targets.docker.mapping import Names
from infra.targets.docker.silence import NotSilencedError, Silencer, silencer_of
from tests.integration.stacks import docker

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]
CODER = Workload("coder", "vllm", "local", "image", ("x",), Restart(), start_timeout_s=600.0, supervised=True)
GATEWAY = Workload("litellm", "litellm", "local", "image", ("x",), Restart())
AMTOOL = ("/bin/amtool", "--alertmanager.url=http://127.0.0.1:9093")
READY_S = 20.0
HERE = Connection.to("box", Host())


@dataclass(frozen=True)
class Watcher:
    """An Alertmanager in a container that is called as that of a stack."""

    stack: str
    id: str
    silencer: Silencer


@pytest.fixture(scope="module")
def watcher() -> Iterator[Watcher]:
    stack = f"test-{secrets.token_hex(3)}"
    names = Names(PROJECT, stack)
    program = ("/bin/alertmanager", "--config.file=/etc/alertmanager/alertmanager.yml", "--cluster.listen-address=")
    made = ("--name", names.of("alertmanager"), "--network", "none", recipes.reference("monitoring"), *program)
    container = docker("run", "-d", *made, "--storage.path=/tmp/a")
    alertmanager = Workload("alertmanager", "alertmanager", "box", "image", ("x",), Restart(), silencer=AMTOOL)
    # Of the stack, not of the host of what is silenced.
    found = silencer_of([CODER, alertmanager], names, {"local": Connection("local", "ssh://nowhere"), "box": HERE})
    assert found is not None
    try:
        deadline = time.monotonic() + READY_S
        while docker("exec", container, "wget", "-qO-", "http://127.0.0.1:9093/-/ready", check=False) != "OK":
            assert time.monotonic() < deadline, docker("logs", container)
            time.sleep(0.2)
        yield Watcher(stack, container, found)
    finally:
        docker("rm", "-f", "-v", container, check=False)


@pytest.fixture
def silencer(watcher: Watcher) -> Iterator[Silencer]:
    yield watcher.silencer
    watcher.silencer.end([one["id"] for one in watcher.silencer.active()])


def matchers(silencer: Silencer) -> list[str]:
    found = [matcher for one in silencer.active() for matcher in one["matchers"]]
    assert all(matcher["isEqual"] and not matcher["isRegex"] for matcher in found)
    return sorted(f"{matcher['name']}={matcher['value']}" for matcher in found)


def left_s(one: dict[str, Any]) -> float:
    return (datetime.fromisoformat(one["endsAt"]) - datetime.now(tz=UTC)).total_seconds()


def test_a_deploy_silences_what_it_replaces_for_as_long_as_it_may_take(silencer: Silencer) -> None:
    Quiet(CODER, silencer, "prod").begin()
    # Alerts of a model whose one engine is away have its name, and no instance.
    assert matchers(silencer) == ["instance=coder", "model_name=coder"]
    for one in silencer.active():
        assert (one["createdBy"], one["comment"]) == ("hearth", "deploy of prod")
        assert 880 < left_s(one) <= 900


def test_what_serves_no_model_is_silenced_by_its_instance_alone(silencer: Silencer) -> None:
    Quiet(GATEWAY, silencer, "prod").begin()
    assert matchers(silencer) == ["instance=litellm"]


def test_a_step_that_runs_to_its_end_has_no_alerts(silencer: Silencer) -> None:
    quiet = Quiet(replace(GATEWAY, one_shot=True), silencer, "prod")
    quiet.begin()
    assert not quiet.is_heard
    assert silencer.active() == []


def test_when_it_is_well_the_silence_ends_a_little_later_however_long_it_took(silencer: Silencer) -> None:
    quiet = Quiet(CODER, silencer, "prod")
    quiet.begin()
    # Longer than what is left: counted from the silence's start the end would lie in the past, and be refused.
    time.sleep(6)
    quiet.end(5.0)
    assert matchers(silencer) == ["instance=coder", "model_name=coder"]
    assert all(2 < left_s(one) <= 5.5 for one in silencer.active())


def test_what_has_failed_is_told_at_once(silencer: Silencer) -> None:
    quiet = Quiet(CODER, silencer, "prod")
    quiet.begin()
    quiet.end(0.0)
    assert silencer.active() == []


def test_a_deploy_goes_on_where_nobody_takes_silences() -> None:
    absent = Silencer("hearth-test-absent", HERE, ("/bin/amtool",))
    with pytest.raises(NotSilencedError, match="hearth-test-absent"):
        absent.active()
    with pytest.raises(NotSilencedError, match="No such file"):
        replace(absent, connection=Connection("local", "unix:///nowhere/docker.sock")).active()
    for silencer in (absent, None):
        quiet = Quiet(CODER, silencer, "prod")
        quiet.begin()
        quiet.end(120.0)


def test_an_alertmanager_that_hangs_is_left_after_a_few_seconds(watcher: Watcher, silencer: Silencer) -> None:
    docker("kill", "--signal", "STOP", watcher.id)
    try:
        began = time.monotonic()
        with pytest.raises(NotSilencedError, match="deadline exceeded"):
            silencer.add(["instance=coder"], 60.0, "test")
        assert time.monotonic() - began < silence.ANSWER_S + 4
    finally:
        docker("kill", "--signal", "CONT", watcher.id)


def test_what_the_program_refuses_is_told_in_its_words(silencer: Silencer) -> None:
    with pytest.raises(NotSilencedError, match="amtool"):
        silencer.end(["no-such-silence"])


@pytest.fixture
def checkout(watcher: Watcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    models = {"a": {"source": "synthetic", "device": "cpu"}}
    values = {"models": models, "edge": {"expose": None}, "imageSource": "built"}
    document = {"config": {f"hearth:{key}": value for key, value in values.items()}}
    (tmp_path / f"Pulumi.{watcher.stack}.yaml").write_text(yaml.safe_dump(document))
    return tmp_path


@pytest.mark.usefixtures("checkout")
class TestByHand:
    """`python -m infra silence`."""

    def test_the_whole_stack_but_its_dead_mans_switch(
        self, watcher: Watcher, silencer: Silencer, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["silence", "--stack", watcher.stack, "--for", "30m", "--comment", "new disks", "--json"]) == 0
        (told,) = json.loads(capsys.readouterr().out)
        assert (told["matchers"], told["by"], told["comment"]) == (["alertname!=Watchdog"], "hearth", "new disks")
        (one,) = silencer.active()
        assert 1780 < left_s(one) <= 1800
        assert main(["silence", "--stack", watcher.stack, "--list"]) == 0
        assert "alertname!=Watchdog  hearth: new disks" in capsys.readouterr().out
        assert main(["silence", "--stack", watcher.stack, "--end"]) == 0
        assert capsys.readouterr().out == "nothing is silenced\n"

    def test_an_end_leaves_what_was_not_meant(self, watcher: Watcher, silencer: Silencer) -> None:
        docker("exec", watcher.id, *AMTOOL, "silence", "add", "--author=them", "--comment=theirs", "instance=a")
        named = ["--instance", "a", "--instance", "nginx"]
        assert main(["silence", "--stack", watcher.stack, "--for", "30m", *named]) == 0
        assert matchers(silencer) == ["instance=a", "instance=a", "instance=nginx"]
        assert main(["silence", "--stack", watcher.stack, "--end", "--instance", "a"]) == 0
        assert matchers(silencer) == ["instance=a", "instance=nginx"]
        assert main(["silence", "--stack", watcher.stack, "--end"]) == 0
        assert [one["createdBy"] for one in silencer.active()] == ["them"]
