from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.interval import GIB
from infra.memory.verdict import Verdict
from infra.plan import Plan
from infra.plan.needs import Need
from infra.plan.shares import Claim, fraction_of, solve_shares
from tests.unit.plan.stacks import BGE, LLAMA_8B, LLAMA_70B, QWEN_14B, engine, entry, host, planned

CARDS = [("box", str(number)) for number in range(3)]


def users(plan: Plan, *instances: str) -> list[float]:
    """How many requests surely fit: shares are dealt by what is certain, not by what is likely."""
    figures = [entry(plan, name).judgement.estimate for name in instances]
    return [one.concurrency.low for one in figures if one is not None]


@pytest.mark.parametrize("card", ["H100-80GB", "A100-80GB", "L40S"])
@pytest.mark.parametrize("version", ["0.11.0", "0.19.0", "0.32.0"])
def test_two_open_engines_on_one_card_get_the_same_number_of_users_and_both_start(card: str, version: str) -> None:
    other = QWEN_14B if card != "L40S" else LLAMA_8B
    models = {"a": engine(context=4096), "b": engine(other, context=8192)}
    made = planned(models, {"box": host(1, card)}, images={"vllm": f"vllm/vllm-openai:v{version}"})
    assert made.findings == ()
    assert {str(entry(made, name).verdict) for name in "ab"} == {"fits"}
    first, second = users(made, "a", "b")
    assert first == pytest.approx(second, abs=0.7)
    assert first > 2


def test_open_engines_use_the_card_up_to_a_small_rest() -> None:
    made = planned({"a": engine(), "b": engine(QWEN_14B)})
    (row,) = made.cards
    assert 0.02 < row.left_bytes / row.slot.card.memory.value < 0.04


def test_an_open_engine_takes_what_a_fixed_one_leaves() -> None:
    made = planned({"a": engine(memory_fraction=0.4), "b": engine(QWEN_14B)})
    assert made.of_model("a")[0].memory_fraction == 0.4
    fraction = made.of_model("b")[0].memory_fraction
    assert fraction is not None
    assert 0.53 < fraction < 0.58
    assert made.findings == ()


def test_a_parallel_engine_has_one_fraction_that_its_fullest_card_bears() -> None:
    models = {
        "wide": engine(LLAMA_70B, quantization="fp8", tensor_parallel=2, place="box", gpus=["0", "1"]),
        "chat": engine(place="box", gpus=["0"]),
        "search": engine(BGE, kind="embedding", context=512, place="box", gpus=["1"]),
    }
    made = planned(models, {"box": host(2)})
    assert made.findings == ()
    by_id = {row.slot.id: row for row in made.cards}
    assert by_id["0"].left_bytes < by_id["1"].left_bytes
    assert all(row.left_bytes >= 0 for row in made.cards)
    first, second = users(made, "wide", "chat")
    assert first == pytest.approx(second, abs=0.7)


def test_open_engines_on_cards_of_their_own_differ_only_by_their_cards() -> None:
    made = planned({"a": engine(), "b": engine()}, {"box": {"gpus": [*host(1)["gpus"], {"id": "x", "model": "L40S"}]}})
    large, small = entry(made, "a"), entry(made, "b")
    assert large.spec.card.name == "H100-80GB"
    assert small.spec.card.name == "L40S"
    assert large.spec.share > 0.9
    assert small.spec.share > 0.9


def need(least: float, per_user: float, *, most: float = 1000.0, is_fixed: bool = False) -> Need:
    return Need(least * GIB, per_user * GIB, 0.5 * GIB, most * GIB, is_fixed=is_fixed)


def test_growth_stops_where_an_engines_own_start_would_fail() -> None:
    claims = [Claim("a", (CARDS[0],), need(10, 1, most=12)), Claim("b", (CARDS[0],), need(10, 1))]
    shares = solve_shares(claims, {CARDS[0]: 80 * GIB})
    assert shares["a"] / GIB == pytest.approx(12)
    assert shares["b"] / GIB == pytest.approx(80 - 1 - 12)


def test_a_fraction_is_rounded_down_to_what_a_command_line_shows() -> None:
    assert fraction_of(0.66666, 1.0) == 0.666
    assert fraction_of(0.45 * 79.2, 79.2) == 0.45


CLAIMS = st.lists(
    st.tuples(
        st.sets(st.sampled_from(CARDS), min_size=1, max_size=2),
        st.floats(0.5, 8),
        st.sampled_from([0.0, 0.25, 1.0, 3.0]),
        st.floats(0, 40),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@given(wanted=CLAIMS)
def test_nobody_gets_less_than_needed_or_more_than_there_is_and_a_bottleneck_stops_everyone_who_could_grow(
    wanted: list[tuple[set[tuple[str, str]], float, float, float, bool]],
) -> None:
    claims = [
        Claim(f"e{number}", tuple(sorted(cards)), need(least, 0 if fixed else per, most=least + more, is_fixed=fixed))
        for number, (cards, least, per, more, fixed) in enumerate(wanted)
    ]
    shares = solve_shares(claims, dict.fromkeys(CARDS, 80 * GIB))
    used = dict.fromkeys(CARDS, 0.0)
    for claim in claims:
        assert shares[claim.instance] >= claim.need.share_bytes
        assert shares[claim.instance] <= max(claim.need.most_bytes, claim.need.share_bytes) + 1
        for card in claim.cards:
            used[card] += shares[claim.instance] + claim.need.outside_bytes
    assert all(size <= 80 * GIB + 10 for size in used.values())
    for claim in claims:
        if claim.need.per_user_bytes > 0:
            is_full = any(used[card] >= 80 * GIB - 10 for card in claim.cards)
            assert is_full or shares[claim.instance] >= claim.need.most_bytes - 10


def test_the_verdict_of_a_fixed_share_is_not_softened_by_open_neighbours() -> None:
    made = planned({"a": engine(memory_fraction=0.1), "b": engine()})
    assert entry(made, "a").verdict is Verdict.NO
    assert entry(made, "b").verdict is Verdict.FITS
