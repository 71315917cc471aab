"""What people see: one line per step, and a sign of life on long work."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

from bootstrap import paths

_SIGN_OF_LIFE_S: Final = 10.0
_LAST_LINES: Final = 15
_lock = threading.Lock()


class StepError(Exception):
    """A step can't be done; the message is for people: what is wrong, and the fix."""


def say(mark: str, name: str, text: str) -> None:
    """Print one line of a step; threads don't mix their lines."""
    with _lock:
        print(f"{mark} {name}: {text}", flush=True)


def done(name: str, text: str) -> None:
    """Say that a step is done, or was done before."""
    say("✓", name, text)


def doing(name: str, text: str) -> None:
    """Say what a step does now."""
    say("…", name, text)


def warn(name: str, text: str) -> None:
    """Say what people should know."""
    say("!", name, text)


def run_logged(
    name: str, argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a long command with its output in a log, saying every 10 s what it does.

    Raises StepError with the log's path and last lines when the command fails.
    """
    log = paths.LOGS / f"{name.replace(' ', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    started = told = time.monotonic()
    with log.open("w", encoding="utf-8") as sink:
        child = subprocess.Popen(
            argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT
        )
        try:
            while child.poll() is None:
                time.sleep(0.2)
                if time.monotonic() - told > _SIGN_OF_LIFE_S:
                    told = time.monotonic()
                    doing(name, f"{told - started:.0f} s: {_last_line(log)}")
        except BaseException:
            child.terminate()
            child.wait()
            raise
    if child.returncode:
        lines = "\n".join(f"    {line}" for line in _tail(log, _LAST_LINES))
        raise StepError(f"{name}: `{argv[0]}` ended with {child.returncode}. See {log}; its last lines:\n{lines}")


def run_shown(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> int:
    """Run a command whose output people want to see; return its exit code."""
    sys.stdout.flush()
    return subprocess.run(argv, cwd=paths.ROOT, env=env, check=False).returncode


def answer(argv: Sequence[str], *, env: Mapping[str, str] | None = None, given: str | None = None) -> str:
    """Run a short command and return what it prints. `given` goes to its standard input, where secrets belong.

    Raises StepError with what the command said when it fails.
    """
    ran = subprocess.run(argv, cwd=paths.ROOT, env=env, input=given, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise StepError(f"`{' '.join(argv[:4])}` ended with {ran.returncode}: {(ran.stderr or ran.stdout).strip()}")
    return ran.stdout


def succeeds(argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> bool:
    """Whether a command is there and ends with 0."""
    try:
        ran = subprocess.run(argv, env=env, capture_output=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return ran.returncode == 0


def side_by_side(steps: Mapping[str, Callable[[], None]]) -> None:
    """Run independent steps at the same time; raise the first failure when all have ended."""
    failures: list[BaseException] = []

    def guarded(step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=guarded, args=(step,), name=name, daemon=True) for name, step in steps.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def is_root() -> bool:
    """Whether packages can be installed without asking."""
    return os.geteuid() == 0


def _last_line(log: Path) -> str:
    lines = _tail(log, 1)
    return lines[0][:100] if lines else "working"


def _tail(log: Path, count: int) -> list[str]:
    text = log.read_text(encoding="utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()][-count:]
