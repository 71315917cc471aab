from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.memory.estimate import estimate, stage_estimate
from infra.memory.verdict import Verdict, context_bytes
from infra.plan import Placement, Plan, plan_data, plan_text
from infra.plan.ledger import Entry
from tests.unit.plan.stacks import BGE, LLAMA_8B, LLAMA_70B, QWEN_14B, engine, entry, host, planned

MIB, GIB = 2**20, 2**30
ON_CARD: dict[str, Any] = {"place": "box", "gpus": ["0"]}
PINNED_SINCE = "0.10.2"


def placement(plan: Plan, instance: str) -> Placement:
    (found,) = (one for one in plan.placements if one.instance == instance)
    return found


def two(version: str = "0.32.0", **more: Any) -> Plan:
    models = {"a": engine(), "b": engine(QWEN_14B, **more)}
    return planned(models, images={"vllm": f"vllm/vllm-openai:v{version}"})


def measured(of: Entry) -> Entry:
    """Return the entry as it would be without the pin."""
    spec = replace(of.spec, kv_cache_bytes=None)
    return replace(of, spec=spec, judgement=replace(of.judgement, estimate=estimate(spec)))


def pool(of: Entry) -> tuple[float, float]:
    figures = of.judgement.estimate
    assert figures is not None
    return figures.pool.low, figures.pool.value


def test_neighbours_get_the_size_that_surely_fits_in_whole_mebibytes_and_their_fraction_too() -> None:
    made = two()
    for name in "ab":
        size = placement(made, name).kv_cache_bytes
        assert size is not None
        assert size % MIB == 0
        low, _ = pool(measured(entry(made, name)))
        assert 0 <= low - size < MIB
        assert placement(made, name).memory_fraction == entry(made, name).spec.fraction
        assert placement(made, name).cause.endswith(f"; KV pinned at {size / GIB:.1f} GiB")


def test_the_ledger_shows_what_the_pinned_size_holds_and_marks_it() -> None:
    made = two()
    figures = entry(made, "a").judgement.estimate
    assert figures is not None
    size = placement(made, "a").kv_cache_bytes
    assert size is not None
    assert figures.pool.low == figures.pool.value == figures.pool.high == size
    (line,) = (line for line in plan_text(made).splitlines() if line.startswith("  a  "))
    assert f" {size / GIB:.1f} fixed" in line
    assert f"{int(figures.tokens.value):,}" in line
    (row,) = (row for card in plan_data(made)["cards"] for row in card["engines"] if row["instance"] == "a")
    assert row["kv_cache_is_pinned"] is True
    assert row["kv_cache_tokens"]["value"] == figures.tokens.value


def test_a_lone_engine_measures() -> None:
    made = planned({"a": engine(), "b": engine()}, {"box": host(2)})
    assert {one.kv_cache_bytes for one in made.placements} == {None}
    assert "pinned" not in plan_text(made)
    assert "fixed" not in plan_text(made)


def test_what_people_wrote_stays() -> None:
    made = two(kv_cache="3GiB", memory_fraction=0.5)
    assert placement(made, "b").kv_cache_bytes == 3 * GIB
    assert "pinned" not in placement(made, "b").cause
    assert placement(made, "a").kv_cache_bytes not in {None, 3 * GIB}
    assert placement(two(args={"num-gpu-blocks-override": 100}), "b").kv_cache_bytes is None


@pytest.mark.parametrize(
    ("version", "is_known"), [("0.10.1", False), (PINNED_SINCE, True), ("0.19.0", True), ("0.32.0", True)]
)
def test_only_versions_with_the_flag_are_given_it(version: str, is_known: bool) -> None:  # noqa: FBT001 - a case's column
    made = two(version)
    assert (placement(made, "a").kv_cache_bytes is not None) is is_known
    assert (f"vLLM {version} has no flag for it" in placement(made, "a").cause) is not is_known


def test_amd_cards_are_pinned_as_well_and_engines_on_cpu_never() -> None:
    models = {"a": engine(device="rocm"), "b": engine(device="rocm")}
    made = planned(models, {"box": host(1, "MI300X")})
    assert all(one.kv_cache_bytes for one in made.placements)
    on_cpu = engine("Qwen/Qwen3-1.7B", device="cpu", memory_fraction=0.2)
    made = planned({"a": on_cpu, "b": on_cpu}, {"box": {"memory": "256GiB"}})
    assert {one.kv_cache_bytes for one in made.placements} == {None}


