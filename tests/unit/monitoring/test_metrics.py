"""What is read exists in the pinned versions, under the name that they give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

import monitoring
from infra.catalogue.metrics import missing_metrics
from infra.catalogue.versions import parse_version
from monitoring.expressions import metrics_in, of_panels, of_rules
from monitoring.grafana import marks
from monitoring.metrics import catalogues, known_series


def expressions(subjects: monitoring.Subjects) -> Mapping[str, str]:
    marked = {f"mark/{mark['name']}": str(mark["expr"]) for mark in marks(subjects)}
    return {**of_panels(subjects), **of_rules(subjects), **marked}


def test_every_metric_that_is_read_exists_in_the_pinned_versions(subjects: monitoring.Subjects) -> None:
    recorded = {where.partition("/")[0] for where in of_rules(subjects)}
    read = {
        (where, metric)
        for where, expression in expressions(subjects).items()
        for metric in metrics_in(expression)
        if metric not in recorded
    }
    assert len({metric for _, metric in read}) > 80
    assert {(where, metric) for where, metric in read if metric not in known_series()} == set()


def test_a_metric_that_nobody_has_is_seen() -> None:
    assert metrics_in("sum by (le) (rate(vllm:gpu_cache_usage_perc[5m]))") - known_series()


def test_every_catalogue_names_its_version_and_the_events_it_waits_for() -> None:
    assert len(catalogues()) > 8
    for job, one in catalogues().items():
        assert one.version, job
        assert set(one.on_event) <= one.series, job


@pytest.mark.parametrize("version", ["0.6.3", "0.8.5", "0.9.1", "0.10.2"])
def test_an_older_engine_is_asked_by_its_own_names(subjects: monitoring.Subjects, version: str) -> None:
    older = missing_metrics(parse_version(version) or ())
    assert older
    there = {metric for one in expressions(replace(subjects, older_names=older)).values() for metric in metrics_in(one)}
    newest = {metric for one in expressions(subjects).values() for metric in metrics_in(one)}
    for name, before in older.items():
        assert not {one for one in there if one.startswith(name)}, name
        if before is not None and any(one.startswith(name) for one in newest):
            assert any(one.startswith(before) for one in there), before
