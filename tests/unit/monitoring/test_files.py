"""What is generated is read by the programs that will read it, and is the same for the same subjects."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import monitoring
from monitoring import queries
from tests.unit.monitoring.conftest import Tool

ROOT = Path(__file__).parents[3]


def test_promtool_reads_rules(tmp_path: Path, tool: Tool, subjects: monitoring.Subjects) -> None:
    (tmp_path / "rules.yml").write_text(monitoring.rules(subjects))
    ran = tool(tmp_path, "promtool", "check", "rules", "rules.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    # Two rules with one name and the same labels pass, with a warning: one would hide the other's state.
    assert "duplicate" not in ran.stdout + ran.stderr


def test_promtool_reads_the_configuration(tmp_path: Path, tool: Tool, subjects: monitoring.Subjects) -> None:
    text = monitoring.prometheus_config(subjects, alertmanager="alertmanager:9093", scrape_interval_s=15)
    (tmp_path / "prometheus.yml").write_text(text)
    ran = tool(tmp_path, "promtool", "check", "config", "prometheus.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_what_is_declared_is_what_is_scraped_whatever_the_order(subjects: monitoring.Subjects) -> None:
    text = monitoring.prometheus_config(subjects, alertmanager=None, scrape_interval_s=15)
    found = {
        group["labels"]["instance"]: group["targets"]
        for job in yaml.safe_load(text)["scrape_configs"]
        for group in job["static_configs"]
    }
    assert found == {target.instance: [target.address] for job in subjects.jobs for target in job.targets}
    backwards = replace(subjects, jobs=tuple(replace(job, targets=job.targets[::-1]) for job in subjects.jobs[::-1]))
    assert monitoring.prometheus_config(backwards, alertmanager=None, scrape_interval_s=15) == text


@pytest.mark.parametrize("interval_s", [0, monitoring.MAX_SCRAPE_INTERVAL_S + 1])
def test_an_interval_that_blinds_the_rules_is_refused(subjects: monitoring.Subjects, interval_s: int) -> None:
    with pytest.raises(ValueError, match=f"scrape interval: {interval_s} s is not between 1 and 60 s"):
        monitoring.prometheus_config(subjects, alertmanager=None, scrape_interval_s=interval_s)


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
    assert queries.TTFT_RECORD in found
    assert queries.running('model_name=~".*", instance=~".*"') in found
    assert len(found) > 25
    assert [expression for expression in found if "$" in expression] == []


def test_promtool_reads_every_query_of_a_dashboard(tmp_path: Path, tool: Tool, subjects: monitoring.Subjects) -> None:
    found = {one for text in monitoring.dashboard_files(subjects).values() for one in queries.in_dashboard(text)}
    rules = [{"record": f"panel_{number}", "expr": expression} for number, expression in enumerate(sorted(found))]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    ran = tool(tmp_path, "promtool", "check", "rules", "panels.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_panel_is_blank_because_its_program_is_absent(subjects: monitoring.Subjects) -> None:
    bare = replace(subjects, jobs=tuple(job for job in subjects.jobs if job.name == "prometheus"))
    made = monitoring.dashboard_files(bare)
    assert list(made) == ["overview.json"]
    assert queries.in_dashboard(made["overview.json"]) == [queries.up("prometheus"), queries.firing()]


def test_the_builders_are_imported_only_where_dashboards_are_made() -> None:
    code = "import sys, monitoring; sys.exit(any(name.startswith('grafana') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_awkward_model_names_are_quoted() -> None:
    assert queries.named(["tiny-chat", "a.1", "x|y"]) == r'model_name=~"tiny-chat|a\\.1|x\\|y"'
