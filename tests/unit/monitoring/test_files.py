"""What is generated is read by the programs that will read it, and is the same for the same subjects."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import monitoring
from monitoring.boards import Panel
from monitoring.expressions import metrics_in, of_panels, of_rules
from monitoring.grafana import marks
from monitoring.queries.text import alternatives
from tests.unit.monitoring import watched
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


UIDS = {"overview", "models", "plan", "gateway", "hardware", "hosts", "front-door", "prometheus"}
SOURCE = {"type": "prometheus", "uid": "prometheus"}


def dashboards(subjects: monitoring.Subjects) -> dict[str, dict[str, Any]]:
    return {name: json.loads(text) for name, text in monitoring.dashboard_files(subjects).items()}


def panels(subjects: monitoring.Subjects) -> Iterator[tuple[str, Panel]]:
    for board in monitoring.boards(subjects):
        for panel in board.panels:
            yield board.uid, panel


def test_dashboards_have_stable_ids_one_datasource_and_distinct_queries(subjects: monitoring.Subjects) -> None:
    made = dashboards(subjects)
    assert {name: one["uid"] for name, one in made.items()} == {f"{uid}.json": f"hearth-{uid}" for uid in UIDS}
    for one in made.values():
        drawn = [panel for panel in one["panels"] if panel["type"] != "row"]
        assert drawn
        for panel in drawn:
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references) > 0
            assert panel["datasource"] == SOURCE
            assert all(target["datasource"] == SOURCE for target in panel["targets"])
            assert panel["description"].endswith((".", "?"))


def test_grafana_draws_what_the_boards_say(subjects: monitoring.Subjects) -> None:
    drawn = {
        (one["uid"], panel["title"], target["expr"], target.get("legendFormat", ""))
        for one in dashboards(subjects).values()
        for panel in one["panels"]
        for target in panel.get("targets", [])
    }
    said = {
        (f"hearth-{uid}", panel.title, series.expression, series.legend)
        for uid, panel in panels(subjects)
        for series in panel.series
    }
    assert drawn == said


def test_dashboards_are_the_same_for_the_same_subjects_in_any_order(subjects: monitoring.Subjects) -> None:
    backwards = replace(
        subjects,
        jobs=tuple(replace(job, targets=job.targets[::-1]) for job in subjects.jobs[::-1]),
        engines=subjects.engines[::-1],
        cards=subjects.cards[::-1],
    )
    assert monitoring.dashboard_files(subjects) == monitoring.dashboard_files(subjects)
    assert monitoring.dashboard_files(backwards) == monitoring.dashboard_files(subjects)
    assert monitoring.rules(backwards) == monitoring.rules(subjects)


def test_every_board_is_marked_with_deploys_and_starts(subjects: monitoring.Subjects) -> None:
    for name, one in dashboards(subjects).items():
        marked = one["annotations"]["list"]
        assert [mark["name"] for mark in marked] == ["Deploys", "Starts"], name
        assert all(mark["enable"] and mark["datasource"] == SOURCE and mark["expr"] for mark in marked)


def test_every_choice_is_read_by_a_panel_of_its_board_and_every_one_read_is_there(
    subjects: monitoring.Subjects,
) -> None:
    for board in monitoring.boards(subjects):
        text = " ".join(series.expression for panel in board.panels for series in panel.series)
        read = {name for name in ("model", "instance", "host") if f"${name}" in text}
        assert read == {choice.name for choice in board.choices}, board.uid


def test_no_two_panels_of_a_row_have_one_title(subjects: monitoring.Subjects) -> None:
    for board in monitoring.boards(subjects):
        for row in board.rows:
            titles = [panel.title for panel in row.panels]
            assert len(set(titles)) == len(titles) > 0, (board.uid, row.title)


def test_every_panel_says_what_it_tells_and_fits_the_page(subjects: monitoring.Subjects) -> None:
    assert [panel.title for _, panel in panels(subjects) if not panel.about.strip() or not 0 < panel.span <= 24] == []


def test_promtool_reads_every_query_of_a_dashboard_and_every_mark(
    tmp_path: Path, tool: Tool, subjects: monitoring.Subjects
) -> None:
    found = {*of_panels(subjects).values(), *of_rules(subjects).values(), *(one["expr"] for one in marks(subjects))}
    rules = [{"record": f"panel_{number}", "expr": expression} for number, expression in enumerate(sorted(found))]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    ran = tool(tmp_path, "promtool", "check", "rules", "panels.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"{len(found)} rules found" in ran.stdout


def test_a_stack_of_which_nothing_is_known_has_one_panel() -> None:
    assert [(uid, panel.title) for uid, panel in panels(watched.nothing())] == [("overview", "Alerts firing")]


@pytest.mark.parametrize(
    ("jobs", "gone"),
    [
        (("node_exporter",), {"hosts"}),
        (("litellm",), {"gateway"}),
        (("vllm",), {"models"}),
        (("prometheus",), {"prometheus"}),
        (("nginx_exporter", "probes"), {"front-door"}),
        (("supervision",), {"plan"}),
        (("supervision", "dcgm_exporter", "amd_exporter", "cadvisor"), {"plan", "hardware"}),
    ],
)
def test_a_board_goes_with_its_programs(jobs: tuple[str, ...], gone: set[str]) -> None:
    assert {board.uid for board in monitoring.boards(watched.without(*jobs))} == UIDS - gone


@pytest.mark.parametrize(
    ("job", "prefixes"),
    [
        ("vllm", ("vllm:", "model:")),
        ("litellm", ("litellm_", "gateway:")),
        ("node_exporter", ("node_",)),
        ("cadvisor", ("container_",)),
        ("dcgm_exporter", ("DCGM_",)),
        ("amd_exporter", ("gpu_",)),
        ("nginx_exporter", ("nginx_",)),
        ("probes", ("probe_",)),
        ("alertmanager", ("alertmanager_",)),
        ("supervision", ("hearth_engine_",)),
    ],
)
def test_no_panel_is_blank_because_its_program_is_absent(
    subjects: monitoring.Subjects, job: str, prefixes: tuple[str, ...]
) -> None:
    def reading(known: monitoring.Subjects) -> set[str]:
        return {
            where
            for where, one in of_panels(known).items()
            if any(metric.startswith(prefixes) for metric in metrics_in(one))
        }

    assert reading(subjects)
    assert reading(watched.without(job)) == set()


def test_the_builders_are_imported_only_where_dashboards_are_made() -> None:
    code = "import sys, monitoring; sys.exit(any(name.startswith('grafana') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_awkward_model_names_are_quoted() -> None:
    assert alternatives("model_name", ["tiny-chat", "a.1", "x|y"]) == r'model_name=~"tiny-chat|a\\.1|x\\|y"'
