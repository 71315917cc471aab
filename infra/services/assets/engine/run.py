"""The life of one engine: lock, start, first answer, watch, end, and again within the limits.

A changed declaration makes a new container; this program only keeps the promise of the one it is in. Out of starts it
stays, as `failed`, so that people and Prometheus can see why; SIGHUP makes it try again.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from . import ask, child, lines, locks, memory, settings, status, watch
from .causes import Cause, Ending, Evidence
from .limits import History
from .reading import Reading

_SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_TICK_S = 0.25
_LOCK_PERIOD_S = 0.5
_SAID_EVERY_S = 30.0
_LINES_KEPT = 30
_FOREVER_S = 3600.0
# What a shell answers for a program that isn't there.
_NOT_FOUND = 127


class StopAskedError(Exception):
    """SIGTERM or SIGINT: the container is to stop."""


class TryAgainError(Exception):
    """SIGHUP to one that has given up: start anew, with a clean record."""


class EngineEndedError(Exception):
    """The engine isn't there any more, or mustn't be."""

    def __init__(self, ending: Ending) -> None:
        super().__init__(ending.reason)
        self.ending = ending


class Supervisor:
    """One engine and all of its starts."""

    def __init__(self, wanted: settings.Settings) -> None:
        self._wanted, self._promise = wanted, wanted.promise
        self._history = History(wanted.history_file)
        fixed = {
            "instance": wanted.instance,
            "model": wanted.model,
            "start_limit_burst": self._promise.start_limit_burst,
        }
        self._status = status.Status(wanted.status_file, fixed, wanted.digest)
        self._locks = locks.DeviceLocks(wanted.locks, locks.device_names(wanted.device, wanted.cards), wanted.instance)
        self._child: child.Child | None = None
        self._evidence, self._reading = Evidence(wanted.model), Reading()
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._oom_kills = memory.oom_kills()

    def run(self) -> int:
        """Keep the engine running as promised; returns the exit status once the container is to stop."""
        status.serve(self._status, self._wanted.status_port)
        try:
            while True:
                self._life()
        except StopAskedError:
            self._stop()
            return 0

    def _life(self) -> None:
        """Start and watch once, then wait as long as the promise says."""
        starts, now = self._history.starts, time.time()
        self._status.set(starts_in_interval=self._promise.recent(starts, now))
        if not self._promise.may_start(starts, now):
            self._give_up(f"{self._promise.start_limit_burst} starts within the limit's interval, no more are tried")
            return
        try:
            self._start()
            self._watch()
        except EngineEndedError as error:
            self._bury(error.ending)
        if self._promise.policy == "no":
            self._give_up("policy no starts nothing again")
        elif self._promise.may_start(self._history.starts, time.time()):
            self._delay()

    def _start(self) -> None:
        cannot_lock = self._queue()
        self._evidence, self._reading = Evidence(self._wanted.model), Reading()
        self._lines.clear()
        self._history.add(time.time())
        self._status.set(
            state="starting",
            phase="launching",
            detail="",
            reported={},
            starts=self._status["starts"] + 1,
            starts_in_interval=self._promise.recent(self._history.starts, time.time()),
            next_start_at=None,
        )
        if cannot_lock:
            self._fail(cannot_lock)
        began = time.monotonic()
        deadline = began + self._promise.timeout_start_s
        if self._wanted.prepare:
            self._prepare(deadline)
        self._spawn(self._wanted.command)
        self._await_answer(deadline)
        start_s = time.monotonic() - began
        self._locks.release()
        self._status.set(state="running", phase="serving", detail="", start_s=round(start_s, 1))
        _say(f"serving after {start_s:.0f} s")

    def _queue(self) -> str:
        """Wait for the cards; not counted in the start's time-out, for it is somebody else's start.

        Returns why there is no lock to be had (a folder that can't be written), which is an end like any other.
        """
        self._status.set(state="queued", phase="launching", detail="")
        began, said = time.monotonic(), -math.inf
        while True:
            try:
                if self._locks.take():
                    break
            except OSError as error:
                return f"{error.filename or self._wanted.locks}: {error.strerror}"
            if time.monotonic() - said > _SAID_EVERY_S:
                said = time.monotonic()
                _say(f"waits until {self._locks.holder} has started on {', '.join(self._locks.names)}")
            self._status.set(lock_holder=self._locks.holder)
            self._pause(_LOCK_PERIOD_S)
        self._status.set(lock_holder=None, lock_wait_s=round(time.monotonic() - began, 1))
        _say(f"holds {', '.join(self._locks.names)} while it starts")
        return ""

    def _prepare(self, deadline: float) -> None:
        preparing = self._spawn(self._wanted.prepare)
        while preparing.status is None:
            self._tick(_TICK_S, deadline)
        if preparing.status:
            raise EngineEndedError(self._ending("exit"))

    def _await_answer(self, deadline: float) -> None:
        wanted = self._wanted
        first = ask.FirstAnswer(wanted.port, wanted.model, wanted.kind, self._promise.timeout_start_s)
        first.start()
        told = ""
        try:
            while not first.is_there:
                self._tick(_TICK_S, deadline)
                if first.is_warming:
                    self._status.set(phase="warming", detail=first.said or "first answer")
                    if first.said != told:
                        told = first.said
                        self._lines.append(told)
                        _say(told)
                else:
                    self._status.set(phase=self._reading.phase, detail=self._reading.detail)
                self._raise_if_ended()
        finally:
            first.end()

    def _watch(self) -> NoReturn:
        watcher = watch.Watcher(self._wanted.port)
        watcher.start()
        limit_s = self._promise.watchdog_s
        try:
            while True:
                self._tick(_TICK_S)
                self._raise_if_ended()
                self._status.is_healthy, self._status.stalled_s = watcher.is_healthy, watcher.stalled_s
                if limit_s and watcher.stalled_s > limit_s:
                    raise EngineEndedError(self._ending("watchdog", limit_s))
        finally:
            watcher.end()
            self._status.is_healthy, self._status.stalled_s = True, 0.0

    def _tick(self, wait_s: float, deadline: float = math.inf) -> None:
        """Wait a moment; raises EngineEndedError when the start's time is over."""
        self._pause(wait_s)
        self._status.set(reported=dict(self._reading.reported))
        if time.monotonic() > deadline:
            raise EngineEndedError(self._ending("start timeout", self._promise.timeout_start_s))

    def _raise_if_ended(self) -> None:
        if self._child is not None and self._child.has_ended:
            raise EngineEndedError(self._ending("exit"))

    def _ending(self, reason: str, limit_s: float = 0.0) -> Ending:
        raw = self._child.status if self._child is not None and self._child.status is not None else None
        return Ending(
            code=os.WEXITSTATUS(raw) if raw is not None and os.WIFEXITED(raw) else None,
            signal=os.WTERMSIG(raw) if raw is not None and os.WIFSIGNALED(raw) else None,
            reason=reason,
            oom_kills=memory.oom_kills() - self._oom_kills,
            was_serving=self._status["state"] == "running",
            limit_s=limit_s,
        )

    def _bury(self, ending: Ending) -> None:
        """Clear away what is left of the engine, then say why it ended: its last lines come with its end."""
        if self._child is not None:
            self._child.clear()
            self._child = None
        self._locks.release()
        self._oom_kills = memory.oom_kills()
        cause: Cause = self._evidence.cause(ending)
        end = {"at": time.time(), "code": ending.code, "signal": ending.signal, "cause": cause.name}
        self._status.ended({**end, "says": cause.says, "fix": cause.fix, "lines": list(self._lines)})
        _say(f"the engine ended ({cause.name}): {cause.says}. Fix: {cause.fix}")

    def _delay(self) -> None:
        delay_s = self._promise.delay_s(self._history.starts, time.time())
        self._status.set(state="waiting", phase="launching", detail="", next_start_at=time.time() + delay_s)
        _say(f"starts again in {delay_s:.0f} s")
        self._pause(delay_s)

    def _give_up(self, why: str) -> None:
        """Stay, visibly, until somebody asks for another try (SIGHUP) or for the end."""
        self._status.set(state="failed", phase="launching", detail=why, next_start_at=None)
        _say(
            f"failed: {why}. It tries again after `docker kill --signal HUP` of this container, or when it is replaced"
        )
        while True:
            try:
                self._pause(_FOREVER_S, may_try_again=True)
            except TryAgainError:
                self._history.clear()
                return

    def _spawn(self, argv: tuple[str, ...]) -> child.Child:
        try:
            self._child = child.Child(argv, self._on_line)
        except OSError as error:
            self._child = None
            self._fail(f"{argv[0]}: {error.strerror}")
        return self._child

    def _fail(self, why: str) -> NoReturn:
        """End a start that no program came to; `why` stands for its last line."""
        self._on_line(why)
        raise EngineEndedError(Ending(_NOT_FOUND, None, "exit", 0, was_serving=False, limit_s=0.0))

    def _on_line(self, line: str) -> None:
        # What is kept is shown to people, in files and in deployments: no token stays in it.
        self._lines.append(lines.tidy(line))
        self._evidence.read(line)
        self._reading.read(line)

    def _pause(self, wait_s: float, *, may_try_again: bool = False) -> None:
        """Wait, reaping whatever ends; comes back early when something did. The only place where signals are taken."""
        deadline = time.monotonic() + wait_s
        while (left_s := deadline - time.monotonic()) > 0:
            got = signal.sigtimedwait(_SIGNALS, left_s)
            if got is None:
                return
            if got.si_signo in {signal.SIGTERM, signal.SIGINT}:
                raise StopAskedError
            if got.si_signo == signal.SIGHUP and may_try_again:
                raise TryAgainError
            if got.si_signo == signal.SIGCHLD:
                child.reap([self._child] if self._child is not None else [])
                if self._child is not None and self._child.has_ended:
                    return

    def _stop(self) -> None:
        """Let requests in flight end, then everything: vLLM drains on SIGTERM for its --shutdown-timeout."""
        self._status.set(state="stopping", detail="requests in flight may end")
        current = self._child
        if current is not None:
            current.send(signal.SIGTERM)
            deadline = time.monotonic() + self._promise.timeout_stop_s
            while not current.has_ended and time.monotonic() < deadline:
                signal.sigtimedwait({signal.SIGCHLD}, _TICK_S)
                child.reap([current])
            ended_by_itself = current.has_ended
            current.clear()
            _say("stopped" if ended_by_itself else f"killed: not stopped within {self._promise.timeout_stop_s:.0f} s")
            self._history.forgive()
        self._status.set(state="ended", detail="asked to stop")


def _say(text: str) -> None:
    # Words of a log in an image without UTF-8, or a reader that is gone, mustn't end PID 1.
    with suppress(OSError):
        sys.stdout.buffer.write(f"hearth: {text}.\n".encode())
        sys.stdout.buffer.flush()


def main() -> int:
    """Run as the settings file says; its path may be given."""
    # First of all: the kernel drops a signal that PID 1 neither handles nor blocks. Threads inherit the mask.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else settings.SETTINGS_FILE
    return Supervisor(settings.read(file)).run()


if __name__ == "__main__":
    sys.exit(main())
