from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bootstrap import console, leftovers, paths
from bootstrap.leftovers import Lock

HERE = socket.gethostname()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(paths, "HOME", tmp_path / ".hearth")
    return tmp_path


def write_lock(checkout: Path, stack: str, name: str, pid: int, host: str = HERE) -> None:
    folder = checkout / ".hearth" / "state" / ".pulumi" / "locks" / "organization" / "hearth" / stack
    folder.mkdir(parents=True, exist_ok=True)
    written = {"pid": pid, "username": "u", "hostname": host, "timestamp": "2026-11-21T09:54:43.441678754Z"}
    (folder / f"{name}.json").write_text(json.dumps(written))
    (folder / f"{name}.json.attrs").write_text("{}")


def test_locks_are_read_by_stack(checkout: Path) -> None:
    write_lock(checkout, "mine", "a", 11)
    write_lock(checkout, "mine", "b", 12, "elsewhere")
    write_lock(checkout, "other", "c", 13)
    assert leftovers.locks("mine") == [Lock(11, HERE, 1795254883.441678), Lock(12, "elsewhere", 1795254883.441678)]
    assert leftovers.locks("third") == []


@pytest.mark.parametrize(
    ("host", "program", "dead"),
    [
        (HERE, "", True),
        (HERE, "pulumi", False),
        # The pid has gone to somebody else.
        (HERE, "bash", True),
        ("elsewhere", "", False),
    ],
)
def test_only_a_lock_whose_pulumi_is_gone_from_this_host_is_left_over(host: str, program: str, *, dead: bool) -> None:
    assert leftovers.is_dead(Lock(7, host, 0), host=HERE, program=lambda _: program) is dead


def test_a_program_is_known_while_it_runs() -> None:
    assert leftovers.program_of(os.getpid())
    ended = subprocess.Popen([sys.executable, "-c", ""])
    deadline = time.monotonic() + 10
    while leftovers.program_of(ended.pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    # Not yet reaped, and ended all the same.
    assert leftovers.program_of(ended.pid) == ""
    ended.wait()
    assert leftovers.program_of(2**22 + 1) == ""


def test_a_lock_of_another_host_is_told_with_the_command_that_removes_it(checkout: Path) -> None:
    write_lock(checkout, "mine", "a", 11, "elsewhere")
    with pytest.raises(console.StepError, match=r"pid 11 on elsewhere(.|\n)*pulumi cancel"):
        leftovers._wait_for_others("mine")


@pytest.mark.usefixtures("checkout")
def test_a_run_is_marked_until_it_ends_well() -> None:
    assert leftovers._mark_began_s("mine") == []
    with pytest.raises(console.StepError), leftovers.marked("mine"):
        raise console.StepError("broken")
    (began_s,) = leftovers._mark_began_s("mine")
    assert began_s == pytest.approx(time.time(), abs=60)
    with leftovers.marked("mine") as environment:
        assert leftovers._mark_began_s("mine") == [began_s]
        assert environment["HEARTH_RUN"].endswith(":mine")
    assert leftovers._mark_began_s("mine") == []


def test_processes_of_a_run_are_found_by_their_environment_and_ended() -> None:
    mark = f"HEARTH_RUN=unit test {os.getpid()}"
    environment = dict([mark.split("=")])
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment)
    try:
        assert leftovers.marked_processes(mark) == [child.pid]
        assert leftovers.marked_processes(mark + "0") == []
        leftovers.end_marked(mark)
        assert child.wait(10) < 0
    finally:
        child.kill()
        child.wait()
        assert child.stdin
        child.stdin.close()


def look(monkeypatch: pytest.MonkeyPatch, created_s: dict[str, float], began_s: float | None) -> list[list[str]]:
    """Clear with these containers on the daemon, of which the state knows the one called known; return what was run."""
    ran: list[list[str]] = []

    def answer(argv: list[str], **_: object) -> str:
        ran.append(argv)
        return ""

    def labelled(_: str, kind: str) -> dict[str, str]:
        return {name: name for name in created_s} if kind == "container" else {}

    monkeypatch.setattr(leftovers, "labelled", labelled)
    monkeypatch.setattr(leftovers, "_created_s", lambda _, identity: created_s[identity])
    monkeypatch.setattr(console, "answer", answer)
    state: dict[str, Any] = {"resources": [{"id": "known"}, {}]}
    leftovers._remove_unknown("mine", state, began_s)
    return ran


def test_what_an_interrupted_run_made_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = look(monkeypatch, {"known": 50.0, "new": 150.0}, began_s=100.0)
    assert ran == [["docker", "rm", "-f", "-v", "new"]]


@pytest.mark.parametrize("began_s", [None, 100.0])
def test_what_no_run_of_this_checkout_made_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, began_s: float | None
) -> None:
    with pytest.raises(console.StepError, match="docker rm -f -v theirs"):
        look(monkeypatch, {"known": 50.0, "theirs": 60.0}, began_s=began_s)
