"""What holds for every engine: more room never hurts, terms add up, bounds are in order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.interval import Interval
from infra.memory.engine import EngineSpec
from infra.memory.estimate import estimate
from infra.memory.overhead import counted_graph_bytes
from infra.memory.verdict import Verdict, judge
from tests.unit.memory.specs import engine
from tests.unit.memory.strategies import engines, larger_card

ORDER = (Verdict.FITS, Verdict.TIGHT, Verdict.NO)


@given(spec=engines(), times=st.floats(1.0, 3.0))
@settings(max_examples=200, deadline=None)
def test_a_larger_card_never_turns_fits_into_no(spec: EngineSpec, times: float) -> None:
    if judge(spec).verdict is Verdict.FITS:
        assert judge(larger_card(spec, times)).verdict is not Verdict.NO


@given(spec=engines(), more=st.integers(1, 80))
@settings(max_examples=200, deadline=None)
def test_a_larger_share_never_turns_fits_into_no(spec: EngineSpec, more: int) -> None:
    if judge(spec).verdict is Verdict.FITS:
        # Above nine tenths what is free at start decides, not the pool.
        assert judge(replace(spec, fraction=min(0.9, spec.share + more / 100))).verdict is not Verdict.NO


@given(spec=engines(), share=st.floats(0.01, 1.0))
@settings(max_examples=200, deadline=None)
def test_a_shorter_context_never_turns_fits_into_no(spec: EngineSpec, share: float) -> None:
    if judge(spec).verdict is Verdict.FITS:
        assert judge(replace(spec, context=max(16, int(spec.tokens * share)))).verdict is not Verdict.NO


@given(spec=engines())
@settings(max_examples=200, deadline=None)
def test_fewer_requests_never_leave_a_smaller_pool(spec: EngineSpec) -> None:
    many, one = estimate(spec), estimate(replace(spec, max_sequences=1))
    assert many is not None
    assert one is not None
    assert one.pool.value >= many.pool.value - 1


@given(spec=engines())
@settings(max_examples=200, deadline=None)
def test_the_terms_add_up_to_the_share(spec: EngineSpec) -> None:
    found = estimate(spec)
    assert found is not None
    parts = found.weights.value + found.activation.value + found.non_torch.value + counted_graph_bytes(spec).value
    assert found.pool.value + parts == pytest.approx(found.requested.value)


@given(spec=engines())
@settings(max_examples=200, deadline=None)
def test_every_term_is_between_its_bounds_and_not_negative(spec: EngineSpec) -> None:
    found = estimate(spec)
    assert found is not None
    for term in (found.requested, found.weights, found.activation, found.non_torch, found.graphs, found.tokens):
        assert 0 <= term.low <= term.value <= term.high
    assert found.pool.low <= found.pool.value <= found.pool.high
    assert found.concurrency.low <= found.concurrency.value <= found.concurrency.high


@given(spec=engines())
@settings(max_examples=50, deadline=None)
def test_the_same_engine_gets_the_same_answer(spec: EngineSpec) -> None:
    judge.cache_clear()
    estimate.cache_clear()
    first = judge(spec)
    judge.cache_clear()
    estimate.cache_clear()
    assert judge(replace(spec)) == first


@given(spec=engines())
@settings(max_examples=200, deadline=None)
def test_the_longest_context_fits_the_pool_and_one_block_more_does_not(spec: EngineSpec) -> None:
    found = estimate(spec)
    assert found is not None
    layout = found.layout
    if layout is None or found.longest_context == 0:
        return
    blocks = layout.blocks_in(found.pool.value) - layout.null_blocks
    assert layout.request_blocks(found.longest_context, spec.batched_tokens) <= blocks
    architecture = spec.checkpoint.architecture
    assert architecture is not None
    if found.longest_context < max(spec.tokens, architecture.default_context):
        assert layout.request_blocks(found.longest_context + 1, spec.batched_tokens) > blocks


numbers = st.floats(-1e9, 1e9)


def intervals() -> st.SearchStrategy[Interval]:
    return st.lists(numbers, min_size=3, max_size=3).map(lambda three: Interval(*sorted(three)))


@given(one=intervals(), two=intervals())
def test_sums_and_differences_of_bounds_contain_those_of_their_values(one: Interval, two: Interval) -> None:
    added, taken = one + two, one - two
    for left in (one.low, one.value, one.high):
        for right in (two.low, two.value, two.high):
            assert added.low <= left + right <= added.high
            assert taken.low <= left - right <= taken.high


def test_bounds_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="out of order"):
        Interval(1, 3, 2)


def test_what_surely_does_not_fit_is_refused_and_what_surely_does_is_not() -> None:
    verdicts = [
        judge(engine("Qwen/Qwen3-32B", gpu=gpu, version="0.19.0", context=32768)).verdict
        for gpu in ("RTX-4090", "H100", "H200")
    ]
    assert verdicts[0] is Verdict.NO
    assert verdicts[2] is Verdict.FITS
    assert [ORDER.index(verdict) for verdict in verdicts] == sorted((ORDER.index(v) for v in verdicts), reverse=True)
