from __future__ import annotations

from typing import Any

import pytest

from infra.memory.verdict import Verdict
from infra.plan import Plan, plan_text
from infra.plan.specs import version_of
from tests.unit.plan.stacks import BGE, LLAMA_70B, QWEN_14B, config_of, engine, entry, errors, host, planned

HALF = engine(memory_fraction=0.5, place="box", gpus=["0"])


def both_halves(version: str, **more: Any) -> Plan:
    return planned({"a": HALF, "b": {**HALF, **more}}, images={"vllm": f"vllm/vllm-openai:v{version}"})


def test_two_halves_of_a_card_are_refused_with_what_is_asked_and_what_is_free() -> None:
    made = both_halves("0.19.0")
    assert entry(made, "a").verdict is Verdict.FITS
    assert entry(made, "b").verdict is Verdict.NO
    assert entry(made, "b").stops
    (finding,) = errors(made)
    assert finding.path == "hearth:models.b"
    assert finding.problem == "b doesn't start: asks for 39.6 GiB and 37.7 are free behind a"
    assert finding.fix.startswith("set memory_fraction: 0.4")


def test_the_second_runner_gives_back_what_only_its_profile_run_takes() -> None:
    first, second = (entry(both_halves(version), "b") for version in ("0.19.0", "0.32.0"))
    assert second.free_bytes.value > first.free_bytes.value + 2**29
    assert second.verdict is Verdict.TIGHT


def test_a_version_that_does_not_check_may_fail_later() -> None:
    made = both_halves("0.6.6")
    assert entry(made, "b").verdict is Verdict.TIGHT
    assert "doesn't check and may run out of memory later" in entry(made, "b").reasons[0]


def test_two_halves_without_a_chosen_card_are_refused_before_they_meet() -> None:
    made = planned({"a": engine(memory_fraction=0.5), "b": engine(memory_fraction=0.5)})
    assert "b finds no place" in str(errors(made)[0])
    assert "39.6 GiB on 1 card(s) of box 0 H100-80GB" in str(errors(made)[0])


def test_the_start_order_decides_who_finds_too_little() -> None:
    turned = planned({"a": {**HALF, "after": ["b"]}, "b": HALF}, images={"vllm": "vllm/vllm-openai:v0.19.0"})
    assert entry(turned, "b").verdict is Verdict.FITS
    assert entry(turned, "a").verdict is Verdict.NO
    assert [one.instance for one in turned.cards[0].entries] == ["b", "a"]


def test_an_override_turns_the_error_into_a_notice_that_keeps_both_reasons() -> None:
    made = both_halves("0.19.0", override="measured on this box, starts")
    assert entry(made, "b").verdict is Verdict.NO
    assert not entry(made, "b").stops
    (finding,) = made.findings
    assert finding.severity == "notice"
    assert "39.6 GiB and 37.7 are free" in finding.problem
    assert "overruled: measured on this box, starts" in finding.problem
    assert "    overruled: measured on this box, starts" in plan_text(made).splitlines()


def test_an_override_also_places_an_engine_that_no_share_is_enough_for() -> None:
    made = planned({"a": engine(LLAMA_70B, override="runs here since June")})
    assert entry(made, "a").verdict is Verdict.NO
    assert errors(made) == []


def test_an_unknown_model_is_a_warning_and_its_verdict_says_so() -> None:
    made = planned({"a": engine("org/unheard-of", memory_fraction=0.5)})
    assert entry(made, "a").verdict is Verdict.UNKNOWN
    assert [finding.severity for finding in made.findings] == ["warning"]


def test_what_an_engine_finds_free_is_what_those_before_it_leave() -> None:
    small = engine(BGE, kind="embedding", context=512, memory_fraction=0.1)
    made = planned({"a": small, "b": small, "c": small})
    free = [entry(made, name).free_bytes.value / 2**30 for name in "abc"]
    # Each takes a tenth of 79.2 GiB and half a GiB for its process; an encoder has no second runner.
    assert free[0] - free[1] == pytest.approx(7.92 + 0.5, abs=0.01)
    assert free[1] - free[2] == pytest.approx(7.92 + 0.5, abs=0.01)


def test_a_parallel_engine_finds_what_its_fuller_card_has() -> None:
    wide = engine(LLAMA_70B, quantization="fp8", tensor_parallel=2, memory_fraction=0.6, place="box", gpus=["0", "1"])
    made = planned({"a": engine(QWEN_14B, memory_fraction=0.5, place="box", gpus=["1"]), "b": wide}, {"box": host(2)})
    assert entry(made, "b").verdict is Verdict.NO
    assert "are free behind a" in entry(made, "b").reasons[0]
    assert entry(made, "b").free_bytes.value < 40 * 2**30


def test_a_rest_is_what_nobody_asks_for() -> None:
    made = planned({"a": engine(memory_fraction=0.5)}, {"box": host(2)})
    assert [round(row.left_bytes / 2**30, 1) for row in made.cards] == [39.1, 79.2]


def test_a_parallel_fix_is_only_offered_where_there_are_cards_for_it() -> None:
    alone = errors(planned({"a": engine(LLAMA_70B)}))[0].fix
    beside = errors(planned({"a": engine(LLAMA_70B)}, {"box": host(4)}))[0].fix
    assert "tensor_parallel" not in alone
    assert "tensor_parallel: 4" in beside


@pytest.mark.parametrize(
    ("image", "version"),
    [
        ("vllm/vllm-openai:v0.11.2", "0.11.2"),
        ("registry.example.com:5000/vllm/vllm-openai:v0.19.0", "0.19.0"),
        ("vllm/vllm-openai-cpu:v0.31.0-x86_64", "0.31.0"),
        ("vllm/vllm-openai:v0.25.1@sha256:" + "0" * 64, "0.25.1"),
        ("hearth/vllm:8f3c2d1e0a9b", "0.32.0"),
        (None, "0.32.0"),
    ],
)
def test_the_planned_version_is_that_of_the_image(image: str | None, version: str) -> None:
    config = config_of({"a": engine()}, images={"vllm": image} if image else {})
    assert version_of(config) == version
    assert planned({"a": engine()}, images={"vllm": image} if image else {}).vllm_version == version


def test_versions_that_charge_an_engine_with_its_neighbours_say_so() -> None:
    def verdicts(version: str) -> dict[str, str]:
        models = {name: engine(memory_fraction=0.45, place="box", gpus=["0"]) for name in ("a", "b")}
        made = planned(models, {"box": host(1)}, images={"vllm": f"vllm/vllm-openai:v{version}"})
        return {name: str(entry.verdict) for name, entry in made.entries.items()}

    assert verdicts("0.8.5") == {"a": "fits", "b": "no"}
    assert verdicts("0.9.2") == {"a": "fits", "b": "fits"}
