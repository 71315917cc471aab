"""House defaults of panels, as data."""

from __future__ import annotations

from monitoring.boards import Panel, Series


def lines(title: str, unit: str, about: str, *series: tuple[str, str]) -> Panel:
    """Return lines over time; `series` are pairs of expression and legend."""
    return Panel(title, unit, _series(series), about)


def bars(title: str, unit: str, about: str, *series: tuple[str, str]) -> Panel:
    """Return one bar per series, as it is now: what is compared stands side by side."""
    return Panel(title, unit, _series(series), about, kind="bars")


def number(title: str, unit: str, about: str, expression: str, legend: str = "") -> Panel:
    """Return one number per series, as it is now."""
    return Panel(title, unit, (Series(expression, legend),), about, kind="number", span=6, height=4)


def lamp(title: str, about: str, expression: str, legend: str) -> Panel:
    """Return up (1) or down (0) per series."""
    return Panel(title, "short", (Series(expression, legend),), about, kind="lamp", span=8, height=4)


def table(title: str, unit: str, about: str, *series: tuple[str, str]) -> Panel:
    """Return one line per series, as it is now."""
    return Panel(title, unit, _series(series), about, kind="table")


def _series(pairs: tuple[tuple[str, str], ...]) -> tuple[Series, ...]:
    return tuple(Series(expression, legend) for expression, legend in pairs)
