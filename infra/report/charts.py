"""Charts as SVG, by matplotlib: text stays text, so that the page's own colours and fonts apply."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, FuncFormatter

from infra.report.prometheus import Line, Span

MOST_LINES: Final = 12
_SIZE_INCHES: Final = (4.6, 2.7)
_GAP: Final = 1.5
# Readable on white and on black alike (tab10 without its grey, then the same dashed).
_COLOURS: Final = ("#3f8fd0", "#e07b28", "#3da35d", "#d0455a", "#9a76c9", "#a0715e", "#d877b8", "#a8a12b", "#27a8b5")
_GREY: Final = "#808892"
_BINARY: Final = 1024
_DAY_S: Final = 86400
# From here on decimals say nothing more.
_WHOLE: Final = 100
# Fixed, or the ids within a chart would be others in every run.
_STYLE: Final[Any] = {"svg.fonttype": "none", "svg.hashsalt": "hearth", "font.size": 9, "axes.edgecolor": _GREY}
_DATE: Final = {"Date": None, "Creator": None}
_NO_TITLE: Final = re.compile(r"<\?xml.*?\?>\s*<!DOCTYPE.*?>\s*", re.DOTALL)


def chart(lines: Sequence[tuple[str, Line]], unit: str, span: Span) -> str:
    """Return a chart of named lines over a span, as an SVG element; the largest lines where there are many."""
    shown = sorted(lines, key=lambda line: -max(value for _, value in line[1].points))[:MOST_LINES]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=_SIZE_INCHES, layout="constrained")
        axes = figure.add_subplot()
        for number, (name, line) in enumerate(sorted(shown, key=lambda one: one[0])):
            points = _with_gaps(line.points, span.step_s)
            moments, values = _days(moment for moment, _ in points), [value for _, value in points]
            style = "-" if number < len(_COLOURS) else "--"
            mark = "" if len(moments) > 1 else "o"
            axes.plot(moments, values, style, marker=mark, color=_COLOURS[number % len(_COLOURS)], label=name, lw=1.4)
        axes.set_xlim(*_days((span.start_s, span.end_s)))
        _time_axis(axes, datetime.fromtimestamp(span.end_s).astimezone().tzinfo)
        axes.yaxis.set_major_formatter(_formatter(unit))
        least = min(value for _, line in shown for _, value in line.points)
        # From nought, so that a ripple isn't a wave.
        axes.set_ylim(
            bottom=min(0.0, least), top=None if any(value for _, line in shown for _, value in line.points) else 1.0
        )
        axes.grid(visible=True, color=_GREY, alpha=0.25, lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_GREY)
        figure.legend(loc="outside lower left", ncols=2, frameon=False, fontsize=8)
        return _svg(figure)


def _with_gaps(points: Sequence[tuple[float, float]], step_s: float) -> list[tuple[float, float]]:
    """Return points with a hole where one is missing: a line across it would show what nobody saw."""
    found: list[tuple[float, float]] = []
    for point in points:
        if found and point[0] - found[-1][0] > _GAP * step_s:
            found.append((found[-1][0] + step_s, math.nan))
        found.append(point)
    return found


def _days(moments: Iterable[float]) -> list[float]:
    """Return moments as matplotlib counts them: in days since 1970."""
    return [moment / _DAY_S for moment in moments]


def _time_axis(axes: Axes, zone: tzinfo | None) -> None:
    locator = AutoDateLocator(tz=zone, maxticks=6)  # type: ignore[no-untyped-call] # matplotlib.dates has no types
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz=zone))  # type: ignore[no-untyped-call] # as above


def amount(value: float, unit: str) -> str:
    """Return one value with its unit, as on a chart's axis."""
    return str(_formatter(unit)(value)).replace("$\\mathdefault{", "").replace("}$", "")


def _formatter(unit: str) -> FuncFormatter | EngFormatter:
    if unit in {"bytes", "Bps"}:
        return FuncFormatter(lambda value, _=None: _bytes(value) + ("/s" if unit == "Bps" else ""))
    if unit == "percentunit":
        return FuncFormatter(lambda value, _=None: f"{value * 100:.4g}%")
    if unit == "s":
        return EngFormatter(unit="s")
    sign = {"percent": " %", "celsius": " °C", "watt": " W", "reqps": "/s", "currencyUSD": " $"}.get(unit, "")
    return FuncFormatter(lambda value, _=None: f"{_plain(value)}{sign}")


def _plain(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= _WHOLE else f"{value:.4g}"


def _bytes(value: float) -> str:
    for sign in ("B", "KiB", "MiB", "GiB"):
        if abs(value) < _BINARY:
            return f"{value:.4g} {sign}"
        value /= _BINARY
    return f"{value:.4g} TiB"


def _svg(figure: Figure) -> str:
    written = io.StringIO()
    figure.savefig(written, format="svg", transparent=True, metadata=_DATE)
    # Black is the page's ink: white on a dark page.
    return _NO_TITLE.sub("", written.getvalue()).replace("#000000", "currentColor")
