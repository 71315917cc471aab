"""The cache's layout: blocks, tokens and concurrency against vLLM's own planning, which was run, and against logs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.catalogue.versions import behaviour_of
from infra.interval import GIB
from infra.memory.architecture import Architecture
from infra.memory.engine import EngineSpec
from infra.memory.estimate import Estimate, estimate
from infra.memory.hub_config import architecture_of
from infra.memory.kv_cache import layout_of
from infra.memory.weights import ONE_CARD
from tests.unit.memory.specs import LLAMA, engine


def planned(spec: EngineSpec, pool_gib: float) -> Estimate:
    found = estimate(replace(spec, kv_cache_bytes=int(pool_gib * GIB)))
    assert found is not None
    assert found.layout is not None
    return found


GPT_120 = engine(
    "openai/gpt-oss-120b", gpu="A100 80GB", version="0.10.1.1", tp=4, context=16384, max_batched_tokens=2048
)
GEMMA_AMD = engine("google/gemma-3-27b-it", gpu="MI300X", version="0.11.0rc2", context=4096, max_batched_tokens=8192)
# tokens as vLLM's own code plans them from the printed GiB, and the concurrency it prints.
EXECUTED: list[tuple[str, EngineSpec, float, int, float]] = [
    ("gpt-oss-120b", GPT_120, 45.32, 2640080, 284.25),
    ("gemma-3-27b, 0.11", GEMMA_AMD, 109.86, 205696, 50.05),
    ("gemma-3-27b", engine("google/gemma-3-27b-it", context=8192), 19.53, 36560, 4.456),
    ("gemma-3-12b", engine("google/gemma-3-12b-it", context=8192), 47.72, 130304, 15.88),
    ("gemma-3-4b", engine("google/gemma-3-4b-it", context=8192), 62.51, 468176, 57.056),
    ("gemma-2-2b", engine("google/gemma-2-2b-it", context=8192), 66.47, 670176, 81.73),
    ("gemma-2-27b", engine("google/gemma-2-27b-it", context=8192), 20.59, 58656, 7.16),
    ("gpt-oss-20b", engine("openai/gpt-oss-20b", context=8192), 58.47, 1277296, 155.75),
    ("gpt-oss-20b, two cards", engine("openai/gpt-oss-20b", tp=2, context=8192), 63.28, 2764736, 337.17),
]


@pytest.mark.parametrize(("name", "spec", "pool", "tokens", "times"), EXECUTED, ids=[case[0] for case in EXECUTED])
def test_the_pool_is_cut_as_vllm_cuts_it(name: str, spec: EngineSpec, pool: float, tokens: int, times: float) -> None:
    found = planned(spec, pool)
    assert found.tokens.value == pytest.approx(tokens, rel=2e-4), name
    assert found.concurrency.value == pytest.approx(times, rel=1e-3)


def test_blocks_are_those_of_the_log() -> None:
    found = planned(GPT_120, 45.32)
    assert found.layout is not None
    assert found.layout.blocks_in(found.pool.value) == pytest.approx(330010, abs=2)
    found = planned(GEMMA_AMD, 109.86)
    assert found.layout is not None
    assert found.layout.blocks_in(found.pool.value) == pytest.approx(89997, abs=2)
    assert found.layout.number_of_groups == 7


@pytest.mark.parametrize(
    ("model", "tp", "flags", "bytes_per_token"),
    [
        (LLAMA, 1, {}, 131072),
        (LLAMA, 2, {}, 65536),
        (LLAMA, 16, {}, 16384),
        (LLAMA, 1, {"kv_cache_dtype": "fp8"}, 65536),
        ("Qwen/Qwen2.5-7B-Instruct", 1, {}, 57344),
        ("Qwen/Qwen3-14B", 1, {}, 163840),
        ("Qwen/Qwen3-235B-A22B", 1, {}, 192512),
        ("Qwen/Qwen3-235B-A22B", 8, {}, 48128),
        ("deepseek-ai/DeepSeek-R1", 1, {}, 70272),
        ("deepseek-ai/DeepSeek-R1", 8, {}, 70272),
        ("mistralai/Mistral-Small-3.2-24B-Instruct-2506", 1, {}, 163840),
    ],
)
def test_a_token_takes_its_bytes(model: str, tp: int, flags: dict[str, Any], bytes_per_token: int) -> None:
    layout = planned(engine(model, tp=tp, version="0.18.0", **flags), 10).layout
    assert layout is not None
    assert layout.block_bytes / layout.block_size == bytes_per_token


@pytest.mark.parametrize(
    ("model", "kv_cache_dtype", "version", "block"),
    [
        ("Qwen/Qwen3.5-27B", "auto", "0.19.0", 784),
        ("Qwen/Qwen3.5-27B", "fp8", "0.33.0", 1568),
        ("Qwen/Qwen3.5-35B-A3B", "auto", "0.19.0", 1056),
        ("Qwen/Qwen3.5-9B", "auto", "0.19.0", 528),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "auto", "0.19.0", 544),
        ("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16", "fp8", "0.19.0", 4176),
    ],
)
def test_blocks_grow_until_one_holds_a_state(model: str, kv_cache_dtype: str, version: str, block: int) -> None:
    layout = planned(engine(model, version=version, kv_cache_dtype=kv_cache_dtype), 20).layout
    assert layout is not None
    assert layout.block_size == block


@pytest.mark.parametrize(("version", "times"), [("0.19.0", 9.27), ("0.26.0", 8.69)])
def test_a_hybrid_serves_fewer_where_prefixes_keep_a_second_state(version: str, times: float) -> None:
    found = planned(engine("Qwen/Qwen3.5-27B", version=version, context=32768), 20)
    assert found.layout is not None
    assert found.layout.blocks_in(found.pool.value) == 417
    assert found.concurrency.value == pytest.approx(times, abs=0.01)


@pytest.mark.parametrize(("version", "tokens"), [("0.20.0", 54608), ("0.20.1", 484671), ("0.26.0", 393686)], ids=str)
def test_gemma_4_prints_what_the_version_prints(version: str, tokens: int) -> None:
    spec = engine("google/gemma-4-31B-it", version=version, context=262144, max_batched_tokens=8192)
    assert planned(spec, 50).tokens.value == pytest.approx(tokens, rel=1e-4)


def test_one_request_needs_what_the_error_says() -> None:
    spec = engine(
        "Qwen/Qwen3-Coder-480B-A35B-Instruct", gpu="H200", version="0.10.1", tp=1, context=262144, kv_cache_dtype="auto"
    )
    assert planned(spec, 48.66).needed_bytes / GIB == 62.0
    assert planned(spec, 48.66).longest_context == pytest.approx(205728, abs=32)
    minimax = engine("MiniMaxAI/MiniMax-M2.7", gpu="GB10", version="0.29.1", tp=2, context=196608)
    assert planned(minimax, 22.5).needed_bytes / GIB == pytest.approx(23.25, abs=0.01)
    assert planned(minimax, 22.5).longest_context == pytest.approx(190272, abs=32)


def test_versions_0_14_to_0_18_count_the_first_group_only() -> None:
    before, within, after = (
        planned(engine("Qwen/Qwen3.5-27B", version=version, context=32768), 20).needed_bytes
        for version in ("0.13.0", "0.14.1", "0.19.0")
    )
    assert within < before / 10
    assert within < after / 10
    assert after / GIB == pytest.approx(2.16, abs=0.05)


def mixed(local: int, full: int) -> Architecture:
    """Return a model of so many layers with a window and without one."""
    return architecture_of(
        {
            "architectures": ["Gemma3ForCausalLM"],
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": local + full,
            "num_attention_heads": 8,
            "num_key_value_heads": 4,
            "head_dim": 128,
            "vocab_size": 32000,
            "sliding_window": 512,
            "layer_types": ["sliding_attention"] * local + ["full_attention"] * full,
        }
    )


@pytest.mark.parametrize(
    ("local", "full", "version", "groups"),
    [
        (12, 10, "0.11.2", 3),
        (12, 10, "0.12.0", 2),
        (14, 10, "0.17.1", 3),
        (14, 10, "0.18.0", 2),
        (16, 10, "0.18.0", 3),
        (12, 12, "0.11.2", 2),
        (12, 10, "0.9.0", 1),
    ],
)
def test_groups_are_padded_as_far_as_the_version_pads(local: int, full: int, version: str, groups: int) -> None:
    layout = layout_of(
        mixed(local, full),
        ONE_CARD,
        layers=range(local + full),
        element_bytes=2,
        kv_cache_dtype="auto",
        block_size=16,
        behaviour=behaviour_of(version),
    )
    assert layout is not None
    assert layout.number_of_groups == groups


def test_an_encoder_keeps_no_cache() -> None:
    found = estimate(engine("BAAI/bge-m3"))
    assert found is not None
    assert found.layout is None
    assert found.needed_bytes == 0


def test_the_newest_version_holds_a_block_back() -> None:
    old, new = (planned(engine(version=version, context=4096), 1).needed_bytes for version in ("0.28.0", "0.29.0"))
    assert new - old == 16 * 131072