def test_an_encoder_has_nothing_to_pin_and_an_unknown_model_says_why_it_is_not() -> None:
    small = engine(BGE, kind="embedding", context=512, memory_fraction=0.1)
    made = planned({"a": engine(memory_fraction=0.5), "b": small, "c": engine("org/unheard-of", memory_fraction=0.2)})
    assert placement(made, "a").kv_cache_bytes
    assert placement(made, "b").kv_cache_bytes is None
    assert "pinned" not in placement(made, "b").cause
    assert placement(made, "c").kv_cache_bytes is None
    assert "KV isn't pinned: nothing is known" in placement(made, "c").cause


def test_every_engine_that_shares_one_of_its_cards_is_pinned() -> None:
    wide = engine(LLAMA_70B, quantization="fp8", tensor_parallel=2, memory_fraction=0.6, place="box", gpus=["0", "1"])
    beside = engine(memory_fraction=0.3, place="box", gpus=["1"])
    made = planned({"wide": wide, "beside": beside, "alone": engine(place="box", gpus=["2"])}, {"box": host(3)})
    assert placement(made, "wide").kv_cache_bytes
    assert placement(made, "beside").kv_cache_bytes
    assert placement(made, "alone").kv_cache_bytes is None
    assert {one.spec.kv_cache_bytes for row in made.cards[:2] for one in row.entries if one.instance == "wide"} == {
        placement(made, "wide").kv_cache_bytes
    }


def test_pipeline_stages_get_what_their_fullest_rank_has_room_for() -> None:
    staged = engine(
        LLAMA_70B, quantization="fp8", pipeline_parallel=2, memory_fraction=0.7, gpus=["0", "1"], place="box"
    )
    beside = engine(memory_fraction=0.28, place="box", gpus=["0"])
    made = planned({"staged": staged, "beside": beside}, {"box": host(2)})
    size = placement(made, "staged").kv_cache_bytes
    assert size is not None
    spec = measured(entry(made, "staged")).spec
    assert size <= min(stage_estimate(spec, number).pool.low for number in range(2))


def between(made: Plan, name: str) -> tuple[float, int, float]:
    found = measured(entry(made, name)).judgement.estimate
    assert found is not None
    return found.pool.low, found.needed_bytes, found.pool.value


def test_a_cache_whose_low_bound_is_too_small_gets_one_full_request_where_the_estimate_allows_it() -> None:
    # With a given share the low bound of the pool may be less than one request of full length: tight.
    for step in range(200):
        model = engine(QWEN_14B, memory_fraction=round(0.37 + step / 1000, 3), context=32768, **ON_CARD)
        made = planned({"a": model, "b": engine(memory_fraction=0.25, **ON_CARD)})
        if entry(made, "a").verdict is Verdict.NO:
            continue
        low, needed, value = between(made, "a")
        if low < needed <= value - MIB:
            break
    else:
        pytest.fail("no share is in between")
    size = placement(made, "a").kv_cache_bytes
    assert size is not None
    assert 0 <= size - needed < MIB
    assert entry(made, "a").verdict is Verdict.TIGHT


def test_a_cache_that_is_likely_too_small_is_left_to_measure_and_says_so() -> None:
    for step in range(200):
        model = engine(QWEN_14B, memory_fraction=round(0.37 + step / 1000, 3), context=32768, **ON_CARD)
        made = planned({"a": model, "b": engine(memory_fraction=0.25, **ON_CARD)})
        if entry(made, "a").verdict is Verdict.TIGHT and between(made, "a")[2] < between(made, "a")[1]:
            break
    else:
        pytest.fail("no share is in between")
    assert placement(made, "a").kv_cache_bytes is None
    assert "KV isn't pinned: 32,768 tokens need" in placement(made, "a").cause


MODEL = st.fixed_dictionaries(
    {
        "source": st.sampled_from([LLAMA_8B, QWEN_14B, BGE, "openai/gpt-oss-20b", "org/unheard-of"]),
        "memory_fraction": st.sampled_from(["auto", "auto", 0.1, 0.3, 0.45, 0.5]),
        "tensor_parallel": st.sampled_from([1, 1, 2]),
        "context": st.sampled_from(["auto", 2048, 16384]),
        "users": st.sampled_from([1, 1, 4]),
    }
)
STACKS = st.tuples(
    st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), MODEL, min_size=1, max_size=4),
    st.sampled_from(["H100-80GB", "L40S", "RTX 4090", "A100-80GB"]),
    st.integers(1, 3),
    st.booleans(),
    st.sampled_from(["0.10.1", "0.11.0", "0.19.0", "0.32.0"]),
)
Stack = tuple[dict[str, dict[str, Any]], str, int, bool, str]


