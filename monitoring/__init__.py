"""Monitoring as code: scrape configuration, alerts and dashboards from a declaration of what is watched.

Knows nothing of how a stack is deployed.
"""

from monitoring.routes import SEVERITIES, Channel, Mail, Receivers, Slack, Webhook, alertmanager_config
from monitoring.scrape import RemoteWrite, prometheus_config, rules
from monitoring.selectors import MAX_SCRAPE_INTERVAL_S
from monitoring.subjects import Job, Subjects, Target

__all__ = [
    "MAX_SCRAPE_INTERVAL_S",
    "SEVERITIES",
    "Channel",
    "Job",
    "Mail",
    "Receivers",
    "RemoteWrite",
    "Slack",
    "Subjects",
    "Target",
    "Webhook",
    "alertmanager_config",
    "dashboard_files",
    "prometheus_config",
    "rules",
]


def dashboard_files(subjects: Subjects) -> dict[str, str]:
    """Return the dashboards of a stack, file name → JSON; see monitoring.dashboards."""
    # A preview without Grafana must not pay for importing the dashboard builders.
    from monitoring.dashboards import render  # noqa: PLC0415

    return render(subjects)
