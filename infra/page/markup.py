"""Elements of HTML in which every string is escaped, so that no name of a stack file can become markup."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from infra.interval import GIB, Interval


class Html(str):
    """Markup that is safe as it stands; any other string is escaped when it becomes part of an element."""

    __slots__ = ()


NOTHING = Html("")


def element(name: str, *children: str, **attributes: str | None) -> Html:
    """Return an element. An attribute that is None is left out; `class_` stands for class, `aria_label` for aria-label."""
    opening = [name]
    for key, value in attributes.items():
        if value is not None:
            opening.append(f'{key.rstrip("_").replace("_", "-")}="{escape(value)}"')
    return Html(f"<{' '.join(opening)}>{joined(children)}</{name}>")


def joined(parts: Iterable[str], separator: str = "") -> Html:
    """Return several parts as one."""
    return Html(separator.join(part if isinstance(part, Html) else escape(part) for part in parts))


def size(size_bytes: float) -> str:
    """Return bytes in GiB, as short as they can be told apart."""
    gib = size_bytes / GIB
    return f"{gib:.2f}" if abs(gib) < 1 else f"{gib:.1f}"


def bounds(interval: Interval, unit: float = GIB) -> str:
    """Return what an interval lies between; empty where there is no doubt worth a word."""
    low, high = f"{interval.low / unit:.1f}", f"{interval.high / unit:.1f}"
    return "" if low == high else f"{low} to {high}"


def count(number: int, what: str) -> str:
    """Return a number with its noun."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"
