"""What a daemon says of a project's containers, as it says it, against the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from infra.adopt.adoption import adopt
from infra.adopt.compose_file import read_project
from infra.adopt.running import observed
from infra.adopt.service import Cards, Port, services_of

FILE = """
services:
  coder:
    image: vllm/vllm-openai:v0.32.0
    command: --model Qwen/Qwen3-8B --max-model-len 8192
    environment: {HF_TOKEN: hf_tokenofatest0003, EXTRA: one}
    volumes: ["hf:/root/.cache/huggingface"]
    restart: always
  litellm: {image: "ghcr.io/berriai/litellm:v1.70.0"}
volumes: {hf: {}}
"""
IMAGE = {"Config": {"Env": ["PATH=/bin"], "Cmd": None, "Entrypoint": ["vllm", "serve"]}}


def container(**more: Any) -> dict[str, Any]:
    return {
        "Config": {
            "Image": "vllm/vllm-openai:v0.32.0",
            "Cmd": ["--model", "Qwen/Qwen3-8B", "--max-model-len", "16384", "--api-key", "key-of-a-test"],
            "Entrypoint": ["vllm", "serve"],
            "Env": ["PATH=/bin", "HF_TOKEN=hf_tokenofatest0003", "EXTRA=two"],
            "Labels": {"com.docker.compose.depends_on": "redis:service_started:false"},
        },
        "HostConfig": {
            "PortBindings": {"8000/tcp": [{"HostIp": "", "HostPort": "8000"}]},
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 4},
            "ShmSize": 2**30,
            "IpcMode": "private",
            "Runtime": "runc",
            "DeviceRequests": [{"Driver": "nvidia", "Count": 0, "DeviceIDs": ["1"], "Capabilities": [["gpu"]]}],
        },
        "Mounts": [
            {"Type": "volume", "Name": "box_hf", "Source": "/x", "Destination": "/root/.cache/huggingface", "RW": True}
        ],
        "NetworkSettings": {"Networks": {"box_default": {"Aliases": ["coder", "abcdef"]}}},
        "image": IMAGE,
        **more,
    }


def test_what_runs_counts_and_differences_are_told(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(FILE)
    project = read_project([file], name="box", environment={})
    real, services, notes = observed(project, services_of(project), {"coder": [container()], "old": [container()]})
    coder = services["coder"]
    assert coder.ports == (Port(8000, 8000),)
    assert coder.cards == Cards(("1",), 0)
    assert coder.restart == "on-failure:4"
    assert [mount.source for mount in coder.mounts] == ["box_hf"]
    assert "PATH" not in coder.environment
    told = {(note.service, note.text.partition(":")[0]) for note in notes}
    assert told == {
        ("coder", "command"), ("coder", "ports"), ("coder", "cards"), ("coder", "restart"), ("coder", "shm_size"),
        ("coder", "environment"), ("litellm", "is in the file and has no container"),
        ("old", "runs and isn't in the file (or its profile isn't chosen)"),
    }  # fmt: skip
    assert not [note for note in notes if "hf_token" in note.text or "key-of-a-test" in note.text]
    model = adopt(real, services, card="H100-80GB").values["models"]["coder"]
    assert (model["context"], model["gpus"], model["restart"]) == (
        16384,
        ["1"],
        {"policy": "on-failure", "start_limit_burst": 4},
    )


def test_where_a_value_is_kept_is_known_only_where_the_file_has_the_same(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(FILE)
    project = read_project([file], name="box", environment={})
    _, services, _ = observed(project, services_of(project), {"coder": [container()]})
    assert services["coder"].origins["HF_TOKEN"].kind == "compose"
    assert services["coder"].origins["EXTRA"].kind == "container"


def test_several_containers_of_a_service_are_replicas(tmp_path: Path) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(FILE)
    project = read_project([file], name="box", environment={})
    _, services, _ = observed(project, services_of(project), {"coder": [container(), container()]})
    assert services["coder"].replicas == 2
