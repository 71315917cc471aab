"""The page: title, findings, and a section per host. The same plan gives the same page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from infra.errors import Finding, Severity
from infra.interval import GIB
from infra.memory.verdict import Verdict
from infra.page.bars import PARTS, card_bar, ram_bar
from infra.page.markup import NOTHING, Html, bounds, count, element, joined, size
from infra.page.tables import badge, card_table, cpu_table
from infra.plan import Placement, Plan
from infra.plan.ledger import CardRow, Entry
from infra.plan.machine import HostRow

_STYLE: Final = Path(__file__).with_name("page.css")
# Nothing is loaded from elsewhere, and should a name ever become markup, it couldn't either.
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_SIGNS: Final = {Severity.ERROR: "✗", Severity.WARNING: "!", Severity.NOTICE: "i"}
_ORDER: Final = tuple(_SIGNS)
_MOST_OPEN_CARDS: Final = 40
_MOST_OPEN_FINDINGS: Final = 12
_SHORT_ID: Final = 16


def page(plan: Plan, before: Sequence[Html] = (), after: Sequence[Html] = ()) -> str:
    """Return the page's HTML; nothing in it is loaded from elsewhere. What stands before and after the ledger is others'."""
    title = f"{plan.stack} · ledger of {plan.project}"
    head = joined(
        [
            Html('<meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'),
            Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
            Html('<meta name="color-scheme" content="light dark">'),
            element("title", title),
            element("style", Html(_STYLE.read_text(encoding="utf-8"))),
        ]
    )
    hosts = {row.name: row for row in plan.hosts}
    is_large = sum(1 for row in plan.cards if row.entries) > _MOST_OPEN_CARDS
    placements = {placement.instance: placement for placement in plan.placements}
    names = [*hosts, *dict.fromkeys(row.slot.host for row in plan.cards if row.slot.host not in hosts)]
    cards: dict[str, list[CardRow]] = {name: [] for name in names}
    for row in plan.cards:
        cards[row.slot.host].append(row)
    sections = (_host(name, hosts.get(name), cards[name], placements, is_large=is_large) for name in names)
    body = element("main", _top(plan), *before, _findings(plan.findings), _legend(plan), *sections, *after)
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _top(plan: Plan) -> Html:
    verdicts = Counter(entry.verdict for entry in plan.entries.values())
    used = [row for row in plan.cards if row.entries]
    tiles = [(badge(verdict), f"{verdicts[verdict]:,}") for verdict in Verdict if verdicts[verdict]]
    if plan.cards:
        total = sum(row.slot.card.memory.value for row in plan.cards)
        left = sum(max(0.0, row.left_bytes) for row in plan.cards)
        tiles.append((Html("cards in use"), f"{len(used):,} of {len(plan.cards):,}"))
        tiles.append((Html("card memory that nobody asks for"), f"{left / GIB:,.0f} of {total / GIB:,.0f} GiB"))
    where = f"{count(len(plan.placements), 'engine')} on {count(len(plan.hosts), 'host')}"
    facts = f"Memory ledger of {plan.project} · vLLM {plan.vllm_version} · {where} · sizes in GiB"
    shown = (element("li", element("strong", figure), what) for what, figure in tiles)
    return element("header", element("h1", plan.stack), element("p", facts), element("ul", *shown))


def _findings(findings: Sequence[Finding]) -> Html:
    if not findings:
        return NOTHING
    ordered = sorted(findings, key=lambda one: (_ORDER.index(one.severity), one))
    items = [_finding(one) for one in ordered]
    shown = element("ul", *items[:_MOST_OPEN_FINDINGS])
    rest = items[_MOST_OPEN_FINDINGS:]
    if rest:
        more = element("details", element("summary", f"{len(rest):,} more"), element("ul", *rest))
        shown = joined([shown, more])
    counts = Counter(one.severity for one in ordered)
    heading = ", ".join(count(counts[severity], str(severity)) for severity in _ORDER if counts[severity])
    return element("section", element("h2", heading), shown, class_="found")


def _finding(one: Finding) -> Html:
    fix = f"{one.fix[:1].upper()}{one.fix[1:]}."
    sign = element("b", _SIGNS[one.severity], title=str(one.severity))
    text = element("div", element("code", one.path), element("p", f"{one.problem}."), element("p", fix, class_="fix"))
    return element("li", sign, text, class_=str(one.severity))


def _legend(plan: Plan) -> Html:
    shown = [kind for kind in PARTS if kind in _kinds(plan)]
    items = [element("li", element("i", class_=kind), PARTS[kind]) for kind in shown]
    marks = [("u", "where a border lies in nine of ten starts")]
    if any(row.entries for row in plan.cards):
        marks.append(("q", "what one request of the full context needs of the cache"))
    items += [element("li", element("span", element(name), class_="s"), text) for name, text in marks]
    if len(marks) > 1:
        items.append(element("li", element("em"), "an engine's share of the card, up to its limit"))
    if any(_is_cut(entry) for row in plan.cards for entry in row.entries):
        items.append(element("li", element("i", class_="cut"), "needs more than its share"))
    return element("ul", *items, class_="legend")


def _is_cut(entry: Entry) -> bool:
    figures = entry.judgement.estimate
    return figures is not None and figures.pool.value < 0


def _kinds(plan: Plan) -> set[str]:
    """Return the kinds of parts that some bar of the plan can have."""
    kinds = {"f"} if plan.cards or any(row.memory_bytes for row in plan.hosts) else set[str]()
    entries = [entry for row in plan.cards for entry in row.entries]
    figures = [entry.judgement.estimate for entry in entries]
    if entries:
        kinds.add("o")
    if any(figures):
        kinds |= set("wangk")
    if None in figures:
        kinds.add("q")
    if any(entry.spec.kv_cache_bytes is not None for entry in entries):
        kinds.add("r")
    if any(row.slot.capacity_bytes < row.slot.card.memory.value for row in plan.cards if row.entries):
        kinds.add("d")
    if any(row.entries for row in plan.hosts):
        kinds |= set("wkp")
    return kinds | ({"p"} if any(row.ram.value > 0 for row in plan.hosts) else set())


def _host(
    name: str, row: HostRow | None, cards: Sequence[CardRow], placements: Mapping[str, Placement], *, is_large: bool
) -> Html:
    entries = {entry.instance: entry for card in cards for entry in card.entries}
    verdicts = Counter([entry.verdict for entry in entries.values()])
    verdicts.update(entry.verdict for entry in (row.entries if row is not None else ()))
    used = [card for card in cards if card.entries]
    facts = []
    if cards:
        facts.append(f"{len(used):,} of {count(len(cards), 'card')} in use")
    facts.append(count(sum(verdicts.values()), "engine"))
    signs = (element("span", f"{verdicts[verdict]:,} ", badge(verdict)) for verdict in Verdict if verdicts[verdict])
    summary = element("summary", element("h2", name), element("span", " · ".join(facts)), *signs)
    is_calm = set(verdicts) <= {Verdict.FITS}
    body = [_cards(used, placements), _empty(cards), _machine(row, placements)]
    opening = None if is_large and is_calm else "open"
    return element("details", summary, *body, class_="host", open=opening)


def _cards(rows: Sequence[CardRow], placements: Mapping[str, Placement]) -> Html:
    """Return the used cards of a host; those with the same engines on the same kind stand together."""
    groups = [list(several) for _, several in groupby(rows, key=lambda row: (id(row.slot.card), row.entries))]
    told: dict[str, str] = {}
    for several in groups:
        for entry in several[0].entries:
            told.setdefault(entry.instance, f"card {_short(several[0].slot.id)}")
    shown = []
    for several in groups:
        first = several[0]
        bars = [element("div", _card_name(first), element("div", card_bar(first)), class_="card")]
        for row in several[1:]:
            label = element("div", _name(row), element("small", f"alike, {size(row.left_bytes)} left"))
            bars.append(element("div", label, card_bar(row, is_thin=True), class_="card"))
        table = card_table(first.entries, placements, told, f"card {_short(first.slot.id)}")
        shown.append(element("section", *bars, table))
    return joined(shown)


def _card_name(row: CardRow) -> Html:
    card = row.slot.card
    origin = "as read from the host" if card.is_measured else "from the catalogue"
    memory = element("small", f"{size(card.memory.value)} GiB {origin}")
    left = element("small", f"{size(row.left_bytes)} left")
    return element("div", _name(row), element("small", card.name), memory, left)


def _name(row: CardRow) -> Html:
    short = _short(row.slot.id)
    return element("h3", f"card {short}", title=row.slot.id if short != row.slot.id else None)


def _empty(rows: Sequence[CardRow]) -> Html:
    kinds: dict[tuple[str, float], list[str]] = {}
    for row in rows:
        if not row.entries:
            kinds.setdefault((row.slot.card.name, row.slot.card.memory.value), []).append(row.slot.id)
    return joined(
        element(
            "p",
            element("b", "empty"),
            f" {count(len(ids), 'card')} · {name} · {size(memory)} GiB{' each' if len(ids) > 1 else ''} · {', '.join(ids)}",
            class_="empty",
        )
        for (name, memory), ids in kinds.items()
    )


def _machine(row: HostRow | None, placements: Mapping[str, Placement]) -> Html:
    if row is None:
        return NOTHING
    parts: list[str] = []
    if row.entries or (row.memory_bytes and row.ram.value > 0):
        has = f"{size(row.memory_bytes)} GiB" if row.memory_bytes else "not stated how much"
        between = bounds(row.ram)
        takes = f"engines take {size(row.ram.value)}{f' ({between})' if between else ''}"
        label = element("div", element("h3", "RAM"), element("small", has), element("small", takes))
        parts.append(element("div", label, element("div", ram_bar(row)), class_="card"))
    if row.entries:
        parts.append(cpu_table(row.entries, placements))
    if row.disk_bytes:
        free = f" of {size(row.disk_free_bytes)} free" if row.disk_free_bytes is not None else ""
        text = f"images, models and caches take about {row.disk_bytes / GIB:.0f} GiB{free}"
        parts.append(element("p", element("b", "disk"), f" {text}", class_="empty"))
    parts += [element("p", element("b", "note"), f" {note}", class_="empty") for note in row.notes]
    return element("section", *parts) if parts else NOTHING


def _short(card_id: str) -> str:
    return card_id if len(card_id) <= _SHORT_ID else card_id[:12] + "…"
