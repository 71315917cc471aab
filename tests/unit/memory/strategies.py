"""Engines as hypothesis draws them: known models on known cards with the flags that people set."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from infra.interval import GIB, Interval
from infra.memory.engine import Card, EngineSpec
from tests.unit.memory.specs import LLAMA, engine

MODELS = (
    LLAMA,
    "Qwen/Qwen3-0.6B",
    "Qwen/Qwen2.5-7B-Instruct-AWQ",
    "Qwen/Qwen3-32B",
    "Qwen/Qwen3-30B-A3B-FP8",
    "Qwen/Qwen3.5-27B",
    "Qwen/Qwen2.5-VL-7B-Instruct",
    "google/gemma-3-27b-it",
    "openai/gpt-oss-20b",
    "deepseek-ai/DeepSeek-V2-Lite",
    "BAAI/bge-m3",
    "Qwen/Qwen3-Embedding-8B",
)
CARDS = ("T4", "L4", "A100-40GB", "A100-80GB", "H100", "H200", "B200", "RTX-4090", "MI300X", "GB10")
VERSIONS = ("0.8.5", "0.10.2", "0.11.2", "0.14.1", "0.19.0", "0.21.0", "0.26.0", "0.28.0", "0.33.0")


@st.composite
def engines(draw: st.DrawFn) -> EngineSpec:
    """Return an engine whose batch is set, so that no default of vLLM jumps with the card or the context."""
    spec = engine(
        draw(st.sampled_from(MODELS)),
        gpu=draw(st.sampled_from(CARDS)),
        version=draw(st.sampled_from(VERSIONS)),
        tp=draw(st.sampled_from((1, 1, 2, 4))),
        fraction=draw(st.integers(10, 90)) / 100,
        context=None,
        max_sequences=draw(st.sampled_from((1, 16, 128, 256))),
        max_batched_tokens=draw(st.sampled_from((512, 2048, 8192))),
        enforce_eager=draw(st.booleans()),
        kv_cache_dtype=draw(st.sampled_from(("auto", "fp8"))),
    )
    return with_context(spec, draw(st.integers(1, 32)) / 32)


def with_context(spec: EngineSpec, share: float) -> EngineSpec:
    """Return the engine with a share of its model's longest context."""
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    return replace(spec, context=max(16, int(architecture.default_context * share)))


def larger_card(spec: EngineSpec, times: float) -> EngineSpec:
    """Return the engine on a card of the same kind with more memory."""
    card = spec.card
    size = Interval.exact(card.memory.value * times + GIB)
    return replace(spec, card=Card(card.name, size, card.kind))
