"""Whole starts as their logs tell them, of versions 0.6 to 0.25 and of a CPU engine with the texts of 0.32."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.services.assets.engine.causes import Ending, Evidence
from infra.services.assets.engine.reading import PHASES, Reading

FILES = sorted(Path(__file__).with_name("starts").glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_start_is_followed_from_phase_to_phase_and_its_figures_are_kept(file: Path) -> None:
    start = json.loads(file.read_text(encoding="utf-8"))
    reading = Reading()
    seen = [reading.phase]
    for line in start["lines"]:
        reading.read(line)
        now = f"{reading.phase} {reading.detail}".strip()
        if now != seen[-1]:
            seen.append(now)
    assert seen == start["phases"]
    assert reading.reported == start["reported"]
    assert start["source"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_start_that_went_well_holds_no_cause(file: Path) -> None:
    evidence = Evidence("coder")
    for line in json.loads(file.read_text(encoding="utf-8"))["lines"]:
        evidence.read(line)
    plain = Ending(code=3, signal=None, reason="exit", oom_kills=0, was_serving=False, limit_s=0.0)
    assert evidence.cause(plain).name == "unknown"


def test_progress_bars_may_come_joined_by_carriage_returns() -> None:
    reading = Reading()
    reading.read(
        "Loading safetensors checkpoint shards:  25% Completed | 1/4 [x]\rLoading safetensors checkpoint shards:  50% Completed | 2/4"
    )
    assert (reading.phase, reading.detail) == ("loading", "shards 2 of 4")
    early = Reading()
    early.read("Fetching 4 files:  25%|██▌       | 1/4 [00:01<00:05,  1.7s/it]")
    assert (early.phase, early.detail) == ("downloading", "files 1 of 4")
    early.read("model-00002-of-00004.safetensors:  35%|███▌      | 1.74G/4.98G [00:10<00:19, 164MB/s]")
    assert early.detail == "model-00002-of-00004.safetensors 35%"


def test_of_several_ranks_the_fullest_counts() -> None:
    reading = Reading()
    for gib, kv in (("15.2", "3.1"), ("15.9", "2.4"), ("15.3", "2.9")):
        reading.read(
            f"(Worker_TP0 pid=1) INFO 04-22 01:05:07 [a.py:1] Model loading took {gib} GiB memory and 5.3 seconds"
        )
        reading.read(f"(Worker_TP0 pid=1) INFO 04-22 01:05:07 [a.py:1] Available KV cache memory: {kv} GiB")
    assert (reading.reported["weights_gib"], reading.reported["kv_cache_gib"]) == (15.9, 2.4)


def test_a_memory_that_is_less_than_nothing_is_kept_as_it_is() -> None:
    reading = Reading()
    reading.read("INFO 04-22 01:05:07 [gpu_worker.py:1] Available KV cache memory: -2.14 GiB")
    assert reading.reported == {"kv_cache_gib": -2.14}


def test_what_users_write_moves_nothing() -> None:
    reading = Reading()
    reading.read("INFO:     Application startup complete.")
    reading.read("INFO 04-12 18:37:02 [logger.py:39] Received request x: prompt: 'Available KV cache memory: 1.00 GiB'")
    reading.read("GPU KV cache size: 1 tokens")
    assert (reading.phase, reading.reported) == ("serving", {})


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.text(max_size=90)
        | st.sampled_from([line for file in FILES for line in file.read_text("utf-8").splitlines()])
    )
)
def test_no_line_breaks_the_reading_and_phases_never_go_back(lines: list[str]) -> None:
    reading = Reading()
    before = 0
    for line in lines:
        reading.read(line)
        assert PHASES.index(reading.phase) >= before
        before = PHASES.index(reading.phase)
