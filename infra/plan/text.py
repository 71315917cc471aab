"""The ledger as text for a terminal and for a pull request: at most 100 columns, sizes in GiB."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import Final

from infra.interval import GIB, Interval
from infra.memory.verdict import Verdict
from infra.plan.costs import costs_text
from infra.plan.ledger import CardRow, Entry
from infra.plan.machine import CpuEntry, HostRow
from infra.plan.plan import Placement, Plan
from infra.plan.start_budget import budget_text, minutes

WIDTH: Final = 100
_MARKS: Final = {Verdict.FITS: "✓ fits", Verdict.TIGHT: "! tight", Verdict.NO: "✗ no", Verdict.UNKNOWN: "? unknown"}
_SHORT_ID: Final = 16
_HEAD: Final = (
    f"  {'engine':<17}{'share':>6}{'context':>9}{'asks':>7}{'weights':>8}{'activ.':>7}{'other':>6}"
    f"{'KV':>11}{'tokens':>11}{'users':>7}"
)


def plan_text(plan: Plan) -> str:
    """Return the whole ledger; the same plan gives the same text."""
    causes = {placement.instance: placement for placement in plan.placements}
    base = f", extends {plan.extends}" if plan.extends else ""
    lines = [f"{_count(len(plan.placements), 'engine')}, vLLM {plan.vllm_version}{base}, sizes in GiB"]
    used = [row for row in plan.cards if row.entries]
    if used:
        lines.append(_HEAD)
    for row in used:
        lines += _card(row, causes)
    empty = [row for row in plan.cards if not row.entries]
    lines += _empty(empty)
    for host in plan.hosts:
        lines += _host(host, causes)
    costs = costs_text(plan.costs)
    return "\n".join([*lines, costs] if costs else lines)


def _card(row: CardRow, causes: dict[str, Placement]) -> Iterable[str]:
    memory = row.slot.card.memory
    origin = "as read from the host" if row.slot.card.is_measured else "from the catalogue, not measured"
    yield from _wrapped(
        f"{row.slot.host} · card {_short(row.slot.id)} · {row.slot.card.name} · "
        f"{_size(memory.value)} {origin} · {_size(row.left_bytes)} left"
    )
    for entry in row.entries:
        yield _engine(entry)
        yield from _because(entry, causes.get(entry.instance))


def _engine(entry: Entry) -> str:
    spec, figures = entry.spec, entry.judgement.estimate
    start = f"  {_cut(entry.instance, 16):<17}{spec.share:>6.3g}"
    if figures is None:
        return f"{start}{'-':>9}{_size(spec.requested.value):>7}{'':>48}  {_MARKS[entry.verdict]}"
    other = figures.non_torch.value + (0.0 if spec.graphs_are_outside else figures.graphs.value)
    kv = _about(figures.pool) if spec.kv_cache_bytes is None else _pinned(spec.kv_cache_bytes)
    return (
        f"{start}{spec.tokens:>9,}{_size(figures.requested.value):>7}{_size(figures.weights.value):>8}"
        f"{_size(figures.activation.value):>7}{_size(other):>6}{kv:>11}"
        f"{_tokens(figures.tokens.value):>11}{_users(figures.concurrency.value):>7}  {_MARKS[entry.verdict]}"
    )


def _because(entry: Entry | CpuEntry, placement: Placement | None) -> Iterable[str]:
    parts = []
    if placement is not None:
        after = f"; starts after {', '.join(placement.after)}" if placement.after else ""
        parts += [f"{placement.cause}{after}", _start(placement)]
    if entry.spec.measured is not None:
        parts.append(f"measured {entry.spec.measured.origin}")
    doubts = entry.spec.checkpoint.doubts
    if doubts:
        parts.append(f"concluded: {'; '.join(doubts)}")
    if entry.verdict is not Verdict.FITS:
        parts += entry.reasons[:2]
    if entry.override:
        parts.append(f"overruled: {entry.override}")
    if isinstance(entry, Entry):
        parts += [f"fix: {fix.text}" for fix in entry.fixes]
    for part in parts:
        yield from textwrap.wrap(part, WIDTH, initial_indent="    ", subsequent_indent="      ")


def _start(placement: Placement) -> str:
    limit, budget = placement.restart.timeout_start_s, placement.start
    how = "" if limit == budget.start_s else f" as set, not {minutes(budget.start_s)}"
    fetch = f", fetch within {minutes(budget.download_s)}" if budget.download_s and budget.is_fetched else ""
    return f"start within {minutes(limit)}{how} ({budget_text(budget)}){fetch}"


def _empty(rows: list[CardRow]) -> Iterable[str]:
    by_host: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        by_host.setdefault((row.slot.host, row.slot.card.name), []).append(_short(row.slot.id))
    for (host, name), ids in by_host.items():
        yield from _wrapped(f"{host} · {name} · nothing on {', '.join(ids)}")


def _host(row: HostRow, causes: dict[str, Placement]) -> Iterable[str]:
    if row.entries:
        memory = f"{_size(row.memory_bytes)} RAM" if row.memory_bytes else "RAM not stated"
        yield from _wrapped(f"{row.name} · CPU · {memory} · engines take {_about(row.ram)}")
        yield f"  {'engine':<17}{'cores':>8}{'context':>10}{'RAM':>8}{'weights':>9}{'KV':>8}{'tokens':>12}{'users':>8}"
    for entry in row.entries:
        judged = entry.judgement
        yield (
            f"  {_cut(entry.instance, 16):<17}{_cut(entry.cores or 'any', 8):>8}{entry.spec.tokens:>10,}{_size(judged.ram.value):>8}"
            f"{_size(judged.weights.value):>9}{_size(judged.pool_bytes):>8}{_tokens(judged.tokens):>12}"
            f"{_users(judged.concurrency):>8}  {_MARKS[entry.verdict]}"
        )
        yield from _because(entry, causes.get(entry.instance))
    if row.disk_bytes:
        free = f" of {_size(row.disk_free_bytes)} free" if row.disk_free_bytes is not None else ""
        yield from _wrapped(
            f"{row.name} · disk · images, models and caches take about {row.disk_bytes / GIB:.0f}{free}"
        )


def _wrapped(text: str) -> Iterable[str]:
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ")


def _size(size_bytes: float) -> str:
    gib = size_bytes / GIB
    return f"{gib:.2f}" if abs(gib) < 1 else f"{gib:.1f}"


def _about(size: Interval) -> str:
    doubt = max(size.high - size.value, size.value - size.low) / GIB
    return f"{_size(size.value)} ±{doubt:.1f}"


def _pinned(size_bytes: int) -> str:
    return f"{_size(size_bytes)} fixed"


def _tokens(number: float) -> str:
    return f"{int(number):,}" if number else "-"


def _users(number: float) -> str:
    return f"{number:.1f}" if number else "-"


def _short(card_id: str) -> str:
    return card_id if len(card_id) <= _SHORT_ID else card_id[:12] + "…"


def _cut(name: str, width: int) -> str:
    return name if len(name) <= width else name[: width - 1] + "…"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
