"""Bars: one card's or one host's memory from end to end, with what every engine takes of it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from infra.interval import GIB, Interval
from infra.memory.estimate import Estimate
from infra.memory.verdict import CONTEXT_BYTES
from infra.page.markup import NOTHING, Html, element, joined, size
from infra.plan.ledger import CardRow, Entry
from infra.plan.machine import HostRow

# A part that is narrower has no room for its own figure; the table has it.
_LABELLED: Final = 4.2
_NAMED: Final = 25.0
_QUARTERS: Final = 4
# Letters are classes of the style sheet: a page of thousands of cards has tens of thousands of parts.
PARTS: Final = {
    "w": "weights",
    "a": "activation peak",
    "n": "beside PyTorch (NCCL, CUDA libraries)",
    "g": "CUDA graphs",
    "k": "KV cache",
    "r": "in the share, not used",
    "q": "unknown use of a share",
    "o": "outside the share: CUDA context, older versions' graphs",
    "p": "process: Python, activations, compiled code",
    "d": "kept for a display",
    "f": "free",
}


@dataclass(frozen=True)
class Part:
    """A piece of a bar: the letter of its kind and its bytes."""

    kind: str
    size_bytes: float


def card_bar(row: CardRow, *, is_thin: bool = False) -> Html:
    """Return the bar of a card over its whole memory, or over all that is asked where that is more.

    A thin bar repeats that of an alike card above it, so it has neither names nor figures.
    """
    memory = row.slot.card.memory.value
    asked = sum(entry.spec.requested.value + _outside_bytes(entry) for entry in row.entries)
    scale = max(memory, asked)
    if scale <= 0:
        return element("p", "nobody knows how much memory it has", class_="note")
    children: list[str] = []
    for number, entry in enumerate(row.entries, 1):
        children.append(_engine(entry, number, scale, is_thin=is_thin))
        children.append(_piece(Part("o", _outside_bytes(entry)), scale, 0 if is_thin else scale))
    display = memory - row.slot.capacity_bytes
    rest = [Part("f", memory - asked - display), Part("d", min(display, max(0.0, memory - asked)))]
    children += [_piece(part, scale, 0 if is_thin else scale) for part in rest]
    if asked > memory:
        children.append(element("s", style=f"left:{_percent(memory, scale)}%", title="the card ends here"))
    asks = ", ".join(f"{entry.instance} asks for {size(entry.spec.requested.value)}" for entry in row.entries)
    label = f"{size(memory)} GiB: {asks}, {size(row.left_bytes)} left"
    bar = element("div", *children, class_="bar thin" if is_thin else "bar", role="img", aria_label=label)
    return bar if is_thin else joined([bar, _axis(scale)])


def ram_bar(row: HostRow) -> Html:
    """Return the bar of a host's RAM; it ends at what its engines may take where nobody said how much there is."""
    scale = float(max(row.memory_bytes or 0, row.ram.high))
    if scale <= 0:
        return NOTHING
    children: list[str] = []
    taken = 0.0
    for number, entry in enumerate(row.entries, 1):
        judged = entry.judgement
        own = judged.ram.value
        pool = max(0.0, judged.pool_bytes)
        parts = [Part("w", judged.weights.value), Part("p", own - judged.weights.value - pool), Part("k", pool)]
        children.append(_group(entry.instance, str(number), parts, own, scale))
        taken += own
    if row.ram.value - taken > 1:
        children.append(_group("GPU", None, [Part("p", row.ram.value - taken)], row.ram.value - taken, scale))
    if row.memory_bytes is not None:
        children.append(_piece(Part("f", row.memory_bytes - row.ram.value), scale, scale))
    children.append(_band(row.ram, scale))
    if row.memory_bytes is not None and row.memory_bytes < scale:
        children.append(
            element("s", style=f"left:{_percent(row.memory_bytes, scale)}%", title="the host's RAM ends here")
        )
    known = f"of {size(row.memory_bytes)} GiB" if row.memory_bytes is not None else "GiB; how much it has isn't stated"
    bar = element(
        "div", *children, class_="bar", role="img", aria_label=f"RAM: engines take {size(row.ram.value)} {known}"
    )
    return joined([bar, _axis(scale)])


def other_bytes(entry: Entry, figures: Estimate) -> float:
    """Return what counts against the share beside weights, activation and cache."""
    return figures.non_torch.value + (0.0 if entry.spec.graphs_are_outside else figures.graphs.value)


