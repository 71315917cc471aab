from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from email.message import Message
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


def test_a_failure_stops_the_commands_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "LOGS", tmp_path)
    begun = tmp_path / "begun"
    program = f"import pathlib, time; pathlib.Path({str(begun)!r}).touch(); time.sleep(60)"

    def fails() -> None:
        while not begun.exists():
            time.sleep(0.01)
        raise console.StepError("broken")

    started = time.monotonic()
    with pytest.raises(console.StepError, match="broken"):
        console.side_by_side(
            {"long": lambda: console.run_logged("long", [sys.executable, "-c", program]), "fails": fails}
        )
    assert time.monotonic() - started < 20
    console.run_logged("after", [sys.executable, "-c", ""])


def test_a_step_tells_its_seconds_only_when_it_took_some(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    console.doing("slow", "building")
    monkeypatch.setitem(console._began, "slow", time.monotonic() - 75)
    console.done("slow", "built")
    console.done("quick", "there")
    assert capsys.readouterr().out.splitlines() == ["… slow: building", "✓ slow: built (75 s)", "✓ quick: there"]


def test_a_program_that_is_not_there_is_said_in_one_line() -> None:
    with pytest.raises(console.StepError, match="no-such-program"):
        console.answer(["no-such-program"])
    with pytest.raises(console.StepError, match="no-such-program"):
        console.run_shown(["no-such-program"])


def test_two_runs_in_one_checkout_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "HOME", tmp_path)
    order: list[str] = []

    def other() -> None:
        with console.alone("second"):
            order.append("second")

    thread = threading.Thread(target=other)
    with console.alone("first"):
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


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


@pytest.mark.parametrize(("code", "answers"), [(200, True), (401, True), (404, True), (403, False), (503, False)])
def test_what_counts_as_an_answer(monkeypatch: pytest.MonkeyPatch, code: int, *, answers: bool) -> None:
    def opened(request: urllib.request.Request, timeout: float) -> io.BytesIO:
        assert timeout <= 3
        if code == 200:
            return io.BytesIO()
        raise urllib.error.HTTPError(request.full_url, code, "", Message(), None)

    monkeypatch.setattr(urllib.request, "urlopen", opened)
    assert probe.look() == {probe.PULUMI: answers, probe.IMAGES: answers}


def test_one_registry_of_two_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "_ask", lambda url, answered: answered.update({url: "ghcr" not in url}))
    assert probe.look() == {probe.PULUMI: True, probe.IMAGES: False}


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


def test_children_can_be_interrupted_although_a_background_shell_ignores_it() -> None:
    child = "import signal; print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    program = (
        "import subprocess, sys; from bootstrap import console; console.hear_interrupts();"
        f"subprocess.run([sys.executable, '-c', {child!r}], check=True)"
    )
    background = ["sh", "-c", 'trap "" INT; exec "$0" -c "$1"', sys.executable, program]
    ran = subprocess.run(background, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert ran.stdout.strip() == "False"
