"""Promises: hours at a sample a minute, as vLLM writes its bounds."""

from __future__ import annotations

from typing import Any

from tests.unit.monitoring.cases.case import Case
from tests.unit.monitoring.cases.engines import engine

SEVEN_HOURS: dict[str, Any] = {"at": "7h", "interval": "1m"}
CHAT = {"model_name": "chat"}
BOTH = ("critical", "warning")
FIRST = ("time_to_first_token_seconds", "2.5")
NEXT = ("inter_token_latency_seconds", "0.1")
FIRST_SUMMARY = "{} of the requests for chat wait longer than promised for their first token"
NEXT_SUMMARY = "{} of the tokens of chat come later than promised"


def histogram(promise: tuple[str, str], in_time: str, everything: str, instance: str = "chat-0") -> dict[str, str]:
    """A histogram's bucket of what was in time, and its count."""
    metric, bound = promise
    bucket = engine(f"{metric}_bucket", instance).replace("job=", f'le="{bound}",job=')
    return {bucket: in_time, engine(f"{metric}_count", instance): everything}


def answers(values: str) -> dict[str, str]:
    return {engine("time_to_first_token_seconds_count"): values}


CASES = (
    Case(
        "FirstTokenLate", "all, for hours", histogram(FIRST, "0x420", "0+6x420"),
        FIRST_SUMMARY.format("100%"), CHAT, BOTH, **SEVEN_HOURS,
    ),
    Case(
        "FirstTokenLate", "half, for hours", histogram(FIRST, "0+3x420", "0+6x420"),
        FIRST_SUMMARY.format("50%"), CHAT, ("warning",), **SEVEN_HOURS,
    ),
    Case(
        "FirstTokenLate", "all, for the last hour", histogram(FIRST, "0+6x360 2160x60", "0+6x420"),
        FIRST_SUMMARY.format("100%"), CHAT, ("critical",), **SEVEN_HOURS,
    ),
    Case(
        "FirstTokenLate", "one replica of two, with most of the requests",
        {**histogram(FIRST, "0x420", "0+8x420"), **histogram(FIRST, "0+8x420", "0+8x420", "chat-1")},
        FIRST_SUMMARY.format("50%"), CHAT, ("warning",), **SEVEN_HOURS,
    ),
    Case("FirstTokenLate", "one in five, for hours", histogram(FIRST, "0+4x420", "0+5x420"), **SEVEN_HOURS),
    Case(
        "FirstTokenLate", "all, until ten minutes ago",
        histogram(FIRST, "0x375 0+60x45", "0+6x375 2250+60x45"), **SEVEN_HOURS,
    ),
    Case("FirstTokenLate", "nine in an hour", histogram(FIRST, "0x420", "0x375 1+1x8 9x40"), **SEVEN_HOURS),
    Case("FirstTokenLate", "nobody asks", histogram(FIRST, "500x420", "900x420"), **SEVEN_HOURS),
    Case(
        "FirstTokenLate", "embeddings have no first token", histogram(FIRST, "0x420", "0+6x420", "embed"), **SEVEN_HOURS,
    ),
    Case(
        "TokensLate", "all, for hours", {**histogram(NEXT, "0x420", "0+600x420"), **answers("0+6x420")},
        NEXT_SUMMARY.format("100%"), CHAT, BOTH, **SEVEN_HOURS,
    ),
    Case(
        "TokensLate", "half, for hours", {**histogram(NEXT, "0+300x420", "0+600x420"), **answers("0+6x420")},
        NEXT_SUMMARY.format("50%"), CHAT, ("warning",), **SEVEN_HOURS,
    ),
    Case(
        "TokensLate", "one in five", {**histogram(NEXT, "0+480x420", "0+600x420"), **answers("0+6x420")}, **SEVEN_HOURS,
    ),
    Case(
        "TokensLate", "one long answer in a night",
        {**histogram(NEXT, "0x420", "0x400 0+100x20"), **answers("0x400 0 1x19")}, **SEVEN_HOURS,
    ),
    Case(
        "TokensLate", "an engine that has just started",
        {**histogram(NEXT, "_x400 0x20", "_x400 0x20"), **answers("_x400 0x20")}, **SEVEN_HOURS,
    ),
)  # fmt: skip
