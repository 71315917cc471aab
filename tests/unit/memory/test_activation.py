"""The profile run's peak against logged ones whose inputs are all known, and what makes it larger or smaller."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.interval import GIB
from infra.memory.activation import activation_bytes
from infra.memory.engine import EngineSpec
from infra.memory.overhead import counted_graph_bytes
from infra.memory.sampling import sampler_bytes
from tests.unit.memory.specs import LLAMA, engine

WITHIN_GIB = 0.025
OLD: dict[str, Any] = {"gpu": "RTX 3090", "version": "0.6.4"}
T4: dict[str, Any] = {"gpu": "T4", "gib": 14.74, "dtype": "float16", "offline": True}
LOGGED: list[tuple[str, EngineSpec, float]] = [
    ("8B, V0, 20k", engine(LLAMA, **OLD, context=20000), 2.07),
    ("8B, V0, 29k", engine(LLAMA, **OLD, context=29000), 2.99),
    ("8B, V0, 35k in chunks", engine(LLAMA, **OLD, context=35000, max_sequences=8), 0.06),
    (
        "32B, V0, two cards",
        engine("Qwen/Qwen2.5-32B-Instruct", gpu="L40S", version="0.7.3", tp=2, context=10000, max_sequences=8),
        1.26,
    ),
    ("gpt-oss-20b", engine("openai/gpt-oss-20b", version="0.11.2"), 7.38),
    ("gpt-oss-120b", engine("openai/gpt-oss-120b", version="0.11.2"), 7.38),
    ("70B fp8, two cards", engine("RedHatAI/Llama-3.3-70B-Instruct-FP8-dynamic", version="0.11.2", tp=2), 4.84),
    ("8B", engine(LLAMA, version="0.11.2"), 4.76),
    ("0.6B", engine("Qwen/Qwen3-0.6B", version="0.11.2"), 5.56),
    ("32B", engine("Qwen/Qwen3-32B", version="0.11.2"), 5.64),
    ("32B, two cards", engine("Qwen/Qwen3-32B", version="0.11.2", tp=2), 5.64),
    (
        "24B with pictures, FlashInfer",
        engine("mistralai/Mistral-Small-3.2-24B-Instruct-2506", version="0.11.0", sampler="flashinfer"),
        2.12,
    ),
    (
        "8B bitsandbytes on a T4",
        engine(
            "Qwen/Qwen3-8B",
            quantization="bitsandbytes",
            version="0.8.5",
            **T4,
            context=256,
            max_sequences=128,
            max_batched_tokens=256,
        ),
        0.70,
    ),
    (
        "8B bitsandbytes on a T4, V0",
        engine(
            LLAMA,
            quantization="bitsandbytes",
            version="0.7.3",
            **T4,
            context=1024,
            max_sequences=160,
            max_batched_tokens=1024,
        ),
        0.74,
    ),
    (
        "7B bitsandbytes on a 4090",
        engine(
            "mistralai/Mistral-7B-Instruct-v0.3",
            quantization="bitsandbytes",
            gpu="RTX 4090",
            version="0.8.5",
            context=1024,
            max_sequences=224,
            max_batched_tokens=1024,
        ),
        0.28,
    ),
    (
        "phi-4 bitsandbytes on a T4",
        engine(
            "microsoft/phi-4",
            quantization="bitsandbytes",
            version="0.7.1",
            **T4,
            context=512,
            max_sequences=128,
            max_batched_tokens=512,
        ),
        0.47,
    ),
    (
        "4B on a T4",
        engine("Qwen/Qwen3-4B", version="0.8.5", **T4, context=2048, max_sequences=160, max_batched_tokens=2048),
        0.88,
    ),
    (
        "235B on eight cards",
        engine(
            "Qwen/Qwen3-235B-A22B-FP8",
            gpu="L40S",
            version="0.10.2",
            tp=8,
            expert=True,
            sampler="native",
            max_batched_tokens=2048,
        ),
        1.40,
    ),
    (
        "7B AWQ on the second runner, first start",
        engine("Qwen/Qwen2.5-7B-Instruct-AWQ", gpu="RTX 4080", gib=15.99, version="0.26.0", context=32768),
        1.04,
    ),
    (
        "32B AWQ on the second runner, first start",
        engine("Qwen/Qwen3-32B", quantization="awq", gpu="RTX 5090", version="0.28.0"),
        1.46,
    ),
    ("8B on a card of 48 GB", engine("Qwen/Qwen3-8B", gpu="L40S", version="0.11.2"), 1.40),
    (
        "1B, FlashInfer",
        engine("meta-llama/Llama-3.2-1B-Instruct", gpu="L40S", version="0.10.0", sampler="flashinfer"),
        0.45,
    ),
    ("8B, Triton sampler", engine(LLAMA, version="0.19.0"), 1.89),
    ("8B in 32 bit", engine(LLAMA, version="0.19.0", dtype="float32"), 2.21),
    ("4B with pictures", engine("google/gemma-3-4b-it", version="0.19.0"), 3.89),
    ("gemma-2", engine("google/gemma-2-27b-it", version="0.19.0"), 3.66),
]


@pytest.mark.parametrize(("name", "spec", "logged"), LOGGED, ids=[case[0] for case in LOGGED])
def test_the_peak_is_the_logged_one(name: str, spec: EngineSpec, logged: float) -> None:
    assert activation_bytes(spec).value / GIB == pytest.approx(logged, abs=WITHIN_GIB), name


def test_a_first_stage_takes_no_logits() -> None:
    spec = engine(pp=2)
    first, last = (activation_bytes(spec, samples=samples).value / GIB for samples in (False, True))
    assert first == pytest.approx(1.10, abs=0.1)
    assert last == pytest.approx(2.01, abs=WITHIN_GIB)


def test_a_rank_that_does_not_sample_shows_its_forward_pass() -> None:
    spec = engine("deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", gpu="RTX 4090", version="0.7.2", tp=2, context=131072)
    assert activation_bytes(spec, samples=False).value / GIB == pytest.approx(0.19, abs=0.01)


def test_sampling_costs_by_rows_and_vocabulary_whatever_the_split() -> None:
    one, two = (engine(version="0.11.2", tp=tp) for tp in (1, 2))
    architecture = one.checkpoint.architecture
    assert architecture is not None
    assert sampler_bytes(one, architecture) == sampler_bytes(two, architecture)
    fewer = replace(one, max_sequences=256)
    assert sampler_bytes(fewer, architecture).value < sampler_bytes(one, architecture).value / 3


def test_a_pooler_samples_nothing() -> None:
    pooler = activation_bytes(engine("Qwen/Qwen3-Embedding-8B", version="0.12.0", max_batched_tokens=8192))
    assert pooler.value / GIB == pytest.approx(0.79, abs=0.1)


def test_an_unknown_sampler_is_within_the_bounds() -> None:
    open_, native, quick = (engine(version="0.10.1", sampler=name) for name in (None, "native", "flashinfer"))
    bounds = activation_bytes(open_)
    assert bounds.low <= activation_bytes(quick).value < activation_bytes(native).value <= bounds.high


def test_a_warm_compile_cache_is_within_the_bounds() -> None:
    spec = engine("Qwen/Qwen3-32B", quantization="awq", gpu="RTX 5090", version="0.28.0")
    assert activation_bytes(spec).low / GIB <= 0.33


def test_the_second_runner_subtracts_no_graphs_before_0_29() -> None:
    assert counted_graph_bytes(engine("Qwen/Qwen3-8B", version="0.26.0")).value == 0
    assert counted_graph_bytes(engine("Qwen/Qwen3-8B", version="0.29.0")).value > 0
    assert counted_graph_bytes(engine("Qwen/Qwen3-8B", version="0.21.0")).value > 0
    assert counted_graph_bytes(engine("Qwen/Qwen3-8B", version="0.19.1")).value == 0


def test_sparse_attention_keeps_more_with_longer_contexts() -> None:
    short, long = (
        activation_bytes(engine("zai-org/GLM-5-FP8", gpu="H200", version="0.28.0", tp=8, context=context)).value
        for context in (8192, 202752)
    )
    assert (long - short) / (202752 - 8192) == pytest.approx(40 * 132)
