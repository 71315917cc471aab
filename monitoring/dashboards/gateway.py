"""Gateway: requests, errors, time."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard, timeseries

from monitoring import queries
from monitoring.panels import board, lines


def build() -> dashboard.Dashboard:
    """Return the dashboard."""
    return (
        board("gateway", "Hearth: gateway")
        .with_panel(requests_lines())
        .with_panel(errors_lines())
        .with_panel(latency_lines())
        .with_panel(users_lines())
    )


def requests_lines() -> timeseries.Panel:
    """Requests by model and status."""
    return lines("Requests per second", "reqps", (queries.gateway_requests(), "{{requested_model}} {{status_code}}"))


def errors_lines() -> timeseries.Panel:
    """Share of failed requests."""
    return lines("Failed requests", "percentunit", (queries.gateway_error_share(), "failed"))


def latency_lines() -> timeseries.Panel:
    """Time through the gateway."""
    return lines("Request, p95", "s", (queries.gateway_latency(), "{{requested_model}}"))


def users_lines() -> timeseries.Panel:
    """Tokens by key and user."""
    users = (queries.gateway_users(), "{{api_key_alias}} {{user}}")
    return lines("Tokens per second, by key and user", "short", users)
