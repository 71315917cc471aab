"""Records the metrics of programs: `python -m tests.metric_catalogue PROMETHEUS_URL` from those that run, and from the
recorded pages of those that can't run here (tests/unit/monitoring/exporters). What appears on an event only stays listed.
"""

from __future__ import annotations

import json
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from images import recipes

ROOT: Final = Path(__file__).parents[1]
FOLDER: Final = ROOT / "monitoring" / "metrics"
PAGES: Final = ROOT / "tests" / "unit" / "monitoring" / "exporters"
# Of the languages that programs are written in: they change with a compiler.
_NOISE: Final = ("go_", "python_", "promhttp_")
# When a counter began: prometheus_client writes one beside each.
_CREATED: Final = "_created"


def types_in(page: str) -> dict[str, str]:
    """Return the types of a page of metrics, by name."""
    lines = (line.split() for line in page.splitlines() if line.startswith("# TYPE "))
    return {name: kind for _, _, name, kind in lines if _counts(name)}


def live(prometheus: str) -> Mapping[str, dict[str, str]]:
    """Return the types of every metric that a Prometheus's targets have, by job."""
    with urllib.request.urlopen(f"{prometheus}/api/v1/targets/metadata", timeout=30) as reply:  # noqa: S310 - loopback
        found: list[dict[str, Any]] = json.load(reply)["data"]
    jobs: dict[str, dict[str, str]] = {}
    for one in found:
        if _counts(one["metric"]):
            jobs.setdefault(one["target"]["job"], {})[one["metric"]] = one["type"]
    return jobs


def _counts(name: str) -> bool:
    return not name.startswith(_NOISE) and not name.endswith(_CREATED)


def _write(job: str, metrics: Mapping[str, str]) -> None:
    file = FOLDER / f"{job}.json"
    content: dict[str, Any] = (
        json.loads(file.read_text(encoding="utf-8")) if file.exists() else {"version": "", "on_event": {}}
    )
    recipe = recipes.SERVICES.get("vllm" if job == "supervision" else job)
    if not content["version"] and recipe is not None:
        content["version"] = recipes.find(recipe).version
    kept = {name: kind for name, kind in content.get("metrics", {}).items() if name in content["on_event"]}
    content["metrics"] = dict(sorted({**kept, **metrics}.items()))
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name, found_here in live(sys.argv[1]).items():
        _write(name, found_here)
    for recorded in sorted(PAGES.glob("*.txt")):
        known = live(sys.argv[1]).get(recorded.stem, {})
        _write(recorded.stem, {**known, **types_in(recorded.read_text(encoding="utf-8"))})
