from __future__ import annotations

from typing import Any

from infra.config.across import findings_across
from infra.config.schema import StackConfig
from infra.errors import Finding, Severity

ONE, OTHER = "GPU-11111111-2222-3333-4444-555566667777", "GPU-aaaaaaaa-2222-3333-4444-555566667777"
PATH = "hearth:inventory.hosts.box.gpus"


def found(*cards: dict[str, Any], **model: Any) -> list[Finding]:
    gpus = [{"model": "H100-80GB", **card} for card in cards]
    models = {"chat": {"source": "m", "place": "box", **model}} if model else {}
    return findings_across(
        StackConfig.model_validate({"inventory": {"hosts": {"box": {"gpus": gpus}}}, "models": models})
    )


def test_cards_named_alike_are_no_finding() -> None:
    assert not found({"id": "0"}, {"id": "1"})
    assert not found({"id": ONE, "index": 0}, {"id": OTHER, "index": 1})


def test_a_card_with_an_index_alone_among_uuids_is_a_warning() -> None:
    (one,) = found({"id": ONE, "index": 0}, {"id": "1"})
    assert (one.path, one.severity) == (PATH, Severity.WARNING)
    assert "names card 1 by its index" in one.problem


def test_a_card_that_its_driver_gives_no_lasting_name_is_no_finding() -> None:
    """As facts write an integrated AMD card beside one with a serial number."""
    assert not found({"id": "GPU-9246abcdef012345", "index": 0}, {"id": "1", "index": 1})


def test_one_card_in_two_ways_is_an_error() -> None:
    (by_index,) = found({"id": ONE, "index": 0}, {"id": OTHER, "index": 1}, {"id": "1"})
    assert by_index.severity is Severity.ERROR
    assert f"has one card as 1 and as {OTHER}" in by_index.problem
    (shortened,) = found({"id": ONE, "index": 0}, {"id": "GPU-1111"})
    assert f"has one card as GPU-1111 and as {ONE}" in shortened.problem


def test_a_model_that_names_a_known_card_by_its_index_is_told_the_uuid() -> None:
    (one,) = found({"id": ONE, "index": 0}, {"id": OTHER, "index": 1}, gpus=["1"])
    assert one.path == "hearth:models.chat.gpus"
    assert one.fix.startswith(f"write {OTHER}, which it is today")
    (unknown,) = found({"id": ONE, "index": 0}, gpus=["7"])
    assert unknown.fix == f"name one of: {ONE}"
