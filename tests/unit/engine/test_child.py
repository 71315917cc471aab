"""A program as PID 1 sees it: its words, its end, and what it leaves."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest

from infra.services.assets.engine.child import Child


def has_ended(child: Child, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if os.waitpid(child.pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.05)
    return False


@pytest.mark.usefixtures("capfd")
def test_a_line_that_cannot_be_understood_keeps_no_program_from_writing() -> None:
    seen: list[str] = []

    def on_line(line: str) -> None:
        seen.append(line)
        raise ValueError(line)

    # More than a pipe holds.
    child = Child([sys.executable, "-c", "for n in range(30): print('x' * 4000, n)"], on_line)
    ended = has_ended(child, 10.0)
    if not ended:
        child.send(signal.SIGKILL)
    assert ended
    deadline = time.monotonic() + 10.0
    while len(seen) < 30 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [line.split()[1] for line in seen] == [str(number) for number in range(30)]
