"""The dashboards of a stack, as JSON that Grafana reads from files."""

from __future__ import annotations

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from monitoring.dashboards import gateway, models, overview
from monitoring.selectors import ENGINES, GATEWAY
from monitoring.subjects import Subjects


def render(subjects: Subjects) -> dict[str, str]:
    """Return file name → JSON, sorted and the same for the same subjects; no board of a program that isn't there."""
    boards = {"overview": overview.build(subjects)}
    if subjects.has(ENGINES):
        boards["models"] = models.build()
    if subjects.has(GATEWAY):
        boards["gateway"] = gateway.build()
    encoder = JSONEncoder(sort_keys=True, indent=1)
    return {f"{name}.json": encoder.encode(board.build()) + "\n" for name, board in sorted(boards.items())}
