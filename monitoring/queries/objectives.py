"""Service level objectives: which share of requests, and of tokens, comes later than promised.

Windows and factors are those of the Site Reliability Workbook (chapter 5, "Alerting on SLOs", multiwindow multi-burn-rate):
14.4 times the allowed share over an hour spends 2 % of a month's budget, 6 times over six hours 5 %. The short window of a
pair ends the alert soon after the trouble has ended.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from monitoring.queries.text import rate
from monitoring.subjects import Objective


@dataclass(frozen=True)
class Burn:
    """A pair of windows and how many times the allowed share both must exceed."""

    long: str
    short: str
    factor: float
    severity: str


BURNS: Final = (Burn("1h", "5m", 14.4, "critical"), Burn("6h", "30m", 6.0, "warning"))
WINDOWS: Final = ("5m", "30m", "1h", "6h")
# One slow answer of three says nothing of a service. Answers are counted, not tokens: one answer has hundreds.
FEWEST: Final = 10
ANSWERS: Final = "vllm:time_to_first_token_seconds_count"
# No more than all can be late: a promise to nine in ten is broken at this pace when nine in ten are late.
MOST: Final = 0.9


@dataclass(frozen=True)
class Promise:
    """What is promised of one histogram: its name without vLLM's prefix, and how many seconds are in time."""

    record: str
    histogram: str
    limit_s: float

    def late(self, window: str) -> str:
        """Return the name of the record: the share that was late."""
        return f"model:{self.record}:share{window}"

    def expression(self, window: str, chosen: str) -> str:
        """Return the share that was late, 0 to 1, per model."""
        bound = f'le="{float(self.limit_s)}"'
        in_time = rate(f"{self.histogram}_bucket", chosen, bound, by="model_name", window=window)
        return f"1 - {in_time} / {rate(f'{self.histogram}_count', chosen, by='model_name', window=window)}"

    def burning(self, burn: Burn, share: float, chosen: str) -> str:
        """Return the share that was late where the promise is being broken at this pace."""
        # As people would write it: 0.72, not 0.7200000000000006.
        limit = f"{min(burn.factor * (1 - share), MOST):.6g}"
        several = f"sum by (model_name) (increase({ANSWERS}{{{chosen}}}[{burn.long}])) >= {FEWEST}"
        return f"({self.late(burn.long)} > {limit} and {self.late(burn.short)} > {limit}) and on (model_name) {several}"


def promises(objective: Objective) -> tuple[Promise, ...]:
    """Return what is promised of a chat: its first token, and each further one."""
    return (
        Promise("vllm_first_token_late", "vllm:time_to_first_token_seconds", objective.first_token_s),
        Promise("vllm_token_late", "vllm:inter_token_latency_seconds", objective.per_token_s),
    )
