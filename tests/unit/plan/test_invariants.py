"""What holds of every plan, over stacks made at random."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.memory.verdict import Verdict
from infra.plan import plan_text
from infra.plan.text import WIDTH
from tests.unit.plan.stacks import BGE, LLAMA_8B, LLAMA_70B, QWEN_14B, errors, planned

SOURCES = [
    LLAMA_8B,
    QWEN_14B,
    LLAMA_70B,
    BGE,
    "org/unheard-of",
    "openai/gpt-oss-20b",
    "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8",
]
CARD = st.sampled_from(["H100-80GB", "L40S", "RTX 4090", "A100-80GB"])
HOST = st.builds(
    lambda number, model, memory: {
        "gpus": [{"id": f"GPU-{index:08}-a-very-long-uuid", "model": model} for index in range(number)],
        "memory": memory,
    },
    st.integers(0, 4),
    CARD,
    st.sampled_from([None, "16GiB", "512GiB"]),
)
MODEL = st.fixed_dictionaries(
    {
        "source": st.sampled_from(SOURCES),
        "memory_fraction": st.sampled_from(["auto", "auto", 0.1, 0.3, 0.45, 0.9]),
        "tensor_parallel": st.sampled_from([1, 1, 2, 4]),
        "replicas": st.integers(1, 3),
        "spread": st.sampled_from(["none", "card", "host"]),
        "context": st.sampled_from([None, "auto", 2048, 16384]),
        "users": st.sampled_from([1, 1, 4]),
        "place": st.sampled_from([None, None, "one", "both"]),
    }
)
ON_CPU = st.fixed_dictionaries(
    {
        "source": st.sampled_from(SOURCES),
        "device": st.just("cpu"),
        "cores": st.sampled_from(["0-3", "0-3,8-11,16-19,24-27"]),
    }
)
STACKS = st.tuples(
    st.dictionaries(
        st.sampled_from(["alpha", "b", "gamma-with-a-name-that-is-quite-long"]), MODEL | ON_CPU, max_size=3
    ),
    st.fixed_dictionaries({"one": HOST, "a-host-with-as-long-a-name-as-can-be-had": HOST}),
    st.sampled_from(["0.8.5", "0.11.0", "0.19.0", "0.32.0"]),
)
GROUPS = {"both": {"hosts": ["one", "a-host-with-as-long-a-name-as-can-be-had"]}}
Stack = tuple[dict[str, Any], dict[str, Any], str]


def image(version: str) -> dict[str, str]:
    return {"vllm": f"vllm/vllm-openai:v{version}"}


@settings(deadline=None)
@given(stack=STACKS)
def test_no_card_is_ever_over_budget(stack: Stack) -> None:
    models, hosts, version = stack
    made = planned(models, hosts, GROUPS, images=image(version))
    for row in made.cards:
        shares = sum(entry.spec.requested.value for entry in row.entries)
        contexts = len(row.entries) * 0.5 * 2**30
        assert shares + contexts <= row.slot.capacity_bytes + len(row.entries)


@settings(deadline=None)
@given(stack=STACKS)
def test_every_engine_is_placed_or_reported_and_none_twice(stack: Stack) -> None:
    models, hosts, version = stack
    made = planned(models, hosts, GROUPS, images=image(version))
    placed = [placement.instance for placement in made.placements]
    assert len(placed) == len(set(placed))
    wanted = {
        name if model.get("replicas", 1) == 1 else f"{name}-{number}": name
        for name, model in models.items()
        for number in range(model.get("replicas", 1))
    }
    reported = {finding.path for finding in errors(made)}
    for instance, name in wanted.items():
        assert instance in placed or f"hearth:models.{name}" in reported
    assert set(made.entries) == set(placed) <= set(wanted)
    for placement in made.placements:
        assert len(set(placement.gpus)) == models[placement.model].get("tensor_parallel", 0)


@settings(deadline=None)
@given(stack=STACKS)
def test_open_engines_that_are_placed_start(stack: Stack) -> None:
    models, hosts, version = stack
    made = planned(models, hosts, GROUPS, images=image(version))
    for row in made.cards:
        for entry in row.entries:
            if models[entry.model]["memory_fraction"] == "auto":
                assert entry.verdict in {Verdict.FITS, Verdict.UNKNOWN}, entry.reasons


@settings(deadline=None)
@given(stack=STACKS)
def test_the_same_input_gives_the_same_plan_in_whatever_order_it_is_written(stack: Stack) -> None:
    models, hosts, version = stack
    turned = {name: dict(reversed(model.items())) for name, model in reversed(models.items())}
    one, other = (planned(several, hosts, GROUPS, images=image(version)) for several in (models, turned))
    assert plan_text(one) == plan_text(other)
    assert one.placements == other.placements
    assert one.findings == other.findings


@settings(deadline=None)
@given(stack=STACKS)
def test_no_line_of_the_ledger_is_wider_than_a_terminal(stack: Stack) -> None:
    models, hosts, version = stack
    lines = plan_text(planned(models, hosts, GROUPS, images=image(version))).splitlines()
    assert max(map(len, lines)) <= WIDTH == 100
