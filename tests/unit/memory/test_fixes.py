"""Fixes for engines that don't start: each one is tried, and each one is worth its edit."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from infra.interval import GIB, Interval
from infra.memory.engine import Card, EngineSpec
from infra.memory.fixes import fixes_of
from infra.memory.verdict import Verdict, judge
from tests.unit.memory.specs import LLAMA, card, engine
from tests.unit.memory.strategies import engines


@given(spec=engines())
@settings(max_examples=60, deadline=None)
def test_every_offered_fix_fits(spec: EngineSpec) -> None:
    fixes = fixes_of(spec)
    if judge(spec).verdict in {Verdict.FITS, Verdict.UNKNOWN}:
        assert fixes == ()
    for fix in fixes:
        assert judge(fix.spec).verdict is Verdict.FITS
        assert fix.spec != spec
    assert len({fix.change for fix in fixes}) == len(fixes) <= 5


def test_a_change_that_leaves_it_tight_is_not_offered() -> None:
    spec = engine(LLAMA, gpu="L4", version="0.11.2", context=16384, fraction=0.8)
    assert judge(spec).verdict is Verdict.NO
    assert judge(replace(spec, kv_cache_dtype="fp8")).verdict is Verdict.TIGHT
    settings_ = {fix.setting for fix in fixes_of(spec)}
    assert "memory_fraction" in settings_
    assert "kv_cache_dtype" not in settings_


def test_a_context_that_is_too_long_is_shortened_to_whole_blocks() -> None:
    spec = engine(LLAMA, gpu="L4", version="0.19.0", context=131072)
    assert judge(spec).verdict is Verdict.NO
    found = {fix.setting: fix for fix in fixes_of(spec)}
    context = int(found["context"].value)
    assert context % 256 == 0
    assert 8192 < context < 131072


def test_another_card_is_offered_where_the_inventory_has_one() -> None:
    spec = engine("Qwen/Qwen3-32B", gpu="L4", version="0.19.0", context=8192)
    assert judge(spec).verdict is Verdict.NO
    assert "gpu" in {fix.setting for fix in fixes_of(spec, (card("H200"),))}
    assert "gpu" not in {fix.setting for fix in fixes_of(spec)}


def test_a_neighbours_share_is_left_to_it() -> None:
    spec = engine("Qwen/Qwen3-8B", gpu="H100", version="0.19.0", fraction=0.2, context=8192)
    assert judge(spec).verdict is not Verdict.FITS
    shares = [float(fix.value) for fix in fixes_of(spec, most_fraction=0.5) if fix.setting == "memory_fraction"]
    assert shares
    assert max(shares) <= 0.5
    assert not [fix for fix in fixes_of(spec, most_fraction=0.2) if fix.setting == "memory_fraction"]


def test_a_fix_says_what_it_changes_and_what_it_brings() -> None:
    spec = engine(LLAMA, gpu="L4", version="0.19.0", context=131072)
    fix = next(fix for fix in fixes_of(spec) if fix.setting == "context")
    assert fix.text.startswith(f"context: {fix.value} (fits: ")
    assert fix.users >= 1


def test_free_memory_that_somebody_has_measured_decides() -> None:
    whole = card("H100", 79.19)
    half = Card(whole.name, whole.memory, whole.kind, free=Interval.exact(40 * GIB))
    alone, beside = (engine(LLAMA, version="0.19.0", context=8192, fraction=0.9) for _ in range(2))
    assert judge(alone).verdict is Verdict.FITS
    judgement = judge(replace(beside, card=half))
    assert judgement.verdict is Verdict.NO
    assert "40.0 of 79.2 are free" in judgement.reasons[0]
