"""Weights come before engines, in a step of their own; engines then run without the hub."""

from __future__ import annotations

import json
from typing import Any

from infra.config.load import Written
from infra.errors import Severity
from infra.pipeline import Built, build
from infra.services.base import Workload
from infra.services.engine_image import cache_key, has_examples

HOSTS = {"g": {"gpus": [{"id": "0", "model": "H100"}], "memory": "256GiB", "cores": 32}}
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
DIGEST = "sha256:" + "0123456789abcdef" * 4


def stack(models: dict[str, Any], **more: Any) -> tuple[Built, list[str]]:
    values = {"inventory": {"hosts": HOSTS}, "models": models, "ui": {"enabled": False}, **more}
    built, findings = build(Written(values, {}), "mine", [])
    assert built is not None
    return built, [str(finding) for finding in findings if finding.severity is Severity.ERROR]


def declared(models: dict[str, Any], **more: Any) -> dict[str, Workload]:
    built, errors = stack(models, **more)
    assert not errors
    return {workload.instance: workload for workload in built.workloads}


def file(workload: Workload, path: str) -> Any:
    return json.loads(next(file.content for file in workload.files if file.path == path))


def flags(workload: Workload) -> list[str]:
    found: list[str] = file(workload, "/etc/hearth/engine.json")["command"]
    return found


def test_an_engine_waits_for_its_weights_and_never_asks_the_hub() -> None:
    workloads = declared({"m": {"source": LLAMA, "context": 8192, "revision": "v1"}})
    step, engine = workloads["prefetch-m"], workloads["m"]
    assert (step.one_shot, step.gpus, step.probe, step.host, step.image) == (True, (), None, "g", engine.image)
    assert step.command == ("python3", "-m", "fetcher.fetch", "/etc/hearth/fetch.json")
    assert step.restart.policy == "on-failure"
    assert engine.after == ("prefetch-m",)
    assert engine.environment["HF_HUB_OFFLINE"] == "1"
    assert "HF_HUB_OFFLINE" not in step.environment
    assert step.volumes == tuple(volume for volume in engine.volumes if volume.name == "hub-cache")
    (wanted,) = file(step, "/etc/hearth/fetch.json")["repositories"]
    assert (wanted["id"], wanted["revision"], wanted["path"]) == (LLAMA, "v1", "hearth:models.m")


def test_the_settings_are_those_that_the_fetcher_reads(tmp_path: Any) -> None:
    from infra.services.assets.fetcher.fetch import read_settings  # noqa: PLC0415 - one test's own

    workloads = declared({"m": {"source": LLAMA, "context": 8192}}, prefetch={"spare": "20GiB", "streams": 2})
    (tmp_path / "fetch.json").write_text(json.dumps(file(workloads["prefetch-m"], "/etc/hearth/fetch.json")))
    repositories, settings = read_settings([str(tmp_path / "fetch.json")])
    assert [repository.id for repository in repositories] == [LLAMA]
    assert (settings.spare_bytes, settings.streams, settings.host) == (20 * 2**30, 2, "g")
    names = {file.path for file in workloads["prefetch-m"].files}
    assert {f"/opt/hearth/fetcher/{name}.py" for name in ("__init__", "fetch", "hub_cache", "transfer")} < names


def test_only_what_fetches_a_gated_model_gets_the_token() -> None:
    models = {"m": {"source": LLAMA, "context": 8192, "gated": True, "memory_fraction": 0.4}}
    models["n"] = {"source": "Qwen/Qwen3-8B", "context": 8192, "memory_fraction": 0.4}
    workloads = declared(models)
    assert {name for name, workload in workloads.items() if "HF_TOKEN" in workload.secret_environment} == {"prefetch-m"}
    without = declared(models, prefetch={"enabled": False})
    assert {name for name, workload in without.items() if "HF_TOKEN" in workload.secret_environment} == {"m"}


