from __future__ import annotations

from pathlib import Path

import pytest

from infra.plan import file_of, previous_text, read_previous
from tests.unit.plan.stacks import engine, host, planned, where


def test_what_is_written_is_read_as_the_same_places(tmp_path: Path) -> None:
    models = {
        "wide": engine(tensor_parallel=2),
        "chat": engine(replicas=2),
        "cpu": engine(device="cpu", kv_cache="1GiB"),
    }
    made = planned(models, {"box": host(4)})
    file_of(tmp_path, "mine").write_text(previous_text(made), encoding="utf-8")
    previous, findings = read_previous(tmp_path, "mine")
    assert findings == []
    assert previous == {name: place for name, place in where(made).items() if place[1]}
    assert set(previous) == {"wide", "chat-0", "chat-1"}


def test_a_plan_without_cards_round_trips_too(tmp_path: Path) -> None:
    file_of(tmp_path, "mine").write_text(previous_text(planned({})), encoding="utf-8")
    assert read_previous(tmp_path, "mine") == ({}, [])


def test_the_file_has_one_line_per_engine_so_that_a_review_shows_who_moves() -> None:
    text = previous_text(planned({"b": engine(), "a": engine()}, {"box": host(2)}))
    assert text.splitlines() == [
        "{",
        '  "engines": {',
        '    "a": {"host": "box", "gpus": ["0"]},',
        '    "b": {"host": "box", "gpus": ["1"]}',
        "  }",
        "}",
    ]


def test_no_file_is_no_previous_plan(tmp_path: Path) -> None:
    assert read_previous(tmp_path, "mine") == ({}, [])


@pytest.mark.parametrize(
    "content",
    [
        "",
        "no json",
        "[]",
        "{}",
        '{"engines": []}',
        '{"engines": {"a": 1}}',
        '{"engines": {"a": {"host": "x"}}}',
        "\xff",
    ],
)
def test_a_broken_file_is_a_warning_and_counts_as_none(tmp_path: Path, content: str) -> None:
    file_of(tmp_path, "mine").write_bytes(content.encode("latin-1"))
    previous, (finding,) = read_previous(tmp_path, "mine")
    assert previous == {}
    assert finding.severity == "warning"
    assert finding.path == "placements.mine.json"
    assert "python -m infra plan --stack mine --save" in finding.fix
