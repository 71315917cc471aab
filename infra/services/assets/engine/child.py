"""One program run by PID 1: started in a session of its own, read line by line, reaped, and killed with all it left."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

# A progress bar overwrites its line: each state of it is a line too.
_LINE_ENDS = re.compile(rb"[\r\n]+")
_LONGEST_LINE = 64 * 1024
_GONE_S = 20.0
_READ_BYTES = 64 * 1024


class Child:
    """A running program. `status` is None until it was reaped, then as of os.waitpid."""

    def __init__(self, argv: Sequence[str], on_line: Callable[[str], None]) -> None:
        reading, writing = os.pipe()
        actions = [(os.POSIX_SPAWN_DUP2, writing, 1), (os.POSIX_SPAWN_DUP2, writing, 2)]
        self.status: int | None = None
        try:
            # setsid: a signal for all of it reaches the workers too. The entry point's own blocked signals aren't inherited.
            self.pid = os.posix_spawnp(
                argv[0], list(argv), os.environ, file_actions=actions, setsid=True, setsigmask=[], setsigdef=_DEFAULTS
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        self._reader = threading.Thread(target=_read, args=(reading, on_line), daemon=True, name="log")
        self._reader.start()

    @property
    def has_ended(self) -> bool:
        """Whether the program itself has ended; others of its session may still be there."""
        return self.status is not None

    def send(self, number: int) -> None:
        """Send a signal to the program itself, which knows its workers. Once reaped, its number may be another's."""
        if self.has_ended:
            return
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def clear(self) -> None:
        """Kill what is left of it, and wait until all is gone: a worker that lives on keeps the card's memory."""
        deadline = time.monotonic() + _GONE_S
        while time.monotonic() < deadline:
            left = _kill(-self.pid)
            # As PID 1 everything else in the container is its own, also what left the session.
            left = (os.getpid() == 1 and _kill(-1)) or left
            reap([self])
            if not left:
                break
            time.sleep(0.1)
        self._reader.join(timeout=_GONE_S)


def reap(children: Sequence[Child]) -> None:
    """Take in every process that has ended, orphans too: nobody else does in a container."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        for child in children:
            if child.pid == pid:
                child.status = status


_DEFAULTS = [signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD]


def _kill(target: int) -> bool:
    """Kill a group (or everything, -1); whether there was anything."""
    try:
        os.kill(target, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _read(number: int, on_line: Callable[[str], None]) -> None:
    """Pass on what a program prints. It ends with the pipe alone: a pipe that nobody reads stops its writer."""
    rest = b""
    out = sys.stdout.buffer
    while True:
        chunk = os.read(number, _READ_BYTES)
        if not chunk:
            break
        with suppress(OSError):
            out.write(chunk)
            out.flush()
        *lines, rest = _LINE_ENDS.split(rest + chunk)
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            _hand_on(line, on_line)
    if rest:
        _hand_on(rest, on_line)
    os.close(number)


def _hand_on(line: bytes, on_line: Callable[[str], None]) -> None:
    try:
        on_line(line.decode(errors="replace"))
    except Exception:  # a line that nobody foresaw costs what it would have told, not the engine
        traceback.print_exc()
