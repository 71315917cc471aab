"""A text of vLLM and what it means."""

from __future__ import annotations

import re
from dataclasses import dataclass

MODEL = "hearth:models.{model}"


@dataclass(frozen=True)
class Rule:
    """A text and its meaning. `says` and `fix` take the pattern's groups and what causes.py derives from them.

    `fix_now` stands in where a figure that `fix` names isn't known; `starting` rules count only until the engine serves.
    """

    cause: str
    pattern: re.Pattern[str]
    says: str
    fix: str
    fix_now: str = ""
    starting: bool = True


def rule(cause: str, pattern: str, says: str, fix: str, fix_now: str = "", *, starting: bool = True) -> Rule:
    """Return a row of the table."""
    return Rule(cause, re.compile(pattern), says, fix, fix_now, starting)
