from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from infra.plan import Plan, plan_text
from tests.unit.plan.stacks import BGE, LLAMA_70B, engine, host, planned

GOLDEN = Path(__file__).with_name("ledgers")


def shared_card() -> Plan:
    """Open and given shares on one card, an engine over two, and cards that nobody is on."""
    models = {
        "chat": engine(users=4),
        "search": engine(BGE, kind="embedding", context=512, memory_fraction=0.1, place="gpu-a", gpus=["0"]),
        "large": engine(LLAMA_70B, quantization="fp8", tensor_parallel=2, context="auto", users=4, after=["chat"]),
    }
    return planned(models, {"gpu-a": host(4, memory="512GiB"), "gpu-b": host(2, "L40S")})


def trouble() -> Plan:
    """Every verdict that isn't plain: no with fixes, tight, unknown, overruled."""
    half = engine(memory_fraction=0.5, place="box", gpus=["0"])
    models = {
        "a": half,
        "b": half,
        "c": engine(memory_fraction=0.2, place="box", gpus=["1"]),
        "d": engine("org/unheard-of", memory_fraction=0.3, place="box", gpus=["2"]),
        "e": engine(memory_fraction=0.2, place="box", gpus=["3"], override="measured on 2026-10-01, starts"),
    }
    return planned(models, {"box": host(4)})


def on_cpu() -> Plan:
    """Two engines without a card, one of them too large."""
    small = engine("Qwen/Qwen3-1.7B", device="cpu", kv_cache="4GiB", dtype="bfloat16", cores="0-3")
    large = {**small, "source": "Qwen/Qwen3-14B", "cores": "4-7"}
    disks = [{"path": "/var/lib/docker", "size": "200GiB", "free": "20GiB"}]
    return planned({"large": large, "small": small}, {"box": {"memory": "32GiB", "disks": disks}})


@pytest.mark.parametrize(("name", "case"), [("shared_card", shared_card), ("trouble", trouble), ("on_cpu", on_cpu)])
def test_the_ledger_reads_as_it_did(name: str, case: Callable[[], Plan]) -> None:
    assert plan_text(case()) + "\n" == (GOLDEN / f"{name}.txt").read_text(encoding="utf-8")


def test_the_lines_of_a_card_name_what_it_has_and_what_is_left() -> None:
    lines = plan_text(planned({"a": engine(memory_fraction=0.5)}, {"box": host(memory="64GiB")})).splitlines()
    assert lines[0] == "1 engine, vLLM 0.32.0, sizes in GiB"
    assert lines[2] == "box · card 0 · H100-80GB · 79.2 from the catalogue, not measured · 39.1 left"
    measured = planned({"a": engine()}, {"box": {"gpus": [{"id": "0", "model": "H100-80GB", "memory": "79.6GiB"}]}})
    assert "as read from the host" in plan_text(measured)


def test_long_names_are_cut_where_columns_end() -> None:
    name = "a-model-whose-name-is-long"
    (line,) = (line for line in plan_text(planned({name: engine()})).splitlines() if line.startswith("  a-model"))
    assert line.startswith("  a-model-whose-n… ")
    assert len(line) <= 100


def test_a_stack_without_engines_has_a_ledger_of_empty_cards() -> None:
    assert plan_text(planned({}, {"box": host(2)})).splitlines() == [
        "0 engines, vLLM 0.32.0, sizes in GiB",
        "box · H100-80GB · nothing on 0, 1",
    ]
