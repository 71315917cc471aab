from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.monitoring.conftest import Tool, tool
from tests.unit.services.monitored import file_of, made, said

__all__ = ["tool"]  # the fixture

CONFIG = "/etc/prometheus/prometheus.yml"
STORE = "https://mimir.example/push"


def test_each_way_to_ask_a_store_has_its_secret_as_a_file() -> None:
    writes = [{"url": STORE, "username": "hearth"}, {"url": "https://b.example", "token": True}]
    workload = made("prometheus", {"remote_write": writes})
    assert {secret.name for secret in workload.secret_files.values()} == {"remoteWritePassword", "remoteWriteToken"}
    config = yaml.safe_load(file_of(workload, CONFIG))
    named = [
        config["remote_write"][0]["basic_auth"]["password_file"],
        config["remote_write"][1]["authorization"]["credentials_file"],
    ]
    assert sorted(named) == sorted(workload.secret_files)
    assert made("prometheus", {"remote_write": [{"url": STORE}]}).secret_files == {}


@pytest.mark.parametrize(
    ("size", "wanted"), [("20GiB", "20GB"), ("512MiB", "512MB"), ("1.5TiB", "1536GB"), (300_000_001, "300000001B")]
)
def test_prometheus_takes_the_size_and_the_address(tmp_path: Path, tool: Tool, size: Any, wanted: str) -> None:
    workload = made("prometheus", {"retention_size": size, "public_url": "https://example.com/metrics"})
    assert f"--storage.tsdb.retention.size={wanted}" in workload.command
    # It reads its flags first, and stops for want of the file: a wrong flag it names.
    flags = [flag for flag in workload.command[1:] if not flag.startswith("--config.file")]
    ran = tool(tmp_path, "prometheus", *flags, "--config.file=/none/at/all.yml")
    assert ran.returncode != 0
    assert "Error loading config" in ran.stderr
    assert "parsing" not in ran.stderr


def test_prometheus_refuses_another_size(tmp_path: Path, tool: Tool) -> None:
    """The check above can fail."""
    ran = tool(tmp_path, "prometheus", "--storage.tsdb.retention.size=20 cats", "--config.file=/none/at/all.yml")
    assert "Error loading config" not in ran.stderr
    assert "parsing" in ran.stderr


def test_without_a_size_time_alone_decides() -> None:
    workload = made("prometheus", {})
    assert not [flag for flag in workload.command if "retention.size" in flag or "external-url" in flag]


def test_labels_are_added_to_the_stacks_name() -> None:
    config = yaml.safe_load(file_of(made("prometheus", {"external_labels": {"region": "north"}}), CONFIG))
    assert config["global"]["external_labels"] == {"env": "mine", "region": "north"}


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        ({"retention_size": "20GB"}, "retention_size: '20GB' is no size"),
        ({"retention_size": "1MiB"}, "retention_size: input should be greater than or equal to 268435456"),
        ({"remote_write": [{}]}, "remote_write.0.url: is missing"),
        ({"remote_write": [{"url": "mimir"}]}, "remote_write.0.url: 'mimir' is no web address"),
        (
            {"remote_write": [{"url": STORE, "username": "a", "token": True}]},
            "remote_write.0: has a username and a token",
        ),
        (
            {"remote_write": [{"url": STORE}, {"url": STORE}]},
            "remote_write.1.url: https://mimir.example/push is there twice",
        ),
        (
            {"remote_write": [{"url": "http://mimir", "token": True}]},
            "remote_write.0.url: http://mimir is asked with a secret",
        ),
        ({"external_labels": {"host": "a"}}, "external_labels: host is a label of Hearth's own"),
        ({"external_labels": {"a-b": "c"}}, "external_labels: 'a-b' can't be a label"),
        ({"external_labels": {"__a": "c"}}, "external_labels: '__a' can't be a label"),
        ({"public_url": "prometheus.example"}, "public_url: 'prometheus.example' is no web address"),
        ({"runbook_url": ""}, "runbook_url: string should have at least 1 character"),
    ],
)
def test_what_is_wrong_is_said_where_it_is(settings: dict[str, Any], wanted: str) -> None:
    found = said("prometheus", settings)
    assert len(found) == 1, found
    assert found[0].startswith(f"hearth:monitoring.prometheus.{wanted}")
