"""Whatever a compose file has in it: the stack file loads, nothing is dropped in silence, and no secret is shown."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.adopt import answer_for
from infra.adopt.compose_file import read_project
from infra.adopt.service import services_of
from infra.adopt.text import answer_text, config_text
from infra.config.load import Written, load
from infra.config.strict_yaml import parse

SECRET = "a-value-nobody-may-see"
FLAGS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "max-model-len": st.sampled_from(["4096", "8k", "16K", "auto"]),
        "gpu-memory-utilization": st.sampled_from(["0.3", "0.45", "0.9"]),
        "tensor-parallel-size": st.sampled_from(["1", "2"]),
        "max-num-seqs": st.integers(1, 64).map(str),
        "kv-cache-dtype": st.sampled_from(["auto", "fp8"]),
        "served-model-name": st.sampled_from(["chat", "Big/Name", "UPPER", "a b"]),
        "api-key": st.just(SECRET),
        "swap-space": st.just("4"),
        "seed": st.just("7"),
        "unknown-flag": st.just("x"),
        "enable-prefix-caching": st.just(None),
    },
)
CARDS: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    [{}, {"gpus": "all"}, {"runtime": "nvidia"}, {"gpus": [{"device_ids": ["0", "3"]}]}, {"gpus": [{"count": 2}]}]
)
MORE: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "restart": st.sampled_from(["always", "no", "on-failure:3", "unless-stopped"]),
        "shm_size": st.sampled_from(["16gb", "2g"]),
        "mem_limit": st.sampled_from(["8g", "512m"]),
        "stop_grace_period": st.sampled_from(["10s", "1m30s"]),
        "ports": st.lists(st.sampled_from(["8000:8000", "127.0.0.1:9:9", "3000:8080", "80"]), max_size=2, unique=True),
        "volumes": st.lists(
            st.sampled_from(["data:/data", "hf:/root/.cache/huggingface", "./x:/etc/x.yaml:ro"]),
            max_size=2,
            unique=True,
        ),
        "labels": st.just({"a": "b"}),
        "cap_add": st.just(["SYS_ADMIN"]),
        "environment": st.just(
            {"HF_TOKEN": SECRET, "SOME_PASSWORD": SECRET, "URL": f"http://me:{SECRET}@x", "PLAIN": "1"}
        ),
        "depends_on": st.just(["other"]),
    },
)
IMAGES = st.sampled_from(
    ["vllm/vllm-openai:v0.32.0", "vllm/vllm-openai:latest", "vllm/vllm-openai-cpu:v0.32.0-x86_64", "me/vllm-rocm:1"]
)
OTHERS = st.sampled_from(
    ["ghcr.io/berriai/litellm:main", "ghcr.io/open-webui/open-webui:v0.5.0", "nginx:1.27", "prom/prometheus:v9.0.0",
     "grafana/grafana", "prom/alertmanager:v0.27.0", "prom/node-exporter:latest", "postgres:16", "who/knows:1"]
)  # fmt: skip


@st.composite
def engines(draw: st.DrawFn) -> dict[str, Any]:
    model = draw(st.sampled_from(["Qwen/Qwen3-8B", "openai/gpt-oss-20b", "/models/own", "BAAI/bge-m3"]))
    words = ["--model", model]
    for flag, value in draw(FLAGS).items():
        words += [f"--{flag}", *([value] if value is not None else [])]
    command: Any = words if draw(st.booleans()) else " ".join(f"'{word}'" if " " in word else word for word in words)
    return {"image": draw(IMAGES), "command": command, **draw(CARDS), **draw(MORE)}


@st.composite
def projects(draw: st.DrawFn) -> dict[str, Any]:
    services = {f"vllm-{number}": one for number, one in enumerate(draw(st.lists(engines(), min_size=1, max_size=3)))}
    for number, image in enumerate(draw(st.lists(OTHERS, max_size=4))):
        services[f"other-{number}"] = {"image": image, **draw(MORE)}
    return {"services": services, "volumes": {"data": {}, "hf": {"external": True}}}


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(projects())
def test_every_project_has_a_stack_file_that_loads(document: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "compose.yaml")
        file.write_text(yaml.safe_dump(document))
        project = read_project([file], name="any", environment={})
        answer = answer_for(project, services_of(project), Path(folder), "any", card="H100-80GB")
    config = parse(config_text(answer))["config"]
    values = {key.removeprefix("hearth:"): value for key, value in config.items() if key.startswith("hearth:")}
    assert values["models"].keys() == set(answer.adoption.names.values())
    wrong = [one for one in load(Written(values, {}, Path())).findings if not one.path.endswith(".gpus")]
    assert wrong == []
    said = config_text(answer) + answer_text(answer)
    assert SECRET not in said
    told = answer.adoption.told
    for name, service in document["services"].items():
        about = " ".join(note.text for note in [*told.changes, *told.homeless] if note.service == name)
        assert name in answer.adoption.names or about
        if name in answer.adoption.roles:
            assert all(key in about for key in ("labels", "cap_add") if key in service)
            assert "PLAIN" in said or "environment" not in service
            # A mount is data, the model's own folder, or told.
            kept = {one.source for one in answer.data}
            for mount in service.get("volumes", ()):
                source, target = mount.split(":")[:2]
                assert target in about or f"any_{source}" in kept or source in kept
