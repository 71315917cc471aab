"""The command line of `vllm serve`, read back into flags and values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from infra.catalogue.flag_table import Option, Version, find_option, long_name

Value = str | int | float | bool
_STARTERS: Final = frozenset({"vllm", "serve", "python", "python3", "-m", "-u", "exec"})
_SUFFIX: Final = re.compile(r"(\d+(?:\.\d+)?)([kKmMgGtT])")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


@dataclass(frozen=True)
class CommandLine:
    """What stands behind `vllm serve`: `flags` by their long names without dashes, with all values of those that take
    several; `rest` is what can't be read.
    """

    model: str | None
    flags: dict[str, Value | tuple[str, ...]]
    rest: tuple[str, ...] = ()


def read_command_line(argv: Sequence[str], version: Version) -> CommandLine:
    """Read an engine's command line as a version of vLLM would, as far as its options are known."""
    words = list(argv)
    while words and (words[0].rpartition("/")[2] in _STARTERS or words[0].startswith("vllm.entrypoints")):
        words.pop(0)
    model: str | None = None
    flags: dict[str, Value | tuple[str, ...]] = {}
    rest: list[str] = []
    while words:
        word = words.pop(0)
        if not word.startswith("-") or _NUMBER.fullmatch(word):
            # Until 0.9 the model was named by --model alone; a word behind it is no model.
            model, extra = (word, None) if model is None and "model" not in flags else (model, word)
            rest += [extra] if extra is not None else []
            continue
        name, equals, given = word.lstrip("-").partition("=")
        name = name if word.startswith("--") else long_name(name) or name
        head, dot, tail = name.partition(".")
        head = head.replace("_", "-")
        found = find_option(head, version)
        values = [given] if equals else _taken(words, found[0] if found else None, dotted=bool(dot))
        flags[f"{head}{dot}{tail}"] = _value(found, values, dotted=bool(dot))
    return CommandLine(str(flags.pop("model")) if "model" in flags else model, flags, tuple(rest))


def _taken(words: list[str], option: Option | None, *, dotted: bool) -> list[str]:
    """Take a flag's values off the words that follow it."""
    if option is not None and option.type == "switch" and not dotted:
        # People write --enforce-eager true, which vLLM refuses; it is theirs to see, not a model's name.
        return []
    values: list[str] = []
    while words and (not words[0].startswith("-") or _NUMBER.fullmatch(words[0])):
        values.append(words.pop(0))
        if option is None or not option.several:
            break
    return values


def _value(found: tuple[Option, bool] | None, values: list[str], *, dotted: bool) -> Value | tuple[str, ...]:
    if not values:
        return True
    option = found[0] if found else None
    text = values[0]
    if option is None or dotted:
        return text
    if option.several:
        return tuple(values)
    if option.type == "integer" and re.fullmatch(r"-?\d+", text):
        return int(text)
    if option.type == "number" and _NUMBER.fullmatch(text):
        return float(text)
    return _size(text) if option.type == "size" else text


def _size(text: str) -> Value:
    """Return a number of vLLM's own writing: 32k is 32000, 32K is 32768."""
    match = _SUFFIX.fullmatch(text)
    if match is None:
        return int(text) if text.lstrip("-").isdigit() else text
    base = 1000 if match[2].islower() else 1024
    return int(float(match[1]) * base ** (" kmgt".index(match[2].lower())))
