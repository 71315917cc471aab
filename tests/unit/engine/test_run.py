"""The entry point's life, with real processes: what it starts, watches, ends and says."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.engine.conftest import Supervised

Supervise = Callable[..., Supervised]


def lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize(
    ("kind", "path"), [("chat", "/v1/chat/completions"), ("embedding", "/v1/embeddings"), ("score", "/v1/score")]
)
def test_it_is_healthy_after_a_real_answer(supervise: Supervise, kind: str, path: str) -> None:
    one = supervise("serves", kind=kind)
    one.until_state("running")
    assert one.get("/health") == (200, "running\n")
    assert one.stop() == 0
    assert [text for _, text in one.lines if text.startswith("asked ")] == [f"asked {path} tiny"]
    assert one.status["state"] == "ended"


def test_a_model_without_a_chat_template_completes_text(supervise: Supervise) -> None:
    one = supervise("no template")
    one.until_state("running")
    one.until_printed("asked /v1/completions tiny")


def test_the_engine_is_asked_without_the_proxy_of_its_environment(supervise: Supervise) -> None:
    one = supervise("serves", environment={"http_proxy": "http://127.0.0.1:9", "no_proxy": ""})
    one.until_state("running")


def test_an_open_port_without_an_answer_is_no_start(supervise: Supervise) -> None:
    one = supervise("mute", timeout_start_s=4.0, start_limit_burst=1)
    status = one.until_state("failed")
    assert status["last_end"]["cause"] == "start_timeout"
    # What it said instead of an answer is all that people have to go by.
    assert any("EngineCore encountered an issue" in line for line in status["last_end"]["lines"])
    assert status["start_s"] is None
    assert one.get("/health")[0] == 503


def test_a_doomed_program_is_started_as_often_as_promised_and_then_stays_failed(supervise: Supervise) -> None:
    one = supervise("bad flag", start_limit_burst=3)
    status = one.until_state("failed")
    assert (status["starts"], status["starts_in_interval"]) == (3, 3)
    assert (status["last_end"]["code"], status["last_end"]["cause"]) == (2, "bad_flag")
    assert "--swap-space" in status["last_end"]["says"]
    assert "hearth:models.tiny.args" in status["last_end"]["fix"]
    assert "vllm: error: unrecognized arguments: --swap-space 4" in status["last_end"]["lines"]
    assert one.get("/health") == (503, "failed\n")
    page = one.get("/metrics")[1]
    assert 'hearth_engine_state{state="failed"} 1\n' in page
    assert 'hearth_engine_ends_total{cause="bad_flag"} 3\n' in page
    starts = [at for at, text in one.lines if text.startswith("program ")]
    # The wait doubles: 0.2 s, then 0.4 s.
    assert starts[1] - starts[0] >= 0.2
    assert starts[2] - starts[1] >= 0.4
    time.sleep(1)
    assert one.status["starts"] == 3


def test_a_restarted_container_does_not_forget_the_limit(supervise: Supervise) -> None:
    one = supervise("bad flag")
    one.until_state("failed")
    one.stop()
    one.lines.clear()
    one.start()
    status = one.until(lambda status: status["state"] == "failed" and one.ran.poll() is None, "the record's verdict")
    assert not [text for _, text in one.lines if text.startswith("program ")]
    assert status["last_end"]["cause"] == "bad_flag"


def test_a_lock_that_cannot_be_had_is_an_end_with_a_reason(supervise: Supervise, tmp_path: Path) -> None:
    (tmp_path / "locks").write_text("a file where a folder should be")
    one = supervise("serves")
    status = one.until_state("failed")
    assert status["starts"] == 2
    assert f"{tmp_path}/locks: File exists" in status["last_end"]["lines"]


def test_words_that_the_locale_lacks_do_not_end_it(supervise: Supervise) -> None:
    one = supervise("", command=["kein-Prögramm"], start_limit_burst=1, environment={"PYTHONIOENCODING": "ascii"})
    one.until_state("failed")
    assert any("kein-Prögramm" in text for _, text in one.lines)


def test_a_hangup_makes_a_failed_one_try_again(supervise: Supervise) -> None:
    one = supervise("bad flag")
    one.until_state("failed")
    one.ran.send_signal(signal.SIGHUP)
    one.until(lambda status: status["starts"] == 4 and status["state"] == "failed", "two more starts")


def test_what_serves_when_it_is_stopped_has_not_failed(supervise: Supervise) -> None:
    one = supervise("serves")
    for _ in range(4):
        one.until_state("running")
        assert one.stop() == 0
        assert json.loads((one.folder / "starts.json").read_text()) == []
        one.start()
    one.until_state("running")


def test_an_end_with_code_0_is_a_failure_to_a_server(supervise: Supervise) -> None:
    one = supervise("dies", policy="on-failure", start_limit_burst=2)
    status = one.until_state("failed")
    assert (status["last_end"]["code"], status["starts"]) == (0, 2)
    assert status["last_end"]["cause"] == "engine_died"


def test_policy_no_starts_once_and_stays_visible(supervise: Supervise) -> None:
    one = supervise("bad flag", policy="no")
    status = one.until_state("failed")
    assert status["starts"] == 1
    time.sleep(1)
    assert one.status["starts"] == 1
    assert one.ran.poll() is None


def test_a_killed_program_is_started_again(supervise: Supervise) -> None:
    one = supervise("serves")
    one.until_state("running")
    os.kill(one.program(), signal.SIGKILL)
    status = one.until(lambda status: status["starts"] == 2 and status["state"] == "running", "the second start")
    assert (status["last_end"]["signal"], status["last_end"]["cause"]) == (9, "killed")


def test_nothing_of_a_dead_program_lives_on(supervise: Supervise) -> None:
    one = supervise("worker", start_limit_burst=1)
    one.until_state("running")
    group = one.program()
    one.until_state("failed")
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)


def test_a_start_that_takes_too_long_ends(supervise: Supervise) -> None:
    one = supervise("slow", timeout_start_s=1.0, start_limit_burst=1)
    status = one.until_state("failed")
    assert status["last_end"]["cause"] == "start_timeout"
    assert not lives(one.program())


def test_the_watchdog_ends_what_has_requests_and_does_nothing(supervise: Supervise) -> None:
    one = supervise("hung", watchdog_s=6.0, start_limit_burst=1)
    one.until_state("running")
    status = one.until_state("failed")
    assert status["last_end"]["cause"] == "hung"


def test_the_watchdog_leaves_busy_and_idle_programs_alone(supervise: Supervise) -> None:
    busy, idle = supervise("busy", watchdog_s=6.0), supervise("serves", watchdog_s=6.0, name="two")
    for one in (busy, idle):
        one.until_state("running")
    time.sleep(14)
    assert [one.status["state"] for one in (busy, idle)] == ["running", "running"]
    assert [one.status["starts"] for one in (busy, idle)] == [1, 1]


def test_a_frozen_program_is_ended_by_the_watchdog(supervise: Supervise) -> None:
    one = supervise("serves", watchdog_s=6.0, start_limit_burst=1)
    one.until_state("running")
    os.kill(one.program(), signal.SIGSTOP)
    assert one.until_state("failed")["last_end"]["cause"] == "hung"


def test_requests_in_flight_may_end_before_the_stop(supervise: Supervise) -> None:
    one = supervise("drains")
    one.until_state("running")
    assert one.stop() == 0
    assert "drained" in [text for _, text in one.lines]


def test_what_does_not_stop_is_killed_in_time(supervise: Supervise) -> None:
    one = supervise("stubborn", timeout_stop_s=1.0)
    one.until_state("running")
    began = time.monotonic()
    assert one.stop() == 0
    assert 1.0 <= time.monotonic() - began < 10
    assert not lives(one.program())


def test_two_on_one_device_start_one_after_the_other(supervise: Supervise) -> None:
    first = supervise("held", name="one")
    first.until_printed("program ")
    second = supervise("serves", name="two")
    second.until_printed("waits until one has started")
    os.kill(first.program(), signal.SIGUSR1)
    for each in (first, second):
        each.until_state("running")
    assert first.printed("serving after") <= second.printed("program ")


def test_one_that_dies_at_its_start_lets_the_next_one_go(supervise: Supervise) -> None:
    supervise("bad flag", name="one").until_state("failed")
    supervise("serves", name="two").until_state("running")


def test_the_lock_is_free_again_when_the_entry_point_is_killed(supervise: Supervise) -> None:
    slow = supervise("slow", name="one")
    slow.until(lambda status: status["state"] == "starting", "the start")
    other = supervise("serves", name="two")
    other.until(lambda status: status.get("lock_holder") == "one", "the wait")
    slow.remove()
    other.until_state("running")


def test_what_prepares_comes_first_and_must_succeed(supervise: Supervise) -> None:
    good = supervise("serves", prepare=[sys.executable, "-c", "print('prepared')"])
    good.until_state("running")
    assert good.printed("prepared") <= good.printed("program ")
    bad = supervise("serves", name="two", prepare=[sys.executable, "-c", "raise SystemExit(3)"], start_limit_burst=1)
    assert bad.until_state("failed")["last_end"]["code"] == 3
    assert not [text for _, text in bad.lines if text.startswith("program ")]


def test_a_program_that_is_not_there_is_an_end_like_any_other(supervise: Supervise) -> None:
    one = supervise("", command=["no-such-program"], start_limit_burst=1)
    status = one.until_state("failed")
    assert status["last_end"]["code"] == 127
    assert "no-such-program: No such file or directory" in status["last_end"]["lines"]
