"""The series that each program's pinned version has, as recorded from it: what isn't listed can't be drawn or alerted on.

`python -m tests.metric_catalogue` records them anew from a running stack; a test compares them with what runs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

_FOLDER: Final = Path(__file__).parent
# Prometheus makes these itself, for every target and every alert.
OF_PROMETHEUS: Final = frozenset({"up", "scrape_duration_seconds", "ALERTS"})


@dataclass(frozen=True)
class Catalogue:
    """One program's series, by name. `on_event` are those that appear with an event only, each with that event."""

    job: str
    version: str
    series: frozenset[str]
    on_event: Mapping[str, str]


@cache
def catalogues() -> Mapping[str, Catalogue]:
    """Return what is known of every program, by the name of its job."""
    return {file.stem: _read(file) for file in sorted(_FOLDER.glob("*.json"))}


def known_series() -> frozenset[str]:
    """Return the names of all series of all programs."""
    return OF_PROMETHEUS.union(*(one.series for one in catalogues().values()))


def _read(file: Path) -> Catalogue:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return Catalogue(file.stem, content["version"], frozenset(content["series"]), content["on_event"])
