"""Overview: is it up, how fast, how full, who uses it."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, stat, timeseries

from monitoring import queries
from monitoring.dashboards.gateway import requests_lines, users_lines
from monitoring.panels import board, lamp, lines, number
from monitoring.selectors import ENGINES, GATEWAY, NODE
from monitoring.subjects import Subjects


def build(subjects: Subjects) -> dashboard.Dashboard:
    """Return the dashboard; what no program tells has no panel."""
    engines, gateway, node = (subjects.has(job) for job in (ENGINES, GATEWAY, NODE))
    chats = engines and bool(subjects.chat_models)
    made = board("overview", f"Hearth {subjects.stack}: overview").with_row(dashboard.Row("Is it up"))
    for job in subjects.jobs:
        made = made.with_panel(lamp(job.name, queries.up(job.name), "{{instance}}"))
    made = made.with_panel(alerts_number())
    _row(
        made, "How fast", [first_token_lines(), tokens_lines()] if chats else [], [requests_lines()] if gateway else []
    )
    _row(made, "How full", [kv_lines()] if engines else [], [memory_lines(), disk_lines()] if node else [])
    _row(made, "Who uses it", [users_lines()] if gateway else [])
    return made


def alerts_number() -> stat.Panel:
    """How many alerts fire."""
    return number("Alerts firing", "short", queries.firing(), "firing")


def first_token_lines() -> timeseries.Panel:
    """Time to first token."""
    return lines("Time to first token, p95", "s", (queries.TTFT_RECORD, "{{model_name}}"))


def tokens_lines() -> timeseries.Panel:
    """Tokens written per second."""
    return lines("Tokens written per second", "short", (queries.TOKENS_RECORD, "{{model_name}}"))


def kv_lines() -> timeseries.Panel:
    """KV cache in use."""
    return lines("KV cache in use", "percentunit", (queries.kv_use(), "{{model_name}} {{instance}}"))


def memory_lines() -> timeseries.Panel:
    """Memory that is left."""
    return lines("Memory left", "percentunit", (queries.memory_free_share(), "{{instance}}"))


def disk_lines() -> timeseries.Panel:
    """Disk that is left."""
    return lines("Disk left", "percentunit", (queries.disk_free_share(), "{{instance}} {{device}}"))


def _row(made: dashboard.Dashboard, title: str, *groups: list[timeseries.Panel]) -> None:
    """Add a row with its panels, and no row without any."""
    panels = [panel for group in groups for panel in group]
    if panels:
        made.with_row(dashboard.Row(title))
    for panel in panels:
        made.with_panel(panel)