def _outside_bytes(entry: Entry) -> float:
    figures = entry.judgement.estimate
    graphs = figures.graphs.value if figures is not None and entry.spec.graphs_are_outside else 0.0
    return CONTEXT_BYTES.value + graphs


def _engine(entry: Entry, number: int, scale: float, *, is_thin: bool) -> Html:
    share, figures = entry.spec.requested.value, entry.judgement.estimate
    if figures is None:
        return _group(entry.instance, str(number), [Part("q", share)], share, scale, is_thin=is_thin)
    graphs = 0.0 if entry.spec.graphs_are_outside else figures.graphs.value
    parts = [
        Part("w", figures.weights.value),
        Part("a", figures.activation.value),
        Part("n", figures.non_torch.value),
        Part("g", graphs),
        Part("k", max(0.0, figures.pool.value)),
    ]
    taken = sum(part.size_bytes for part in parts)
    parts.append(Part("r", share - taken))
    marks: list[str] = []
    if not is_thin:
        # The share's end is fixed, so doubt of all other terms moves the border where the cache begins.
        pool_end = share if entry.spec.kv_cache_bytes is None else min(share, taken)
        starts = Interval.exact(pool_end) - figures.pool
        marks.append(_band(starts, share))
        if figures.needed_bytes:
            marks.append(_need(pool_end, figures.needed_bytes, share))
        if taken > share * (1 + 1e-9):
            marks.append(element("em", title=f"{size(taken - share)} GiB more than the share"))
    return _group(entry.instance, str(number), parts, share, scale, marks=marks, is_thin=is_thin)


def _group(
    name: str,
    number: str | None,
    parts: Sequence[Part],
    share: float,
    scale: float,
    *,
    marks: Sequence[str] = (),
    is_thin: bool = False,
) -> Html:
    """Return one engine's share: a bracket with its name over its parts, cut where the share ends."""
    shown_scale = 0 if is_thin else scale
    pieces = [_piece(part, share, shown_scale) for part in _cut(parts, share)]
    body = element("div", *pieces, *marks, class_="s")
    badge = element("b", number) if number is not None else NOTHING
    names = NOTHING if is_thin else element("p", badge, f" {name}" if number is not None else name)
    width = _percent(share, scale)
    # The bracket's text is cut where it has no room.
    title = name if width < _NAMED and not is_thin else None
    return element("div", names, body, class_="e", style=f"width:{width:g}%", title=title)


def _cut(parts: Iterable[Part], share: float) -> Iterable[Part]:
    left = share
    for part in parts:
        taken = min(max(0.0, part.size_bytes), left)
        left -= taken
        yield Part(part.kind, taken)


def _piece(part: Part, whole: float, scale: float) -> Html:
    """Return a part of `whole`; on a bar of `scale` (0: without figures) it shows its size where there is room."""
    width = _percent(part.size_bytes, whole)
    if width <= 0:
        return NOTHING
    if not scale:
        return element("i", class_=part.kind, style=f"width:{width:g}%")
    text = size(part.size_bytes) if _percent(part.size_bytes, scale) >= _LABELLED else ""
    title = f"{PARTS[part.kind].partition(' (')[0].partition(':')[0]} {size(part.size_bytes)}"
    return element("i", text, class_=part.kind, style=f"width:{width:g}%", title=title)


def _band(where: Interval, whole: float) -> Html:
    """Return the band that a border lies in, nine times of ten."""
    left, right = _percent(where.low, whole), _percent(where.high, whole)
    if right - left < 0.1:  # noqa: PLR2004 - thinner than a pixel
        return NOTHING
    return element("u", style=f"left:{left}%;width:{_rounded(right - left)}%")


def _need(pool_end: float, needed: float, share: float) -> Html:
    left, right = _percent(pool_end - needed, share), _percent(pool_end, share)
    title = f"one full request {size(needed)}"
    return element("q", style=f"left:{left}%;width:{_rounded(right - left)}%", title=title)


def _axis(scale: float) -> Html:
    steps = [size(scale * quarter / _QUARTERS) for quarter in range(1, _QUARTERS)]
    unit = f"{scale / GIB:.1f} GiB"
    return element("div", *(element("i", text) for text in ("0", *steps, unit)), class_="ax")


def _percent(part: float, whole: float) -> float:
    """Return a share in percent, rounded down, so that the parts of a bar never outgrow it."""
    return math.floor(min(1.0, max(0.0, part / whole)) * 10_000) / 100 if whole > 0 else 0.0


def _rounded(percent: float) -> float:
    return math.floor(percent * 100) / 100
