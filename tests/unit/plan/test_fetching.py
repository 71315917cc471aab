"""One step per host and model brings everything that its engines would look for on the hub."""

from __future__ import annotations

from typing import Any

from infra.plan.fetching import HubFiles, fetch_of, fetches
from tests.unit.plan.stacks import LLAMA_8B, config_of, host, planned

TWO_HOSTS = {"left": host(2), "right": host(2)}


def steps(models: dict[str, Any], **more: Any) -> dict[str, tuple[str, tuple[str, ...]]]:
    config, plan = config_of(models, **more), planned(models, **more)
    return {step.instance: (step.host, step.models) for step in fetches(config, plan)}


def wanted(**more: Any) -> dict[str, HubFiles]:
    models = {"m": {"source": LLAMA_8B, "context": 8192, **more}}
    (step,) = fetches(config_of(models), planned(models))
    return {files.id: files for files in step.files}


def test_models_of_one_source_on_one_host_share_a_step_and_another_revision_has_its_own() -> None:
    one = {"source": LLAMA_8B, "context": 8192, "memory_fraction": 0.3}
    models = {"a": one, "b": one, "c": {**one, "revision": "v2"}}
    assert steps(models) == {"prefetch-a": ("box", ("a", "b")), "prefetch-c": ("box", ("c",))}


def test_replicas_on_two_hosts_are_fetched_on_both() -> None:
    models = {"a": {"source": LLAMA_8B, "context": 8192, "replicas": 2, "spread": "host"}}
    assert steps(models, hosts=TWO_HOSTS) == {"prefetch-a-0": ("left", ("a",)), "prefetch-a-1": ("right", ("a",))}
    config, plan = config_of(models, TWO_HOSTS), planned(models, TWO_HOSTS)
    found = {placement.host: fetch_of(config, plan, placement) for placement in plan.placements}
    assert found == {"left": "prefetch-a-0", "right": "prefetch-a-1"}


def test_directories_synthetic_models_and_what_only_vllm_can_read_are_not_fetched() -> None:
    for source in ("/m/a", "./a", "synthetic", "s3://bucket/a", "org/a:Q4_K_M"):
        assert steps({"a": {"source": source, "device": "cpu"}}) == {}, source
    for name, value in (("VLLM_USE_MODELSCOPE", "True"), ("HF_HOME", "/own"), ("HF_HUB_CACHE", "/own")):
        assert steps({"a": {"source": LLAMA_8B, "context": 8192, "environment": {name: value}}}) == {}, name
    unset = {"source": LLAMA_8B, "context": 8192, "environment": {"VLLM_USE_MODELSCOPE": "0"}}
    assert set(steps({"a": unset})) == {"prefetch-a"}


def test_adapters_of_the_hub_come_along_with_the_rank_that_they_may_have() -> None:
    found = wanted(adapters={"sql": {"source": "org/sql", "revision": "v1", "rank": 20}, "here": "/adapters/here"})
    assert found["org/sql"] == HubFiles("org/sql", "v1", "hearth:models.m.adapters.sql", "auto", 32)
    assert found["org/sql"].link == "org--sql@v1"
    assert set(found) == {LLAMA_8B, "org/sql"}


def test_a_tokenizer_a_configuration_and_a_draft_model_come_along() -> None:
    found = wanted(
        args={
            "tokenizer": "org/tokens",
            "tokenizer_revision": "v3",
            "hf-config-path": "org/config",
            "speculative-config": '{"model": "org/draft", "num_speculative_tokens": 3}',
        }
    )
    assert (found["org/tokens"].revision, found["org/tokens"].weights) == ("v3", "none")
    assert found["org/config"].weights == "none"
    assert found["org/draft"].weights == "auto"
    assert "org/draft" in wanted(args={"speculative-config.model": "org/draft"})
    assert set(wanted(args={"speculative-config": '{"method": "ngram", "model": "ngram"}'})) == {LLAMA_8B}


def test_the_load_format_decides_which_weights_come() -> None:
    formats = {"dummy": "none", "mistral": "consolidated*.safetensors", "auto": "auto", "hf": "hf"}
    assert {name: wanted(args={"load-format": name})[LLAMA_8B].weights for name in formats} == formats
