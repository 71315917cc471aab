"""The page's sections: plan against observed, alerts, and a chart per panel."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from infra.page.markup import NOTHING, Html, element, joined
from infra.report.charts import MOST_LINES, amount, chart
from infra.report.prometheus import Line, Prometheus, Span
from monitoring import Board, Engine, Panel, Series
from monitoring.expressions import at_all

_LABEL: Final = re.compile(r"\{\{(\w+)\}\}")
_DASH: Final = "not seen"
_ALERTS: Final = (
    'max by (alertname, severity, instance, model_name, host) (ALERTS{{severity!="none", alertstate="{}"}})'
)


@dataclass(frozen=True)
class Figure:
    """One figure of an engine: as planned, as seen last, and in which unit."""

    name: str
    unit: str
    planned: float | None
    seen: float | None

    @property
    def difference(self) -> float | None:
        """By which share what was seen differs; None where a limit was planned, or either is unknown."""
        if self.planned is None or self.seen is None or not self.planned or self.name == "start":
            return None
        return self.seen / self.planned - 1


def compared(engines: Sequence[Engine], prometheus: Prometheus, span: Span) -> dict[str, list[Figure]]:
    """Return each engine's figures, by instance."""
    # What stopped an hour ago has been seen all the same.
    lasted = f"[{round(span.end_s - span.start_s)}s]"
    seen = {
        name: {
            line.labels["instance"]: line.points[0][1]
            for line in prometheus.at(f"last_over_time({metric}{lasted})", span.end_s)
        }
        for name, metric in (
            ("KV tokens", "hearth_engine_kv_cache_tokens"),
            ("full-length requests", "hearth_engine_max_concurrency"),
            ("weights", "hearth_engine_weights_bytes"),
            ("start", "hearth_engine_start_seconds"),
            ("memory", "hearth_engine_memory_bytes"),
        )
    }
    found = {}
    for engine in engines:
        planned = {
            "KV tokens": ("short", engine.kv_tokens[1] if engine.kv_tokens else None),
            "full-length requests": ("short", engine.concurrency),
            "weights": ("bytes", engine.weights_bytes),
            "start": ("s", engine.start_timeout_s),
            "memory": ("bytes", engine.memory_bytes),
        }
        found[engine.instance] = [
            Figure(name, unit, value, seen[name].get(engine.instance)) for name, (unit, value) in planned.items()
        ]
    return found


def comparison(figures: Mapping[str, Sequence[Figure]]) -> Html:
    """Return the table of plan against observed."""
    if not figures:
        return NOTHING
    head = element("tr", *(element("th", name) for name in ("engine", "figure", "planned", "observed", "difference")))
    rows = []
    for instance, all_of_it in figures.items():
        known = [one for one in all_of_it if one.planned is not None or one.seen is not None]
        for number, one in enumerate(known):
            name = [element("td", element("b", instance), rowspan=str(len(known)))] if number == 0 else []
            rows.append(element("tr", *name, element("td", one.name), *(element("td", text) for text in _cells(one))))
    return _section(
        "Plan against observed", element("table", element("thead", head), element("tbody", *rows), class_="plain")
    )


def _cells(figure: Figure) -> tuple[str, str, str]:
    planned = "-" if figure.planned is None else amount(figure.planned, figure.unit)
    if figure.name == "start":
        planned = f"at most {planned}"
    seen = _DASH if figure.seen is None else amount(figure.seen, figure.unit)
    difference = figure.difference
    return planned, seen, "" if difference is None else f"{difference:+.1%}"


def alerts(prometheus: Prometheus, span: Span) -> list[dict[str, str]]:
    """Return the alerts of the span: labels, and whether they fire now, are pending, or are over."""
    fired = prometheus.over(_ALERTS.format("firing"), span)
    now = {
        state: {_key(line) for line in prometheus.at(_ALERTS.format(state), span.end_s)}
        for state in ("firing", "pending")
    }
    known = {_key(line) for line in fired} | now["firing"] | now["pending"]
    return [
        {**dict(key), "state": "firing" if key in now["firing"] else "pending" if key in now["pending"] else "over"}
        for key in sorted(known)
    ]


