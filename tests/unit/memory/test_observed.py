"""What was observed of an engine is preferred to what is computed, and holds for its own settings alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.interval import GIB, Interval
from infra.memory.engine import Card, EngineSpec
from infra.memory.estimate import Estimate, estimate
from infra.memory.observed import DOUBT_BYTES, Observed
from tests.unit.memory.specs import engine
from tests.unit.memory.strategies import engines, larger_card

STARTS = Path(__file__).parents[3] / "bench" / "starts"


def figures(spec: EngineSpec) -> Estimate:
    found = estimate(spec)
    assert found is not None
    return found


def seen(spec: EngineSpec, **sizes: float | None) -> EngineSpec:
    """Return the engine with an observation of itself."""
    return replace(spec, observed=Observed(spec.memory_settings, "2026-11-30, stack test", spec.share, **sizes))


def is_unified(spec: EngineSpec) -> bool:
    return spec.card.kind is not None and spec.card.kind.unified_memory


@given(spec=engines())
@settings(max_examples=200, deadline=None)
def test_an_overlay_of_the_estimates_own_values_changes_nothing(spec: EngineSpec) -> None:
    own = figures(spec)
    same = figures(
        seen(
            spec,
            weights_bytes=own.weights.value,
            non_kv_bytes=own.requested.value - own.pool.value,
            activation_bytes=own.activation.value,
            non_torch_bytes=own.non_torch.value,
            graphs_bytes=own.graphs.value,
        )
    )
    for name in ("weights", "activation", "non_torch", "graphs", "pool"):
        assert getattr(same, name).value == pytest.approx(getattr(own, name).value, abs=1024), name
    assert same.tokens.value == pytest.approx(own.tokens.value, abs=own.layout.block_size if own.layout else 0)
    assert (same.needed_bytes, same.layout) == (own.needed_bytes, own.layout)


@given(spec=engines(), off=st.floats(-0.5, 0.5), knows_weights=st.booleans())
@settings(max_examples=200, deadline=None)
def test_the_pool_of_an_observed_engine_is_the_observed_one(
    spec: EngineSpec, off: float, *, knows_weights: bool
) -> None:
    own = figures(spec)
    pool = own.pool.value + off * GIB
    weights = own.weights.value * (1 + off / 10) if knows_weights else None
    found = figures(seen(spec, non_kv_bytes=own.requested.value - pool, weights_bytes=weights))
    assert found.pool.value == pytest.approx(pool, abs=1)
    if not is_unified(spec):
        assert found.pool.high - found.pool.low == pytest.approx(2 * DOUBT_BYTES)
    if weights is not None:
        assert found.weights.value == pytest.approx(weights)


@given(spec=engines(), more=st.integers(0, 80), non_kv=st.floats(0.0, 60.0))
@settings(max_examples=200, deadline=None)
def test_a_larger_fraction_never_gives_an_observed_engine_fewer_tokens(
    spec: EngineSpec, more: int, non_kv: float
) -> None:
    calibrated = seen(spec, non_kv_bytes=non_kv * GIB)
    larger = replace(calibrated, fraction=min(0.98, spec.share + more / 100))
    less, rest = figures(calibrated), figures(larger)
    assert rest.tokens.value >= less.tokens.value
    assert rest.pool.value >= less.pool.value


@given(spec=engines(), non_kv=st.floats(0.1, 60.0), weights=st.floats(0.05, 60.0))
@settings(max_examples=200, deadline=None)
def test_bounds_of_observed_terms_are_in_order_and_never_negative(
    spec: EngineSpec, non_kv: float, weights: float
) -> None:
    found = figures(seen(spec, non_kv_bytes=non_kv * GIB, weights_bytes=weights * GIB, graphs_bytes=0.01 * GIB))
    for term in (found.weights, found.activation, found.non_torch, found.graphs, found.tokens):
        assert 0 <= term.low <= term.value <= term.high
    assert found.pool.low <= found.pool.value <= found.pool.high


@given(spec=engines())
@settings(max_examples=100, deadline=None)
def test_seen_terms_of_a_start_add_up_to_its_whole(spec: EngineSpec) -> None:
    own = figures(spec)
    whole = 1.1 * (own.requested.value - own.pool.value)
    found = figures(seen(spec, non_kv_bytes=whole, weights_bytes=own.weights.value))
    parts = found.weights.value + found.activation.value + found.non_torch.value
    if not spec.graphs_are_outside:
        parts += found.graphs.value
    assert parts == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize(
    "change",
    [
        {"max_sequences": 7},
        {"max_batched_tokens": 1024},
        {"kv_cache_dtype": "fp8"},
        {"enforce_eager": True},
        {"dtype": "float32"},
        {"max_loras": 2},
        {"text_only": True},
    ],
    ids=lambda change: next(iter(change)),
)
def test_another_setting_leaves_the_observation_behind(change: dict[str, Any]) -> None:
    spec = seen(engine(), non_kv_bytes=60.0 * GIB)
    assert figures(spec).pool.value < figures(engine()).pool.value - 30 * GIB
    assert figures(replace(spec, **change)) == figures(engine(**change))


def test_another_card_or_parallelism_leaves_the_observation_behind() -> None:
    spec = seen(engine(), non_kv_bytes=60.0 * GIB)
    assert larger_card(spec, 1.1).measured is None
    assert replace(spec, parallel=replace(spec.parallel, tensor=2)).measured is None


@pytest.mark.parametrize("change", [{"fraction": 0.5}, {"context": 4096}, {"kv_cache_bytes": GIB}])
def test_share_context_and_pool_may_differ(change: dict[str, Any]) -> None:
    assert replace(seen(engine(), weights_bytes=15.0 * GIB), **change).measured is not None


def test_a_pinned_pool_stays_as_it_is() -> None:
    spec = replace(seen(engine(), non_kv_bytes=60.0 * GIB, weights_bytes=16.0 * GIB), kv_cache_bytes=2 * GIB)
    assert figures(spec).pool == Interval.exact(2 * GIB)
    assert figures(spec).weights.value == 16.0 * GIB


def test_of_a_stage_only_the_whole_counts() -> None:
    plain = engine(pp=2)
    whole = figures(plain).requested.value - figures(plain).pool.value
    found = figures(seen(plain, weights_bytes=1.0 * GIB, non_kv_bytes=whole + GIB))
    assert found.pool.value == pytest.approx(figures(plain).pool.value - GIB)
    assert found.weights.value > 2 * GIB


def test_doubt_of_the_cards_size_counts_only_for_the_difference_of_the_shares() -> None:
    sure = engine(fraction=0.5)
    card = Card(sure.card.name, Interval(79.0 * GIB, 79.2 * GIB, 79.6 * GIB), sure.card.kind)
    spec = seen(replace(sure, card=card), non_kv_bytes=17.0 * GIB)
    here, there = figures(spec).pool, figures(replace(spec, fraction=0.9)).pool
    assert here.high - here.value == pytest.approx(DOUBT_BYTES)
    assert there.high - there.value == pytest.approx(DOUBT_BYTES + 0.4 * 0.4 * GIB)
    assert there.value - there.low == pytest.approx(DOUBT_BYTES + 0.4 * 0.2 * GIB)


SOURCES = ("reference.jsonl", "further.jsonl")


def logged(source: str, **wanted: Any) -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (STARTS / source).read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    return [row for row in rows if row["observed"]["available_kv_gib"] and row["observed"]["kv_cache_tokens"]]


@pytest.mark.parametrize(
    ("model", "tp", "more"),
    [
        ("openai/gpt-oss-20b", 2, {}),
        ("meta-llama/Llama-3.1-8B-Instruct", 1, {"dtype": "bfloat16", "quantization": None}),
        ("Qwen/Qwen2.5-7B-Instruct", 1, {"dtype": "bfloat16", "quantization": None}),
    ],
)
def test_one_logged_start_predicts_others_with_another_share_or_context(
    model: str, tp: int, more: dict[str, Any]
) -> None:
    alike = {"pp": 1, "max_num_seqs": 1024, "max_num_batched_tokens": 8192, "kv_cache_dtype": "auto"}
    alike |= {"vllm_version": "0.19.0", "enforce_eager": False, "gpu": "H100 80GB", **more}
    rows = [row for source in SOURCES for row in logged(source, model=model, tp=tp, **alike)]
    assert len(rows) > 1
    first, *others = rows
    total = first["gpu_memory_gib"]

    def spec(row: dict[str, Any]) -> EngineSpec:
        return engine(
            model,
            gpu="H100 80GB",
            gib=total,
            tp=tp,
            fraction=row["gpu_memory_utilization"],
            context=row["max_model_len"],
            max_sequences=1024,
            max_batched_tokens=8192,
        )

    whole = total * first["gpu_memory_utilization"] - first["observed"]["available_kv_gib"]
    one = seen(spec(first), non_kv_bytes=whole * GIB)
    for row in others:
        found = figures(replace(one, fraction=row["gpu_memory_utilization"], context=row["max_model_len"]))
        assert found.pool.value / GIB == pytest.approx(row["observed"]["available_kv_gib"], abs=0.02)
        assert found.tokens.value == pytest.approx(row["observed"]["kv_cache_tokens"], rel=0.001)
