"""Probes, and where samples go besides: promtool reads what is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

import monitoring
from monitoring import RemoteWrite
from tests.unit.monitoring.conftest import Tool

URL = "http://nginx:8080/healthz"
WRITES = (
    RemoteWrite("https://a.example/push", username="hearth", password_file="/run/secrets/files/p"),
    RemoteWrite("https://b.example/push", token_file="/run/secrets/files/t"),
    RemoteWrite("http://127.0.0.1:9/push"),
)


def text_of(subjects: monitoring.Subjects) -> str:
    return monitoring.prometheus_config(
        subjects,
        alertmanager="alertmanager:9093",
        scrape_interval_s=15,
        external_labels={"region": "north", "env": "another"},
        remote_writes=WRITES,
    )


@pytest.fixture
def probed(subjects: monitoring.Subjects) -> monitoring.Subjects:
    target = monitoring.Target("nginx", URL, {"host": "box"})
    job = monitoring.Job("probes", "/metrics", (target,), through="blackbox-exporter:9115")
    others = (known for known in subjects.jobs if known.name != job.name)
    return replace(subjects, jobs=(*others, job))


def test_promtool_reads_probes_and_remote_writes(tmp_path: Path, tool: Tool, probed: monitoring.Subjects) -> None:
    (tmp_path / "prometheus.yml").write_text(text_of(probed))
    # Without --syntax-only it asks for the files of the secrets, which are in the container alone.
    ran = tool(tmp_path, "promtool", "check", "config", "--syntax-only", "prometheus.yml")
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_a_probe_is_asked_of_the_prober_and_keeps_its_name(probed: monitoring.Subjects) -> None:
    jobs = {job["job_name"]: job for job in yaml.safe_load(text_of(probed))["scrape_configs"]}
    probes = jobs["probes"]
    assert (probes["metrics_path"], probes["params"]) == ("/probe", {"module": ["http_2xx"]})
    assert relabelled(probes, URL) == {"__address__": "blackbox-exporter:9115", "__param_target": URL}
    assert probes["static_configs"] == [{"targets": [URL], "labels": {"host": "box", "instance": "nginx"}}]
    assert not any("relabel_configs" in job for name, job in jobs.items() if name != "probes")


def relabelled(job: dict[str, Any], address: str) -> dict[str, str]:
    """What Prometheus makes of a target's labels, for rules that replace whole values."""
    labels = {"__address__": address}
    for rule in job["relabel_configs"]:
        value = rule.get("replacement") or ";".join(labels[name] for name in rule["source_labels"])
        labels[rule["target_label"]] = value
    return labels


def test_a_store_is_asked_as_it_wants_and_no_secret_is_written(subjects: monitoring.Subjects) -> None:
    config = yaml.safe_load(text_of(subjects))
    assert config["remote_write"] == [
        {
            "url": "https://a.example/push",
            "basic_auth": {"username": "hearth", "password_file": "/run/secrets/files/p"},
        },
        {"url": "https://b.example/push", "authorization": {"credentials_file": "/run/secrets/files/t"}},
        {"url": "http://127.0.0.1:9/push"},
    ]


def test_the_stacks_name_cannot_be_taken(subjects: monitoring.Subjects) -> None:
    labels = yaml.safe_load(text_of(subjects))["global"]["external_labels"]
    assert labels == {"env": "test", "region": "north"}
