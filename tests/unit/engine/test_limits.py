"""Systemd's arithmetic: how many starts, and how long between them."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.plan.restarts import Promise as PlannedPromise
from infra.services.assets.engine.limits import History, Promise

PROMISE = Promise(
    policy="always",
    restart_sec_s=5.0,
    restart_max_delay_s=300.0,
    start_limit_burst=5,
    start_limit_interval_s=600.0,
    timeout_start_s=900.0,
    timeout_stop_s=30.0,
    watchdog_s=300.0,
)


def test_a_start_more_than_the_burst_is_refused_until_the_interval_has_passed() -> None:
    starts = [0.0, 10.0, 20.0, 30.0, 40.0]
    assert PROMISE.may_start(starts[:4], 41.0)
    assert not PROMISE.may_start(starts, 41.0)
    assert not PROMISE.may_start(starts, 599.0)
    assert PROMISE.may_start(starts, 600.0)


def test_an_interval_of_0_is_no_limit() -> None:
    assert replace(PROMISE, start_limit_interval_s=0.0).may_start([1.0] * 100, 2.0)


def test_starts_in_the_future_do_not_count() -> None:
    """The clock was set back: an engine mustn't stay down for it."""
    assert PROMISE.may_start([1e9] * 5, 0.0)


@pytest.mark.parametrize(("starts", "delay"), [(0, 5), (1, 5), (2, 10), (3, 20), (4, 40), (7, 300), (90, 300)])
def test_the_wait_doubles_up_to_its_maximum(starts: int, delay: float) -> None:
    assert PROMISE.delay_s([1.0] * starts, 2.0) == delay


@pytest.mark.parametrize("interval_s", [0.0, 5 * (900 + 30 + 300.0)])
@pytest.mark.parametrize("lasts_s", [2.0, 200.0, 900.0])
def test_the_waits_of_a_doomed_engine_are_those_that_the_plan_reckons_with(interval_s: float, lasts_s: float) -> None:
    promise = replace(PROMISE, start_limit_interval_s=interval_s)
    planned = PlannedPromise(**asdict(promise))
    starts, now, waits = [0.0], lasts_s, []
    while promise.may_start(starts, now) and len(starts) < 12:
        waits.append(promise.delay_s(starts, now))
        starts.append(now + waits[-1])
        now = starts[-1] + lasts_s
    assert len(waits) == (11 if not interval_s else 4)
    assert waits == [planned.delay_s(restart) for restart in range(1, len(waits) + 1)]


def test_the_wait_is_short_again_when_old_starts_have_left_the_interval() -> None:
    assert PROMISE.delay_s([0.0, 1.0, 2.0, 1000.0], 1001.0) == 5.0


@given(
    st.lists(st.floats(0, 1e4), max_size=20),
    st.integers(1, 10),
    st.floats(0.1, 1000),
    st.floats(0.1, 1000),
)
def test_no_interval_ever_holds_more_starts_than_the_burst(
    tries: list[float], burst: int, interval_s: float, delay_s: float
) -> None:
    promise = replace(
        PROMISE, start_limit_burst=burst, start_limit_interval_s=interval_s, restart_sec_s=delay_s,
        restart_max_delay_s=2 * delay_s,
    )  # fmt: skip
    started: list[float] = []
    for now in sorted(tries):
        if promise.may_start(started, now):
            started.append(now)
    for start in started:
        assert sum(1 for other in started if start <= other < start + interval_s) <= burst
    assert delay_s <= promise.delay_s(started, 1e4) <= 2 * delay_s


def test_the_record_outlives_the_program(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "starts.json"
    record = History(file)
    for now in (1.0, 2.0, 3.0):
        record.add(now)
    assert History(file).starts == [1.0, 2.0, 3.0]
    record.forgive()
    assert History(file).starts == [1.0, 2.0]
    record.clear()
    assert History(file).starts == []


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[1, null]", '"x"'])
def test_a_broken_record_is_an_empty_one(tmp_path: Path, text: str) -> None:
    file = tmp_path / "starts.json"
    file.write_text(text)
    assert History(file).starts == []


def test_a_full_disk_does_not_end_the_engine(tmp_path: Path) -> None:
    file = tmp_path / "taken" / "starts.json"
    (tmp_path / "taken").write_text("a file where a folder should be")
    record = History(file)
    record.add(1.0)
    assert record.starts == [1.0]
