"""Names of engine metrics by version: a dashboard made for new names is blank over an old engine."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from infra.catalogue.versions import parse_version

_FILE: Final = Path(__file__).with_name("metrics.json")


def missing_metrics(version: tuple[int, ...]) -> Mapping[str, str | None]:
    """Return the metrics of the newest version that this one doesn't have yet, with their older names (None: none)."""
    return {
        name: entry["before"]
        for name, entry in _content()["metrics"].items()
        if version < (parse_version(entry["since"]) or ())
    }


@cache
def _content() -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return content
