"""Metric names of older engines: an expression made for the newest names is blank, and an alert dumb, over an old engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping


def fitting(older_names: Mapping[str, str | None]) -> Callable[[str], str | None]:
    """Return what gives an expression the names that an older version has.

    Its result is None for an expression with a metric that the version hasn't got under any name. A histogram stands in
    `older_names` without the endings of its series.
    """
    patterns = {
        name: re.compile(rf"(?<![\w:]){re.escape(name)}(?=(?:_bucket|_count|_sum)?(?![\w:]))") for name in older_names
    }

    def fit(expression: str) -> str | None:
        for name, pattern in patterns.items():
            older = older_names[name]
            if older is None and pattern.search(expression):
                return None
            expression = pattern.sub(older or name, expression)
        return expression

    return fit
