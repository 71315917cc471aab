"""What a look at one container gives, and how two argument vectors are told apart."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from infra.drift.difference import Wins

Inspected = Mapping[str, Any]
Arguments = Mapping[str, Any]
# Aspect, declared, seen, and who wins.
Found = tuple[str, str, str, Wins]
NOTHING: Final = "-"
# What people write on command lines, and what mustn't be in a report.
_SECRET_FLAG: Final = re.compile(r"(?i)-.*(key|token|password|secret)\b(?!-)")
_SECRET_WORD: Final = re.compile(r"\b(sk-|hf_)[\w-]{8,}")


def apart(declared: Sequence[str], seen: Sequence[str]) -> tuple[str, str]:
    """Return what only one of two argument vectors has, flags with their values; … stands for what is alike or secret.

    Two vectors of the same words in another order are told in full.
    """
    wanted, there = list(_grouped(declared)), list(_grouped(seen))
    if sorted(wanted) == sorted(there):
        return _masked(declared), _masked(seen)
    return _shown(wanted, there), _shown(there, wanted)


def _grouped(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield flags together with the values behind them."""
    group: list[str] = []
    for word in words:
        if word.startswith("-") and group:
            yield tuple(group)
            group = []
        group.append(word)
    if group:
        yield tuple(group)


def _shown(one: list[tuple[str, ...]], other: list[tuple[str, ...]]) -> str:
    parts: list[str] = []
    for kind, start, end, _, _ in difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            parts += ["…"] if not parts or parts[-1] != "…" else []
        else:
            parts += [_masked(group) for group in one[start:end]]
    return " ".join(parts) if parts != ["…"] else NOTHING


def _masked(words: Sequence[str]) -> str:
    shown: list[str] = []
    for number, word in enumerate(words):
        name, sign, _ = word.partition("=")
        if number and _SECRET_FLAG.fullmatch(words[number - 1]):
            shown.append("…")
        elif sign and _SECRET_FLAG.fullmatch(name):
            shown.append(f"{name}=…")
        else:
            shown.append(_SECRET_WORD.sub("…", word))
    return " ".join(shown)
