"""The doctor at this machine: its own daemon, a port that is really taken, and a daemon that isn't there."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from images import recipes
from tests.integration.engines import engine
from tests.integration.stacks import ROOT, docker, unwatched
from tests.ports import free_ports

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("tools")]


@dataclass(frozen=True)
class Patient:
    """A declared stack that nobody has brought up."""

    name: str
    port: int
    folder: Path

    def examined(self, *arguments: str, code: int, **environment: str) -> dict[str, dict[str, str]]:
        """Run the command as people do; return its checks by name."""
        argv = [sys.executable, "-m", "infra", "doctor", "--stack", self.name, "--json", *arguments]
        env = {**_environment(), **environment}
        ran = subprocess.run(argv, cwd=self.folder, env=env, capture_output=True, text=True, check=False, timeout=120)
        assert ran.returncode == code, f"{ran.returncode}\n{ran.stdout}\n{ran.stderr}"
        return {one["name"]: one for one in json.loads(ran.stdout)["hosts"]["local"]["checks"]}


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    name, (port,) = f"test-{secrets.token_hex(3)}", free_ports(1)
    values: dict[str, Any] = {
        "imageSource": "built",
        "models": {"tiny": engine()},
        "ui": {"enabled": False},
        "edge": {"expose": port},
        "monitoring": unwatched(),
    }
    document = {"config": {f"hearth:{key}": value for key, value in values.items()}}
    (tmp_path / f"Pulumi.{name}.yaml").write_text(yaml.safe_dump(document))
    return Patient(name, port, tmp_path)


@pytest.fixture
def listener(patient: Patient) -> Iterator[socket.socket]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", patient.port))
        taken.listen()
        yield taken


def test_this_machine_can_run_a_stack(patient: Patient) -> None:
    checks = patient.examined(code=0)
    assert {name for name, one in checks.items() if one["result"] == "error"} == set()
    for name in ("connection", "docker", "ports", "addresses", "disk", "clock", "limits"):
        assert checks[name]["result"] == "ok", checks[name]
    assert checks["driver"]["result"] == "skipped"


def test_a_port_that_another_program_has_is_found(patient: Patient, listener: socket.socket) -> None:
    del listener
    ports = patient.examined(code=1)["ports"]
    assert ports["result"] == "error"
    assert f"127.0.0.1:{patient.port} (nginx) by " in ports["problem"]


@pytest.mark.parametrize("whose", ["nobody", "stack"])
def test_a_port_that_a_container_has_is_taken_unless_it_is_the_stacks_own(patient: Patient, whose: str) -> None:
    labels = ["--label", f"hearth.stack={patient.name}"] if whose == "stack" else []
    published = ["--publish", f"127.0.0.1:{patient.port}:80", "--name", f"{patient.name}-port"]
    program = ["--entrypoint", "sleep", recipes.reference("nginx"), "300"]
    container = docker("run", "--detach", "--rm", *labels, *published, *program)
    try:
        ports = patient.examined(code=0 if whose == "stack" else 1)["ports"]
    finally:
        docker("rm", "--force", "--volumes", container, check=False)
    assert ports["result"] == ("ok" if whose == "stack" else "error")
    assert whose == "stack" or f"by container {patient.name}-port" in ports["problem"]


def test_a_daemon_that_is_not_where_it_is_looked_for_is_found(patient: Patient) -> None:
    checks = patient.examined(code=1, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert checks["docker"]["result"] == "error"
    assert "Cannot connect to the Docker daemon at unix:///nowhere/docker.sock" in checks["docker"]["problem"]
    assert "DOCKER_HOST" in checks["docker"]["fix"]
    assert checks["connection"]["result"] == "ok"


def test_the_answers_are_kept_and_judged_without_asking(patient: Patient) -> None:
    patient.examined(code=0)
    # Nobody is asked: the daemon isn't there.
    checks = patient.examined("--from-cache", code=0, DOCKER_HOST="unix:///nowhere/docker.sock")
    assert checks["docker"]["result"] == "ok"


def test_one_command_tells_of_this_machine_and_of_the_hosts() -> None:
    argv = ["make", "--silent", "doctor", "JSON=1"]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    told = json.loads(ran.stdout)
    assert {"docker engine", "pulumi cli"} <= {item["name"] for item in told["machine"]}
    assert told["hosts"] is None or "local" in told["hosts"]["hosts"]
