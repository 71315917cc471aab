from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.observe.reading import Metrics, Status, metrics_of, status_of

# Recorded from vLLM 0.32.0 on CPU: a synthetic model with a cache of 64 MiB, without buckets of histograms.
PAGE = Path(__file__).with_name("metrics_0.32.0.txt").read_text(encoding="utf-8")
# Recorded from the entry point: its vLLM was killed with SIGKILL and starts again.
KILLED = Path(__file__).with_name("status_killed.json").read_text(encoding="utf-8")
FAILED: dict[str, Any] = {
    "schema": 1,
    "instance": "coder",
    "model": "coder",
    "state": "failed",
    "phase": "profiling",
    "detail": "",
    "since": 1790000000.0,
    "starts": 5,
    "starts_in_interval": 5,
    "start_limit_burst": 5,
    "next_start_at": None,
    "last_end": {
        "at": 1790000000.0,
        "code": 1,
        "signal": None,
        "cause": "kv_too_small",
        "says": "one request needs 6.00 GiB of KV cache, 4.50 are left",
        "fix": "set hearth:models.coder.context: 32768",
        "lines": ["secret-in-a-log-line"],
    },
    "start_s": None,
    "lock_wait_s": 0.4,
    "lock_holder": None,
    "reported": {
        "vllm_version": "0.32.0",
        "weights_gib": 29.05,
        "kv_cache_gib": 4.5,
        "attention_backend": "FLASH_ATTN",
    },
}


def test_the_recorded_page_says_what_the_log_said() -> None:
    # "CPU KV cache size: 131,072 tokens, Maximum concurrency for 2,048 tokens per request: 64.00x"
    assert metrics_of(PAGE) == Metrics(
        fraction=0.92,
        blocks=1024,
        block_size=128,
        kv_bytes=64 * 2**20,
        tokens=131072,
        users=64.0,
        kv_used=0.0,
        running=0,
        waiting=0,
    )


def test_what_older_versions_do_not_say_is_unknown() -> None:
    page = 'vllm:cache_config_info{block_size="16",kv_cache_memory_bytes="None",num_gpu_blocks="27000"} 1.0\n'
    assert metrics_of(page) == Metrics(blocks=27000, block_size=16)


def test_requests_of_data_parallel_ranks_add_up_and_the_fullest_cache_tells() -> None:
    page = "\n".join(
        f'vllm:{name}{{engine="{rank}",model_name="a\\"}} b"}} {value}'
        for name, values in {
            "num_requests_running": (2.0, 3.0),
            "num_requests_waiting": (0.0, 1.0),
            "kv_cache_usage_perc": (0.25, 0.75),
        }.items()
        for rank, value in enumerate(values)
    )
    assert metrics_of(page) == Metrics(running=5, waiting=1, kv_used=0.75)


@pytest.mark.parametrize("page", ["", "404 page not found", "# HELP vllm:x y\n", "up{} 1\n"])
def test_another_page_is_none(page: str) -> None:
    assert metrics_of(page) is None


def test_the_status_of_a_failed_engine_says_why_and_what_mends_it() -> None:
    assert status_of(json.dumps(FAILED)) == Status(
        state="failed",
        phase="profiling",
        starts=5,
        says="one request needs 6.00 GiB of KV cache, 4.50 are left",
        fix="set hearth:models.coder.context: 32768",
        reported={"weights_gib": 29.05, "kv_cache_gib": 4.5},
        version=(0, 32, 0),
    )


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", "{}", '{"schema": 2, "state": "running"}', '{"schema": 1, "state": 5}', "[" * 100000],
)
def test_another_text_is_no_status(text: str) -> None:
    assert status_of(text) is None


def test_text_of_an_engine_cannot_steer_the_terminal() -> None:
    status = status_of(json.dumps({"schema": 1, "state": "starting", "detail": "a\x1b[2J\r\n  b" + "x" * 1000}))
    assert status is not None
    assert status.detail.startswith("a [2J b")
    assert len(status.detail) == 300


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(changed=st.dictionaries(st.sampled_from(sorted(FAILED)), values), reported=values)
def test_no_status_file_can_break_the_reader(changed: dict[str, Any], reported: Any) -> None:
    status = status_of(json.dumps({**FAILED, "reported": {"weights_gib": reported}, **changed}))
    if status is not None:
        assert all(value >= 0 for value in status.reported.values())
        assert "secret-in-a-log-line" not in repr(status)


@given(page=st.text() | st.text(alphabet='vllm:cache_config_info{}="0,\\ \n').map(lambda text: f"{text}\n{PAGE[:9]}"))
def test_no_page_can_break_the_reader(page: str) -> None:
    metrics_of(page)
