"""How a check says what it found."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from infra.doctor.asked import Asked
from infra.errors import Finding, Severity

_MOST: Final = 6


def error(asked: Asked, problem: str, fix: str) -> Finding:
    """Return what keeps the stack, or a part of it, from running on this host."""
    return Finding(f"host {asked.host}", problem, fix)


def warning(asked: Asked, problem: str, fix: str) -> Finding:
    """Return what may hurt later, or isn't as the inventory says."""
    return Finding(f"host {asked.host}", problem, fix, Severity.WARNING)


def notice(asked: Asked, problem: str, fix: str) -> Finding:
    """Return what somebody may want to know; nothing is wrong."""
    return Finding(f"host {asked.host}", problem, fix, Severity.NOTICE)


def listed(names: Iterable[object]) -> str:
    """Return names in one line; of many the first few, and how many more there are."""
    words = [str(name) for name in names]
    return ", ".join(words) if len(words) <= _MOST else f"{', '.join(words[:_MOST])} and {len(words) - _MOST} more"
