from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from images import output


def logged(tmp_path: Path, stop: threading.Event | None = None) -> output.LoggedRun:
    return output.LoggedRun("litellm", tmp_path / "litellm.log", output.Narrator(), stop or threading.Event())


def test_everything_a_command_prints_is_in_the_log(tmp_path: Path) -> None:
    logged(tmp_path).run(["sh", "-c", "echo out; echo err >&2"])
    assert set((tmp_path / "litellm.log").read_text().split()) == {"out", "err"}


def test_a_failure_tells_the_log_and_its_last_lines(tmp_path: Path) -> None:
    with pytest.raises(output.BuildError) as fault:
        logged(tmp_path).run(["sh", "-c", "for n in $(seq 40); do echo line-$n; done; exit 3"])
    text = str(fault.value).splitlines()
    assert text[0] == f"litellm: sh failed (exit 3). See {tmp_path / 'litellm.log'}, which ends:"
    assert text[1:] == [f"    line-{number}" for number in range(26, 41)]


def test_what_buildkit_repeats_does_not_hide_the_cause(tmp_path: Path) -> None:
    said = (
        "#7 1.2 No space left\n#7 ERROR: executor failed running [x]: exit code: 1\n------\n > [2/2] RUN x:\n------\n"
    )
    (tmp_path / "said").write_text(said + "executor failed running [x]: exit code: 1\n")
    with pytest.raises(output.BuildError) as fault:
        logged(tmp_path).run(["sh", "-c", f"cat {tmp_path}/said; exit 1"])
    assert str(fault.value).splitlines()[1:] == ["    #7 1.2 No space left"]


def test_the_environment_is_added_to(tmp_path: Path) -> None:
    logged(tmp_path).run(["sh", "-c", 'test -n "$PATH" && test "$EXTRA" = yes'], env={"EXTRA": "yes"})


def test_a_long_command_speaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "SPOKEN_EVERY_S", 0.05)
    logged(tmp_path).run(["sh", "-c", r"printf '\033[1mstep one\033[0m\n'; sleep 1"])
    spoken = capfd.readouterr().err.splitlines()
    assert any(line.startswith("[litellm]") and line.endswith("s  step one") for line in spoken)


def test_stopping_ends_the_command_and_its_children(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    started = time.monotonic()
    with pytest.raises(output.Interrupted):
        logged(tmp_path, stop).run(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; wait"])
    assert time.monotonic() - started < 10
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline and running(child):
        time.sleep(0.05)
    assert not running(child)


def running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
