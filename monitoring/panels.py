"""House defaults of panels: one datasource, one look."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.dashboard import DataSourceRef

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="prometheus")


def board(uid: str, title: str) -> dashboard.Dashboard:
    """Return an empty dashboard with a stable uid: links to it survive."""
    return (
        dashboard.Dashboard(title)
        .uid(f"hearth-{uid}")
        .tags(["hearth"])
        .readonly()
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
    )


def lines(title: str, unit: str, *series: tuple[str, str]) -> timeseries.Panel:
    """Return lines over time; `series` are pairs of expression and legend."""
    panel = timeseries.Panel().title(title).unit(unit).datasource(DATASOURCE).span(8).height(8)
    for number, (expression, legend) in enumerate(series):
        panel = panel.with_target(_target(expression, legend, chr(ord("A") + number)))
    return panel


def number(title: str, unit: str, expression: str, legend: str) -> stat.Panel:
    """Return one number per series."""
    panel = stat.Panel().title(title).unit(unit).datasource(DATASOURCE).span(8).height(4)
    return panel.with_target(_target(expression, legend, "A"))


def _target(expression: str, legend: str, reference: str) -> prometheus.Dataquery:
    # Without a refId of its own a panel's second query replaces its first.
    return prometheus.Dataquery().expr(expression).legend_format(legend).datasource(DATASOURCE).ref_id(reference)
