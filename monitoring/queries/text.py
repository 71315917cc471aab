"""How expressions are put together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from monitoring.selectors import WINDOW

_SPECIAL: Final = re.compile(r"([.+*?()\[\]{}|^$\\])")


def narrowed(metric: str, *matchers: str) -> str:
    """Return a selector of a metric with these matchers; empty ones count as none."""
    inside = ", ".join(one for one in matchers if one)
    return f"{metric}{{{inside}}}" if inside else metric


def rate(metric: str, *matchers: str, by: str, window: str = WINDOW) -> str:
    """Return what a counter gains per second, summed over all labels but `by`."""
    return f"sum by ({by}) (rate({narrowed(metric, *matchers)}[{window}]))"


def quantile(histogram: str, share: float, *matchers: str, by: str) -> str:
    """Return a quantile of a histogram over the usual window, in the histogram's unit."""
    return f"histogram_quantile({share}, {rate(f'{histogram}_bucket', *matchers, by=f'le, {by}')})"


def alternatives(label: str, values: Sequence[str]) -> str:
    """Return the matcher of series whose label has one of these values."""
    # A PromQL string takes one of two backslashes for itself; re.escape would quote every dash as well.
    quoted = [_SPECIAL.sub(r"\\\\\1", value) for value in values]
    return f'{label}=~"{"|".join(quoted)}"'


def appeared(counter: str, window: str, by: str) -> str:
    """Return what a counter gained in a window, also where its series appeared within it at its first event.

    `increase` alone is blind for that: a series that begins with 1 has gained nothing.
    """
    return f"sum by ({by}) (increase({counter}[{window}])) > 0 or sum by ({by}) ({new(counter, window)}) > 0"


def new(metric: str, window: str) -> str:
    """Return the series that appeared within a window, while their target was scraped all the time.

    After a gap in what Prometheus has, everything would look as if it had just happened.
    """
    return f"({metric} unless {metric} offset {window} and on (job, instance) (up offset {window} == 1))"
