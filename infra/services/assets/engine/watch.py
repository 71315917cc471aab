"""Tells a busy engine from a hung one, by its own counters.

`/health` answers 200 while nothing is generated (vllm-project/vllm issue 39863 and PR 54553): it knows that processes
live, not that they work. Progress is what counts: requests are there, and neither steps nor tokens go on.
"""

from __future__ import annotations

import http.client
import re
import threading
import time
import urllib.request
from dataclasses import dataclass

# vLLM's own names, in every version since 0.6 (docs/usage/metrics.md); the wire form of a histogram's count ends with _count.
_OUTSTANDING = ("vllm:num_requests_running", "vllm:num_requests_waiting")
_PROGRESS = (
    "vllm:iteration_tokens_total_count",
    "vllm:generation_tokens_total",
    "vllm:prompt_tokens_total",
    "vllm:request_success_total",
)
_SAMPLE = re.compile(r"^([a-z_:]+)(?:\{[^}]*\})?\s+(\S+)", re.MULTILINE)
_ANSWER_S = 10.0
_PERIOD_S = 5.0
# From one look to the next at most: two questions that nobody answers.
_LONGEST_LOOK_S = _PERIOD_S + 2 * _ANSWER_S
# The proxy in an engine's environment is for the hub. It would be asked for its own loopback, and be shown the engine's key.
_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))
# What a server that ends in the middle of an answer, or answers nonsense, does to its client.
NO_ANSWER = (OSError, ValueError, http.client.HTTPException)


@dataclass(frozen=True)
class Sample:
    """What the engine said of itself: requests it has, and a figure that grows with all that it does."""

    outstanding: float
    progress: float


def sample_of(text: str) -> Sample:
    """Read a page of metrics; families that a version doesn't have count as nothing."""
    sums: dict[str, float] = {}
    for name, value in _SAMPLE.findall(text):
        if name in _OUTSTANDING or name in _PROGRESS:
            sums[name] = sums.get(name, 0.0) + float(value)
    return Sample(sum(sums.get(name, 0.0) for name in _OUTSTANDING), sum(sums.get(name, 0.0) for name in _PROGRESS))


class Progress:
    """For how long nothing has gone on, although something should. Pure: it is told the time.

    Time in which nobody looked doesn't count: a paused container's clock goes on, its engine doesn't.
    """

    def __init__(self, now: float) -> None:
        self._looked_at = now
        self._stalled_s = 0.0
        self._last: float | None = None

    def see(self, sample: Sample | None, now: float) -> None:
        """Take in one look; None when the engine didn't answer in time, which is no progress either."""
        self._stalled_s, self._looked_at = self.stalled_s(now), now
        if sample is None:
            return
        if sample.outstanding == 0 or sample.progress != self._last:
            self._stalled_s = 0.0
        self._last = sample.progress

    def stalled_s(self, now: float) -> float:
        """Return for how long nothing has gone on."""
        return self._stalled_s + min(now - self._looked_at, _LONGEST_LOOK_S)


class Watcher(threading.Thread):
    """Looks at a serving engine every few seconds; `stalled_s` and `is_healthy` are what it has seen."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True, name="watcher")
        self._port = port
        self._ended = threading.Event()
        self._progress = Progress(time.monotonic())
        self.is_healthy = True

    def run(self) -> None:
        """Look until `end` is called."""
        while not self._ended.wait(_PERIOD_S):
            self.is_healthy = answers(self._port)
            self._progress.see(_look(self._port) if self.is_healthy else None, time.monotonic())

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()

    @property
    def stalled_s(self) -> float:
        """For how long nothing has gone on."""
        return self._progress.stalled_s(time.monotonic())


def answers(port: int) -> bool:
    """Whether the engine says that it is well."""
    return _get(port, "/health") is not None


def _look(port: int) -> Sample | None:
    text = _get(port, "/metrics")
    try:
        return None if text is None else sample_of(text)
    except ValueError:
        return None


def read(request: urllib.request.Request, timeout_s: float) -> str:
    """Return the answer to a request within the container; raises what NO_ANSWER lists, HTTPError among it."""
    with _DIRECT.open(request, timeout=timeout_s) as reply:
        return str(reply.read().decode(errors="replace"))


def _get(port: int, path: str) -> str | None:
    try:
        return read(urllib.request.Request(f"http://127.0.0.1:{port}{path}"), _ANSWER_S)
    except NO_ANSWER:
        return None
