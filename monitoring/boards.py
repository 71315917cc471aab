"""Panels and dashboards as plain data: Grafana's JSON and the report's charts are both made of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["lines", "number", "lamp", "bars", "table"]


@dataclass(frozen=True)
class Series:
    """One expression, and the legend of its series with labels in double braces as Grafana writes them.

    An empty legend stands for a number without a name.
    """

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One picture. `unit` is Grafana's name of it, as in s, bytes, percentunit, reqps, short; `about` says what it tells.

    `span` is its width in 24ths of the page, `height` that of Grafana's rows.
    """

    title: str
    unit: str
    series: tuple[Series, ...]
    about: str
    kind: Kind = "lines"
    span: int = 8
    height: int = 8


@dataclass(frozen=True)
class Row:
    """Panels below one heading."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Choice:
    """A choice above a dashboard: label `label` of the metric that `values` asks for."""

    name: str
    title: str
    values: str


@dataclass(frozen=True)
class Board:
    """One dashboard; `uid` is stable, so that links to it survive."""

    uid: str
    title: str
    rows: tuple[Row, ...]
    choices: tuple[Choice, ...] = ()

    @property
    def panels(self) -> tuple[Panel, ...]:
        """Return all panels, in order."""
        return tuple(panel for row in self.rows for panel in row.panels)


def changed(board: Board, change: Callable[[str], str | None]) -> Board | None:
    """Return the board with every expression changed; what has none left goes, up to the board itself."""
    rows = []
    for row in board.rows:
        panels = []
        for panel in row.panels:
            found = [(change(one.expression), one.legend) for one in panel.series]
            series = tuple(Series(text, legend) for text, legend in found if text is not None)
            panels += [replace(panel, series=series)] if series else []
        rows += [replace(row, panels=tuple(panels))] if panels else []
    return replace(board, rows=tuple(rows)) if rows else None
