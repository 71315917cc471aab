from __future__ import annotations

from typing import Any

import pytest

from infra.memory.checkpoint import checkpoint_of
from tests.unit.plan.stacks import LLAMA_8B, QWEN_14B, engine, entry, errors, host, planned


def decided(instance: str, **more: Any) -> tuple[int, float]:
    made = planned({instance: engine(context="auto", **more)}, {"box": host(1, "L40S")})
    assert made.findings == ()
    figures = entry(made, instance).judgement.estimate
    context = made.placements[0].context
    assert figures is not None
    assert context is not None
    assert context == entry(made, instance).spec.context
    return context, figures.concurrency.low


@pytest.mark.parametrize("users", [1, 2, 5, 20])
def test_context_auto_is_the_longest_that_surely_holds_the_wanted_users(users: int) -> None:
    context, sure = decided("a", users=users)
    assert sure >= users
    most = checkpoint_of(LLAMA_8B).architecture
    assert most is not None
    # A step longer would be a request too many, but for the margin between fits and tight.
    assert context == most.default_context or sure * context < users * (context + 256) + 6000


def test_more_users_make_contexts_shorter() -> None:
    lengths = [decided("a", users=users)[0] for users in (2, 4, 8, 16)]
    assert lengths == sorted(lengths, reverse=True)
    assert len(set(lengths)) == 4


def test_context_auto_never_exceeds_what_the_model_was_made_for() -> None:
    made = planned({"a": engine("Qwen/Qwen3-1.7B", context="auto")})
    assert made.placements[0].context == 40960


def test_context_auto_of_neighbours_holds_the_users_of_both() -> None:
    models = {"a": engine(context="auto", users=4), "b": engine(QWEN_14B, context="auto", users=2)}
    made = planned(models)
    assert made.findings == ()
    for name, users in (("a", 4), ("b", 2)):
        figures = entry(made, name).judgement.estimate
        assert figures is not None
        assert figures.concurrency.low >= users


def test_context_auto_fits_into_a_given_fraction() -> None:
    made = planned({"a": engine(context="auto", memory_fraction=0.35)})
    assert made.findings == ()
    context = made.placements[0].context
    assert context is not None
    assert 8192 < context < 131072
    assert context % 256 == 0


def test_users_make_an_open_share_larger() -> None:
    hosts = {"box": host(1)}
    few = planned({"a": engine(users=1), "b": engine(QWEN_14B)}, hosts)
    many = planned({"a": engine(users=20), "b": engine(QWEN_14B)}, hosts)
    assert entry(many, "a").spec.share > entry(few, "a").spec.share
    figures = entry(many, "a").judgement.estimate
    assert figures is not None
    assert figures.concurrency.low >= 20
    assert many.findings == ()


def test_users_that_a_given_fraction_does_not_hold_are_an_error_with_both_numbers() -> None:
    made = planned({"a": engine(context=32768, users=40, memory_fraction=0.3)})
    (finding,) = errors(made)
    assert finding.path == "hearth:models.a.users"
    assert finding.problem == "a holds 1.5 requests of 32,768 tokens at once, not 40"


def test_users_that_an_override_waves_through_are_a_notice() -> None:
    made = planned({"a": engine(context=32768, users=40, memory_fraction=0.3, override="measured last week")})
    (finding,) = made.findings
    assert finding.severity == "notice"
    assert "overruled: measured last week" in finding.problem


def test_users_that_no_card_holds_are_an_error_that_names_them() -> None:
    (finding,) = errors(planned({"a": engine(context=32768, users=400)}))
    assert finding.problem == "a fits no card (box 0 H100-80GB) with 400 requests of 32,768 tokens at once"


def test_users_of_a_cpu_engine_count_too() -> None:
    made = planned({"a": engine(device="cpu", kv_cache="2GiB", users=5)}, {"box": {"memory": "64GiB"}})
    assert [finding.path for finding in errors(made)] == ["hearth:models.a.users"]
