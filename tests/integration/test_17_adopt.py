"""A compose project's own containers are asked, and the printed commands bring its data over, owners and all."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from images import recipes
from tests.tools import daemon_answers, has_image, require

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
UI, ENGINE = recipes.reference("open-webui"), recipes.reference("vllm-cpu")
COMPOSE = f"""
services:
  vllm:
    image: {ENGINE}
    command: Qwen/Qwen3-0.6B --max-model-len 4096
    environment: {{VLLM_CPU_KVCACHE_SPACE: 1}}
    restart: always
  open-webui:
    image: {UI}
    volumes: ["ui:/app/backend/data"]
    restart: always
volumes: {{ui: {{}}}}
"""


def docker(*arguments: str) -> str:
    return subprocess.run(
        ["docker", *arguments], capture_output=True, text=True, timeout=120, check=True
    ).stdout.strip()


@dataclass(frozen=True)
class Project:
    name: str
    file: Path

    @property
    def volume(self) -> str:
        return f"{self.name}_ui"

    def adopt(self) -> dict[str, Any]:
        argv = [sys.executable, "-m", "infra", "adopt", str(self.file), "--project", self.name, "--running", "--json"]
        ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
        assert ran.returncode == 0, ran.stderr
        answer: dict[str, Any] = json.loads(ran.stdout)
        return answer


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """What `docker compose create` leaves behind: labelled containers and a volume with a chat in it."""
    require(daemon_answers(), "no Docker daemon answers: run `make test`, or start it")
    require(has_image(UI) and has_image(ENGINE), "the images from packages aren't there: `make images`")
    file = tmp_path / "compose.yaml"
    file.write_text(COMPOSE)
    made = Project(f"test-adopt-{secrets.token_hex(3)}", file)
    containers: list[str] = []
    try:
        docker("volume", "create", made.volume)
        write = "echo kept > /d/webui.db && mkdir /d/uploads && chown 472 /d/webui.db"
        docker(
            "run",
            "--rm",
            "--network",
            "none",
            "--user",
            "0",
            "-v",
            f"{made.volume}:/d",
            "--entrypoint",
            "sh",
            UI,
            "-c",
            write,
        )
        mounts = ["-v", f"{made.volume}:/app/backend/data"]
        containers.append(_create(made, "open-webui", UI, *mounts, "--restart", "always"))
        engine = ["--restart", "always", "-e", "VLLM_CPU_KVCACHE_SPACE=2"]
        containers.append(_create(made, "vllm", ENGINE, *engine, after=["Qwen/Qwen3-0.6B", "--max-model-len", "2048"]))
        yield made
    finally:
        for container in containers:
            docker("rm", "-f", container)
        for volume in (made.volume, f"hearth-{made.name}-open-webui-data"):
            subprocess.run(["docker", "volume", "rm", volume], capture_output=True, check=False)


def _create(project: Project, service: str, image: str, *more: str, after: list[str] | None = None) -> str:
    labels = {"project": project.name, "service": service, "oneoff": "False"}
    flags = [part for key, value in labels.items() for part in ("--label", f"com.docker.compose.{key}={value}")]
    return docker("create", *flags, *more, image, *(after or []))


def test_what_runs_counts_and_its_data_comes_over(project: Project) -> None:
    answer = project.adopt()
    model = answer["config"]["models"]["qwen3-0-6b"]
    assert (model["device"], model["context"], model["kv_cache"]) == ("cpu", 2048, "2GiB")
    told = {(one["service"], one["text"].partition(":")[0]) for one in answer["differences"]}
    assert told == {("vllm", "command"), ("vllm", "environment")}
    lines = [line for step in answer["steps"] for line in step["commands"]]
    for line in lines:
        if line.startswith(("docker volume create", "docker run")):
            subprocess.run(["/bin/sh", "-c", line], capture_output=True, timeout=120, check=True)
    volume = f"hearth-{project.name}-open-webui-data"
    look = ["--rm", "--network", "none", "-v", f"{volume}:/d:ro", "--entrypoint", "sh", UI, "-c"]
    assert docker("run", *look, "cat /d/webui.db; stat -c '%u %n' /d/*") == "kept\n0 /d/uploads\n472 /d/webui.db"
    labels = json.loads(docker("volume", "inspect", "--format", "{{json .Labels}}", volume))
    assert labels == {"hearth.project": "hearth", "hearth.stack": project.name}


def test_a_project_that_has_no_container_is_one_line(project: Project) -> None:
    argv = [sys.executable, "-m", "infra", "adopt", str(project.file), "--project", "no-such-project", "--running"]
    ran = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert ran.stderr.startswith("error: no-such-project: no container of this compose project is there.")
