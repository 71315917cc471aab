"""Fixes that findings offer are edits that people make: each is made here, and planned again."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.memory.fixes import Fix, fixes_of
from infra.memory.verdict import Verdict
from infra.plan.ledger import Entry
from tests.unit.plan.stacks import LLAMA_8B, LLAMA_70B, QWEN_14B, cards, engine, errors, planned

SETTINGS = ("memory_fraction", "context", "max_sequences", "kv_cache_dtype", "tensor_parallel")
SOURCES = [LLAMA_8B, QWEN_14B, LLAMA_70B, "openai/gpt-oss-20b", "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8"]
MODEL = st.fixed_dictionaries(
    {
        "source": st.sampled_from(SOURCES),
        "memory_fraction": st.sampled_from(["auto", 0.2, 0.3, 0.4, 0.45, 0.5, 0.6, 0.9, 0.95, 0.99]),
        "context": st.sampled_from([2048, 16384, 32768]),
        "tensor_parallel": st.sampled_from([1, 1, 2]),
    }
)
STACKS = st.tuples(
    st.dictionaries(st.sampled_from(["a", "b", "c"]), MODEL, min_size=1, max_size=3),
    st.sampled_from(["H100-80GB", "L40S", "RTX 4090"]),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from(["0.10.2", "0.19.0", "0.32.0"]),
)


def edited(model: dict[str, Any], fix: Fix) -> dict[str, Any]:
    value = fix.value if fix.setting == "kv_cache_dtype" else float(fix.value)
    return {
        **model,
        fix.setting: int(value) if isinstance(value, float) and fix.setting != "memory_fraction" else value,
    }


@settings(deadline=None, max_examples=150)
@given(stack=STACKS)
def test_every_offered_fix_mends_its_engine(
    stack: tuple[dict[str, dict[str, Any]], str, int, bool, str],
) -> None:
    models, card, number, pinned, version = stack
    if pinned:
        models = {
            name: {**model, "place": "box", "gpus": [str(index) for index in range(model["tensor_parallel"])]}
            for name, model in models.items()
        }
    hosts = {"box": {"gpus": cards(max(2, number), card)}}
    images = {"vllm": f"vllm/vllm-openai:v{version}"}
    made = planned(models, hosts, images=images)
    wrong = {finding.path for finding in errors(made)}
    for entry in made.entries.values():
        assert isinstance(entry, Entry)
        for fix in entry.fixes:
            # A fix is for one engine: what another one that doesn't start takes of the cards, nobody can promise.
            if fix.setting not in SETTINGS or wrong - {f"hearth:models.{entry.model}"}:
                continue
            again = planned({**models, entry.model: edited(models[entry.model], fix)}, hosts, images=images)
            assert f"hearth:models.{entry.model}" not in {finding.path for finding in errors(again)}, fix.text
            assert again.entries[entry.instance].verdict in {Verdict.FITS, Verdict.TIGHT}


def test_a_split_is_not_offered_for_a_card_that_people_chose() -> None:
    models = {"a": engine(memory_fraction=0.2, place="box", gpus=["0"])}
    made = planned(models, {"box": {"gpus": cards(4)}})
    assert "tensor_parallel" not in errors(made)[0].fix
    assert "memory_fraction" in errors(made)[0].fix


def test_a_split_is_only_offered_over_cards_with_room() -> None:
    models = {
        "a": engine(LLAMA_70B, memory_fraction=0.9, quantization="fp8", context=131072, max_sequences=8),
        "b": engine(memory_fraction=0.9, place="box", gpus=["1"]),
    }
    full = planned(models, {"box": {"gpus": cards(2)}})
    free = planned(models, {"box": {"gpus": cards(3)}})
    assert "tensor_parallel" not in errors(full)[0].fix
    assert "tensor_parallel: 2" in errors(free)[0].fix


def test_a_larger_share_is_only_offered_where_neighbours_leave_it() -> None:
    models = {
        "a": engine(memory_fraction=0.2, place="box", gpus=["0"]),
        "b": engine(memory_fraction=0.77, place="box", gpus=["0"]),
    }
    made = planned(models)
    assert "memory_fraction" not in next(finding.fix for finding in errors(made) if finding.path.endswith(".a"))


def test_fixes_of_an_engine_alone_may_use_the_whole_card_and_more_cards() -> None:
    made = planned({"a": engine(memory_fraction=0.2)}, {"box": {"gpus": cards(2)}})
    entry = made.entries["a"]
    assert isinstance(entry, Entry)
    assert [fix.setting for fix in entry.fixes[:1]] == ["memory_fraction"]
    assert not any(fix.setting == "tensor_parallel" for fix in fixes_of(entry.spec, most_cards=1))
