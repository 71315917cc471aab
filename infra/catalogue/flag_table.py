"""Every option of `vllm serve`, by version: what it takes, since when and until when."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal

from infra.catalogue.versions import parse_version

_FILE: Final = Path(__file__).with_name("flags.json")
# vllm/utils/argparse_utils.py EnableDisableAction: from here on --disable-x is the opposite of --enable-x.
_PAIRS_SINCE: Final = (0, 33, 0)
# argparse_utils.human_readable_int: small letters are powers of 1000, capitals of 1024 and whole numbers only.
_SIZE: Final = re.compile(r"-?\d+|\d+(\.\d+)?[kmgt]|\d+[KMGT]")
# arg_utils.union_dict_and_str and _expand_json_human_readable_numbers.
_BRACED: Final = re.compile(r"\s*{.*}\s*", re.DOTALL)
_JSON_STRING: Final = re.compile(r'("(?:[^"\\]|\\.)*")')
_JSON_SUFFIX: Final = re.compile(r"\b(\d+(?:\.\d+)?)[kKmMgGtT]\b")
# Before, compilation-config was also a bare level. Since then options that are a section of its configuration are objects.
_OBJECTS_SINCE: Final = (0, 20, 0)
_AUTO_SINCE: Final = (0, 14, 0)
_INVERSES: Final = {"enable-": "disable-", "disable-": "enable-"}

Type = Literal["switch", "integer", "number", "size", "json", "text", "choice"]
Version = tuple[int, ...]


class Known(Enum):
    """Whether a version has something. Between two versions that were looked at, it can be doubtful."""

    YES = "yes"
    NOT_YET = "not yet"
    GONE = "gone"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True)
class Span:
    """The first and the last version that were seen to have something; None where the view ends."""

    since: Version | None = None
    until: Version | None = None

    def at(self, version: Version) -> Known:
        """Say whether `version` has it; versions newer than the newest known are judged as that one."""
        if self.since is not None and version < self.since:
            before = max((known for known in versions() if known < self.since), default=())
            return Known.DOUBTFUL if before < version else Known.NOT_YET
        if self.until is not None and version > self.until:
            after = min((known for known in versions() if known > self.until), default=None)
            return Known.DOUBTFUL if after is None or version < after else Known.GONE
        return Known.YES

    @property
    def first(self) -> str:
        """The first version as text."""
        return version_text(self.since) if self.since else f"{version_text(versions()[0])} or before"

    @property
    def last(self) -> str:
        """The last version as text."""
        return version_text(self.until) if self.until else version_text(versions()[-1])


@dataclass(frozen=True)
class Option:
    """One option as one version has it; `choices` are this version's own, empty where any text goes."""

    name: str
    type: Type
    span: Span
    negatable: bool
    several: bool
    or_text: bool
    is_object: bool
    choices: tuple[str, ...]
    default: Any

    def accepts(self, text: str, version: Version) -> bool:
        """Whether vLLM's parser takes this text as value; switches take none at all."""
        if self.type == "integer":
            return _is_number(text, int)
        if self.type == "number":
            return _is_number(text, float)
        if self.type == "size":
            auto = self.name == "max-model-len" and version >= _AUTO_SINCE and text.lower() == "auto"
            return auto or _SIZE.fullmatch(text) is not None
        if self.type == "json":
            return (self.or_text and not _BRACED.fullmatch(text)) or _is_json(text, is_object=self.is_object)
        return self.type != "choice" or text in self.choices

    @property
    def wanted(self) -> str:
        """What to write as its value, for a fix."""
        return {
            "switch": "write true, without quotes" + (", or false" if self.negatable else ", or remove it"),
            "integer": "write a whole number",
            "number": "write a number",
            "size": "write a whole number, or one with k, m, g (1000) or K, M, G (1024) behind it, as in 8k",
            "json": "write JSON in quotes, as in '{\"key\": 1}', or its dotted form",
            "text": "write a text",
            "choice": f"write one of: {', '.join(self.choices)}",
        }[self.type]


def version_text(version: Version) -> str:
    """Write a version as people do."""
    return ".".join(str(part) for part in version)


@cache
def versions() -> tuple[Version, ...]:
    """Return the versions that were looked at, oldest first."""
    return tuple(tuple(int(part) for part in text.split(".")) for text in _content()["versions"])


def is_newer_than_known(version: Version) -> bool:
    """Whether nothing is known of it yet: then an unknown name is only doubtful."""
    return version > versions()[-1]


