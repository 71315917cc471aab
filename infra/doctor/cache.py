"""The hosts' last answers, kept for a preview: it must be fast, and run where no host can be reached."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from infra.errors import Finding, Severity

# A preview without answers pays for this module alone; so what reads answers is imported where there are some.
if TYPE_CHECKING:
    from pydantic import TypeAdapter

    from infra.doctor.report import HostReport
    from infra.pipeline import Built

_FOLDER: Final = Path(".hearth") / "doctor"
_VERSION: Final = 1
_DAY_S: Final = 86400.0
# Ports, clocks and processes change by the minute.
_PASSING_S: Final = 3600.0


@dataclass(frozen=True)
class Kept:
    """One host's answers, and the connection that they came over."""

    connection: str
    report: HostReport


def file_of(root: Path, stack: str) -> Path:
    """Return the file with the answers of a stack's hosts."""
    return root / _FOLDER / f"{stack}.json"


def keep(root: Path, stack: str, answers: Mapping[str, Kept]) -> None:
    """Write answers beside those of hosts that weren't asked this time.

    Raises:
        OSError: the file can't be written.
    """
    reports = _reports()
    merged = {**read(root, stack), **answers}
    hosts = {
        name: {"connection": kept.connection, "report": reports.dump_python(kept.report, mode="json")}
        for name, kept in sorted(merged.items())
    }
    path = file_of(root, stack)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"version": _VERSION, "hosts": hosts}, indent=1) + "\n", encoding="utf-8")
    fresh.replace(path)


def read(root: Path, stack: str) -> dict[str, Kept]:
    """Return kept answers by host; a file that can't be understood counts as none, it is only a copy."""
    try:
        content: Any = json.loads(file_of(root, stack).read_text(encoding="utf-8"))
        if content["version"] != _VERSION:
            return {}
        reports = _reports()
        return {
            str(name): Kept(str(one["connection"]), reports.validate_python(one["report"]))
            for name, one in content["hosts"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def cached_findings(root: Path, stack: str, built: Built) -> list[Finding]:
    """Return what a preview tells of hosts that it doesn't ask: warnings, each with its age, from their last answers.

    Only other machines count: what this one can tell is looked at every time. What changes by the minute is left out when
    it is older than an hour, and a host whose answers are older than a day is told.
    """
    if not file_of(root, stack).exists():
        return []
    from infra.doctor.asked import asked_of  # noqa: PLC0415
    from infra.doctor.checks import CHECKS, examine  # noqa: PLC0415

    kept, passing = read(root, stack), {check.name for check in CHECKS if not check.is_lasting} | {"connection"}
    found = []
    for name, asked in asked_of(built, root).items():
        one = kept.get(name)
        if one is None or not asked.is_remote or one.connection != asked.section.connection:
            continue
        age_s = max(0.0, time.time() - one.report.asked_at)
        for told in examine(asked, one.report):
            is_old = told.check in passing and age_s > _PASSING_S
            if told.finding is not None and told.finding.severity is not Severity.NOTICE and not is_old:
                problem = f"{told.finding.problem} (as of {age_text(age_s)})"
                found.append(replace(told.finding, problem=problem, severity=Severity.WARNING))
        if age_s > _DAY_S:
            fix = f"ask anew with `python -m infra doctor --stack {stack}`"
            found.append(Finding(f"host {name}", f"was last asked {age_text(age_s)}", fix, Severity.NOTICE))
    return found


def age_text(age_s: float) -> str:
    """Write an age as people do, in whole units."""
    for unit, size_s in (("day", _DAY_S), ("hour", 3600.0), ("minute", 60.0)):
        count = int(age_s // size_s)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _reports() -> TypeAdapter[HostReport]:
    from pydantic import TypeAdapter  # noqa: PLC0415

    from infra.doctor.report import HostReport  # noqa: PLC0415

    return TypeAdapter(HostReport)
