from __future__ import annotations

import json
from typing import Any

import pytest

from infra.plan import Plan, plan_data, plan_text
from tests.unit.plan.stacks import BGE, engine, entry, host, planned


def stack() -> Plan:
    models = {
        "chat": engine(replicas=2),
        "search": engine(BGE, kind="embedding", context=512, memory_fraction=0.1),
        "short": engine(memory_fraction=0.2, place="gpu", gpus=["1"]),
        "who": engine("org/unheard-of", memory_fraction=0.2),
        "cpu": engine("Qwen/Qwen3-1.7B", device="cpu", kv_cache="1GiB", place="plain"),
    }
    return planned(models, {"gpu": host(2, memory="256GiB"), "plain": {"memory": "64GiB"}})


def written() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(json.dumps(plan_data(stack())))
    return made


def test_every_placement_is_there_with_its_cause() -> None:
    rows = {row["instance"]: row for row in written()["placements"]}
    made = {placement.instance: placement for placement in stack().placements}
    assert set(rows) == set(made) == {"chat-0", "chat-1", "search", "short", "who", "cpu"}
    for name, placement in made.items():
        assert rows[name]["host"] == placement.host
        assert tuple(rows[name]["gpus"]) == placement.gpus
        assert tuple(rows[name]["after"]) == placement.after
        assert rows[name]["memory_fraction"] == placement.memory_fraction
        assert rows[name]["context"] == placement.context
        assert rows[name]["cause"] == placement.cause


def test_figures_are_those_of_the_text() -> None:
    lines = plan_text(stack()).splitlines()
    engines = [row for card in written()["cards"] for row in card["engines"]]
    assert {row["instance"] for row in engines} == {"chat-0", "chat-1", "search", "short", "who"}
    for row in engines:
        (line,) = (line for line in lines if line.startswith(f"  {row['instance']:<17}"))
        assert f"{row['fraction']:.3g}" in line
        assert row["verdict"] in line
        if row["verdict"] == "unknown":
            assert "weights_gib" not in row
            continue
        figures = entry(stack(), row["instance"]).judgement.estimate
        assert figures is not None
        assert row["weights_gib"] == figures.weights.in_gib()
        assert row["kv_cache_gib"] == figures.pool.in_gib()
        assert row["activation_gib"] == figures.activation.in_gib()
        assert f"{row['weights_gib']['value']:.1f}" in line
        assert f"{row['requested_gib']['value']:.1f}" in line
        assert row["kv_cache_gib"]["low"] <= row["kv_cache_gib"]["value"] <= row["kv_cache_gib"]["high"]


def test_reasons_fixes_and_findings_come_along() -> None:
    made = written()
    (short,) = (row for card in made["cards"] for row in card["engines"] if row["instance"] == "short")
    assert short["verdict"] == "no"
    assert short["reasons"][0].startswith("nothing is left for the KV cache")
    assert short["fixes"][0].startswith("memory_fraction: ")
    assert {"hearth:models.short", "hearth:models.who"} == {row["path"] for row in made["findings"]}
    assert {row["severity"] for row in made["findings"]} == {"error", "warning"}


def test_engines_on_cpu_are_rows_of_their_host() -> None:
    (plain,) = (row for row in written()["hosts"] if row["name"] == "plain")
    (row,) = plain["engines"]
    assert (row["instance"], row["verdict"], row["kv_cache_gib"]) == ("cpu", "fits", 1.0)
    assert plain["memory_gib"] == 64.0
    assert plain["ram_gib"]["value"] == pytest.approx(row["ram_gib"]["value"], abs=0.01)


def test_rests_of_cards_are_those_of_the_ledger() -> None:
    made = stack()
    for row, card in zip(made.cards, written()["cards"], strict=True):
        assert card["left_gib"] == pytest.approx(row.left_bytes / 2**30, abs=0.001)
        assert (card["host"], card["id"]) == (row.slot.host, row.slot.id)
