"""How often, and after how long, an engine is started again: systemd's arithmetic (systemd.service, systemd.unit)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .files import replace_text

# 5 s have become 5 min after six doublings, 1 s after nine.
_STARTS_TO_LONGEST_WAIT = 10


@dataclass(frozen=True)
class Promise:
    """The restart promise, in seconds. A burst in an interval of 0 is no limit; a watchdog of 0 is off.

    A server that ends unasked hasn't ended cleanly, whatever its exit code: vLLM exits with 0 when its engine has died
    (vllm-project/vllm issue 48966). So `on-failure` and `always` start it again after the same ends; `no` never does.
    """

    policy: str
    restart_sec_s: float
    restart_max_delay_s: float
    start_limit_burst: int
    start_limit_interval_s: float
    timeout_start_s: float
    timeout_stop_s: float
    watchdog_s: float

    def recent(self, starts: Sequence[float], now: float) -> int:
        """Return how many starts count; those in the future (a clock was set back) don't."""
        return sum(1 for start in starts if 0 <= now - start < self.start_limit_interval_s)

    def may_start(self, starts: Sequence[float], now: float) -> bool:
        """Whether one more start stays within the limit (StartLimitBurst= in StartLimitIntervalSec=)."""
        return self.start_limit_interval_s <= 0 or self.recent(starts, now) < self.start_limit_burst

    def delay_s(self, starts: Sequence[float], now: float) -> float:
        """Return the wait before the next start: restart_sec, doubled with every start that still counts."""
        # Without a limit the window is as long as the plan's own would be for enough starts to reach the longest wait.
        longest_s = self.timeout_start_s + self.timeout_stop_s + self.restart_max_delay_s
        window_s = self.start_limit_interval_s or _STARTS_TO_LONGEST_WAIT * longest_s
        counted = sum(1 for start in starts if 0 <= now - start < window_s)
        grown = self.restart_sec_s * 2.0 ** min(max(0, counted - 1), 32)
        return max(self.restart_sec_s, min(grown, self.restart_max_delay_s))


class History:
    """When the engine was started, in seconds since 1970: a boot must not make it forget a doomed engine."""

    _KEPT = 1000

    def __init__(self, file: Path) -> None:
        self._file = file
        self.starts: list[float] = []
        try:
            self.starts = [float(start) for start in json.loads(file.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            self.starts = []

    def add(self, now: float) -> None:
        """Count one more start."""
        self.starts = [*self.starts[-self._KEPT :], now]
        self._write()

    def forgive(self) -> None:
        """Don't count the last start: it was asked to stop, which is no failure."""
        self.starts = self.starts[:-1]
        self._write()

    def clear(self) -> None:
        """Forget all of them, as `systemctl reset-failed` does."""
        self.starts = []
        self._write()

    def _write(self) -> None:
        replace_text(self._file, json.dumps(self.starts))