def _key(line: Line) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(line.labels.items()))


def alert_list(found: Sequence[Mapping[str, str]]) -> Html:
    """Return the alerts as a list."""
    if not found:
        return _section("Alerts", element("p", "None has fired.", class_="empty"))
    items = []
    for alert in found:
        rest = " ".join(
            value for name, value in alert.items() if name not in {"alertname", "severity", "state"} and value
        )
        items.append(
            element(
                "li", element("code", alert["alertname"]), f" {alert.get('severity', '')} · {rest} · {alert['state']}"
            )
        )
    return _section("Alerts", element("ul", *items, class_="plain"))


def charts(board: Board, prometheus: Prometheus, span: Span) -> Html:
    """Return a board: a chart for each panel that has a series, a line for what has none."""
    rows = []
    for row in board.rows:
        drawn = [_panel(panel, prometheus, span) for panel in row.panels]
        rows.append(element("h3", row.title))
        rows.append(element("div", *drawn, class_="charts"))
    return _section(board.title.partition(": ")[2] or board.title, *rows)


def _panel(panel: Panel, prometheus: Prometheus, span: Span) -> Html:
    lines = [
        (_name(one.legend or panel.title, line), line)
        for one in panel.series
        for line in _lines(one, panel, prometheus, span)
    ]
    title = element("figcaption", element("b", panel.title), element("small", panel.about))
    if not lines:
        return element("figure", title, element("p", "no data in this time", class_="empty"))
    if panel.kind != "lines":
        return element("figure", title, _numbers(lines, panel))
    more = len(lines) - MOST_LINES
    rest = element("small", f"and {more} more") if more > 0 else NOTHING
    return element("figure", title, Html(chart(lines, panel.unit, span)), rest)


def _lines(series: Series, panel: Panel, prometheus: Prometheus, span: Span) -> list[Line]:
    expression = at_all(series.expression)
    return prometheus.over(expression, span) if panel.kind == "lines" else prometheus.at(expression, span.end_s)


def _numbers(lines: Sequence[tuple[str, Line]], panel: Panel) -> Html:
    words = {0.0: "down", 1.0: "up"} if panel.kind == "lamp" else {}
    rows = [
        element(
            "tr",
            element("td", name),
            element("td", words.get(line.points[-1][1]) or amount(line.points[-1][1], panel.unit)),
        )
        for name, line in sorted(lines, key=lambda one: one[0])
    ]
    return element("table", element("tbody", *rows), class_="plain")


def _name(legend: str, line: Line) -> str:
    return _LABEL.sub(lambda match: line.labels.get(match[1], ""), legend)


def _section(title: str, *children: Html) -> Html:
    return element("section", element("h2", title), *children, class_="report")


def style() -> Html:
    """Return what the ledger's page has no style for."""
    return joined([element("style", Html(_CSS))])


_CSS: Final = """
.report { margin-top: 22px; border-top: 1px solid var(--line); padding-top: 12px; }
.report h3 { margin: 14px 0 6px; color: var(--soft); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(360px, 1fr)); gap: 12px; }
figure { margin: 0; padding: 10px 12px; border: 1px solid var(--line); border-radius: 8px; background: var(--raised); min-width: 0; }
figure svg { width: 100%; height: auto; }
figure svg text { fill: var(--soft); font-family: inherit; }
figure table.plain { width: 100%; min-width: 0; }
table.plain { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
table.plain td { vertical-align: top; }
table.plain th, table.plain td { text-align: left; padding: 3px 16px 3px 0; border-bottom: 1px solid var(--line); }
ul.plain li { padding: 3px 0; }
"""
