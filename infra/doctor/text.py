"""The answer for people: a table of checks by host, and below it what is wrong where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from infra.doctor.checks import Told
from infra.errors import Severity

Examined = Mapping[str, Sequence[Told]]
MARKS: Final = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.NOTICE: "·"}
_WELL: Final = "✓"
_SKIPPED: Final = "-"
_UNKNOWN: Final = "?"
_WIDTH: Final = 100
_GAP: Final = 2


def doctor_text(stack: str, examined: Examined, ages: Mapping[str, str]) -> str:
    """Return the table and the findings. `ages` tells of hosts that weren't asked now how old their answers are."""
    names = list(examined)
    lines = [_headline(stack, examined)]
    lines += [f"  {name}: not asked, as of {age}" for name, age in ages.items() if name in examined]
    for some in _blocks(names):
        lines += _table({name: examined[name] for name in some})
    for name in names:
        told = [one for one in examined[name] if one.finding is not None]
        lines += [f"{name}:"] if told else []
        for one in sorted(told, key=lambda one: list(MARKS).index(_severity(one))):
            finding = one.finding
            assert finding is not None
            fix = f"{finding.fix[:1].upper()}{finding.fix[1:]}"
            lines.append(f"  {MARKS[finding.severity]} {one.check}: {finding.problem}. {fix}.")
    return "\n".join(lines)


def doctor_data(stack: str, examined: Examined, asked_at: Mapping[str, str]) -> dict[str, Any]:
    """Return the same as plain values."""
    return {
        "stack": stack,
        "hosts": {
            name: {
                "asked_at": asked_at[name],
                "checks": [
                    {
                        "name": one.check,
                        "result": _result(one),
                        **_finding(one),
                    }
                    for one in told
                ],
            }
            for name, told in examined.items()
        },
    }


def _result(told: Told) -> str:
    if told.is_skipped or told.is_unknown:
        return "skipped" if told.is_skipped else "unknown"
    return "ok" if told.finding is None else str(_severity(told))


def _finding(told: Told) -> dict[str, str]:
    if told.finding is None:
        return {}
    return {"path": told.finding.path, "problem": told.finding.problem, "fix": told.finding.fix}


def _severity(told: Told) -> Severity:
    assert told.finding is not None
    return told.finding.severity


def _headline(stack: str, examined: Examined) -> str:
    found = [one.finding.severity for told in examined.values() for one in told if one.finding is not None]
    errors, warnings = found.count(Severity.ERROR), found.count(Severity.WARNING)
    verdict = ", ".join(
        f"{count} {word}{'s' if count > 1 else ''}"
        for count, word in ((errors, "error"), (warnings, "warning"))
        if count
    )
    return f"{stack}: {len(examined)} host{'s' if len(examined) > 1 else ''}, {verdict or 'nothing stands in the way'}"


def _blocks(names: Sequence[str]) -> list[list[str]]:
    """Deal hosts to tables that fit a terminal."""
    found: list[list[str]] = []
    left = 0
    for name in names:
        if left < len(name) + _GAP:
            found.append([])
            left = _WIDTH - 24
        found[-1].append(name)
        left -= len(name) + _GAP
    return found


def _table(examined: Examined) -> list[str]:
    rows = [told.check for told in next(iter(examined.values()))]
    first = max(map(len, rows)) + _GAP
    lines = [("  " + " " * first + (" " * _GAP).join(examined)).rstrip()]
    for number, row in enumerate(rows):
        if all(told[number].is_skipped for told in examined.values()):
            continue
        cells = [_mark(told[number]).ljust(len(name)) for name, told in examined.items()]
        lines.append(("  " + row.ljust(first) + (" " * _GAP).join(cells)).rstrip())
    return lines


def _mark(told: Told) -> str:
    if told.is_skipped or told.is_unknown:
        return _SKIPPED if told.is_skipped else _UNKNOWN
    return _WELL if told.finding is None else MARKS[_severity(told)]
