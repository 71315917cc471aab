from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from infra.config.schema import StackConfig
from infra.errors import Severity
from infra.plan import Plan, make_plan


def plan(models: dict[str, Any], gpus: int = 4, **inventory: Any) -> Plan:
    cards = [{"id": str(number), "model": "H100"} for number in range(gpus)]
    hosts = inventory or {"box": {"gpus": cards}}
    config = StackConfig.model_validate({"models": models, "inventory": {"hosts": hosts}})
    return make_plan(config, "hearth", "test")


def engine(**more: Any) -> dict[str, Any]:
    return {"source": "org/model", **more}


def test_two_engines_share_a_card_by_fraction() -> None:
    made = plan({"a": engine(memory_fraction=0.45), "b": engine(memory_fraction=0.55)}, gpus=1)
    assert made.findings == ()
    assert made.shares == {("box", "0"): 1.0}


def test_a_third_that_does_not_fit_is_a_finding_with_the_numbers() -> None:
    made = plan({name: engine(memory_fraction=0.45) for name in ("a", "b", "c")}, gpus=1)
    (finding,) = made.findings
    assert str(finding) == (
        "hearth:models.c: wants 0.45 of 1 card(s); box card 0: 0.10 free. "
        "Lower memory_fraction here or of a neighbour, or name other cards."
    )


def test_tensor_parallel_takes_different_cards() -> None:
    made = plan({"a": engine(tensor_parallel=2)}, gpus=2)
    assert made.placements[0].gpus == ("0", "1")


def test_replicas_take_the_named_cards_in_turn() -> None:
    made = plan({"a": engine(replicas=2, gpus=["3", "1"])})
    assert [placement.gpus for placement in made.placements] == [("3",), ("1",)]
    assert [placement.instance for placement in made.placements] == ["a-0", "a-1"]


def test_a_card_that_is_not_there_is_a_finding() -> None:
    assert plan({"a": engine(gpus=["9"])}).findings[0].path == "hearth:models.a"


def test_engines_wait_for_every_replica_of_what_they_come_after() -> None:
    made = plan({"a": engine(after=["b"]), "b": engine(replicas=2)})
    assert made.of_model("a")[0].after == ("b-0", "b-1")


def test_shared_cores_are_a_warning() -> None:
    made = plan({"a": engine(device="cpu", cores="0-3"), "b": engine(device="cpu", cores="3-6")})
    (finding,) = made.findings
    assert finding.severity is Severity.WARNING
    assert finding.path == "hearth:models.b.cores"


def test_the_plan_reads_as_text() -> None:
    made = plan({"a": engine(memory_fraction=0.45), "cpu": engine(device="cpu", cores="0-3", kv_cache="4GiB")}, gpus=1)
    assert made.text().splitlines() == [
        "a                        -> box [0]            fraction 0.45    first 1 with 0.45 free",
        "cpu                      -> box cores 0-3      KV 4 GiB         first host of the inventory",
        "box card 0: 0.45 of its memory is given away",
    ]


MODELS = st.dictionaries(
    st.from_regex(r"[a-z]{1,6}", fullmatch=True),
    st.fixed_dictionaries(
        {
            "source": st.just("org/model"),
            "memory_fraction": st.sampled_from([0.1, 0.25, 0.3, 0.45, 0.5, 0.9, 1.0]),
            "tensor_parallel": st.sampled_from([1, 2, 4]),
            "replicas": st.integers(1, 3),
        }
    ),
    max_size=6,
)


@given(models=MODELS, gpus=st.integers(0, 6))
def test_no_card_is_ever_given_away_twice_and_no_engine_is_lost(models: dict[str, Any], gpus: int) -> None:
    made = plan(models, gpus)
    given_away: dict[str, float] = defaultdict(float)
    for placement in made.placements:
        assert len(set(placement.gpus)) == models[placement.model]["tensor_parallel"]
        for gpu in placement.gpus:
            given_away[gpu] += models[placement.model]["memory_fraction"]
    assert all(share <= 1 + 1e-6 for share in given_away.values())
    wanted = sum(model["replicas"] for model in models.values())
    assert len(made.placements) + len(made.findings) == wanted


@given(models=MODELS, gpus=st.integers(0, 6))
def test_the_same_input_gives_the_same_plan(models: dict[str, Any], gpus: int) -> None:
    assert plan(models, gpus) == plan(dict(reversed(models.items())), gpus)
