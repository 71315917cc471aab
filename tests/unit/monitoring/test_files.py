"""What is generated is read by the programs that will read it, and is the same for the same subjects."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

import monitoring
from monitoring.boards import changed
from monitoring.expressions import at_all, metrics_in, of_panels
from monitoring.grafana import marks
from monitoring.metrics import catalogues
from monitoring.panels import lines
from monitoring.queries import engines
from monitoring.queries.text import alternatives
from monitoring.versions import fitting
from tests.unit.monitoring.conftest import Tool

ROOT = Path(__file__).parents[3]
BOARDS = ("overview", "models", "plan", "gateway", "hardware", "hosts", "front-door", "prometheus")


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
    assert {json.loads(text)["uid"] for text in made.values()} == {f"hearth-{name}" for name in BOARDS}
    for text in made.values():
        content = json.loads(text)
        panels = [panel for panel in content["panels"] if panel["type"] != "row"]
        assert len({(panel["title"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
        assert [panel["title"] for panel in panels if not panel.get("description")] == []
        assert [mark["name"] for mark in content["annotations"]["list"]] == ["Deploys", "Starts"]
        for panel in panels:
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references) > 0
            assert panel["datasource"] == {"type": "prometheus", "uid": "prometheus"}


def in_json(files: Mapping[str, str]) -> list[str]:
    """Return every expression of the dashboards as Grafana reads them, with every choice at "All"."""
    panels = (panel for text in files.values() for panel in json.loads(text)["panels"])
    return [at_all(target["expr"]) for panel in panels for target in panel.get("targets", ())]


def test_grafana_is_given_every_series_of_every_panel(subjects: monitoring.Subjects) -> None:
    found = in_json(monitoring.dashboard_files(subjects))
    assert sorted(found) == sorted(of_panels(subjects).values())
    assert engines.TTFT_RECORD in found
    assert engines.running('model_name=~".*", instance=~".*"') in found
    assert len(found) > 100
    assert [expression for expression in found if "$" in expression] == []


def test_promtool_reads_every_query_of_a_dashboard(tmp_path: Path, tool: Tool, subjects: monitoring.Subjects) -> None:
    found = sorted({*of_panels(subjects).values(), *(str(mark["expr"]) for mark in marks(subjects))})
    rules = [{"record": f"panel_{number}", "expr": expression} for number, expression in enumerate(found)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    ran = tool(tmp_path, "promtool", "check", "rules", "panels.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_deploy_is_marked_and_a_mere_restart_is_not(tmp_path: Path, tool: Tool) -> None:
    info = 'hearth_engine_settings_info{{instance="coder",digest="{}"}}'
    series = {info.format("old"): "1x40 stale", info.format("new"): "_x40 1x10 _x2 1x20"}
    test = {
        "interval": "15s",
        "input_series": [{"series": key, "values": values} for key, values in series.items()],
        "promql_expr_test": [
            {"expr": f"count({engines.new_settings()})", "eval_time": at, "exp_samples": samples}
            for at, samples in (("9m", []), ("11m", [{"labels": "{}", "value": 1}]), ("14m", []))
        ],
    }
    (tmp_path / "marks.yml").write_text(yaml.safe_dump({"tests": [test]}))
    ran = tool(tmp_path, "promtool", "test", "rules", "marks.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_no_panel_is_blank_because_its_program_is_absent(subjects: monitoring.Subjects) -> None:
    jobs = tuple(job for job in subjects.jobs if job.name == "prometheus")
    bare = monitoring.Subjects("test", jobs, (), (), "docs/runbooks")
    assert list(monitoring.dashboard_files(bare)) == ["overview.json", "prometheus.json"]
    read = {metric for expression in of_panels(bare).values() for metric in metrics_in(expression)}
    assert read - {"up", "ALERTS", "scrape_duration_seconds"} <= catalogues()["prometheus"].series


def test_what_an_expression_reads() -> None:
    expression = (
        'histogram_quantile(0.95, sum by (le, model_name) (rate(vllm:e2e_bucket{model_name=~"a|rate(b)", x!=""}[5m])))'
        " > on (instance) group_left (job) 1.5 * (model:late:share5m unless node_load1 offset 2m) or vector(1e18)"
    )
    assert metrics_in(expression) == {"vllm:e2e_bucket", "model:late:share5m", "node_load1"}


def test_a_board_loses_what_has_no_expression_left() -> None:
    panels = (lines("both", "s", "x", ("old", ""), ("new", "")), lines("gone", "s", "x", ("new", "")))
    board = monitoring.Board("b", "B", (monitoring.Row("one", panels), monitoring.Row("two", panels[1:])))
    kept = changed(board, fitting({"new": None}))
    assert kept is not None
    assert [(row.title, [panel.title for panel in row.panels]) for row in kept.rows] == [("one", ["both"])]
    assert kept.panels[0].series == (monitoring.Series("old"),)
    assert changed(board, lambda _: None) is None


def test_names_of_older_engines_are_whole_names() -> None:
    fit = fitting({"vllm:new_seconds": "vllm:old_seconds", "vllm:none_total": None})
    assert fit("rate(vllm:new_seconds_bucket[5m]) + vllm:new_seconds_more") == (
        "rate(vllm:old_seconds_bucket[5m]) + vllm:new_seconds_more"
    )
    assert fit("vllm:none_total") is None
    assert fit("vllm:none_total_of_another") == "vllm:none_total_of_another"


def test_the_builders_are_imported_only_where_dashboards_are_made() -> None:
    code = "import sys, monitoring; sys.exit(any(name.startswith('grafana') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_awkward_model_names_are_quoted() -> None:
    assert alternatives("model_name", ["tiny-chat", "a.1", "x|y"]) == r'model_name=~"tiny-chat|a\\.1|x\\|y"'
