"""Records the series of programs: `python -m tests.metric_catalogue PROMETHEUS_URL` from those that run, and from the
recorded pages of those that can't run here (tests/unit/monitoring/exporters). What appears on an event only stays listed.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from monitoring.metrics import OF_PROMETHEUS, catalogues

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "monitoring" / "metrics"
PAGES: Final = ROOT / "tests" / "unit" / "monitoring" / "exporters"
# Of the languages that programs are written in (they change with a compiler), of each scrape, and of alerts.
_NOISE: Final = ("go_", "python_", "promhttp_", "scrape_", "ALERTS")
# When a counter began: prometheus_client writes one beside each.
_CREATED: Final = "_created"
_SAMPLE: Final = re.compile(r"^([a-zA-Z_:][\w:]*)", re.MULTILINE)


def on_page(page: str) -> frozenset[str]:
    """Return the names of the series of a page of metrics."""
    return _of_programs(_SAMPLE.findall(page))


def live(prometheus: str, job: str) -> frozenset[str]:
    """Return the names of the series that the targets of a job have."""
    query = urllib.parse.urlencode({"match[]": f'{{job="{job}"}}'})
    names: list[str] = _ask(f"{prometheus}/api/v1/label/__name__/values?{query}")
    return _of_programs(names)


def jobs(prometheus: str) -> list[str]:
    """Return the jobs that a Prometheus scrapes."""
    found: list[str] = _ask(f"{prometheus}/api/v1/label/job/values")
    return found


def _of_programs(names: Iterable[str]) -> frozenset[str]:
    return frozenset(
        name
        for name in names
        if not name.startswith(_NOISE) and not name.endswith(_CREATED) and name not in OF_PROMETHEUS
    )


def _ask(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=30) as reply:  # noqa: S310 - loopback
        return json.load(reply)["data"]


def _write(job: str, series: frozenset[str]) -> None:
    known = catalogues().get(job)
    version, on_event = (known.version, dict(known.on_event)) if known is not None else ("", {})
    content = {"version": version, "on_event": on_event, "series": sorted(series | set(on_event))}
    (FOLDER / f"{job}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    running = jobs(sys.argv[1])
    for name in running:
        _write(name, live(sys.argv[1], name))
    for recorded in sorted(PAGES.glob("*.txt")):
        if recorded.stem not in running:
            _write(recorded.stem, on_page(recorded.read_text(encoding="utf-8")))
