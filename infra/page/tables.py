"""Tables: the figures of every engine, and beneath them why it is there, what stands in its way and what helps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from infra.memory.verdict import Verdict
from infra.page.bars import other_bytes
from infra.page.markup import NOTHING, Html, bounds, count, element, joined, size
from infra.plan.ledger import Entry
from infra.plan.machine import CpuEntry
from infra.plan.plan import Placement

MARKS: Final = {Verdict.FITS: "✓", Verdict.TIGHT: "!", Verdict.NO: "✗", Verdict.UNKNOWN: "?"}
_DASH: Final = "-"
_GPU_HEAD: Final = ("engine", "share", "context", "asks", "weights", "activ.", "other", "KV cache", "tokens", "users")
_CPU_HEAD: Final = ("engine", "cores", "context", "RAM", "weights", "KV cache", "tokens", "users")


def badge(verdict: Verdict, *, is_overruled: bool = False) -> Html:
    """Return a verdict as a sign and a word: colour alone tells nobody."""
    mark = element("span", element("b", MARKS[verdict]), f" {verdict}", class_=f"v {verdict}")
    return joined([mark, element("span", "overruled", class_="v over")], " ") if is_overruled else mark


def card_table(
    entries: Sequence[Entry], placements: Mapping[str, Placement], told: Mapping[str, str], here: str
) -> Html:
    """Return the engines of a card. What `told` says to have been explained on another card isn't told again."""
    rows = []
    for number, entry in enumerate(entries, 1):
        rows.append(_card_row(entry, number))
        first = told[entry.instance]
        if first == here:
            rows.append(_why(entry, placements.get(entry.instance), len(_GPU_HEAD) + 1))
        else:
            rows.append(_line(f"explained at {first}", len(_GPU_HEAD) + 1))
    return _table(_GPU_HEAD, rows, "gpu")


def cpu_table(entries: Sequence[CpuEntry], placements: Mapping[str, Placement]) -> Html:
    """Return the engines that run on a host's CPU."""
    rows = []
    for number, entry in enumerate(entries, 1):
        judged = entry.judgement
        tokens = f"{judged.tokens:,}" if judged.tokens else _DASH
        users = f"{judged.concurrency:.1f}" if judged.tokens else _DASH
        cells = [
            (entry.cores or "any").replace(",", " "),
            f"{entry.spec.tokens:,}",
            _with(size(judged.ram.value), bounds(judged.ram)),
            size(judged.weights.value),
            size(judged.pool_bytes),
            tokens,
            users,
        ]
        rows += [_row(entry, number, cells), _why(entry, placements.get(entry.instance), len(_CPU_HEAD) + 1)]
    return _table(_CPU_HEAD, rows, "cpu")


def _card_row(entry: Entry, number: int) -> Html:
    spec, figures = entry.spec, entry.judgement.estimate
    asks = _with(size(spec.requested.value), f"of {size(entry.free_bytes.value)} free")
    cells: list[str] = [f"{spec.share:.3g}", f"{spec.tokens:,}" if spec.tokens else _DASH, asks]
    if figures is None:
        return _row(entry, number, [*cells, *[_DASH] * 6])
    has_cache = figures.layout is not None
    cells += [
        size(figures.weights.value),
        size(figures.activation.value),
        size(other_bytes(entry, figures)),
        _with(size(figures.pool.value), bounds(figures.pool)),
        f"{int(figures.tokens.value):,}" if has_cache else _DASH,
        _with(f"{figures.concurrency.value:.1f}", bounds(figures.concurrency, 1)) if has_cache else _DASH,
    ]
    return _row(entry, number, cells)


def _row(entry: Entry | CpuEntry, number: int, cells: Sequence[str]) -> Html:
    # Columns of figures are as the head has them, one after the other; the verdict closes the line.
    name = element("th", element("b", str(number)), f" {entry.instance} ", element("small", entry.spec.checkpoint.name))
    is_overruled = entry.override is not None and entry.verdict in {Verdict.NO, Verdict.TIGHT}
    figures = (element("td", cell) for cell in cells)
    return element("tr", name, *figures, element("td", badge(entry.verdict, is_overruled=is_overruled)))


def _why(entry: Entry | CpuEntry, placement: Placement | None, width: int) -> Html:
    lines: list[tuple[str, str]] = []
    if placement is not None:
        lines.append(("placed", _placed(placement)))
    lines += [("because" if not number else "and", reason) for number, reason in enumerate(entry.reasons)]
    if entry.spec.measured is not None:
        lines.append(("measured", entry.spec.measured.origin))
    doubts = entry.spec.checkpoint.doubts
    if doubts:
        lines.append(("concluded", "; ".join(doubts)))
    if isinstance(entry, Entry) and entry.fixes:
        fixes = (element("li", fix.text) for fix in entry.fixes)
        lines.append(("what helps", element("ol", *fixes)))
    if entry.override:
        lines.append(("overruled", entry.override))
    if not lines:
        return NOTHING
    words = joined(joined([element("dt", name), element("dd", text)]) for name, text in lines)
    return element("tr", element("td", element("dl", words), colspan=str(width)), class_="why")


def _placed(placement: Placement) -> str:
    cards = f"on {count(len(placement.gpus), 'card')}: " if len(placement.gpus) > 1 else ""
    after = f"; starts after {', '.join(placement.after)}" if placement.after else "; starts at once"
    return f"{cards}{placement.cause}{after}"


def _line(text: str, width: int) -> Html:
    return element("tr", element("td", text, colspan=str(width)), class_="why")


def _table(head: Sequence[str], rows: Sequence[Html], kind: str) -> Html:
    names = (element("th", name) for name in (*head, "verdict"))
    table = element("table", element("thead", element("tr", *names)), element("tbody", *rows), class_=kind)
    return element("div", table, class_="t")


def _with(figure: str, more: str) -> Html:
    return joined([figure, element("small", more)] if more else [figure])
