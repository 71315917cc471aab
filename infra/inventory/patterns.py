"""Host patterns of an inventory: `gpu[01:16]`, `[a:c].example.com`, `web:2222`."""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import Final

MOST_HOSTS: Final = 4096
_RANGE: Final = r"\[(?:[0-9]*:[0-9]+|[A-Za-z]:[A-Za-z])(?::[0-9]+)?\]"
_WITH_PORT: Final = re.compile(r"((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)")
_BRACKETED: Final = re.compile(r"\[(.+)\]:([0-9]+)")
_HOST: Final = re.compile(rf"(?:\w|{_RANGE})(?:[\w.-]|{_RANGE})*(?<![_.-])")
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")
_HIGHEST_PORT: Final = 65535


class PatternError(ValueError):
    """A pattern that names no hosts; the text is `problem; fix`."""


def expand(pattern: str) -> tuple[list[str], int | None]:
    """Return the hosts that a pattern stands for and the port that it carries."""
    name, port = _split_port(pattern)
    names = [name]
    while any("[" in name for name in names):
        names = [one for name in names for one in (_expand_first(name) if "[" in name else [name])]
        if len(names) > MOST_HOSTS:
            raise _too_many()
    if not all(names) or name.endswith(":"):
        msg = f"{pattern!r} names no host; write a name before the colon and the port behind it"
        raise PatternError(msg)
    return names, port


def _split_port(pattern: str) -> tuple[str, int | None]:
    match = _BRACKETED.fullmatch(pattern) or _WITH_PORT.fullmatch(pattern)
    if not match or not (_HOST.fullmatch(match[1]) or _ADDRESS.fullmatch(match[1])):
        return pattern, None
    port = match[2].lstrip("0") or "0"
    if len(port) > len(str(_HIGHEST_PORT)) or not 1 <= int(port) <= _HIGHEST_PORT:
        msg = f"{match[2][:12]} is no port; write one of 1 to {_HIGHEST_PORT}"
        raise PatternError(msg)
    return match[1], int(port)


def _expand_first(name: str) -> list[str]:
    head, _, rest = name.partition("[")
    inside, closed, tail = rest.partition("]")
    bounds = inside.split(":")
    if not closed or len(bounds) not in {2, 3}:
        msg = f"{name!r} has a range that doesn't end; write it as in gpu[01:16] or gpu[1:9:2]"
        raise PatternError(msg)
    return [f"{head}{step}{tail}" for step in _steps(bounds[0], bounds[1], bounds[2] if bounds[2:] else "1")]


def _steps(first: str, last: str, step: str) -> Sequence[str]:
    wrong = PatternError(
        f"[{first}:{last}:{step}] is no range; write two numbers or two letters, as in [01:16] or [a:c]"
    )
    if not step.isascii() or not step.isdigit() or not step.strip("0"):
        raise wrong
    width = _step_width(step)
    letters = string.ascii_letters
    if len(first) == len(last) == 1 and first in letters and last in letters:
        chosen = letters[letters.index(first) : letters.index(last) + 1 : width]
        return _not_empty(list(chosen), first, last)
    first = first or "0"
    if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise wrong
    filled = len(first) if first[0] == "0" and len(first) > 1 else 0
    if filled and len(last) != filled:
        msg = f"[{first}:{last}] has ends of different length; write them alike, as in [01:16]"
        raise PatternError(msg)
    if max(len(first), len(last)) > len(str(MOST_HOSTS)) * 4:
        raise _too_many()
    numbers = range(int(first), int(last) + 1, width)
    if len(numbers) > MOST_HOSTS:
        raise _too_many()
    return _not_empty([str(number).zfill(filled) for number in numbers], first, last)


def _step_width(step: str) -> int:
    digits = step.lstrip("0")
    return int(digits) if len(digits) <= len(str(MOST_HOSTS)) else MOST_HOSTS


def _not_empty(names: list[str], first: str, last: str) -> list[str]:
    if not names:
        msg = f"[{first}:{last}] is empty: it ends before it begins; write the smaller end first"
        raise PatternError(msg)
    return names


def _too_many() -> PatternError:
    return PatternError(f"stands for more than {MOST_HOSTS} hosts; write a smaller range")
