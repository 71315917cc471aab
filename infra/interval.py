"""A quantity that is known within bounds: every term of the memory planner is one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

GIB: Final = 2**30


@dataclass(frozen=True)
class Interval:
    """`value` is the best estimate, `low` and `high` what nine of ten real starts stay within.

    Adding intervals adds their bounds: errors of one engine share causes (version, kernels), so they don't cancel.
    """

    low: float
    value: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.value <= self.high:
            msg = f"bounds are out of order: {self.low} <= {self.value} <= {self.high}"
            raise ValueError(msg)

    @classmethod
    def exact(cls, value: float) -> Interval:
        """Return a quantity without doubt."""
        return cls(value, value, value)

    @classmethod
    def around(cls, value: float, *, share: float = 0.0, either_way: float = 0.0) -> Interval:
        """Return `value` give or take a share of itself and a fixed amount."""
        doubt = abs(value) * share + either_way
        return cls(value - doubt, value, value + doubt)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.value + other.value, self.high + other.high)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.low - other.high, self.value - other.value, self.high - other.low)

    def scaled(self, factor: float) -> Interval:
        """Return the quantity times a factor that is not negative."""
        return Interval(self.low * factor, self.value * factor, self.high * factor)

    def at_least(self, least: float) -> Interval:
        """Return the quantity with everything below `least` lifted to it."""
        return Interval(max(self.low, least), max(self.value, least), max(self.high, least))

    def rounded(self, digits: int) -> dict[str, float]:
        """Return the three figures by name, as reports show them."""
        return {
            "low": round(self.low, digits),
            "value": round(self.value, digits),
            "high": round(self.high, digits),
        }

    def in_gib(self) -> dict[str, float]:
        """Return bytes as GiB, rounded to three digits."""
        return self.scaled(1 / GIB).rounded(3)


ZERO: Final = Interval.exact(0.0)


def largest(parts: Iterable[Interval]) -> Interval:
    """Return the bounds of the largest of several quantities of which only one counts."""
    several = list(parts)
    return Interval(
        max(part.low for part in several), max(part.value for part in several), max(part.high for part in several)
    )


def total(parts: Iterable[Interval]) -> Interval:
    """Return the sum."""
    result = ZERO
    for part in parts:
        result += part
    return result
