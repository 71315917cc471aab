"""What people see: one line per step, and a sign of life on long work."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from bootstrap import paths

SIGN_OF_LIFE_S: Final = 10.0
_SECONDS_WORTH_TELLING: Final = 2.0
_LAST_LINES: Final = 15
_LOOK_EVERY_S: Final = 0.2
# Pulumi ends an interrupted update tidily, but waits for what is under way; a second signal would make it stop at once.
_TIDY_END_S: Final = 90.0

_lock = threading.Lock()
_began: dict[str, float] = {}
_children: set[subprocess.Popen[bytes]] = set()
_failed = threading.Event()


class StepError(Exception):
    """A step can't be done; the message is for people: what is wrong, and the fix."""


class StoppedError(StepError):
    """A step was stopped because one beside it failed."""


def hear_interrupts() -> None:
    """Let this process and its children be interrupted, also when they were started in the background.

    A shell starts background commands with SIGINT ignored, and children inherit that. Pulumi ends its language
    host with SIGINT and waits 5 s for one that doesn't listen: every command would take 5 s longer.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def say(mark: str, name: str, text: str) -> None:
    """Print one line of a step; threads don't mix their lines."""
    with _lock:
        print(f"{mark} {name}: {text}", flush=True)


def done(name: str, text: str) -> None:
    """Say that a step is done, with the seconds since it first said what it does; or that it was done before."""
    began = _began.pop(name, None)
    took_s = time.monotonic() - began if began is not None else 0.0
    say("✓", name, text + (f" ({took_s:.0f} s)" if took_s >= _SECONDS_WORTH_TELLING else ""))


def doing(name: str, text: str) -> None:
    """Say what a step does now."""
    _began.setdefault(name, time.monotonic())
    say("…", name, text)


def warn(name: str, text: str) -> None:
    """Say what people should know."""
    say("!", name, text)


def run_logged(
    name: str,
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stoppable: bool = True,
) -> None:
    """Run a long command with its output in a log, saying every 10 s what it does.

    A step beside it that fails ends it too, unless it isn't `stoppable`: a package installation is better finished.
    Raises StepError with the log's path and last lines when the command fails.
    """
    log = paths.LOGS / f"{name.replace(' ', '-')}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as sink, _child(name, argv, sink=sink, cwd=cwd, env=env) as child:
        if not stoppable:
            _children.discard(child)
        _wait(child, lambda told_s: doing(name, f"{told_s:.0f} s: {_last_line(log)}"))
    if child.returncode and _failed.is_set():
        raise StoppedError(f"{name}: stopped, because another step failed")
    if child.returncode:
        lines = "\n".join(f"    {line}" for line in _tail(log, _LAST_LINES))
        raise StepError(f"{name}: `{argv[0]}` ended with {child.returncode}. See {log}; its last lines:\n{lines}")


def run_shown(argv: Sequence[str], *, name: str = "", env: Mapping[str, str] | None = None) -> int:
    """Run a command whose output people want to see; return its exit code.

    With a `name`, a line every 10 s says that it is still at work.
    """
    sys.stdout.flush()
    with _child(name or argv[0], argv, sink=None, cwd=paths.ROOT, env=env) as child:
        _wait(child, lambda told_s: say("…", name, f"{told_s:.0f} s") if name else None)
    if child.returncode and _failed.is_set():
        raise StoppedError(f"{name or argv[0]}: stopped, because another step failed")
    return child.returncode


def answer(argv: Sequence[str], *, env: Mapping[str, str] | None = None, given: str | None = None) -> str:
    """Run a short command and return what it prints. `given` goes to its standard input, where secrets belong.

    Raises StepError with what the command said when it fails or isn't there.
    """
    try:
        ran = subprocess.run(argv, cwd=paths.ROOT, env=env, input=given, capture_output=True, text=True, check=False)
    except OSError as error:
        raise StepError(f"`{argv[0]}` can't be run: {error.strerror}. `make doctor` says what is missing.") from None
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
    """Run independent steps at the same time. The first failure stops the commands of the others, and is raised."""
    failures: list[BaseException] = []
    outermost = threading.current_thread() is threading.main_thread()

    def guarded(step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as failure:
            # Says so before it is kept: what it stops must not look like a failure of its own.
            _failed.set()
            failures.append(failure)
            stop_children(signal.SIGTERM)

    threads = [threading.Thread(target=guarded, args=(step,), name=name, daemon=True) for name, step in steps.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if outermost:
        _failed.clear()
    if failures:
        # The step that failed by itself is the news; those that it stopped are not.
        raise next((failure for failure in failures if not isinstance(failure, StoppedError)), failures[0])


def stop_children(number: signal.Signals) -> None:
    """Send a signal to every command that a step runs now."""
    for child in tuple(_children):
        with contextlib.suppress(ProcessLookupError):
            child.send_signal(number)


def end_children() -> None:
    """Wait for the commands of interrupted steps, so that nothing goes on unseen."""
    stop_children(signal.SIGTERM)
    for child in tuple(_children):
        _end(child)


@contextlib.contextmanager
def alone(command: str) -> Iterator[None]:
    """Wait until no other bootstrap of this checkout brings parts, and keep others waiting.

    The lock is the kernel's: it ends with its holder, however that ends.
    """
    paths.HOME.mkdir(exist_ok=True)
    with (paths.HOME / "lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            doing(command, f"waiting for another run in this checkout ({file.read().strip() or 'just begun'})")
            fcntl.flock(file, fcntl.LOCK_EX)
            _began.pop(command, None)
        file.truncate(0)
        file.write(f"{command}, pid {os.getpid()}")
        file.flush()
        yield


def is_root() -> bool:
    """Whether packages can be installed without asking."""
    return os.geteuid() == 0


@contextlib.contextmanager
def _child(
    name: str,
    argv: Sequence[str],
    *,
    sink: IO[bytes] | None,
    cwd: Path | None,
    env: Mapping[str, str] | None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command; when this program is interrupted, wait until the command has ended too."""
    if _failed.is_set():
        raise StoppedError(f"{name}: not begun, because another step failed")
    errors = subprocess.STDOUT if sink else None
    try:
        child = subprocess.Popen(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=errors)
    except OSError as error:
        raise StepError(f"{name}: `{argv[0]}` can't be run: {error.strerror}. Install it.") from None
    _children.add(child)
    try:
        yield child
    except BaseException:
        if child.poll() is None:
            say("…", name, "ends what is under way; Ctrl-C again ends it at once")
        _end(child)
        raise
    finally:
        _children.discard(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    """Wait for an interrupted command. A terminal has told it already; who else it was, stop_children told it."""
    for number in (None, signal.SIGTERM, signal.SIGKILL):
        if number is not None and child.poll() is None:
            child.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(_TIDY_END_S)
            return


def _wait(child: subprocess.Popen[bytes], tell: Callable[[float], None]) -> None:
    started = told = time.monotonic()
    while child.poll() is None:
        time.sleep(_LOOK_EVERY_S)
        if time.monotonic() - told >= SIGN_OF_LIFE_S:
            told = time.monotonic()
            tell(told - started)


def _last_line(log: Path) -> str:
    lines = _tail(log, 1)
    return lines[0][:100] if lines else "working"


def _tail(log: Path, count: int) -> list[str]:
    text = log.read_text(encoding="utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()][-count:]
