"""Monitoring as code: scrape configuration, rules and dashboards from a declaration of what is watched.

Knows nothing of how a stack is deployed. subjects → queries → alerts, rules, boards → files.
"""

from monitoring.boards import Board, Choice, Panel, Row, Series
from monitoring.dashboards import boards
from monitoring.scrape import alertmanager_config, prometheus_config, rules
from monitoring.selectors import MAX_SCRAPE_INTERVAL_S
from monitoring.subjects import Card, Engine, Job, Objective, Subjects, Target, Tuning

__all__ = [
    "MAX_SCRAPE_INTERVAL_S",
    "Board",
    "Card",
    "Choice",
    "Engine",
    "Job",
    "Objective",
    "Panel",
    "Row",
    "Series",
    "Subjects",
    "Target",
    "Tuning",
    "alertmanager_config",
    "boards",
    "dashboard_files",
    "prometheus_config",
    "rules",
]


def dashboard_files(subjects: Subjects) -> dict[str, str]:
    """Return the dashboards of a stack, file name → JSON; see monitoring.grafana."""
    # A preview without Grafana must not pay for importing the dashboard builders.
    from monitoring.grafana import render  # noqa: PLC0415

    return render(subjects)
