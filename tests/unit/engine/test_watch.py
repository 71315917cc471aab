"""Busy, idle or hung, from an engine's own counters."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from infra.services.assets.engine.watch import Progress, Sample, sample_of

PAGE = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0",model_name="tiny"} 2.0
vllm:num_requests_waiting{engine="0",model_name="tiny"} 1.0
vllm:num_requests_waiting_by_reason{engine="0",model_name="tiny",reason="capacity"} 1.0
vllm:kv_cache_usage_perc{engine="0",model_name="tiny"} 0.5
vllm:prompt_tokens_total{engine="0",model_name="tiny"} 24.0
vllm:prompt_tokens_created{engine="0",model_name="tiny"} 1.7e+09
vllm:generation_tokens_total{engine="0",model_name="tiny"} 100.0
vllm:request_success_total{engine="0",finished_reason="stop",model_name="tiny"} 3.0
vllm:request_success_total{engine="0",finished_reason="length",model_name="tiny"} 4.0
vllm:iteration_tokens_total_bucket{engine="0",le="1.0",model_name="tiny"} 9.0
vllm:iteration_tokens_total_count{engine="0",model_name="tiny"} 50.0
vllm:iteration_tokens_total_sum{engine="0",model_name="tiny"} 124.0
"""


def test_requests_and_progress_are_read_from_the_page() -> None:
    assert sample_of(PAGE) == Sample(outstanding=3.0, progress=24.0 + 100.0 + 7.0 + 50.0)


def test_every_engine_of_a_page_counts() -> None:
    assert sample_of(PAGE + PAGE.replace('engine="0"', 'engine="1"')) == Sample(6.0, 2 * 181.0)


@pytest.mark.parametrize("page", ["", "vllm:num_requests_running", "nonsense {} x"])
def test_a_page_without_figures_is_an_idle_engine(page: str) -> None:
    assert sample_of(page) == Sample(0.0, 0.0)


def seen(samples: Sequence[Sample | None], every_s: float = 5.0) -> float:
    progress = Progress(0.0)
    for number, sample in enumerate(samples, 1):
        progress.see(sample, number * every_s)
    return progress.stalled_s(len(samples) * every_s)


def test_idle_is_not_hung() -> None:
    assert seen([Sample(0, 7)] * 100) == 0


def test_steps_without_an_answer_yet_are_progress() -> None:
    """A long prompt is read in many steps before its first token."""
    assert seen([Sample(1, number) for number in range(100)]) == 0


def test_requests_without_steps_are_hung() -> None:
    assert seen([Sample(1, 7)] * 11) == 50


def test_requests_that_only_wait_are_hung_too() -> None:
    assert seen([Sample(0, 7), Sample(4, 7), Sample(4, 7)]) == 10


def test_silence_is_no_progress() -> None:
    assert seen([Sample(0, 7), None, None]) == 10
    assert seen([None] * 4) == 20


def test_one_step_ends_the_stall() -> None:
    assert seen([Sample(1, 7)] * 11 + [Sample(1, 8)]) == 0


def test_time_in_which_nobody_looked_is_no_stall() -> None:
    """A paused container: its clock goes on, and neither the engine nor its watcher does."""
    progress = Progress(0.0)
    progress.see(Sample(1, 7), 5.0)
    assert progress.stalled_s(5.0 + 3600) <= 30
    progress.see(Sample(1, 7), 5.0 + 3600)
    assert progress.stalled_s(5.0 + 3600) <= 30
