"""Overview: is it up, how fast, how full, who uses it."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat, timeseries

from monitoring import queries
from monitoring.panels import board, lines, number
from monitoring.subjects import Subjects


def build(subjects: Subjects) -> dashboard.Dashboard:
    """Return the dashboard."""
    made = board("overview", f"Hearth {subjects.stack}: overview").with_row(dashboard.Row("Is it up"))
    for job in subjects.jobs:
        made = made.with_panel(up_number(job.name))
    return (
        made.with_row(dashboard.Row("How fast"))
        .with_panel(first_token_lines())
        .with_panel(tokens_lines())
        .with_panel(requests_lines())
        .with_row(dashboard.Row("How full"))
        .with_panel(kv_lines())
        .with_panel(memory_lines())
        .with_panel(disk_lines())
        .with_row(dashboard.Row("Who uses it"))
        .with_panel(users_lines())
    )


def up_number(job: str) -> stat.Panel:
    """1 for every target that answers."""
    return number(job, "short", queries.up(job), "{{instance}}")


def first_token_lines() -> timeseries.Panel:
    """Time to first token."""
    return lines("Time to first token, p95", "s", (queries.ttft(), "{{model_name}}"))


def tokens_lines() -> timeseries.Panel:
    """Tokens written per second."""
    return lines("Tokens written per second", "short", (queries.generated_tokens(), "{{model_name}}"))


def requests_lines() -> timeseries.Panel:
    """Requests at the gateway."""
    return lines("Requests per second", "reqps", (queries.gateway_requests(), "{{requested_model}} {{status_code}}"))


def kv_lines() -> timeseries.Panel:
    """KV cache in use."""
    return lines("KV cache in use", "percentunit", (queries.kv_use(), "{{model_name}} {{instance}}"))


def memory_lines() -> timeseries.Panel:
    """Memory that is left."""
    return lines("Memory left", "percentunit", (queries.memory_free_share(), "{{instance}}"))


def disk_lines() -> timeseries.Panel:
    """Disk that is left."""
    return lines("Disk left", "percentunit", (queries.disk_free_share(), "{{mountpoint}}"))


def users_lines() -> timeseries.Panel:
    """Tokens by key."""
    return lines("Tokens per second, by key", "short", (queries.gateway_users(), "{{api_key_alias}}"))
