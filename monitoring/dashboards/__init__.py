"""The dashboards of a stack, as data. A board is a table of contents: one function for each panel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from monitoring.boards import Board, changed
from monitoring.dashboards import edge, gateway, hardware, hosts, models, overview, plan, prometheus
from monitoring.records import fit
from monitoring.selectors import (
    AMD,
    CONNECTIONS,
    CONTAINERS,
    ENGINES,
    GATEWAY,
    NODE,
    NVIDIA,
    PROBES,
    PROMETHEUS,
    SUPERVISION,
)
from monitoring.subjects import Subjects

# Each board, and the programs of which at least one must be there; none: it is always made.
_BOARDS: Final[tuple[tuple[Callable[[Subjects], Board], tuple[str, ...]], ...]] = (
    (overview.build, ()),
    (models.build, (ENGINES,)),
    (plan.build, (SUPERVISION,)),
    (gateway.build, (GATEWAY,)),
    (hardware.build, (NVIDIA, AMD, SUPERVISION, CONTAINERS)),
    (hosts.build, (NODE,)),
    (edge.build, (CONNECTIONS, PROBES)),
    (prometheus.build, (PROMETHEUS,)),
)


def boards(subjects: Subjects) -> tuple[Board, ...]:
    """Return the dashboards of what is there, with the metric names that the engines' version has."""
    made = (build(subjects) for build, jobs in _BOARDS if not jobs or any(subjects.has(job) for job in jobs))
    found = (changed(board, fit(subjects)) for board in made)
    return tuple(board for board in found if board is not None)
