"""Dashboards as the JSON that Grafana reads from files, made by Grafana's own builders."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueTextMode, VizOrientation
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DataSourceRef,
    ValueMap,
    ValueMappingResult,
    VariableRefresh,
)

from monitoring.boards import Board, Choice, Kind, Panel, Series
from monitoring.dashboards import boards
from monitoring.queries import engines, programs
from monitoring.selectors import SUPERVISION
from monitoring.subjects import Subjects

DATASOURCE: Final = DataSourceRef(type_val="prometheus", uid="prometheus")
_TAG: Final = "hearth"
_LAMP: Final = {"0": ValueMappingResult(text="down", color="red"), "1": ValueMappingResult(text="up", color="green")}
_Visual = timeseries.Panel | bargauge.Panel | stat.Panel | table.Panel


def render(subjects: Subjects) -> dict[str, str]:
    """Return file name → JSON, sorted and the same for the same subjects; no board of a program that isn't there."""
    marked = marks(subjects)
    encoder = JSONEncoder(sort_keys=True)
    files = {}
    for board in boards(subjects):
        made: dict[str, Any] = json.loads(encoder.encode(_dashboard(board).build()))
        # The builders' annotations have no title.
        made["annotations"] = {"list": marked}
        files[f"{board.uid}.json"] = json.dumps(made, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
    return dict(sorted(files.items()))


def marks(subjects: Subjects) -> list[Mapping[str, Any]]:
    """Return what is marked on every chart: deploys of engines, and starts of everything else."""
    deploys = [_mark("Deploys", "#5794f2", engines.new_settings(), "deployed")] if subjects.has(SUPERVISION) else []
    return [*deploys, _mark("Starts", "#ff9830", programs.started(), "started")]


def _mark(name: str, colour: str, expression: str, what: str) -> Mapping[str, Any]:
    return {
        "name": name,
        "datasource": {"type": DATASOURCE.type_val, "uid": DATASOURCE.uid},
        "enable": True,
        "iconColor": colour,
        "expr": expression,
        "step": "30s",
        "titleFormat": f"{{{{instance}}}} {what}",
        "textFormat": "{{job}} on {{host}}",
    }


def _dashboard(board: Board) -> dashboard.Dashboard:
    made = (
        dashboard.Dashboard(board.title)
        .uid(f"hearth-{board.uid}")
        .tags([_TAG])
        .readonly()
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .link(
            dashboard.DashboardLink("Hearth").type(DashboardLinkType.DASHBOARDS).tags([_TAG]).keep_time(keep_time=True)
        )
    )
    for choice in board.choices:
        made = made.with_variable(_variable(choice))
    for row in board.rows:
        made = made.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            made = made.with_panel(_panel(panel))
    return made


def _variable(choice: Choice) -> dashboard.QueryVariable:
    """A choice stands at "All" first."""
    return (
        dashboard.QueryVariable(choice.name)
        .label(choice.title)
        .query(choice.values)
        .datasource(DATASOURCE)
        .multi(multi=True)
        .include_all(include_all=True)
        .all_value(".*")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def _panel(panel: Panel) -> _Visual:
    made = (
        _KINDS[panel.kind](panel)
        .title(panel.title)
        .description(panel.about)
        .unit(panel.unit)
        .datasource(DATASOURCE)
        .span(panel.span)
        .height(panel.height)
    )
    for place, series in enumerate(panel.series):
        # Without a refId of its own a panel's second query replaces its first.
        made = made.with_target(_target(series, chr(ord("A") + place), is_now=panel.kind != "lines"))
    return made


def _lines(panel: Panel) -> _Visual:
    made = timeseries.Panel()
    return made.min(0) if panel.unit == "percentunit" and "less" not in panel.title else made


def _bars(_: Panel) -> _Visual:
    return bargauge.Panel().orientation(VizOrientation.HORIZONTAL).reduce_options(_last())


def _number(panel: Panel) -> _Visual:
    named = any(series.legend for series in panel.series)
    return (
        stat.Panel()
        .reduce_options(_last())
        .text_mode(BigValueTextMode.VALUE_AND_NAME if named else BigValueTextMode.VALUE)
    )


def _lamp(_: Panel) -> _Visual:
    return stat.Panel().reduce_options(_last()).text_mode(BigValueTextMode.VALUE_AND_NAME).mappings([ValueMap(_LAMP)])


def _table(_: Panel) -> _Visual:
    return table.Panel()


_KINDS: Final[Mapping[Kind, Callable[[Panel], _Visual]]] = {
    "lines": _lines,
    "bars": _bars,
    "number": _number,
    "lamp": _lamp,
    "table": _table,
}


def _last() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _target(series: Series, reference: str, *, is_now: bool) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(series.expression).datasource(DATASOURCE).ref_id(reference)
    if series.legend:
        made = made.legend_format(series.legend)
    return made.instant() if is_now else made