@cache
def names_at(version: Version) -> tuple[str, ...]:
    """Return all options of a version, sorted; for the nearest name."""
    return tuple(name for name, entry in _content()["flags"].items() if _span(entry).at(version) is Known.YES)


def has_variable(name: str, version: str) -> bool:
    """Whether a version surely reads an environment variable; an unreadable version is taken for the newest."""
    parsed = parse_version(version)
    return name in environment_names(parsed if parsed is not None else versions()[-1])


@cache
def find_option(name: str, version: Version) -> tuple[Option, bool] | None:
    """Return the option that a flag names and whether the flag says its opposite; None for an unknown flag.

    An option that other versions have is found too: `span` says which.
    """
    flags = _content()["flags"]
    pair = _pair(name)
    own = name in flags and _span(flags[name]).at(version) is Known.YES
    if pair is not None and not own and version >= _PAIRS_SINCE and _is_switch(flags, pair):
        return _option(pair, flags[pair], version), True
    if name in flags:
        return _option(name, flags[name], version), False
    plain = name.removeprefix("no-")
    if plain != name and _is_switch(flags, plain):
        return _option(plain, flags[plain], version), True
    aliased = _aliases().get(name)
    return (_option(aliased, flags[aliased], version), False) if aliased else None


def long_name(short: str) -> str | None:
    """Return the option behind a short form such as `tp`; None for none."""
    return _shorts().get(short)


def environment_span(name: str) -> Span | None:
    """Return which versions read an environment variable of vLLM's own; None for an unknown one."""
    text = _content()["environment"].get(name)
    return None if text is None else _text_span(text)


@cache
def environment_names(version: Version) -> tuple[str, ...]:
    """Return vLLM's own environment variables of a version, sorted."""
    return tuple(name for name, text in _content()["environment"].items() if _text_span(text).at(version) is Known.YES)


@cache
def parser_names(kind: Literal["tool", "reasoning"], version: Version) -> tuple[str, ...]:
    """Return the parsers that a version brings along for tool calls or for reasoning."""
    known = _content()[f"{kind}_parsers"]
    return tuple(name for name, text in known.items() if _text_span(text).at(version) in (Known.YES, Known.DOUBTFUL))


def _option(name: str, entry: Mapping[str, Any], version: Version) -> Option:
    shape = next((old for old in entry.get("earlier", ()) if version <= (_version(old["until"]) or ())), entry)
    choices = entry.get("choices", {}) if shape["type"] == "choice" else {}
    taken = (Known.YES, Known.DOUBTFUL)
    return Option(
        name=name,
        type=shape["type"],
        span=_span(entry),
        negatable=bool(shape.get("negatable")),
        several=bool(entry.get("several")),
        or_text=bool(entry.get("or_text")),
        is_object=bool(entry.get("object")) and version >= _OBJECTS_SINCE,
        choices=tuple(choice for choice, text in choices.items() if _text_span(text).at(version) in taken),
        default=entry.get("default"),
    )


def _pair(name: str) -> str | None:
    for prefix, inverse in _INVERSES.items():
        if name.startswith(prefix):
            return inverse + name.removeprefix(prefix)
    return None


def _is_switch(flags: Mapping[str, Any], name: str) -> bool:
    return bool(flags.get(name, {}).get("negatable"))


def _span(entry: Mapping[str, Any]) -> Span:
    return Span(_version(entry.get("since")), _version(entry.get("until")))


def _text_span(text: str) -> Span:
    since, _, until = text.partition("..")
    return Span(_version(since), _version(until))


def _version(text: str | None) -> Version | None:
    return parse_version(text) if text else None


def _is_number(text: str, kind: type[int | float]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _is_json(text: str, *, is_object: bool) -> bool:
    if is_object:
        parts = _JSON_STRING.split(text)
        parts[::2] = [_JSON_SUFFIX.sub(r"\1", part) for part in parts[::2]]
        text = "".join(parts)
    try:
        value = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict) or not is_object


@cache
def _aliases() -> Mapping[str, str]:
    return {alias: name for name, entry in _content()["flags"].items() for alias in entry.get("aliases", ())}


@cache
def _shorts() -> Mapping[str, str]:
    return {short: name for name, entry in _content()["flags"].items() for short in entry.get("short", ())}


@cache
def _content() -> Mapping[str, Any]:
    content: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return content
