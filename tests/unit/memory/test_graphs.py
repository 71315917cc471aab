"""Which batch sizes graphs are recorded for, and what they take."""

from __future__ import annotations

from typing import Any

import pytest

from infra.interval import GIB
from infra.memory.engine import EngineSpec
from infra.memory.estimate import estimate
from infra.memory.overhead import capture_sizes, graph_bytes
from tests.unit.memory.specs import LLAMA, engine


def sizes(spec: EngineSpec) -> tuple[int, ...]:
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    return capture_sizes(spec, architecture)


@pytest.mark.parametrize(
    ("version", "gpu", "model", "flags", "count", "largest"),
    [
        ("0.6.6", "L40S", LLAMA, {}, 35, 256),
        ("0.9.2", "H100", LLAMA, {}, 67, 512),
        ("0.10.0", "H100", LLAMA, {}, 67, 512),
        ("0.10.2", "L40S", LLAMA, {"max_sequences": 128}, 35, 256),
        ("0.11.2", "H100", LLAMA, {}, 51, 512),
        ("0.19.0", "L40S", LLAMA, {}, 51, 512),
        ("0.19.0", "L40S", LLAMA, {"max_sequences": 1}, 2, 2),
        ("0.28.0", "B200", LLAMA, {}, 83, 1024),
        ("0.27.1", "B200", LLAMA, {}, 51, 512),
        ("0.10.2", "H100", "openai/gpt-oss-20b", {}, 131, 1024),
        ("0.11.2", "H100", "openai/gpt-oss-20b", {}, 83, 1024),
    ],
)
def test_graphs_are_recorded_for_these_sizes(
    *, version: str, gpu: str, model: str, flags: dict[str, Any], count: int, largest: int
) -> None:
    found = sizes(engine(model, version=version, gpu=gpu, **flags))
    assert (len(found), found[-1]) == (count, largest)
    assert list(found) == sorted(set(found))


def test_an_eager_engine_records_none() -> None:
    spec = engine(enforce_eager=True)
    assert graph_bytes(spec).high == 0


@pytest.mark.parametrize(
    ("model", "tp", "logged"),
    [
        (LLAMA, 1, 0.91),
        (LLAMA, 2, 0.76),
        ("microsoft/phi-4", 1, 1.07),
        ("Qwen/Qwen2.5-7B-Instruct", 1, 0.87),
        ("Qwen/Qwen2.5-72B-Instruct", 2, 1.61),
        ("deepseek-ai/DeepSeek-V2-Lite", 1, 1.57),
        ("google/gemma-3-27b-it", 1, 1.14),
        ("Qwen/Qwen3-30B-A3B", 1, 1.41),
        ("openai/gpt-oss-20b", 1, 1.84),
        ("mistralai/Mixtral-8x7B-v0.1", 2, 0.93),
    ],
)
def test_graphs_take_what_the_log_says(model: str, tp: int, logged: float) -> None:
    assert graph_bytes(engine(model, tp=tp)).value / GIB == pytest.approx(logged, abs=0.2)


def test_graphs_are_taken_from_the_pool_from_0_20_on() -> None:
    terms = {}
    for version in ("0.19.0", "0.20.0"):
        spec = engine(version=version, fraction=0.9, sampler="native")
        found = estimate(spec)
        assert found is not None
        terms[version] = found
    left = terms["0.19.0"].pool.value - terms["0.20.0"].pool.value
    assert left == pytest.approx(terms["0.20.0"].graphs.value)
