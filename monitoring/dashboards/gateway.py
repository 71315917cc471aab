"""Gateway: requests, errors, fallbacks, time, and who uses it."""

from __future__ import annotations

from monitoring.boards import Board, Panel, Row
from monitoring.panels import lines
from monitoring.queries import gateway
from monitoring.subjects import Subjects


def build(subjects: Subjects) -> Board:
    """Return the dashboard."""
    del subjects
    rows = (
        Row("Requests", (requests_lines(), errors_lines(), failures_lines())),
        Row("Time", (latency_lines(), overhead_lines(), in_flight_lines())),
        Row("Where requests go", (deployments_lines(), fallbacks_lines())),
        Row("Who uses it", (users_lines(), teams_lines(), spend_lines())),
    )
    return Board("gateway", "Hearth: gateway", rows)


def requests_lines() -> Panel:
    """Requests by model and status."""
    about = "What clients asked for, and how it ended."
    return lines("Requests per second", "reqps", about, (gateway.requests(), "{{requested_model}} {{status_code}}"))


def errors_lines() -> Panel:
    """Share of failed requests."""
    about = "Server errors among answered requests; refused ones (4xx) aren't counted."
    return lines("Failed requests", "percentunit", about, (gateway.error_share(), "failed"))


def failures_lines() -> Panel:
    """Failed requests by kind."""
    about = "The kind of error that clients got after all tries and fallbacks."
    failed = (gateway.failures(), "{{requested_model}} {{exception_class}}")
    return lines("Failures per second, by kind", "reqps", about, failed)


def latency_lines() -> Panel:
    """Time through the gateway."""
    return lines(
        "Request, p95", "s", "From the gateway's view, engine included.", (gateway.latency(), "{{requested_model}}")
    )


def overhead_lines() -> Panel:
    """What the gateway adds."""
    about = "What the gateway itself adds. Much of it means that it lacks CPU."
    return lines("Added by the gateway, p95", "s", about, (gateway.overhead(), "{{model_group}}"))


def in_flight_lines() -> Panel:
    """Requests in flight."""
    return lines(
        "Requests in flight", "short", "Open streams count until they end.", (gateway.in_flight(), "{{instance}}")
    )


def deployments_lines() -> Panel:
    """State of deployments."""
    about = "0: well. 1: some requests fail. 2: left out until its cool-down ends."
    return lines("State of deployments", "short", about, (gateway.deployments(), "{{model_id}}"))


def fallbacks_lines() -> Panel:
    """Answers of another model."""
    about = "Clients got an answer, though not of the model they asked for."
    used = (gateway.fallbacks(), "{{requested_model}} → {{fallback_model}}")
    return lines("Fallbacks per second", "reqps", about, used)


def users_lines() -> Panel:
    """Tokens by key and user."""
    about = "Read and written tokens."
    return lines("Tokens per second, by key and user", "short", about, (gateway.users(), "{{api_key_alias}} {{user}}"))


def teams_lines() -> Panel:
    """Tokens by team and model."""
    about = "Read and written tokens; None is who belongs to no team."
    return lines("Tokens per second, by team", "short", about, (gateway.teams(), "{{team}} {{requested_model}}"))


def spend_lines() -> Panel:
    """Spend by key and model."""
    about = "By the prices that the gateway knows; own engines have none unless one is set."
    return lines("Spend in an hour", "currencyUSD", about, (gateway.spend(), "{{api_key_alias}} {{requested_model}}"))
