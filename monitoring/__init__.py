"""Monitoring as code: scrape configuration, rules, routes and dashboards from a declaration of what is watched.

Knows nothing of how a stack is deployed. subjects → queries → alerts, rules, boards → files.
"""

from monitoring.boards import Board, Choice, Panel, Row, Series
from monitoring.dashboards import boards
from monitoring.routes import SEVERITIES, Channel, Mail, Receivers, Slack, Webhook, alertmanager_config
from monitoring.scrape import RemoteWrite, prometheus_config, rules
from monitoring.selectors import MAX_SCRAPE_INTERVAL_S
from monitoring.subjects import Card, Engine, Job, Objective, Subjects, Target, Tuning

__all__ = [
    "MAX_SCRAPE_INTERVAL_S",
    "SEVERITIES",
    "Board",
    "Card",
    "Channel",
    "Choice",
    "Engine",
    "Job",
    "Mail",
    "Objective",
    "Panel",
    "Receivers",
    "RemoteWrite",
    "Row",
    "Series",
    "Slack",
    "Subjects",
    "Target",
    "Tuning",
    "Webhook",
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
