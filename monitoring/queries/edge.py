"""What nginx counts at the front door."""

from __future__ import annotations


def requests() -> str:
    """Return requests per second at the front door."""
    return "sum by (instance) (rate(nginx_http_requests_total[5m]))"


def connections(what: str) -> str:
    """Return connections: active, reading, writing or waiting."""
    return f"sum by (instance) (nginx_connections_{what})"


def dropped() -> str:
    """Return connections per second that were accepted and not served: out of workers or files."""
    accepted, handled = (f"sum by (instance) (rate(nginx_connections_{what}[5m]))" for what in ("accepted", "handled"))
    return f"clamp_min({accepted} - {handled}, 0)"
