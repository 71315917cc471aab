"""Every expression that something is made of, so that each can be checked and sent to a live Prometheus."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from monitoring.dashboards import boards
from monitoring.rules import rule_groups
from monitoring.subjects import Subjects

_VARIABLE: Final = re.compile(r"\$\{?(?:model|instance|host)\b\}?")
# What follows a digit belongs to a number, as in 1e18.
_METRIC: Final = re.compile(r"(?<![\w.])[a-zA-Z_:][a-zA-Z0-9_:]*")
_STRING: Final = re.compile(r'"(?:[^"\\]|\\.)*"')
_LABELS: Final = re.compile(r"\{[^}]*\}|\b(?:by|on|ignoring|without|group_left|group_right)\s*\([^)]*\)")
_DURATION: Final = re.compile(r"\[[^\]]*\]|\boffset\s+\w+")
_WORDS: Final = frozenset(
    {"and", "or", "unless", "bool", "sum", "min", "max", "avg", "count", "rate", "increase", "changes", "absent", "vector", "time"}
    | {"clamp_min", "min_over_time", "histogram_quantile", "label_replace", "predict_linear"}
)  # fmt: skip


def at_all(expression: str) -> str:
    """Return an expression of a dashboard with every choice at "All"."""
    return _VARIABLE.sub(".*", expression)


def of_panels(subjects: Subjects) -> Mapping[str, str]:
    """Return the expression of every series of every panel, by `board/panel/legend`."""
    return {
        f"{board.uid}/{panel.title}/{series.legend}": at_all(series.expression)
        for board in boards(subjects)
        for panel in board.panels
        for series in panel.series
    }


def of_rules(subjects: Subjects) -> Mapping[str, str]:
    """Return the expression of every rule, by its name, an alert's severity and its labels' values."""
    found = {}
    for group in rule_groups(subjects)["groups"]:
        for rule in group["rules"]:
            name = rule.get("record") or rule["alert"]
            found["/".join([name, *map(str, rule.get("labels", {}).values())])] = rule["expr"]
    return found


def metrics_in(expression: str) -> frozenset[str]:
    """Return the names of the metrics that an expression reads."""
    bare = _STRING.sub('""', expression)
    for pattern in (_LABELS, _DURATION):
        bare = pattern.sub(" ", bare)
    return frozenset(_METRIC.findall(bare)) - _WORDS
