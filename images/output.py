"""Runs long commands: everything into a log file, a line on the screen at least every ten seconds, and no orphans."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import BinaryIO

SPOKEN_EVERY_S: Final = 8.0
POLLED_EVERY_S: Final = 0.2
STOPPED_WITHIN_S: Final = 20.0
SHOWN_ON_FAILURE: Final = 15
SPOKEN_LENGTH: Final = 110
KEPT_LENGTH: Final = 240
# After a failed step BuildKit repeats its command three times, and pushes the cause out of sight.
_REPETITION: Final = re.compile(r"(#\d+ ERROR: )?executor failed running|-+$|> \[")
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class BuildError(Exception):
    """An image or a model could not be made; the text says which, why, where the log is and what to do."""


class Interrupted(Exception):  # noqa: N818 (not a fault: somebody pressed Ctrl-C, or another build failed)
    """The build was told to stop; what is finished stays, what was in progress leaves nothing behind."""


class Narrator:
    """Prints lines of several builds to stderr, each with the name of its image and the seconds since its start."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: dict[str, float] = {}

    def elapsed_s(self, name: str) -> float:
        """Seconds since the first line of that name."""
        now = time.monotonic()
        return now - self._started.setdefault(name, now)

    def say(self, name: str, text: str) -> None:
        """Print one line."""
        line = f"[{name}] {self.elapsed_s(name):4.0f} s  {text}"
        with self._lock:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()


class LoggedRun:
    """One command of one build, whose output goes to a log file."""

    def __init__(self, name: str, log: Path, narrator: Narrator, stop: threading.Event) -> None:
        self._name = name
        self._log = log
        self._narrator = narrator
        self._stop = stop
        self._tail: deque[str] = deque(maxlen=SHOWN_ON_FAILURE)

    def run(self, command: Sequence[str], env: Mapping[str, str] | None = None) -> None:
        """Run the command to its end.

        Raises:
            BuildError: it failed; the text ends with the last lines of its output.
            Interrupted: the stop event was set meanwhile; the command and its children are gone then.
        """
        with self._log.open("ab") as log, _started(command, env) as running:
            reader = threading.Thread(target=self._read, args=(running, log), daemon=True)
            reader.start()
            try:
                self._wait(running)
            finally:
                _end(running)
                reader.join(STOPPED_WITHIN_S)
        if running.returncode:
            shown = "\n".join(f"    {line}" for line in self._tail)
            what = f"{Path(command[0]).name} failed (exit {running.returncode})"
            msg = f"{self._name}: {what}. See {self._log}, which ends:\n{shown}"
            raise BuildError(msg)

    def _read(self, running: subprocess.Popen[bytes], log: BinaryIO) -> None:
        for raw in running.stdout or ():
            log.write(raw)
            text = _ESCAPES.sub("", raw.decode(errors="replace")).strip()
            if text and not _REPETITION.match(text):
                self._tail.append(text[:KEPT_LENGTH])

    def _wait(self, running: subprocess.Popen[bytes]) -> None:
        spoken = time.monotonic()
        while running.poll() is None:
            if self._stop.wait(POLLED_EVERY_S):
                raise Interrupted
            if time.monotonic() - spoken >= SPOKEN_EVERY_S:
                spoken = time.monotonic()
                self._narrator.say(self._name, (self._tail[-1] if self._tail else "started")[:SPOKEN_LENGTH])


def _started(command: Sequence[str], env: Mapping[str, str] | None) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        list(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **(env or {})},
        start_new_session=True,  # so that its children can be ended with it
    )


def _end(running: subprocess.Popen[bytes]) -> None:
    """End a command that still runs: an interrupt lets it remove its temporary files, then what is left is killed."""
    if running.poll() is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(running.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            running.wait(STOPPED_WITHIN_S)
        os.killpg(running.pid, signal.SIGKILL)  # its children may ignore interrupts
    running.wait()
