"""What is generated is read by the programs that will read it, and is the same for the same subjects."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import monitoring
from monitoring import queries
from tests.unit.monitoring.conftest import Tool


def test_promtool_reads_rules(tmp_path: Path, tool: Tool, subjects: monitoring.Subjects) -> None:
    (tmp_path / "rules.yml").write_text(monitoring.rules(subjects))
    ran = tool(tmp_path, "promtool", "check", "rules", "rules.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_promtool_reads_the_configuration(tmp_path: Path, tool: Tool, subjects: monitoring.Subjects) -> None:
    text = monitoring.prometheus_config(subjects, alertmanager="alertmanager:9093", scrape_interval_s=15)
    (tmp_path / "prometheus.yml").write_text(text)
    ran = tool(tmp_path, "promtool", "check", "config", "prometheus.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize("webhook", [None, "http://127.0.0.1:9/alerts"])
def test_amtool_reads_the_alertmanagers(
    tmp_path: Path, tool: Tool, subjects: monitoring.Subjects, webhook: str | None
) -> None:
    (tmp_path / "alertmanager.yml").write_text(monitoring.alertmanager_config(subjects, webhook_url=webhook))
    ran = tool(tmp_path, "amtool", "check-config", "alertmanager.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_dashboards_have_stable_ids_one_datasource_and_distinct_queries(subjects: monitoring.Subjects) -> None:
    made = monitoring.dashboard_files(subjects)
    assert made == monitoring.dashboard_files(subjects)
    assert {json.loads(text)["uid"] for text in made.values()} == {"hearth-overview", "hearth-models", "hearth-gateway"}
    for text in made.values():
        panels = [panel for panel in json.loads(text)["panels"] if panel["type"] != "row"]
        assert panels
        for panel in panels:
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references) > 0
            assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}


def test_every_query_of_a_dashboard_is_found(subjects: monitoring.Subjects) -> None:
    found = [one for text in monitoring.dashboard_files(subjects).values() for one in queries.in_dashboard(text)]
    assert queries.ttft() in found
    assert len(found) > 25
