"""The questions run through a real shell; only `docker` is a stand-in that answers as the real one was seen to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from infra.config.inventory import Host
from infra.observe.hosts import HostAnswer, ask_host
from tests.unit.observe.test_reading import FAILED, PAGE

RUNNING = {"Status": "running", "Running": True, "ExitCode": 0, "Health": {"Status": "healthy"}}
EXITED = {"Status": "exited", "Running": False, "ExitCode": 137, "Health": None}

# `docker cp CONTAINER:FILE -` writes a tar archive, as the real one does.
DOCKER = r"""#!/bin/sh
echo "$*" >> "$0.log"
here=$(dirname "$0")
case "$1" in
  ps) [ ! -e "$here/refused" ] || { echo "Cannot connect to the Docker daemon. Is it running?" >&2; exit 1; }
      case "$2" in -aq) ls "$here/containers" ;; esac ;;
  inspect) case "$3" in *Running*) cat "$here/containers/$4/running" ;; *) cat "$here/containers/$4/shape" ;; esac ;;
  exec) file="$here/containers/$2/$3"; [ -e "$file" ] || { echo "no such file" >&2; exit 1; }; cat "$file" ;;
  cp) id=${2%%:*}; tar -C "$here/containers/$id" -cf - cat ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine whose Docker has the containers of a folder."""
    program = tmp_path / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    (tmp_path / "containers").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def put(machine: Path, name: str, state: dict[str, Any], status: str | None = None, metrics: str | None = None) -> None:
    folder = machine / "containers" / name
    folder.mkdir()
    labels = {"hearth.instance": name, "hearth.config-digest": "abc"}
    command = [["python3"], ["/opt/hearth/engine"]] if state["Running"] else [None, ["x"]]
    shape = {"labels": labels, "state": state, "command": command}
    (folder / "shape").write_text(json.dumps(shape) + "\n")
    (folder / "running").write_text("true\n" if state["Running"] else "false\n")
    for file, content in (("cat", status), ("curl", metrics)):
        if content is not None:
            (folder / file).write_text(content)


def answer(stack: str = "mine") -> HostAnswer:
    return ask_host("box", Host(), stack)


def test_engines_tell_their_status_and_their_metrics(machine: Path) -> None:
    put(machine, "chat", RUNNING, json.dumps({"schema": 1, "state": "running", "start_s": 31.5}), PAGE)
    (found,) = answer().containers
    assert (found.instance, found.is_running, found.health) == ("chat", True, "healthy")
    assert found.command == ("python3", "/opt/hearth/engine")
    assert found.labels["hearth.config-digest"] == "abc"
    assert found.status is not None
    assert (found.status.state, found.status.start_s) == ("running", 31.5)
    assert found.metrics is not None
    assert found.metrics.tokens == 131072


def test_an_engine_that_says_nothing_leaves_both_unknown(machine: Path) -> None:
    put(machine, "chat", RUNNING)
    (found,) = answer().containers
    assert (found.status, found.metrics) == (None, None)


def test_the_status_of_a_stopped_engine_is_still_read(machine: Path) -> None:
    put(machine, "coder", EXITED, json.dumps(FAILED))
    (found,) = answer().containers
    assert (found.is_running, found.state, found.exit_code, found.health) == (False, "exited", 137, "")
    assert found.command == ("x",)
    assert found.status is not None
    assert found.status.fix == "set hearth:models.coder.context: 32768"
    assert found.metrics is None


def test_only_engines_of_the_stack_are_asked_for_and_its_name_is_no_command(machine: Path) -> None:
    answer("a; touch pwned")
    asked = (machine / "docker.log").read_text().splitlines()
    listed = [line for line in asked if line.startswith("ps -aq")]
    assert listed == ["ps -aq --no-trunc --filter label=hearth.stack=a; touch pwned --filter label=hearth.service=vllm"]
    assert not Path("pwned").exists()


def test_a_daemon_that_does_not_answer_is_a_problem(machine: Path) -> None:
    (machine / "refused").touch()
    found = answer()
    assert found.containers == ()
    assert found.problem == "its Docker doesn't answer: Cannot connect to the Docker daemon. Is it running"
    assert "python -m infra facts local" in found.fix


def test_a_host_that_cannot_be_reached_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho 'ssh: connect to host gpu-a port 22: No route to host' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    found = ask_host("gpu-a", Host(connection="ssh://ops@gpu-a"), "mine")
    assert found.problem == "can't be asked: ssh: connect to host gpu-a port 22: No route to host"


def test_options_of_ssh_are_handed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\necho "$*" > {tmp_path}/seen\nexit 255\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    ask_host("gpu-a", Host(connection="ssh://ops@gpu-a:2222", ssh_options=("-i", "key")), "mine")
    assert (tmp_path / "seen").read_text().endswith("-p 2222 -l ops -i key -- gpu-a sh\n")
