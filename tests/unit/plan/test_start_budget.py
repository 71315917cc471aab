from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.config.models import ModelServer
from infra.interval import GIB, Interval
from infra.memory.engine import Card
from infra.plan import Placement, Shared, make_plan
from infra.plan.cards import card_of
from infra.plan.specs import engines_of
from infra.plan.start_budget import StartBudget, minutes, start_budget
from tests.unit.plan.stacks import LLAMA_8B, LLAMA_70B, QWEN_14B, config_of, engine, host

ENGINES = engines_of(config_of({}), Shared(), Path())


def budget(source: str, card: str = "H100-80GB", root: Path = Path(), **more: Any) -> StartBudget:
    model = ModelServer.model_validate({"source": source, **more})
    on = Card("CPU", Interval.exact(0.0)) if model.device == "cpu" else card_of(card, None)
    return start_budget(replace(ENGINES.spec(model, on), fraction=0.9), model, root)


# What was seen (vllm pull requests 49782 and 32191, issue 44881, mitchross/talos-argocd-proxmox pull request 1848).
SEEN: list[tuple[str, str, dict[str, Any], float]] = [
    ("Qwen/Qwen3-0.6B", "A10", {}, 79),
    ("Qwen/Qwen3-32B", "H100-80GB", {}, 68),
    ("Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8", "RTX 5090", {}, 277),
    (QWEN_14B, "RTX 3090", {"tensor_parallel": 2, "quantization": "fp8"}, 660),
]


@pytest.mark.parametrize(("source", "card", "more", "seen_s"), SEEN)
def test_a_start_that_was_seen_takes_half_of_its_budget_at_most(
    source: str, card: str, more: dict[str, Any], seen_s: float
) -> None:
    assert budget(source, card, **more).start_s >= 2 * seen_s


def test_each_part_of_the_longest_seen_start_fits_twice() -> None:
    parts = budget(QWEN_14B, "RTX 3090", tensor_parallel=2, quantization="fp8")
    assert parts.load_s >= 2 * (150 + 30 + 63)
    assert parts.compile_s >= 2 * 166
    assert parts.warm_s >= 2 * (131 + 90)


def test_experts_get_the_37_minutes_that_their_compilation_once_took() -> None:
    experts = "Qwen/Qwen3-Coder-30B-A3B-Instruct-FP8"
    assert budget(experts).compile_s >= 37 * 60
    assert budget(experts, args={"enforce-eager": True}).compile_s == 0
    assert budget("org/unheard-of").compile_s == budget(experts).compile_s
    assert budget(LLAMA_8B).compile_s < 37 * 60


def test_without_compilation_graphs_are_not_captured_either() -> None:
    assert budget(LLAMA_8B, args={"enforce-eager": True}).warm_s < budget(LLAMA_8B).warm_s


def test_a_model_of_the_hub_is_fetched_before_its_start_and_a_directory_is_not() -> None:
    fetched = budget(LLAMA_70B)
    assert fetched.download_s == pytest.approx(300 + 131.4 * 1024 / 4, rel=0.01)
    assert budget("/models/llama").download_s == 0
    assert budget("synthetic", device="cpu").download_s == 0


def test_weights_of_an_unknown_directory_are_measured(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"architectures": ["Unheard"]}', encoding="utf-8")
    for number in range(2):
        with (tmp_path / f"model-{number}.safetensors").open("wb") as file:
            file.truncate(3 * GIB)
    assert budget(str(tmp_path)).read_bytes == 6 * GIB


def test_an_unknown_model_has_no_more_bytes_than_its_cards_can_hold() -> None:
    assert budget("org/unheard-of").read_bytes / GIB == pytest.approx(0.9 * 79.2, rel=0.01)
    assert budget("org/unheard-of", tensor_parallel=2).read_bytes / GIB == pytest.approx(2 * 0.9 * 79.2, rel=0.01)
    assert budget("org/unheard-of", device="cpu").read_bytes == 60 * GIB


def test_what_is_quantized_at_start_is_read_whole() -> None:
    assert budget(QWEN_14B, quantization="fp8").read_bytes == budget(QWEN_14B).read_bytes


@given(
    sizes=st.lists(st.integers(1, 2 * 10**12), min_size=2, max_size=2),
    more=st.fixed_dictionaries(
        {
            "tensor_parallel": st.sampled_from([1, 2]),
            "args": st.sampled_from([{}, {"enforce-eager": True}]),
            "device": st.sampled_from(["cuda", "rocm"]),
        }
    ),
)
def test_more_bytes_never_give_a_smaller_budget(sizes: list[int], more: dict[str, Any]) -> None:
    model = ModelServer.model_validate({"source": "org/unheard-of", **more})
    small, large = (
        start_budget(replace(ENGINES.spec(model, Card("card", Interval.exact(size))), fraction=0.9), model)
        for size in sorted(sizes)
    )
    assert small.read_bytes <= large.read_bytes
    for part in ("download_s", "load_s", "compile_s", "warm_s", "start_s"):
        assert getattr(small, part) <= getattr(large, part)
    if large.read_bytes - small.read_bytes >= GIB:
        assert small.start_s < large.start_s


def test_an_engine_that_downloads_for_itself_has_the_time_for_it() -> None:
    def placed(source: str, shared: Shared | None = None) -> Placement:
        config = config_of({"chat": engine(source, tensor_parallel=4)}, {"box": host(4)})
        return make_plan(config, "hearth", "test", shared=shared).placements[0]

    fetched, itself = placed(LLAMA_70B), placed(LLAMA_70B, Shared(fetches=False))
    assert itself.start_timeout_s == fetched.start_timeout_s + fetched.start.download_s
    elsewhere = placed("s3://bucket/llama")
    assert elsewhere.start_timeout_s > elsewhere.start.download_s > 0


def test_limits_are_whole_minutes_and_never_rounded_down() -> None:
    assert [minutes(seconds) for seconds in (1, 60, 61, 7200, 7201, 9000)] == [
        "1 min",
        "1 min",
        "2 min",
        "120 min",
        "2.5 h",
        "2.5 h",
    ]
