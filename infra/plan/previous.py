"""Where engines were: a small file beside the stack file, so that adding a model doesn't move the others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from infra.errors import Finding, Severity
from infra.plan.placement import Previous
from infra.plan.plan import Plan


def file_of(root: Path, stack: str) -> Path:
    """Return the file that keeps a stack's placements; it belongs into version control."""
    return root / f"placements.{stack}.json"


def read_previous(root: Path, stack: str) -> tuple[Previous, list[Finding]]:
    """Return where engines were. A file that is no such file is a finding, and counts as none."""
    path = file_of(root, stack)
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        engines = content["engines"]
        return {str(name): (str(at["host"]), tuple(map(str, at["gpus"]))) for name, at in engines.items()}, []
    except FileNotFoundError:
        return {}, []
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        fix = f"write it anew with `python -m infra plan --stack {stack} --save`, or remove it"
        return {}, [Finding(path.name, "is no file of placements", fix, Severity.WARNING)]


def previous_text(plan: Plan) -> str:
    """Return the file's text for a plan: engines on cards only, sorted, one per line."""
    rows: Mapping[str, Any] = {
        placement.instance: {"host": placement.host, "gpus": list(placement.gpus)}
        for placement in plan.placements
        if placement.gpus
    }
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(at)}" for name, at in sorted(rows.items()))
    return f'{{\n  "engines": {{\n{lines}\n  }}\n}}\n' if rows else '{\n  "engines": {}\n}\n'
