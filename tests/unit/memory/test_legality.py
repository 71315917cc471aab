"""What vLLM refuses whatever the memory: sizes of tensor parallel that don't divide, contexts that are too long."""

from __future__ import annotations

from typing import Any

import pytest

from infra.memory.engine import EngineSpec
from infra.memory.legality import illegal, legal_sizes
from infra.memory.verdict import Verdict, judge
from tests.unit.memory.specs import LLAMA, engine


def sizes(spec: EngineSpec) -> list[int]:
    return [size for size in legal_sizes(spec) if size <= 16]


@pytest.mark.parametrize(
    ("model", "version", "flags", "legal"),
    [
        ("Qwen/Qwen2.5-0.5B", "0.19.0", {}, [1, 2]),
        ("Qwen/Qwen2.5-7B-Instruct", "0.19.0", {}, [1, 2, 4]),
        ("Qwen/Qwen2.5-32B-Instruct", "0.19.0", {}, [1, 2, 4, 8]),
        ("Qwen/Qwen3-14B", "0.19.0", {}, [1, 2, 4, 8]),
        (LLAMA, "0.19.0", {}, [1, 2, 4, 8, 16]),
        ("meta-llama/Llama-3.2-3B-Instruct", "0.19.0", {}, [1, 2, 4, 8]),
        ("google/gemma-3-1b-it", "0.19.0", {}, [1, 2, 4]),
        ("openai/gpt-oss-20b", "0.19.0", {}, [1, 2, 4, 8, 16]),
        ("Qwen/Qwen3-235B-A22B-FP8", "0.19.0", {}, [1, 2, 4]),
        ("Qwen/Qwen3-235B-A22B-FP8", "0.19.0", {"expert": True}, [1, 2, 4, 8, 16]),
        ("Qwen/Qwen3-235B-A22B-FP8", "0.33.0", {}, [1, 2, 4, 8, 16]),
        ("Qwen/Qwen3-30B-A3B-FP8", "0.19.0", {}, [1, 2]),
    ],
)
def test_these_sizes_are_legal(model: str, version: str, flags: dict[str, Any], legal: list[int]) -> None:
    assert sizes(engine(model, version=version, gpu="H200", **flags)) == legal


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (engine("Qwen/Qwen3-14B", tp=5), "8 KV heads neither divide"),
        (engine("microsoft/phi-4", tp=5), "vocabulary of 100,352 doesn't divide"),
        (engine(LLAMA, tp=3), "32 attention heads don't divide"),
        (engine("Qwen/Qwen3-235B-A22B-FP8", tp=8), "fp8 block of 128"),
        (engine(LLAMA, pp=33), "pipeline parallel 33 for 32 layers"),
        (engine("Qwen/Qwen3-8B", context=9 * 40960), "longer than the model's 40,960"),
        (engine(LLAMA, max_sequences=1024, max_batched_tokens=512), "512 batched tokens for 1024 sequences"),
        (engine(LLAMA, gpu="T4", dtype="bfloat16"), "no bfloat16"),
    ],
)
def test_an_illegal_engine_is_refused_with_its_reason(spec: EngineSpec, says: str) -> None:
    assert any(says in reason for reason in illegal(spec)), illegal(spec)
    if spec.parallel.pipeline == 1:
        judgement = judge(spec)
        assert judgement.verdict is Verdict.NO
        assert says in " ".join(judgement.reasons)


def test_a_legal_engine_is_not_refused() -> None:
    assert illegal(engine(LLAMA, tp=2, context=131072, max_sequences=256)) == ()