def random_plan(stack: Stack) -> Plan:
    """Plan such a stack; with chosen cards also what the search would never put together."""
    models, card, number, are_chosen, version = stack
    if are_chosen:
        models = {
            name: {**model, "place": "box", "gpus": [str(index) for index in range(model["tensor_parallel"])]}
            for name, model in models.items()
            if model["tensor_parallel"] <= number
        }
    return planned(models, {"box": host(number, card)}, images={"vllm": f"vllm/vllm-openai:v{version}"})


def beside(of: Entry) -> float:
    figures = of.judgement.estimate
    assert figures is not None
    terms = (figures.weights, figures.activation, figures.non_torch, figures.graphs, context_bytes(of.spec))
    return sum(term.value for term in terms)


@settings(deadline=None)
@given(stack=STACKS)
def test_pinned_engines_together_never_exceed_their_card(stack: Stack) -> None:
    made = random_plan(stack)
    for row in made.cards:
        pinned = [one for one in row.entries if one.spec.kv_cache_bytes is not None]
        assert sum(beside(one) + (one.spec.kv_cache_bytes or 0) for one in pinned) <= row.slot.card.memory.value


@settings(deadline=None)
@given(stack=STACKS)
def test_a_pin_is_within_the_share_holds_its_users_and_is_what_the_ledger_counts(stack: Stack) -> None:
    made = random_plan(stack)
    models = stack[0]
    for row in made.cards:
        for one in row.entries:
            given_bytes = placement(made, one.instance).kv_cache_bytes
            assert given_bytes == one.spec.kv_cache_bytes
            if given_bytes is None:
                continue
            _, value = pool(measured(one))
            figures = one.judgement.estimate
            assert figures is not None
            assert figures.layout is not None
            assert given_bytes <= value
            assert given_bytes >= figures.needed_bytes * models[one.model]["users"]
            assert figures.concurrency.value >= models[one.model]["users"]
            assert figures == estimate(one.spec)
            assert one.verdict in {Verdict.FITS, Verdict.TIGHT}


@settings(deadline=None)
@given(stack=STACKS)
def test_all_that_share_a_card_and_can_be_are_pinned_and_nobody_else(stack: Stack) -> None:
    made = random_plan(stack)
    shares = {one.instance for row in made.cards if len(row.entries) > 1 for one in row.entries}
    for one in made.placements:
        if one.instance not in shares:
            assert one.kv_cache_bytes is None
            continue
        found = entry(made, one.instance)
        figures = found.judgement.estimate
        if found.verdict is Verdict.FITS and figures is not None and figures.layout is not None:
            assert one.kv_cache_bytes is not None or "KV isn't pinned" in one.cause


@settings(deadline=None)
@given(stack=STACKS)
def test_the_same_stack_gets_the_same_pins(stack: Stack) -> None:
    assert random_plan(stack).placements == random_plan(stack).placements


@settings(deadline=None)
@given(stack=STACKS)
def test_a_pin_changes_neither_card_nor_share_nor_verdict(stack: Stack) -> None:
    models, *rest = stack
    # Who counts blocks by themselves isn't pinned; nothing else depends on that flag.
    counted = {name: {**model, "args": {"num-gpu-blocks-override": 9}} for name, model in models.items()}
    one, other = random_plan(stack), random_plan((counted, *rest))  # type: ignore[arg-type]  # the rest is unchanged
    assert [replace(found, kv_cache_bytes=None, cause="") for found in one.placements] == [
        replace(found, kv_cache_bytes=None, cause="") for found in other.placements
    ]
    verdicts = [{name: found.verdict for name, found in plan.entries.items()} for plan in (one, other)]
    assert verdicts[0] == verdicts[1]


def test_neighbours_whose_full_requests_exceed_the_card_together_are_not_both_pinned() -> None:
    # Two halves are tight, for the first gives its profile run's memory back; their users want more than the low bound.
    half = engine(memory_fraction=0.5, context=88000, users=2, **ON_CARD)
    made = planned({"a": half, "b": half})
    low, needed, value = between(made, "b")
    assert low < 2 * needed < value
    assert entry(made, "b").verdict is Verdict.TIGHT
    assert placement(made, "a").kv_cache_bytes
    assert placement(made, "b").kv_cache_bytes is None
    assert "KV isn't pinned: 2 requests of 88,000 tokens need 21.5 GiB" in placement(made, "b").cause
