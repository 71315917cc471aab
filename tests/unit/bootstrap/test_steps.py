from __future__ import annotations

import json
import sys
import threading
import time
from pathlib import Path

import pytest

from bootstrap import console, doctor, paths, probe


def test_independent_steps_run_at_the_same_time() -> None:
    meet = threading.Barrier(2, timeout=10)

    def step() -> None:
        meet.wait()

    console.side_by_side({"one": step, "two": step})


def test_a_failure_is_raised_after_the_others_have_ended() -> None:
    ended: list[str] = []

    def fails() -> None:
        raise console.StepError("broken")

    def works() -> None:
        time.sleep(0.05)
        ended.append("works")

    with pytest.raises(console.StepError, match="broken"):
        console.side_by_side({"fails": fails, "works": works})
    assert ended == ["works"]


def test_a_failed_command_shows_its_log_and_last_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "LOGS", tmp_path)
    program = "print('the reason'); raise SystemExit(3)"
    with pytest.raises(console.StepError, match=r"ended with 3(.|\n)*the reason"):
        console.run_logged("a step", [sys.executable, "-c", program])
    assert "the reason" in (tmp_path / "a-step.log").read_text()


def test_sites_that_never_answer_cost_three_seconds_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_ask", lambda *_: time.sleep(30))
    monkeypatch.setattr(probe, "_DEADLINE_S", 0.2)
    started = time.monotonic()
    assert probe.look() == {probe.PULUMI: False, probe.IMAGES: False}
    assert time.monotonic() - started < 5
    assert probe._SITES.keys() == {probe.PULUMI, probe.IMAGES}


def test_the_deadline_is_what_the_promise_says() -> None:
    assert probe._DEADLINE_S <= 3


def test_an_answer_is_remembered_for_an_hour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    def look() -> dict[str, bool]:
        looks.append(1)
        return {probe.PULUMI: True, probe.IMAGES: False}

    monkeypatch.setattr(paths, "HOME", tmp_path)
    monkeypatch.setattr(probe, "look", look)
    assert [probe.reachable(probe.PULUMI), probe.reachable(probe.IMAGES)] == [True, False]
    assert len(looks) == 1
    kept = json.loads((tmp_path / "probe.json").read_text())
    (tmp_path / "probe.json").write_text(json.dumps({**kept, "at_s": time.time() - 7200}))
    probe.reachable(probe.PULUMI)
    assert len(looks) == 2


def test_the_doctor_fails_only_for_what_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    fine = doctor.Item("a", "1", ok=True, needed=True, fix="")
    nice = doctor.Item("b", "", ok=False, needed=False, fix="get it")
    bad = doctor.Item("c", "", ok=False, needed=True, fix="make up brings it")
    assert doctor.report([fine, nice], as_json=False) == 0
    assert doctor.report([fine, nice, bad], as_json=False) == 1
    assert "✗ c: missing. make up brings it." in capsys.readouterr().out
    doctor.report([bad], as_json=True)
    assert json.loads(capsys.readouterr().out)[0]["name"] == "c"
