"""Plan against observed as text for a terminal (at most 100 columns, sizes in GiB) and as plain values."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from infra.interval import GIB
from infra.observe.calibrate import Change
from infra.observe.hosts import HostAnswer
from infra.observe.rows import Row, Sizes
from infra.plan.calibration import FILE_NAME

WIDTH: Final = 100
_DASH: Final = "-"
_TERMS: Final = {
    "weights_bytes": "weights",
    "non_kv_bytes": "all of the share but KV",
    "activation_bytes": "activations",
    "non_torch_bytes": "beside torch",
    "graphs_bytes": "CUDA graphs",
}
_HEAD: Final = f"  {'engine':<20}{'':<12}{'weights':>9}{'KV':>10}{'tokens':>13}{'users':>9}{'start':>10}"


def observed_text(stack: str, rows: Sequence[Row], answers: Sequence[HostAnswer]) -> str:
    """Return every engine's figures: as planned, as observed, and the difference."""
    serving = sum(1 for row in rows if row.serves)
    lines = [f"{stack}: {serving} of {len(rows)} engines serve; sizes in GiB per rank, start in seconds"]
    if rows:
        lines.append(_HEAD)
    for answer in answers:
        if answer.problem:
            lines += textwrap.wrap(f"{answer.host}: {answer.problem}", WIDTH, subsequent_indent="  ")
        for row in rows:
            if row.host == answer.host:
                lines += _engine(row)
    return "\n".join(lines)


def changes_text(changes: Sequence[Change], *, is_written: bool) -> str:
    """Return what becomes of the calibration file, entry by entry."""
    lines = []
    for change in changes:
        names = ", ".join(change.instances)
        if change.drifts:
            assert change.before is not None
            lines.append(f"drifted: {change.key} ({names}), since {change.before.origin}")
            lines += [
                f"  {_TERMS[drift.field]}: {_size(drift.was_bytes)} in the file, "
                f"{_size(drift.now_bytes)} now ({_signed((drift.now_bytes - drift.was_bytes) / GIB, '.2f')})"
                for drift in change.drifts
            ]
        else:
            what = "new" if change.before is None else "more is known"
            lines.append(f"{what}: {change.key} ({names})")
    if not changes:
        return ""
    done = "is written" if is_written else "stays as it is; --save writes it"
    return "\n".join([f"{FILE_NAME} {done}", *(f"  {line}" for line in lines)])


def observed_data(
    stack: str, rows: Sequence[Row], answers: Sequence[HostAnswer], changes: Sequence[Change], *, is_written: bool
) -> Mapping[str, Any]:
    """Return everything that the text says, sizes in bytes."""
    return {
        "stack": stack,
        "engines": [_row_data(row) for row in rows],
        "hosts": [{"host": answer.host, "problem": answer.problem or None} for answer in answers],
        "calibration": {
            "is_written": is_written,
            "changes": [
                {
                    "key": change.key.model_dump(mode="json"),
                    "instances": list(change.instances),
                    "observed": change.after.model_dump(mode="json"),
                    "drifts": [asdict(drift) for drift in change.drifts],
                }
                for change in changes
            ],
        },
    }


def _row_data(row: Row) -> Mapping[str, Any]:
    metrics = row.metrics
    return {
        "instance": row.instance,
        "host": row.host,
        "state": row.state,
        "serves": row.serves,
        "why": row.why or None,
        "fix": row.fix or None,
        "is_as_declared": row.is_as_declared,
        "starts": row.status.starts if row.status is not None else None,
        "plan": asdict(row.plan),
        "observed": asdict(row.seen),
        "running": metrics.running if metrics is not None else None,
        "waiting": metrics.waiting if metrics is not None else None,
        "kv_used": metrics.kv_used if metrics is not None else None,
    }


def _engine(row: Row) -> Iterable[str]:
    yield _line(row.instance, "plan", _cells(row.plan, "<"))
    yield _line(f"  {row.where}", "observed", _cells(row.seen, ""))
    differences = _differences(row.plan, row.seen)
    if any(cell != _DASH for cell in differences):
        yield _line("", "difference", differences)
    yield from textwrap.wrap(_standing(row), WIDTH, initial_indent="    ", subsequent_indent="      ")
    for text in (row.why, f"fix: {row.fix}" if row.fix else ""):
        yield from textwrap.wrap(text, WIDTH, initial_indent="    ", subsequent_indent="      ")


def _standing(row: Row) -> str:
    parts = [f"{row.state} on {row.host}"]
    if row.status is not None and row.status.starts is not None and row.status.starts > 1:
        parts.append(f"{row.status.starts} starts")
    metrics = row.metrics
    if metrics is not None and metrics.running is not None and metrics.waiting is not None:
        parts.append(f"{metrics.running} requests run, {metrics.waiting} wait")
    if metrics is not None and metrics.kv_used is not None:
        parts.append(f"{metrics.kv_used:.0%} of the cache in use")
    return " · ".join(parts)


def _line(name: str, what: str, cells: Sequence[str]) -> str:
    weights, kv, tokens, users, start = cells
    short = name if len(name) <= 20 else f"{name[:19]}…"  # noqa: PLR2004 - the column's width
    return f"  {short:<20}{what:<12}{weights:>9}{kv:>10}{tokens:>13}{users:>9}{start:>10}"


def _cells(sizes: Sizes, most: str) -> Sequence[str]:
    """Return a row of figures; `most` marks a start that is a limit rather than a time."""
    return (
        _size(sizes.weights_bytes),
        _size(sizes.kv_bytes),
        _DASH if sizes.tokens is None else f"{sizes.tokens:,}",
        _DASH if sizes.users is None else f"{sizes.users:.1f}",
        _DASH if sizes.start_s is None else f"{most}{sizes.start_s:,.0f}",
    )


def _differences(plan: Sizes, seen: Sizes) -> Sequence[str]:
    """Return observed less planned; a limit and a time have no difference."""
    return (
        _less(seen.weights_bytes, plan.weights_bytes, GIB, ".2f"),
        _less(seen.kv_bytes, plan.kv_bytes, GIB, ".2f"),
        _less(seen.tokens, plan.tokens, 1, ",.0f"),
        _less(seen.users, plan.users, 1, ".1f"),
        _DASH,
    )


def _less(seen: float | None, plan: float | None, unit: float, digits: str) -> str:
    return _DASH if seen is None or plan is None else _signed((seen - plan) / unit, digits)


def _signed(value: float, digits: str) -> str:
    text = f"{value:+{digits}}"
    # What rounds to nothing has no sign.
    return text if any(char in "123456789" for char in text) else f"{0:{digits}}"


def _size(size_bytes: float | None) -> str:
    return _DASH if size_bytes is None else f"{size_bytes / GIB:.2f}"
