"""What Prometheus saw in the last hours, as one page for people without Grafana."""

from infra.report.command import main_report

__all__ = ["main_report"]