def test_without_the_step_engines_fetch_for_themselves() -> None:
    workloads = declared({"m": {"source": LLAMA, "context": 8192}}, prefetch={"enabled": False})
    assert "prefetch-m" not in workloads
    assert workloads["m"].after == ()
    assert "HF_HUB_OFFLINE" not in workloads["m"].environment
    # The download is part of their start then.
    fetched = declared({"m": {"source": LLAMA, "context": 8192}})
    assert workloads["m"].start_timeout_s > fetched["m"].start_timeout_s + 3600


def test_a_mirror_and_a_proxy_are_told_to_the_step() -> None:
    environment = {"HTTPS_PROXY": "http://proxy:3128", "NCCL_DEBUG": "WARN", "HF_HUB_ENABLE_HF_TRANSFER": "0"}
    models = {"m": {"source": LLAMA, "context": 8192, "environment": environment}}
    engines = {"environment": {"HF_ENDPOINT": "https://engines.example.com"}}
    step = declared(models, engines=engines)["prefetch-m"]
    assert step.environment["HF_ENDPOINT"] == "https://engines.example.com"
    step = declared(models, engines=engines, prefetch={"endpoint": "https://hub.example.com"})["prefetch-m"]
    assert step.environment["HF_ENDPOINT"] == "https://hub.example.com"
    assert step.environment["HTTPS_PROXY"] == "http://proxy:3128"
    assert "NCCL_DEBUG" not in step.environment


def test_what_has_no_meaning_for_the_step_is_refused() -> None:
    section = {"expose": 8123, "restart": {"policy": "always"}}
    _, errors = stack({"m": {"source": LLAMA, "context": 8192}}, prefetch=section)
    assert any(error.startswith("hearth:prefetch.expose:") for error in errors)
    assert any(error.startswith("hearth:prefetch.restart.policy:") for error in errors)


def test_adapters_are_served_and_offered_under_their_own_names() -> None:
    adapters = {"sql": {"source": "org/sql", "revision": "v1", "rank": 64}, "tone": "/adapters/tone"}
    workloads = declared({"m": {"source": LLAMA, "context": 8192, "adapters": adapters}})
    command = flags(workloads["m"])
    at = command.index("--lora-modules")
    assert [json.loads(text) for text in command[at + 1 : at + 3]] == [
        {"name": "sql", "path": "/root/.cache/huggingface/hearth/org--sql@v1", "base_model_name": "m"},
        {"name": "tone", "path": "/adapters/tone", "base_model_name": "m"},
    ]
    assert "--enable-lora" in command
    assert command[command.index("--max-loras") + 1] == "2"
    assert command[command.index("--max-lora-rank") + 1] == "64"
    mounts = {volume.path: (volume.host_path, volume.read_only) for volume in workloads["m"].volumes}
    assert mounts["/adapters/tone"] == ("/adapters/tone", True)
    gateway = next(file.content for file in workloads["litellm"].files)
    assert "hosted_vllm/sql" in gateway
    assert gateway.count("api_base: http://m:8000/v1") == 3


def test_more_adapters_than_are_active_at_once_wait_in_ram() -> None:
    adapters = {name: f"org/{name}" for name in ("one", "two", "three")}
    command = flags(declared({"m": {"source": LLAMA, "context": 8192, "loras": 1, "adapters": adapters}})["m"])
    assert command[command.index("--max-loras") + 1] == "1"
    assert command[command.index("--max-cpu-loras") + 1] == "3"


def test_adapters_take_memory_in_the_plan() -> None:
    def weights(**more: Any) -> float:
        built, _ = stack({"m": {"source": LLAMA, "context": 8192, **more}})
        entry = built.plan.entries["m"]
        estimate = getattr(entry.judgement, "estimate", None)
        assert estimate is not None
        return float(estimate.weights.value)

    given = weights(loras=2, lora_rank=64)
    assert weights(adapters={"sql": {"source": "org/sql", "rank": 50}, "tone": "org/tone"}) == given > weights()


