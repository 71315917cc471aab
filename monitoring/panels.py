"""House defaults of panels: one datasource, one look."""

from __future__ import annotations

from typing import Final

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.models.dashboard import DataSourceRef, ValueMap, ValueMappingResult, VariableRefresh

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


def variable(name: str, label: str, values: str) -> dashboard.QueryVariable:
    """Return a choice above a dashboard; `values` is Grafana's query for its values. It stands at "All" first."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .query(values)
        .datasource(DATASOURCE)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def lines(title: str, unit: str, *series: tuple[str, str]) -> timeseries.Panel:
    """Return lines over time; `series` are pairs of expression and legend."""
    panel = timeseries.Panel().title(title).unit(unit).datasource(DATASOURCE).span(8).height(8)
    if unit == "percentunit":
        panel = panel.min(0).max(1)
    for number, (expression, legend) in enumerate(series):
        panel = panel.with_target(_target(expression, legend, chr(ord("A") + number)))
    return panel


def number(title: str, unit: str, expression: str, legend: str) -> stat.Panel:
    """Return one number per series."""
    panel = stat.Panel().title(title).unit(unit).datasource(DATASOURCE).span(8).height(4)
    return panel.with_target(_target(expression, legend, "A"))


def lamp(title: str, expression: str, legend: str) -> stat.Panel:
    """Return up or down per series."""
    words = {"0": ValueMappingResult(text="down", color="red"), "1": ValueMappingResult(text="up", color="green")}
    return number(title, "short", expression, legend).mappings([ValueMap(words)])


def _target(expression: str, legend: str, reference: str) -> prometheus.Dataquery:
    # Without a refId of its own a panel's second query replaces its first.
    return prometheus.Dataquery().expr(expression).legend_format(legend).datasource(DATASOURCE).ref_id(reference)
