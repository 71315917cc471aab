"""The comparison as text for a terminal, at most 100 columns, and as plain values for --json."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from infra.errors import Finding, Severity
from infra.interval import GIB
from infra.upgrade.compare import ContainerRow, Figures, Upgrade

WIDTH: Final = 100
_MARKS: Final = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.NOTICE: "·"}
_VERDICTS: Final = {"fits": "✓ fits", "tight": "! tight", "no": "✗ no", "unknown": "? unknown"}


def upgrade_text(answer: Upgrade) -> str:
    """Return the whole answer; sections that have nothing to say are left out."""
    sections = (
        ("flags and variables", list(_findings(answer.flags))),
        ("defaults that change, and that nobody wrote", list(_defaults(answer))),
        ("memory, sizes in GiB", [*_memory(answer), *_findings(answer.engines)]),
        ("metrics", list(_metrics(answer))),
        ("also", list(_findings(answer.others))),
        ("wrong today already", list(_findings(answer.standing))),
        ("no longer said", list(_findings(answer.mended))),
        ("containers", list(_containers(answer))),
        ("notes", [line for note in answer.notes for line in _wrapped(note)]),
    )
    lines = [f"{answer.stack}: vLLM {answer.before} → {answer.after}"]
    for title, body in sections:
        lines += [title, *body] if body else []
    number = len(answer.errors)
    last = f"{number} {'error stands' if number == 1 else 'errors stand'} in the way" if number else ""
    return "\n".join([*lines, last or "nothing stands in the way"])


def upgrade_data(answer: Upgrade) -> Mapping[str, Any]:
    """Return everything as plain values, with sizes in GiB."""
    return {
        "stack": answer.stack,
        "from": answer.before,
        "to": answer.after,
        "breaks": answer.breaks,
        "flags": _rows(answer.flags),
        "defaults": [{**vars(change), "models": list(models)} for change, models in answer.defaults],
        "engines": _rows(answer.engines),
        "memory": [
            {"instance": row.instance, "before": _figures(row.before), "after": _figures(row.after)}
            for row in answer.memory
        ],
        "metrics": [{**vars(row), "used_by": list(row.used_by)} for row in answer.metrics],
        "others": _rows(answer.others),
        "standing": _rows(answer.standing),
        "mended": _rows(answer.mended),
        "containers": {
            "replaced": [{**vars(row), "what": list(row.what)} for row in answer.replaced],
            "stay": list(answer.stay),
        },
        "notes": list(answer.notes),
    }


def _rows(findings: Sequence[Finding]) -> list[Mapping[str, str]]:
    return [
        {"path": one.path, "problem": one.problem, "fix": one.fix, "severity": str(one.severity)} for one in findings
    ]


def _figures(figures: Figures | None) -> Mapping[str, Any] | None:
    if figures is None:
        return None
    return {
        "verdict": figures.verdict,
        "place": figures.place,
        "context": figures.context,
        "kv_cache_gib": round(figures.kv_cache_bytes / GIB, 3),
        "kv_cache_tokens": int(figures.tokens),
        "max_concurrency": round(figures.users, 2),
    }


def _findings(findings: Sequence[Finding]) -> Iterable[str]:
    for one in sorted(findings, key=lambda one: (list(_MARKS).index(one.severity), one)):
        yield from _wrapped(f"{_MARKS[one.severity]} {one}")


def _defaults(answer: Upgrade) -> Iterable[str]:
    for change, models in answer.defaults:
        text = f"{change.flag}: {change.before} → {change.after} for {', '.join(models)} ({change.means})"
        yield from _wrapped(text)


def _memory(answer: Upgrade) -> Iterable[str]:
    if answer.memory:
        yield f"  {'engine':<17}{'KV':>14}{'tokens':>22}{'users':>14}   verdict"
    for row in answer.memory:
        sizes = _pair(row.before, row.after, lambda one: _size(one.kv_cache_bytes))
        tokens = _pair(row.before, row.after, lambda one: f"{int(one.tokens):,}" if one.tokens else "-")
        users = _pair(row.before, row.after, lambda one: f"{one.users:.1f}" if one.users else "-")
        verdicts = _pair(row.before, row.after, lambda one: _VERDICTS[one.verdict])
        yield f"  {row.instance[:16]:<17}{sizes:>14}{tokens:>22}{users:>14}   {verdicts}"
        for what in ("place", "context"):
            old, new = (getattr(one, what, None) for one in (row.before, row.after))
            if row.before and row.after and old != new:
                yield f"    {what}: {old} → {new}"


def _pair(before: Figures | None, after: Figures | None, show: Any) -> str:
    """Write a figure at both versions, once where they agree."""
    texts = ["no place" if one is None else str(show(one)) for one in (before, after)]
    return texts[0] if texts[0] == texts[1] else " → ".join(texts)


def _metrics(answer: Upgrade) -> Iterable[str]:
    for row in answer.metrics:
        older = f", {row.older} is asked for" if row.older else ", it is left out"
        says = f"isn't there yet in {answer.after}{older} in" if row.is_lost else "is there again, for"
        yield from _wrapped(f"{'!' if row.is_lost else '✓'} {row.name} {says} {', '.join(row.used_by)}")


def _containers(answer: Upgrade) -> Iterable[str]:
    groups: dict[tuple[str | None, str | None], list[ContainerRow]] = {}
    for row in answer.replaced:
        groups.setdefault((row.before, row.after), []).append(row)
    for (before, after), rows in groups.items():
        names = ", ".join(row.instance for row in rows)
        images = f"{before or 'new'} → {after or 'gone'}" if before != after else f"{before}"
        yield from _wrapped(f"replaced: {names} ({images})")
        for row in rows:
            rest = [what for what in row.what if what != "image"]
            yield from (line for what in rest for line in _wrapped(f"  {row.instance}: {what}"))
    if answer.stay:
        yield from _wrapped(f"stay: {', '.join(answer.stay)}")


def _size(size_bytes: float) -> str:
    gib = size_bytes / GIB
    return f"{gib:.2f}" if abs(gib) < 1 else f"{gib:.1f}"


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False, break_long_words=False
    )