def test_no_two_names_of_the_gateway_are_the_same() -> None:
    model = {"source": LLAMA, "context": 8192, "memory_fraction": 0.3}
    models = {
        "m": {**model, "adapters": {"n": "org/n", "sql": {"source": "org/sql", "rank": 64}}, "lora_rank": 16},
        "n": {**model, "adapters": {"sql": "org/sql", "tone": {"source": "/a/tone", "revision": "v1"}}},
    }
    _, errors = stack(models)
    assert "hearth:models.m.adapters.n: has the name of a model. Rename one of them." in errors
    assert "hearth:models.n.adapters.sql: has the name of an adapter of m. Rename one of them." in errors
    assert any("rank: is 64, but lora_rank of m is 16. Set lora_rank: 64" in error for error in errors)
    assert any("revision: has no meaning for a directory" in error for error in errors)


def test_parsers_follow_the_family_and_people_win() -> None:
    def parsers(**more: Any) -> list[str]:
        command = flags(declared({"m": {"source": "Qwen/Qwen3-8B", "context": 8192, **more}})["m"])
        kinds = ("--enable-auto-tool-choice", "--tool-call-parser", "--reasoning-parser", "--chat-template")
        start = min([command.index(kind) for kind in kinds if kind in command], default=len(command))
        return command[start:]

    automatic = ["--enable-auto-tool-choice", "--tool-call-parser", "hermes", "--reasoning-parser", "qwen3"]
    assert parsers() == automatic
    assert parsers(tool_parser="none", reasoning_parser="none") == []
    assert parsers(tool_parser="qwen3_coder", reasoning_parser="none")[2] == "qwen3_coder"
    assert parsers(source="org/unknown", override="measured on 2026-10-01, starts") == []
    assert parsers(args={"tool-call-parser": "hermes"}) == [
        "--reasoning-parser",
        "qwen3",
        "--tool-call-parser",
        "hermes",
    ]
    assert parsers(kind="embedding") == []
    template = "/vllm-workspace/examples/tool_chat_template_llama3.1_json.jinja"
    assert parsers(source=LLAMA)[-2:] == ["--chat-template", template]


def test_a_parser_that_needs_a_template_is_left_out_where_the_image_may_not_have_it() -> None:
    own = {"vllm": "registry.example.com/own/engine:v0.32.0"}
    assert "--tool-call-parser" not in flags(declared({"m": {"source": LLAMA, "context": 8192}}, images=own)["m"])
    asked = declared({"m": {"source": LLAMA, "context": 8192, "tool_parser": "llama3_json"}}, images=own)["m"]
    assert "--chat-template" not in flags(asked)
    assert flags(asked)[flags(asked).index("--tool-call-parser") + 1] == "llama3_json"


def test_a_parser_that_the_version_does_not_have_is_told_with_the_nearest() -> None:
    _, errors = stack({"m": {"source": LLAMA, "context": 8192, "tool_parser": "hermess", "reasoning_parser": "qwen"}})
    assert any("hearth:models.m.tool_parser: no tool parser" in error and "mean hermes" in error for error in errors)
    assert any("hearth:models.m.reasoning_parser: no reasoning parser" in error for error in errors)


def test_compiled_code_of_one_build_is_never_read_by_another() -> None:
    def cache(image: str) -> str:
        workload = declared({"m": {"source": LLAMA, "context": 8192}}, images={"vllm": image})["m"]
        return next(volume.name for volume in workload.volumes if volume.path == "/root/.cache/vllm")

    assert cache(f"vllm/vllm-openai:v0.32.0@{DIGEST}") == "vllm-cache-0123456789ab"
    assert cache("vllm/vllm-openai:v0.32.0") != cache("vllm/vllm-openai:v0.31.0")
    assert len(cache_key("vllm/vllm-openai:v0.32.0")) == 12


def test_only_images_that_are_known_to_have_templates_count() -> None:
    assert has_examples(f"mirror.example.com:5000/vllm/vllm-openai:v0.32.0@{DIGEST}")
    assert has_examples("vllm/vllm-openai-cpu:v0.32.0-x86_64")
    assert not has_examples("vllm/vllm-openai-rocm:v0.32.0")
    assert not has_examples("hearth/vllm-cpu:0.32.0-56fa7df40893")
