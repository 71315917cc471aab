"""The promises on logged starts, the committed page, and that broken promises are seen."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import pytest

from bench.accuracy import PAGE
from bench.accuracy_page import page
from bench.comparison import Compared, Figure
from bench.promises import Summary, summary
from bench.recorded import FILES, read, spec_of
from infra.interval import Interval


@cache
def found() -> Summary:
    return summary()


def test_every_promise_holds() -> None:
    assert found().broken_promises() == []


def test_the_committed_page_is_what_the_planner_says_today() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(found()), "run make accuracy and commit docs/accuracy.md"


def test_enough_starts_stand_behind_the_promises() -> None:
    assert len(found().pool_errors("reference")) >= 10
    assert len(found().pool_errors("further")) >= 70
    assert sum(row.start.has_failed for row in found().rows if row.verdict) >= 10


def test_every_record_has_an_id_of_its_own_and_gives_reasons_for_what_it_assumes() -> None:
    starts = [start for file in FILES for start in read(file)]
    assert len({start.id for start in starts}) == len(starts)
    for start in starts:
        for name in start.fields:
            if name.startswith("assumed_") and not name.endswith("because"):
                assert start.fields.get(f"{name}_because") or start.fields.get("assumed_because"), (start.id, name)
            if name.startswith("corrected_") and not name.endswith("because"):
                assert start.fields.get("corrected_because"), (start.id, name)


@pytest.fixture
def row() -> Compared:
    return next(row for row in found().rows if row.is_known and row.pool_error is not None)


def test_a_wrong_pool_breaks_a_promise(row: Compared) -> None:
    far = replace(row, figures=[Figure("pool", 10.0, Interval(11.0, 12.0, 13.0), 0.005)])
    broken = " ".join(Summary([far]).broken_promises())
    assert "median" in broken
    assert "largest" in broken
    assert "inside their bounds" in broken


def test_a_failed_start_that_is_called_fits_breaks_a_promise(row: Compared) -> None:
    failed = next(other for other in found().rows if other.start.has_failed and other.verdict is not None)
    assert "called fits" in " ".join(Summary([row, replace(failed, verdict="fits")]).broken_promises())


def test_real_starts_that_are_called_no_break_a_promise() -> None:
    started = next(other for other in found().rows if other.is_known and other.start.outcome == "started")
    assert "called no" in " ".join(Summary([replace(started, verdict="no")]).broken_promises())


def test_a_start_without_a_version_has_nothing_to_compute() -> None:
    start = next(start for start in read("further") if start.id == "file-qwen3-235b-fp8-4xrtxpro6000")
    assert spec_of(start) == "not named: version"
